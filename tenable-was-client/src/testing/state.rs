//! What a fake knows while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::Timestamp;

use super::calls::Call;
use super::config_writes::Write;
use super::exports::{ExportScript, Job};
use super::faults::Faults;
use super::ids::uuid_of;
use super::lifecycle::{Run, ScanScript};
use super::plugins::FakePlugin;
use super::world::Tenant;

/// Whether the customer may use web application scanning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Licence {
    /// It may.
    #[default]
    Active,
    /// It could once; the licence names a date in the past.
    Expired,
    /// It never could; the licence does not name the product.
    Absent,
}

/// What a builder decides.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) role: u32,
    pub(super) licence: Licence,
    pub(super) by_targets: bool,
    pub(super) scan_script: ScanScript,
    pub(super) export_script: ExportScript,
    pub(super) assets_per_chunk: Option<usize>,
    pub(super) max_active_scans: usize,
    pub(super) report_polls: u32,
    pub(super) write_looks: u32,
    pub(super) wrapped_user_templates: bool,
    pub(super) latency: Duration,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) tenant: Tenant,
    pub(super) runs: Vec<Run>,
    pub(super) jobs: Vec<Job>,
    pub(super) writes: Vec<Write>,
    /// The configurations of which a scan was deleted, which does not come back.
    pub(super) pruned: BTreeSet<String>,
    /// Scripts of the exports to come, before the usual one.
    pub(super) next_exports: Vec<ExportScript>,
    pub(super) faults: Faults,
    pub(super) calls: Vec<Call>,
    pub(super) base_url: String,
    clock: Clock,
    ids: u64,
}

/// A clock that starts where it is told, runs like any other, and can be put forward.
#[derive(Debug)]
struct Clock {
    start: Timestamp,
    since: Instant,
    ahead: Duration,
}

impl State {
    pub(super) fn new(settings: Settings, tenant: Tenant, now: Timestamp) -> Self {
        let clock = Clock { start: now, since: Instant::now(), ahead: Duration::ZERO };
        let mut state = Self {
            settings,
            tenant: Tenant::default(),
            runs: Vec::new(),
            jobs: Vec::new(),
            writes: Vec::new(),
            pruned: BTreeSet::new(),
            next_exports: Vec::new(),
            faults: Faults::default(),
            calls: Vec::new(),
            base_url: String::new(),
            clock,
            ids: 0,
        };
        state.set_tenant(tenant);
        state
    }

    /// Forgets every scan and export, and holds this tenant from now on.
    pub(super) fn set_tenant(&mut self, tenant: Tenant) {
        self.tenant = tenant;
        self.runs.clear();
        self.jobs.clear();
        self.writes.clear();
        self.pruned.clear();
        self.seed_runs();
    }

    /// Gives every configuration that has none yet the scans it is said to have run.
    pub(super) fn seed_runs(&mut self) {
        for config in &self.tenant.configs {
            let has_none = self.runs.iter().all(|run| run.config_id != config.id);
            if has_none && !self.pruned.contains(&config.id) {
                self.runs.extend(Run::past(config));
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.clock.since.elapsed().saturating_add(self.clock.ahead);
        self.clock.start.checked_add(ahead).unwrap_or(self.clock.start)
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.clock.ahead = self.clock.ahead.saturating_add(by);
    }

    /// A UUID that nothing else has; the same in every run of the same test.
    pub(super) fn new_id(&mut self, kind: &str) -> String {
        self.ids += 1;
        uuid_of(&["new", kind, &self.ids.to_string()])
    }

    /// Every plugin, those of findings included, by number.
    pub(super) fn plugins(&self) -> Vec<Arc<FakePlugin>> {
        let of_findings = self.tenant.findings().map(|finding| &finding.plugin);
        let all = self.tenant.plugins.iter().chain(of_findings);
        let by_id: BTreeMap<_, _> = all.map(|plugin| (plugin.id, Arc::clone(plugin))).collect();
        by_id.into_values().collect()
    }
}
