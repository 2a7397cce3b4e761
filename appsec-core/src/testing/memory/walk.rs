//! The walk over findings: pages, resume points, coverage.

use serde::{Deserialize, Serialize};

use super::{KEY, MemoryScanner, State, able};
use crate::{
    Batcher, BindTargetId, Coverage, CoverageGap, Error, ErrorKind, Finding, FindingBatch, FindingQuery,
    FindingScope, GapKind, PartitionKey, Progress, Result, ResumePoint, ScanStatus,
};

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cursor {
    edition: u64,
    offset: usize,
}

/// A walk over the findings of a scope, page by page.
pub(super) struct Walk {
    scanner: MemoryScanner,
    query: FindingQuery,
    cursor: Option<Cursor>,
    coverage: Coverage,
    /// Why silence proves nothing.
    silence: Option<&'static str>,
    pub(super) all_read: bool,
}

impl Walk {
    pub(super) fn new(scanner: MemoryScanner, query: FindingQuery) -> Result<Self> {
        let can = scanner.info.capabilities;
        match &query.scope {
            FindingScope::Scan(_) => able(can.findings_by_scan, "findings by scan")?,
            FindingScope::Targets(_) => able(can.findings_by_target, "findings by target")?,
            FindingScope::All => able(can.findings_all, "all findings")?,
        }
        query.validate()?;
        let cursor = query.resume.as_ref().map(|point| point.state(KEY)).transpose()?;
        let silence = query.inconclusive_reason();
        Ok(Self { scanner, query, cursor, coverage: Coverage::new(), silence, all_read: false })
    }

    pub(super) fn page(&mut self) -> Result<FindingBatch> {
        let scanner = self.scanner.clone();
        let mut state = scanner.request()?;
        let mut cursor = self.cursor.unwrap_or(Cursor { edition: state.edition, offset: 0 });
        if cursor.edition != state.edition {
            return Err(Error::new(ErrorKind::ResumeExpired, "the findings were edited; start over"));
        }
        let targets = self.targets(&mut state)?;
        if let Some(target) = state.unreadable.as_ref().filter(|target| targets.contains(target)) {
            let gap = CoverageGap::new(GapKind::Record, "a finding cannot be read").with_path("findings[0]");
            self.coverage.add_gap(gap.with_partition(target.as_str()));
        }
        let everything = self.query.scope == FindingScope::All;
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

    /// The targets of the scope, noted as looked at; those that do not exist are gaps.
    fn targets(&mut self, state: &mut State) -> Result<Vec<BindTargetId>> {
        let targets = match &self.query.scope {
            FindingScope::All => state.targets.iter().map(|target| target.id.clone()).collect(),
            FindingScope::Targets(ids) => ids.clone(),
            FindingScope::Scan(id) => {
                let scan = state.scan(id)?;
                if scan.status != ScanStatus::Completed {
                    self.silence = Some("the scan has not completed");
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

    pub(super) fn end(mut self) -> Coverage {
        if let Some(reason) = self.silence {
            self.coverage.mark_all_inconclusive(reason);
        }
        self.coverage
    }
}
