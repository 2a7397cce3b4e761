//! A scan while the fake runs: its status, its findings, and what remains of its script.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use appsec_core::Timestamp;

use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::scan::{FakeNote, FakeScan};
use crate::testing::tenant::scan_script::ScanScript;
use crate::testing::tenant::target::FakeTarget;

/// A scan that was launched, or a past scan of the tenant's data.
#[derive(Debug, Clone)]
pub(crate) struct ScanRun {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) config_id: String,
    /// URL and asset id; `None` for a parent.
    pub(crate) target: Option<(String, String)>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finalized_at: Option<Timestamp>,
    pub(crate) action: String,
    pub(crate) status: String,
    pub(crate) notes: Vec<FakeNote>,
    pub(crate) findings: Vec<FakeFinding>,
    pub(crate) has_metadata: bool,
    pub(crate) hidden_polls: u32,
    pub(crate) report_polls: u32,
    /// The content types in which its report was requested.
    pub(crate) asked: BTreeSet<&'static str>,
    pub(crate) script: ScanScript,
    pub(crate) remaining: VecDeque<String>,
    /// The statuses that follow after a pause.
    pub(crate) held: VecDeque<String>,
    pub(crate) running_seen: usize,
}

/// Whether the status is one of the three final ones.
pub(crate) fn is_ended(status: &str) -> bool {
    matches!(status, "completed" | "canceled" | "aborted")
}

impl ScanRun {
    pub(crate) fn new(id: String, config_id: &str, created_at: Timestamp) -> Self {
        Self {
            id,
            parent: None,
            config_id: config_id.to_owned(),
            target: None,
            created_at,
            updated_at: created_at,
            started_at: None,
            finalized_at: None,
            action: "start".to_owned(),
            status: String::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            has_metadata: true,
            hidden_polls: 0,
            report_polls: 0,
            asked: BTreeSet::new(),
            script: ScanScript::default(),
            remaining: VecDeque::new(),
            held: VecDeque::new(),
            running_seen: 0,
        }
    }

    pub(crate) fn for_target(mut self, target: &FakeTarget) -> Self {
        self.target = Some((target.url.clone(), target.asset_id.clone()));
        self
    }

    pub(crate) fn child(&self, target: &FakeTarget) -> Self {
        let id = uuid_of(&["child", &self.id, &target.url]);
        let child = Self::new(id, &self.config_id, self.created_at).for_target(target);
        Self { parent: Some(self.id.clone()), has_metadata: self.has_metadata, ..child }
    }

    /// The past scans of a configuration, children after their parents.
    pub(crate) fn past(config: &FakeConfig) -> Vec<Self> {
        let mut runs = Vec::new();
        for (number, scan) in config.scans.iter().enumerate() {
            let id = uuid_of(&["scan", &config.id, &number.to_string()]);
            let mut run = Self::new(id, &config.id, scan.created_at);
            run.has_metadata = scan.has_metadata;
            if let [target] = config.targets.as_slice() {
                run = run.for_target(target);
                run.has_run(scan, Some(target));
                runs.push(run);
            } else {
                let children = config.targets.iter().map(|target| {
                    let mut child = run.child(target);
                    child.has_run(scan, Some(target));
                    child
                });
                let children: Vec<_> = children.collect();
                run.has_run(scan, None);
                runs.push(run);
                runs.extend(children);
            }
        }
        runs
    }

    pub(crate) fn has_run(&mut self, scan: &FakeScan, target: Option<&FakeTarget>) {
        (self.status, self.notes) = (scan.status.clone(), scan.notes.clone());
        let mut limit = scan.limit.unwrap_or(usize::MAX);
        if let Some((status, notes)) = target.and_then(|target| target.outcome.clone()) {
            (self.status, self.notes) = (status, notes);
            // A scan that did not complete keeps the findings up to its end.
            limit = limit.min(target.map_or(0, |target| target.findings.len() / 2));
        }
        let after = |time| self.created_at.checked_add(time).unwrap_or(self.created_at);
        let (started, finalized) = (after(Duration::from_secs(118)), after(scan.took));
        if scan.has_metadata {
            self.started_at = Some(started);
        }
        if is_ended(&self.status) {
            (self.updated_at, self.finalized_at) = (finalized, Some(finalized));
        }
        let saw = |finding: &&FakeFinding| {
            finding.visible || finding.last_fixed.is_some_and(|fixed| fixed > finalized)
        };
        let findings = target.map(|target| &target.findings).into_iter().flatten().filter(saw);
        self.findings = findings.take(limit).cloned().collect();
    }
}
