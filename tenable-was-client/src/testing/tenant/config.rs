//! Scan configurations.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

use crate::testing::tenant::dates::days_ago;
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::scan::FakeScan;
use crate::testing::tenant::scan_script::ScanScript;
use crate::testing::tenant::settings::settings;
use crate::testing::tenant::target::FakeTarget;

/// A scan configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeConfig {
    /// Its id, a UUID. Default: derived from the name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A short description.
    pub description: Option<String>,
    /// The targets that it scans. With more than one, its scans are parents with one child each.
    pub targets: Vec<FakeTarget>,
    /// The targets that were taken out of it. They are not scanned any more; exports keep their findings.
    pub former_targets: Vec<FakeTarget>,
    /// The name of its template.
    pub template: String,
    /// Id and name of the user template that it was created from.
    pub user_template: Option<(String, String)>,
    /// The name of its folder.
    pub folder: Option<String>,
    /// Its schedule; `null` means on demand.
    pub schedule: Value,
    /// As the service sends it: a number, a numeric string, or `null`.
    pub scanner_id: Value,
    /// The caller's permission level: `no_access`, `view`, `control` or `configure`.
    pub user_permissions: String,
    /// Whether it is in the trash. It is still listed.
    pub in_trash: bool,
    /// Whether it was created by an import.
    pub imported: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its scan settings.
    pub settings: Value,
    /// Further members of the request that created it, such as permissions and notifications. The details
    /// show them.
    pub members: Map<String, Value>,
    /// Its past scans, oldest first.
    pub scans: Vec<FakeScan>,
    /// The script of its future scans. Default: that of the fake.
    pub script: Option<ScanScript>,
}

impl FakeConfig {
    /// A configuration without targets and with one completed scan.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: uuid_of(&["config", &name]),
            name,
            description: None,
            targets: Vec::new(),
            former_targets: Vec::new(),
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

    /// Takes a target out, by its URL. It is not scanned any more; exports keep its findings.
    pub fn remove_target(&mut self, url: &str) {
        self.former_targets.extend(self.targets.extract_if(.., |target| target.url == url));
    }

    /// Sets the description.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the name of its template.
    pub fn with_template(mut self, name: impl Into<String>) -> Self {
        self.template = name.into();
        self
    }

    /// Names the user template that it was created from.
    pub fn with_user_template(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.user_template = Some((uuid_of(&["user template", &name]), name));
        self
    }

    /// Puts it into a folder, by the folder's name.
    pub fn in_folder(mut self, name: impl Into<String>) -> Self {
        self.folder = Some(name.into());
        self
    }

    /// Schedules it to run every night.
    pub fn with_nightly_schedule(mut self) -> Self {
        self.schedule = json!({"rrule": "FREQ=DAILY;INTERVAL=1", "starttime": "20260301T020000",
            "timezone": "Europe/Paris", "enabled": true});
        self
    }

    /// Makes its scans keep a log for download.
    pub fn with_debug_mode(mut self) -> Self {
        self.settings["debug_mode"] = json!(true);
        self
    }

    /// Sets the scanner's id, as the service sends it: a number, a numeric string, or `null`.
    pub fn with_scanner_id(mut self, id: impl Into<Value>) -> Self {
        self.scanner_id = id.into();
        self
    }

    /// Sets the caller's permission level: `no_access`, `view`, `control` or `configure`.
    pub fn with_user_permissions(mut self, level: impl Into<String>) -> Self {
        self.user_permissions = level.into();
        self
    }

    /// Sets when it was last changed.
    pub fn with_updated_at(mut self, at: Timestamp) -> Self {
        self.updated_at = at;
        self
    }

    /// Removes its past scans.
    pub fn never_run(mut self) -> Self {
        self.scans.clear();
        self
    }

    /// Sets its past scans, oldest first.
    pub fn with_scans(mut self, scans: impl IntoIterator<Item = FakeScan>) -> Self {
        self.scans = scans.into_iter().collect();
        self
    }

    /// Sets the script of its future scans.
    pub fn with_script(mut self, script: ScanScript) -> Self {
        self.script = Some(script);
        self
    }
}
