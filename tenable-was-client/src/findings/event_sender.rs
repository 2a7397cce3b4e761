//! The sending side of a stream of findings: batches, then the end with its coverage.

use appsec_core::{
    Batcher, Coverage, Finding, FindingBatch, FindingEvent, Progress, Result, ResumePoint, StreamSender,
    UnknownValues,
};

/// Sends the events of one read, and collects its coverage.
#[derive(Debug)]
pub(super) struct EventSender {
    sender: StreamSender<FindingEvent>,
    pub(super) coverage: Coverage,
    pub(super) unknown: UnknownValues,
    /// The number of records received so far.
    pub(super) records: u64,
}

impl EventSender {
    pub(super) fn new(sender: StreamSender<FindingEvent>) -> Self {
        Self { sender, coverage: Coverage::new(), unknown: UnknownValues::new(), records: 0 }
    }

    /// Sends a batch with the gaps found so far.
    pub(super) async fn send_batch(
        &self,
        findings: Vec<Finding>,
        resume: ResumePoint,
        total: Option<u64>,
    ) -> Result<()> {
        let batch = FindingBatch::new(findings, resume)
            .with_gaps(self.coverage.gaps().to_vec())
            .with_progress(Progress::new(self.records, total));
        self.sender.send(FindingEvent::Batch(batch)).await
    }

    /// Sends the end. With an `inconclusive_reason`, absence is inconclusive in every partition.
    pub(super) async fn send_end(mut self, inconclusive_reason: Option<&str>) -> Result<()> {
        if let Some(reason) = inconclusive_reason {
            self.coverage.mark_all_inconclusive(reason);
        }
        let coverage = self.coverage.with_unknown(self.unknown);
        self.sender.send(FindingEvent::End(coverage)).await
    }
}

/// Adds a finding to a batch. Returns the batch before it if the finding does not fit into that one any
/// more.
pub(super) fn push_finding(batcher: &mut Batcher, finding: Finding) -> Option<Vec<Finding>> {
    let full = batcher.is_full_for(&finding).then(|| batcher.take());
    batcher.push(finding);
    full
}
