//! What a fake holds: configurations, their targets, and the findings of each, told once.
//!
//! Every route makes its own shape of this one model, so a weakness that the report shows and the export does not is a
//! difference of the routes and never of the data.

use std::sync::Arc;
use std::time::Duration;

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

use super::applications::FakeApplication;
use super::configs::settings;
use super::finding::FakeFinding;
use super::folders::FakeFolder;
use super::ids::{hash, uuid_of};
use super::lifecycle::ScanScript;
use super::plugins::FakePlugin;
use super::templates::FakeTemplate;
use super::user_templates::FakeUserTemplate;

/// The moment at which a fake's clock starts unless told otherwise: 15 October 2026, 12:00 UTC, in Unix seconds.
pub const DEFAULT_NOW: i64 = 1_792_065_600;

/// So many days before [`DEFAULT_NOW`].
pub fn days_ago(days: u32) -> Timestamp {
    hours_ago(days.saturating_mul(24))
}

/// So many hours before [`DEFAULT_NOW`].
pub fn hours_ago(hours: u32) -> Timestamp {
    Timestamp::from_second(DEFAULT_NOW - i64::from(hours) * 3600).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Everything that belongs to one customer of the fake.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Tenant {
    /// Its scan configurations.
    pub configs: Vec<FakeConfig>,
    /// Plugins that no finding names; those of findings need not be listed.
    pub plugins: Vec<Arc<FakePlugin>>,
    /// The scan templates; the five documented ones and the two observed ones unless told otherwise.
    pub templates: Vec<FakeTemplate>,
    /// The templates that users made.
    pub user_templates: Vec<FakeUserTemplate>,
    /// The folders that the caller sees.
    pub folders: Vec<FakeFolder>,
    /// The applications that were added. What configurations scan need not be among them.
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

    /// Adds a template that a user made.
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
        let targets = self.configs.iter_mut().flat_map(|config| &mut config.targets);
        targets.flat_map(|target| &mut target.findings)
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &FakeTarget> {
        self.configs.iter().flat_map(|config| &config.targets)
    }

    /// The configuration with that id.
    pub fn config(&self, id: &str) -> Option<&FakeConfig> {
        self.configs.iter().find(|config| config.id == id)
    }

    /// The configuration with that id, to be changed.
    pub fn config_mut(&mut self, id: &str) -> Option<&mut FakeConfig> {
        self.configs.iter_mut().find(|config| config.id == id)
    }

    /// Moves every date by so many seconds.
    pub(super) fn shift(&mut self, seconds: i64) {
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

/// A scan configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeConfig {
    /// Its id, a UUID; made from the name unless told otherwise.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A word on it.
    pub description: Option<String>,
    /// What it scans; more than one makes its scans parents with children.
    pub targets: Vec<FakeTarget>,
    /// The name of its template.
    pub template: String,
    /// Id and name of the user template it was made from.
    pub user_template: Option<(String, String)>,
    /// The name of the folder it lies in.
    pub folder: Option<String>,
    /// Its schedule; `null` for on demand.
    pub schedule: Value,
    /// As the service sends it: a number, a numeric string, or `null`.
    pub scanner_id: Value,
    /// What the caller may do with it: `no_access`, `view`, `control` or `configure`.
    pub user_permissions: String,
    /// True when it lies in the trash; it is listed all the same.
    pub in_trash: bool,
    /// True when an import made it.
    pub imported: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How it scans.
    pub settings: Value,
    /// What else was said when it was made, as permissions, notifications and windows; shown with its details.
    pub members: Map<String, Value>,
    /// The scans it has run already, oldest first.
    pub scans: Vec<FakeScan>,
    /// How its coming scans go; the fake's usual way unless told otherwise.
    pub script: Option<ScanScript>,
}

impl FakeConfig {
    /// A configuration that scans nothing yet, and has run once and completed.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: uuid_of(&["config", &name]),
            name,
            description: None,
            targets: Vec::new(),
            template: "scan".to_owned(),
            user_template: None,
            folder: None,
            schedule: Value::Null,
            scanner_id: Value::Null,
            user_permissions: "configure".to_owned(),
            in_trash: false,
            imported: false,
            created_at: days_ago(200),
            updated_at: days_ago(10),
            settings: settings(),
            members: Map::new(),
            scans: vec![FakeScan::completed(days_ago(1))],
            script: None,
        }
    }

    /// Sets its id, a UUID.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Adds a target.
    pub fn with_target(mut self, target: FakeTarget) -> Self {
        self.targets.push(target);
        self
    }

    /// Sets a word on it.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the name of its template.
    pub fn with_template(mut self, name: impl Into<String>) -> Self {
        self.template = name.into();
        self
    }

    /// Names the user template it was made from.
    pub fn with_user_template(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.user_template = Some((uuid_of(&["user template", &name]), name));
        self
    }

    /// Files it in a folder, by the folder's name.
    pub fn in_folder(mut self, name: impl Into<String>) -> Self {
        self.folder = Some(name.into());
        self
    }

    /// Lets it run every night.
    pub fn with_nightly_schedule(mut self) -> Self {
        self.schedule = json!({"rrule": "FREQ=DAILY;INTERVAL=1", "starttime": "20260301T020000",
            "timezone": "Europe/Paris", "enabled": true});
        self
    }

    /// Lets its scans keep a log, to be fetched afterwards.
    pub fn with_debug_mode(mut self) -> Self {
        self.settings["debug_mode"] = json!(true);
        self
    }

    /// Sets the scanner's id, as the service sends it: a number, a numeric string, or `null`.
    pub fn with_scanner_id(mut self, id: impl Into<Value>) -> Self {
        self.scanner_id = id.into();
        self
    }

    /// Sets what the caller may do with it: `no_access`, `view`, `control` or `configure`.
    pub fn with_user_permissions(mut self, level: impl Into<String>) -> Self {
        self.user_permissions = level.into();
        self
    }

    /// Sets when it was last changed.
    pub fn with_updated_at(mut self, at: Timestamp) -> Self {
        self.updated_at = at;
        self
    }

    /// It has never run.
    pub fn never_run(mut self) -> Self {
        self.scans.clear();
        self
    }

    /// It has run exactly these scans, oldest first.
    pub fn with_scans(mut self, scans: impl IntoIterator<Item = FakeScan>) -> Self {
        self.scans = scans.into_iter().collect();
        self
    }

    /// Sets how its coming scans go.
    pub fn with_script(mut self, script: ScanScript) -> Self {
        self.script = Some(script);
        self
    }
}

