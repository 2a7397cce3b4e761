//! The state of a running fake.

pub(crate) mod config_change;
pub(crate) mod export_job;
pub(crate) mod export_script;
pub(crate) mod scan_run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::Timestamp;

use crate::testing::state::config_change::ConfigChange;
use crate::testing::state::export_job::Job;
use crate::testing::state::export_script::ExportScript;
use crate::testing::state::scan_run::ScanRun;
use crate::testing::tenant::Tenant;
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::plugin::FakePlugin;
use crate::testing::tenant::scan_script::ScanScript;

/// Whether the tenant is licensed for web application scanning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Licence {
    /// Licensed.
    #[default]
    Active,
    /// The licence has expired.
    Expired,
    /// The licence does not contain the product.
    Absent,
}

/// The settings that a builder sets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) role: u32,
    pub(crate) licence: Licence,
    pub(crate) by_targets: bool,
    pub(crate) scan_script: ScanScript,
    pub(crate) export_script: ExportScript,
    pub(crate) assets_per_chunk: Option<usize>,
    pub(crate) exports_name_parents: bool,
    pub(crate) max_active_scans: usize,
    pub(crate) report_polls: u32,
    pub(crate) write_looks: u32,
    pub(crate) wrapped_user_templates: bool,
    pub(crate) latency: Duration,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) tenant: Tenant,
    pub(crate) runs: Vec<ScanRun>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) writes: Vec<ConfigChange>,
    /// The configurations with a deleted scan. Their past scans are not created again.
    pub(crate) pruned: BTreeSet<String>,
    /// The scripts of the next exports. Afterwards the default script applies.
    pub(crate) next_exports: Vec<ExportScript>,
    pub(crate) base_url: String,
    clock: Clock,
    ids: u64,
}

/// A clock that starts at a given time and can be advanced.
#[derive(Debug)]
struct Clock {
    start: Timestamp,
    since: Instant,
    ahead: Duration,
}

impl State {
    pub(crate) fn new(settings: Settings, tenant: Tenant, now: Timestamp) -> Self {
        let clock = Clock { start: now, since: Instant::now(), ahead: Duration::ZERO };
        let mut state = Self {
            settings,
            tenant: Tenant::default(),
            runs: Vec::new(),
            jobs: Vec::new(),
            writes: Vec::new(),
            pruned: BTreeSet::new(),
            next_exports: Vec::new(),
            base_url: String::new(),
            clock,
            ids: 0,
        };
        state.set_tenant(tenant);
        state
    }

    /// Replaces the tenant and drops every scan and export.
    pub(crate) fn set_tenant(&mut self, tenant: Tenant) {
        self.tenant = tenant;
        self.runs.clear();
        self.jobs.clear();
        self.writes.clear();
        self.pruned.clear();
        self.seed_runs();
    }

    /// Creates the past scans of every configuration that has none yet.
    pub(crate) fn seed_runs(&mut self) {
        for config in &self.tenant.configs {
            let has_none = self.runs.iter().all(|run| run.config_id != config.id);
            if has_none && !self.pruned.contains(&config.id) {
                self.runs.extend(ScanRun::past(config));
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let ahead = self.clock.since.elapsed().saturating_add(self.clock.ahead);
        self.clock.start.checked_add(ahead).unwrap_or(self.clock.start)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.clock.ahead = self.clock.ahead.saturating_add(by);
    }

    /// A unique UUID; the same in every run of the same test.
    pub(crate) fn new_id(&mut self, kind: &str) -> String {
        self.ids += 1;
        uuid_of(&["new", kind, &self.ids.to_string()])
    }

    /// Every plugin, those of findings included, by number.
    pub(crate) fn plugins(&self) -> Vec<Arc<FakePlugin>> {
        let of_findings = self.tenant.findings().map(|finding| &finding.plugin);
        let all = self.tenant.plugins.iter().chain(of_findings);
        let by_id: BTreeMap<_, _> = all.map(|plugin| (plugin.id, Arc::clone(plugin))).collect();
        by_id.into_values().collect()
    }
}
