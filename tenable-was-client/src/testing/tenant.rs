//! The data of a fake: configurations, their targets, and the findings of each.
//!
//! Every route derives its own form from this one model. A weakness that the report shows and the export
//! does not is therefore a difference of the routes and never of the data.

pub(crate) mod application;
pub(crate) mod config;
pub(crate) mod dates;
pub(crate) mod finding;
pub(crate) mod folder;
pub(crate) mod ids;
pub(crate) mod plugin;
pub(crate) mod scan;
pub(crate) mod scan_script;
pub(crate) mod settings;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod user_template;

use std::sync::Arc;

use appsec_core::Timestamp;

use crate::testing::tenant::application::FakeApplication;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::folder::FakeFolder;
use crate::testing::tenant::plugin::FakePlugin;
use crate::testing::tenant::target::FakeTarget;
use crate::testing::tenant::template::FakeTemplate;
use crate::testing::tenant::user_template::FakeUserTemplate;

/// The data of one tenant.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Tenant {
    /// Its scan configurations.
    pub configs: Vec<FakeConfig>,
    /// Plugins without findings. Those of findings need not be listed.
    pub plugins: Vec<Arc<FakePlugin>>,
    /// The scan templates. Default: the five documented ones and the two observed ones.
    pub templates: Vec<FakeTemplate>,
    /// The user templates.
    pub user_templates: Vec<FakeUserTemplate>,
    /// The folders that the caller sees.
    pub folders: Vec<FakeFolder>,
    /// The applications that were added. Targets of configurations need not be listed here.
    pub applications: Vec<FakeApplication>,
}

impl Tenant {
    /// A tenant with the usual templates and nothing else.
    pub fn new() -> Self {
        Self { templates: FakeTemplate::usual(), ..Self::default() }
    }

    /// Adds a configuration.
    pub fn with_config(mut self, config: FakeConfig) -> Self {
        self.configs.push(config);
        self
    }

    /// Adds a user template.
    pub fn with_user_template(mut self, template: FakeUserTemplate) -> Self {
        self.user_templates.push(template);
        self
    }

    /// Adds a folder.
    pub fn with_folder(mut self, folder: FakeFolder) -> Self {
        self.folders.push(folder);
        self
    }

    /// Every finding of every target.
    pub fn findings(&self) -> impl Iterator<Item = &FakeFinding> {
        self.targets().flat_map(|target| &target.findings)
    }

    /// Every finding of every target, to be changed.
    pub fn findings_mut(&mut self) -> impl Iterator<Item = &mut FakeFinding> {
        let targets = self
            .configs
            .iter_mut()
            .flat_map(|config| config.targets.iter_mut().chain(&mut config.former_targets));
        targets.flat_map(|target| &mut target.findings)
    }

    /// Every target, those that were taken out of their configuration included.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &FakeTarget> {
        self.configs.iter().flat_map(|config| config.targets.iter().chain(&config.former_targets))
    }

    /// The configuration with that id.
    pub fn config(&self, id: &str) -> Option<&FakeConfig> {
        self.configs.iter().find(|config| config.id == id)
    }

    /// The configuration with that id, to be changed.
    pub fn config_mut(&mut self, id: &str) -> Option<&mut FakeConfig> {
        self.configs.iter_mut().find(|config| config.id == id)
    }

    /// Shifts every date by that many seconds.
    pub(crate) fn shift(&mut self, seconds: i64) {
        let by = |at: &mut Timestamp| {
            let moved = at.as_second().saturating_add(seconds);
            *at = Timestamp::from_second(moved).unwrap_or(*at);
        };
        for finding in self.findings_mut() {
            by(&mut finding.first_found);
            by(&mut finding.last_found);
            finding.last_fixed.as_mut().map(by);
        }
        for template in &mut self.user_templates {
            by(&mut template.created_at);
            by(&mut template.updated_at);
        }
        for config in &mut self.configs {
            by(&mut config.created_at);
            by(&mut config.updated_at);
            config.scans.iter_mut().for_each(|scan| by(&mut scan.created_at));
        }
    }
}
