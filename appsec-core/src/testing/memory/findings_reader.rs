//! Reads findings page by page, with resume points and a coverage.

use serde::{Deserialize, Serialize};

use super::service::{KEY, Service, State, require};
use crate::{
    Batcher, BindTargetId, Capabilities, Coverage, CoverageGap, Error, ErrorKind, Finding, FindingBatch,
    FindingQuery, FindingScope, GapKind, PartitionKey, Progress, Result, ResumePoint, ScanStatus,
};

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cursor {
    edition: u64,
    offset: usize,
}

/// Reads the findings of a scope, page by page.
pub(super) struct FindingsReader {
    service: Service,
    query: FindingQuery,
    cursor: Option<Cursor>,
    coverage: Coverage,
    /// Why the whole coverage is inconclusive.
    inconclusive: Option<&'static str>,
    pub(super) all_read: bool,
}

impl FindingsReader {
    pub(super) fn new(service: Service, can: Capabilities, query: FindingQuery) -> Result<Self> {
        match &query.scope {
            FindingScope::Scan(_) => require(can.findings_by_scan, "findings by scan")?,
            FindingScope::Targets(_) => require(can.findings_by_target, "findings by target")?,
            FindingScope::All => require(can.findings_all, "all findings")?,
        }
        query.validate()?;
        let cursor = query.resume.as_ref().map(|point| point.state(KEY)).transpose()?;
        let inconclusive = query.inconclusive_reason();
        Ok(Self { service, query, cursor, coverage: Coverage::new(), inconclusive, all_read: false })
    }

    pub(super) fn next_batch(&mut self) -> Result<FindingBatch> {
        let service = self.service.clone();
        let mut state = service.request()?;
        let mut cursor = self.cursor.unwrap_or(Cursor { edition: state.edition, offset: 0 });
        if cursor.edition != state.edition {
            return Err(Error::new(ErrorKind::ResumeExpired, "the findings were edited; start over"));
        }
        let targets = self.targets(&mut state)?;
        if let Some(target) = state.unreadable.as_ref().filter(|target| targets.contains(target)) {
            let gap = CoverageGap::new(GapKind::Record, "a finding cannot be read").with_path("findings[0]");
            self.coverage.add_gap(gap.with_partition(target.as_str()));
        }
        let is_by_target = matches!(self.query.scope, FindingScope::Targets(_));
        let everything = self.query.scope == FindingScope::All
            || (is_by_target && self.query.other_targets && state.coarse_answers);
        let mut batch = Batcher::new();
        while let Some(finding) = state.findings.get(cursor.offset) {
            let in_scope = everything || finding.targets.iter().any(|target| targets.contains(target));
            if in_scope && self.query.matches(finding) {
                let finding = self.delivered(finding);
                if batch.is_full_for(&finding) {
                    break;
                }
                self.coverage.mark_conclusive(finding.partition.clone());
                batch.push(finding);
            }
            cursor.offset += 1;
        }
        self.cursor = Some(cursor);
        self.all_read = cursor.offset >= state.findings.len();
        Ok(FindingBatch::new(batch.take(), ResumePoint::new(KEY, &cursor)?)
            .with_gaps(self.coverage.gaps().to_vec())
            .with_progress(Progress::new(cursor.offset as u64, Some(state.findings.len() as u64))))
    }

    /// The targets of the scope. Each one is marked as examined; one that does not exist is a gap.
    fn targets(&mut self, state: &mut State) -> Result<Vec<BindTargetId>> {
        let targets = match &self.query.scope {
            FindingScope::All => state.targets.iter().map(|target| target.id.clone()).collect(),
            FindingScope::Targets(ids) => ids.clone(),
            FindingScope::Scan(id) => {
                let scan = state.scan(id)?;
                if scan.status != ScanStatus::Completed {
                    self.inconclusive = Some("the scan has not completed");
                }
                scan.target.iter().cloned().collect()
            }
        };
        for id in &targets {
            match state.target(id) {
                Ok(_) => self.coverage.mark_conclusive(PartitionKey::new(id.as_str())),
                Err(missing) => {
                    let gap = CoverageGap::new(GapKind::TargetMissing, missing.message());
                    self.coverage.add_gap(gap.with_partition(id.as_str()));
                }
            }
        }
        Ok(targets)
    }

    fn delivered(&self, finding: &Finding) -> Finding {
        let mut delivered = finding.clone();
        delivered.raw = self.query.raw.then(|| serde_json::to_value(finding).unwrap_or_default());
        if !self.query.unmasked {
            delivered.mask_evidence();
        }
        delivered
    }

    pub(super) fn finish(mut self) -> Coverage {
        if let Some(reason) = self.inconclusive {
            self.coverage.mark_all_inconclusive(reason);
        }
        self.coverage
    }
}