/// One URL that a configuration scans.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeTarget {
    /// The URL.
    pub url: String,
    /// The asset's id, a UUID; made from the URL's host and port, so that two configurations of one site share it.
    pub asset_id: String,
    /// Whether the licence counts the asset; exports leave out those it does not, unless asked.
    pub licensed: bool,
    /// Its address.
    pub ipv4: String,
    /// What is wrong with it, one entry per weakness.
    pub findings: Vec<FakeFinding>,
    /// How a scan of this target ends when it does not complete: the status word and the notes.
    pub outcome: Option<(String, Vec<FakeNote>)>,
    /// So many records that no client can decode stand among its findings, by every route.
    pub broken_records: usize,
}

impl FakeTarget {
    /// A target without findings.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let authority = authority(&url).to_owned();
        Self {
            asset_id: uuid_of(&["asset", &authority]),
            ipv4: format!("192.0.2.{}", hash(&["ipv4", &authority]) % 250 + 1),
            url,
            licensed: true,
            findings: Vec::new(),
            outcome: None,
            broken_records: 0,
        }
    }

    /// Adds a finding.
    pub fn with_finding(mut self, finding: FakeFinding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Adds findings.
    pub fn with_findings(mut self, findings: impl IntoIterator<Item = FakeFinding>) -> Self {
        self.findings.extend(findings);
        self
    }

    /// The licence does not count the asset.
    pub fn unlicensed(mut self) -> Self {
        self.licensed = false;
        self
    }

    /// Its scans end with that status word and these notes instead of completing, and see half of its findings.
    pub fn with_outcome(
        mut self,
        status: impl Into<String>,
        notes: impl IntoIterator<Item = FakeNote>,
    ) -> Self {
        self.outcome = Some((status.into(), notes.into_iter().collect()));
        self
    }

    /// Sets how many records that no client can decode stand among its findings.
    pub fn with_broken_records(mut self, count: usize) -> Self {
        self.broken_records = count;
        self
    }

    /// The host, and the port where the URL names one.
    pub fn authority(&self) -> &str {
        authority(&self.url)
    }
}

/// A scan that a configuration has run already.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeScan {
    /// Its status word.
    pub status: String,
    /// When it was launched.
    pub created_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The scanner's remarks on it.
    pub notes: Vec<FakeNote>,
    /// It holds only so many findings of each target; `None` for all.
    pub limit: Option<usize>,
    /// Whether `metadata` and `scanner` are objects; the service sends `null` for scans that never got anywhere.
    pub has_metadata: bool,
}

impl FakeScan {
    /// A scan that completed without a remark.
    pub fn completed(created_at: Timestamp) -> Self {
        Self::new("completed", created_at)
    }

    /// A scan with that status word. One that has not ended stays as it is until it is stopped.
    pub fn new(status: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            status: status.into(),
            created_at,
            took: Duration::from_secs(70 * 60),
            notes: Vec::new(),
            limit: None,
            has_metadata: true,
        }
    }

    /// Adds a remark.
    pub fn with_note(mut self, note: FakeNote) -> Self {
        self.notes.push(note);
        self
    }

    /// Lets it hold only so many findings of each target.
    pub fn with_limit(mut self, findings: usize) -> Self {
        self.limit = Some(findings);
        self
    }

    /// Sends `null` for `metadata` and `scanner`.
    pub fn without_metadata(mut self) -> Self {
        self.has_metadata = false;
        self
    }
}

/// A remark of the scanner on a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeNote {
    /// How grave: `info` to `critical`.
    pub severity: String,
    /// The cause, in a few words.
    pub title: String,
    /// A sentence.
    pub message: String,
}

impl FakeNote {
    /// A remark. The titles that the service is known to use have constructors of their own.
    pub fn new(severity: impl Into<String>, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: severity.into(), title: title.into(), message: message.into() }
    }

    /// The scan ran into its time limit, and counts as completed all the same.
    pub fn time_limit() -> Self {
        Self::new("info", "Scan Time Limit Reached", "Stopped at the configured time limit.")
    }

    /// The scanner could not log in.
    pub fn authentication_failed() -> Self {
        Self::new("high", "Authentication Failed", "The login form did not accept the credentials.")
    }

    /// Nothing answered.
    pub fn target_unreachable() -> Self {
        Self::new("critical", "Target Unreachable", "The target did not answer.")
    }

    /// The scanner failed.
    pub fn crashed() -> Self {
        Self::new("high", "Scan Crashed", "The scanner ended unexpectedly.")
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
