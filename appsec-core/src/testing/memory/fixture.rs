//! The scanner as its own fixture.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::scanner::MemoryScanner;
use super::service::State;
use crate::testing::{Dataset, Fault, Fixture, Seeded};
use crate::{BindTarget, BindTargetId, DastApiScanner, EvidenceKind, Result, ScanStatus};

#[async_trait]
impl Fixture for MemoryScanner {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::new(self.clone())
    }

    async fn seed(&self, dataset: &Dataset) -> Result<Option<Seeded>> {
        let mut state = self.service.lock();
        *state = State {
            edition: state.edition + 1,
            requests: state.requests,
            coarse_answers: state.coarse_answers,
            ..State::default()
        };
        let mut seeded = Seeded::new();
        for target in &dataset.targets {
            let id = BindTargetId::from_parts("app", &target.name);
            seeded = seeded.with_target(&target.name, id.clone());
            state.targets.push(BindTarget::new(id.clone(), &target.name).with_can_start(true));
            for (second, record) in (1_767_225_600..).zip(&target.findings) {
                let url = format!("https://{}{}", target.name, record.path);
                let mut finding = Self::finding(id.clone(), &record.rule, record.severity.clone(), &url);
                finding.status = Some(record.status.clone());
                finding.last_seen = Timestamp::from_second(second).ok();
                finding.push_evidence(EvidenceKind::Request, Some(&record.evidence));
                state.findings.push(finding);
            }
            if self.info().capabilities.scans {
                seeded = seeded.with_scan(&target.name, state.add_scan(&id, ScanStatus::Completed).id);
            }
        }
        Ok(Some(seeded))
    }

    async fn requests(&self) -> Option<u64> {
        Some(self.service.lock().requests)
    }

    async fn break_with(&self, fault: Fault) -> bool {
        let mut state = self.service.lock();
        if fault == Fault::BadRecord {
            state.unreadable = state.targets.first().map(|target| target.id.clone());
        } else {
            state.fault = Some(fault);
        }
        true
    }
}
