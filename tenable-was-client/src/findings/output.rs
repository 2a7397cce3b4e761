//! What both routes do with a finding before it goes out.

use std::sync::Arc;

use appsec_core::{
    Batcher, Coverage, CoverageGap, Error, Finding, FindingBatch, FindingEvent, FindingQuery, GapKind,
    PartitionKey, Progress, Result, ResumePoint, UnknownWords, mask,
};
use serde_json::Value;

use super::emit::Emit;
use crate::model::Extra;

/// What of a query concerns a single finding.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    query: Arc<FindingQuery>,
}

impl Wanted {
    pub(crate) fn new(query: &FindingQuery) -> Self {
        Self { query: Arc::new(query.clone()) }
    }

    /// The finding as it goes out; `None` where the query does not ask for it. `record` is its JSON.
    pub(crate) fn finish(&self, mut finding: Finding, record: &[u8]) -> Option<Finding> {
        if !self.query.admits(&finding) {
            return None;
        }
        if self.query.raw {
            finding.raw = serde_json::from_slice::<Value>(record).ok();
        }
        if !self.query.unmasked {
            finding.mask_evidence();
        }
        Some(finding)
    }
}

/// A record that could not be decoded, as a gap.
pub(crate) fn bad_record(error: &Error, place: &str, partition: Option<&PartitionKey>) -> CoverageGap {
    // The decoder may quote a value of the record.
    let message = format!("a record of {place} could not be decoded: {}", mask(error.message()));
    let gap = CoverageGap::new(GapKind::Record, message).with_path(error.path().unwrap_or("?"));
    match partition {
        Some(partition) => gap.with_partition(partition.clone()),
        None => gap,
    }
}

/// Counts what of a finding is not known.
pub(crate) fn count_unknown(unknown: &mut UnknownWords, finding: &Finding, record: &str, extra: &Extra) {
    if finding.severity.is_unknown() {
        unknown.word("severity", finding.severity.as_str());
    }
    if let Some(status) = finding.status.as_ref().filter(|status| status.is_unknown()) {
        unknown.word("state", status.as_str());
    }
    count_fields(unknown, record, extra);
}

/// Counts the fields of a record that are not known.
pub(crate) fn count_fields(unknown: &mut UnknownWords, record: &str, extra: &Extra) {
    for (name, _) in extra.iter() {
        unknown.field(&format!("{record}.{name}"));
    }
}

/// Adds one count to another.
pub(crate) fn add_unknown(to: &mut UnknownWords, from: &UnknownWords) {
    for (what, times) in from.iter() {
        for _ in 0..times {
            to.field(what);
        }
    }
}

/// The way out of one walk: batches, then the end.
#[derive(Debug)]
pub(crate) struct Output {
    emit: Emit<FindingEvent>,
    pub(crate) coverage: Coverage,
    pub(crate) unknown: UnknownWords,
    pub(crate) records: u64,
}

impl Output {
    pub(crate) fn new(emit: Emit<FindingEvent>) -> Self {
        Self { emit, coverage: Coverage::new(), unknown: UnknownWords::new(), records: 0 }
    }

    /// Hands out a batch with the gaps so far.
    pub(crate) async fn batch(
        &self,
        findings: Vec<Finding>,
        resume: ResumePoint,
        total: Option<u64>,
    ) -> Result<()> {
        let batch = FindingBatch::new(findings, resume)
            .with_gaps(self.coverage.gaps().to_vec())
            .with_progress(Progress::new(self.records, total));
        self.emit.send(FindingEvent::Batch(batch)).await
    }

    /// Hands out the end. `silence` is why nothing follows from it, whatever the partitions say.
    pub(crate) async fn end(mut self, silence: Option<&str>) -> Result<()> {
        if let Some(reason) = silence {
            self.coverage.mark_all_inconclusive(reason);
        }
        let coverage = self.coverage.with_unknown(self.unknown);
        self.emit.send(FindingEvent::End(coverage)).await
    }
}

/// Adds a finding to a batch; gives the full batch that it did not fit into.
pub(crate) fn collect(batcher: &mut Batcher, finding: Finding) -> Option<Vec<Finding>> {
    let full = batcher.is_full_for(&finding).then(|| batcher.take());
    batcher.push(finding);
    full
}
