//! Scan configurations to create or change.

use std::time::Duration;

use appsec_core::Result;
use serde::Serialize;
use url::Url;

use super::api_spec::ApiSpec;
use super::configs::{ConfigDetails, Notifications};
use super::extra::Extra;
use super::ids::{AssetId, CredentialId, FolderId, ScannerId, TagId, TemplateId, UserTemplateId};
use super::permissions::Permission;
use super::schedule::{PauseWindow, Schedule, ScheduleWindows};
use super::settings::{ConfigSettings, ScopeOption};
use super::validation::invalid_member;

/// A scan configuration to create or change. A change replaces all of it.
///
/// ```
/// use std::time::Duration;
///
/// use tenable_was_client::model::{ApiSpec, ScanConfig, Schedule};
///
/// # fn main() -> tenable_was_client::Result<()> {
/// let config = ScanConfig::for_url("https://shop.example.com")
///     .with_name("shop, nightly")
///     .with_schedule(Schedule::daily("20260301T020000", "Europe/Paris"))
///     .with_timeout(Duration::from_secs(4 * 3600))
///     .with_excluded_path("logout")
///     .with_settings(|settings| settings.audit.get_or_insert_default().cookies = Some(true));
/// config.check()?;
/// # Ok(())
/// # }
/// ```
///
/// The owner and the template's id may be left out:
/// [`complete_config`](crate::TenableWasClient::complete_config) fills them in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScanConfig {
    /// The name, which must be unique.
    pub name: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The URLs to scan. With more than one, a scan is a parent with one child per URL. The service decides
    /// how many are allowed.
    pub targets: Vec<String>,
    /// Tags whose assets are scanned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag_targets: Vec<TagId>,
    /// Applications to scan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<AssetId>,
    /// The folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder_id: Option<FolderId>,
    /// The owner; if left out, the user of the API keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// The vendor's template.
    #[serde(rename = "template_id", serialize_with = "TemplateChoice::write")]
    pub template: TemplateChoice,
    /// The user template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_template_id: Option<UserTemplateId>,
    /// The scanner or scanner group; if left out, the vendor's cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanner_id: Option<ScannerId>,
    /// The schedule; if left out, scans run on demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// When scheduled scans run and pause. Requires a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_windows: Option<ScheduleWindows>,
    /// When scheduled scans pause, in the form that `schedule_windows` replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_window: Option<PauseWindow>,
    /// Who is notified when a scan ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
    /// The permissions of single users and groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Permission>,
    /// The settings of the scans.
    pub settings: ConfigSettings,
    /// Members that this version does not know, kept from a configuration that was read.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The vendor's template of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateChoice {
    /// `api` if the configuration has an API description, for which that template is made (assumed), else
    /// `scan`.
    Default,
    /// By name: `scan`, `overview`, `api`, `quick`, `pci`, `ssl_tls`, `config_audit`, …
    Name(String),
    /// By id.
    Id(TemplateId),
}

impl TemplateChoice {
    /// Writes the id. Other choices cannot be sent.
    fn write<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => id.serialize(serializer),
            Self::Default | Self::Name(_) => serializer.serialize_none(),
        }
    }
}

impl ScanConfig {
    /// Creates a configuration that scans a URL on demand, named after its host, with the vendor's default
    /// template and cloud scanner.
    pub fn for_url(url: impl Into<String>) -> Self {
        let url = url.into();
        let host = Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self { targets: vec![url.clone()], ..Self::new(host.unwrap_or(url)) }
    }

    /// Creates a configuration without targets.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            targets: Vec::new(),
            tag_targets: Vec::new(),
            applications: Vec::new(),
            folder_id: None,
            owner_id: None,
            template: TemplateChoice::Default,
            user_template_id: None,
            scanner_id: None,
            schedule: None,
            schedule_windows: None,
            pause_window: None,
            notifications: None,
            permissions: Vec::new(),
            settings: ConfigSettings::default(),
            extra: Extra::default(),
        }
    }

    /// Creates a configuration from an existing one, to change parts of it.
    ///
    /// Members that only the service sets are left out: its ids and dates, and `default_permissions` and
    /// `results_visibility`, which no request is documented to have.
    pub fn from_details(config: ConfigDetails) -> Self {
        Self {
            name: config.name.unwrap_or_default(),
            description: config.description,
            targets: if config.targets.is_empty() {
                config.target.into_iter().collect()
            } else {
                config.targets
            },
            tag_targets: config.tag_targets,
            applications: config.applications,
            folder_id: config.folder.map(|folder| folder.folder_id),
            owner_id: config.owner_id,
            template: config.template_id.map_or(TemplateChoice::Default, TemplateChoice::Id),
            user_template_id: config.user_template_id,
            scanner_id: config.scanner_id,
            schedule: config.schedule,
            schedule_windows: config.schedule_windows,
            pause_window: config.pause_window,
            notifications: config.notifications,
            permissions: config.permissions,
            settings: config.settings.unwrap_or_default(),
            extra: config.extra,
        }
    }

    /// Sets the name.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the description.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a URL to scan.
    pub fn with_target(mut self, url: impl Into<String>) -> Self {
        self.targets.push(url.into());
        self
    }

    /// Adds a tag whose assets are scanned.
    pub fn with_tag(mut self, tag: TagId) -> Self {
        self.tag_targets.push(tag);
        self
    }

    /// Adds an application to scan, by the id of its asset.
    pub fn with_application(mut self, asset: AssetId) -> Self {
        self.applications.push(asset);
        self
    }

    /// Sets the vendor's template by name.
    pub fn with_template(mut self, name: impl Into<String>) -> Self {
        self.template = TemplateChoice::Name(name.into());
        self
    }

    /// Sets the vendor's template by id.
    pub fn with_template_id(mut self, id: TemplateId) -> Self {
        self.template = TemplateChoice::Id(id);
        self
    }

    /// Sets the user template.
    pub fn with_user_template(mut self, id: UserTemplateId) -> Self {
        self.user_template_id = Some(id);
        self
    }

    /// Sets the owner, by UUID.
    pub fn with_owner(mut self, user: impl Into<String>) -> Self {
        self.owner_id = Some(user.into());
        self
    }

    /// Sets the scanner or scanner group, for targets that the vendor's cloud cannot reach.
    pub fn with_scanner(mut self, scanner: ScannerId) -> Self {
        self.scanner_id = Some(scanner);
        self
    }

    /// Sets the folder.
    pub fn with_folder(mut self, folder: FolderId) -> Self {
        self.folder_id = Some(folder);
        self
    }

    /// Sets the schedule.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Sets when scheduled scans run and pause.
    pub fn with_schedule_windows(mut self, windows: ScheduleWindows) -> Self {
        self.schedule_windows = Some(windows);
        self
    }

    /// Adds an e-mail address to notify when a scan ends.
    pub fn with_email(mut self, address: impl Into<String>) -> Self {
        let notifications = self.notifications.get_or_insert_default();
        notifications.emails.get_or_insert_default().push(address.into());
        self
    }

    /// Adds the permission of a user or a group.
    pub fn with_permission(mut self, permission: Permission) -> Self {
        self.permissions.push(permission);
        self
    }

    /// Adds credentials that the tenant manages.
    pub fn with_credentials(self, id: CredentialId) -> Self {
        self.with_settings(|settings| {
            let credentials = settings.credentials.get_or_insert_default();
            credentials.credential_ids.get_or_insert_default().push(id);
        })
    }

    /// Sets the time limit of a scan, in whole seconds, at most 99:59:59.
    pub fn with_timeout(self, limit: Duration) -> Self {
        let seconds = limit.as_secs();
        let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.with_settings(|settings| settings.timeout = Some(text))
    }

    /// Sets which URLs a scan may visit, relative to its targets.
    pub fn with_scope(self, option: ScopeOption) -> Self {
        self.with_settings(|settings| {
            settings.scope.get_or_insert_default().option = Some(option.into());
        })
    }

    /// Adds a URL to the scope, in addition to the targets.
    pub fn with_scope_url(self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.with_settings(|settings| {
            settings.scope.get_or_insert_default().urls.get_or_insert_default().push(url);
        })
    }

    /// Excludes paths that match a pattern.
    pub fn with_excluded_path(self, pattern: impl Into<String>) -> Self {
        let pattern = pattern.into();
        self.with_settings(|settings| {
            let scope = settings.scope.get_or_insert_default();
            scope.exclude_path_patterns.get_or_insert_default().push(pattern);
        })
    }

    /// Sets the API description to read.
    pub fn with_api_spec(self, spec: ApiSpec) -> Self {
        self.with_settings(|settings| spec.put_into(settings.scope.get_or_insert_default()))
    }

    /// Changes the settings.
    pub fn with_settings(mut self, change: impl FnOnce(&mut ConfigSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The name of the template to look up; `None` if the id is known.
    pub(crate) fn template_name(&self) -> Option<&str> {
        match &self.template {
            TemplateChoice::Id(_) => None,
            TemplateChoice::Name(name) => Some(name),
            TemplateChoice::Default => Some(if self.has_api_spec() { "api" } else { "scan" }),
        }
    }

    fn has_api_spec(&self) -> bool {
        let Some(scope) = &self.settings.scope else { return false };
        let members = [
            &scope.openapi_file,
            &scope.openapi_file_url,
            &scope.graphql_file,
            &scope.graphql_file_url,
            &scope.soap_file,
            &scope.soap_file_url,
        ];
        members.iter().any(|member| member.is_some()) || scope.graphql_introspection == Some(true)
    }

    /// Checks the configuration locally. Each method that sends a configuration does this first.
    ///
    /// # Errors
    /// `InvalidRequest` with the path of a member that the service would refuse.
    pub fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(invalid_member("name", "a configuration needs a name"));
        }
        if self.targets.is_empty() && self.tag_targets.is_empty() && self.applications.is_empty() {
            return Err(invalid_member(
                "targets",
                "a configuration needs a URL, a tag or an application to scan",
            ));
        }
        let scope_urls = self.settings.scope.as_ref().and_then(|scope| scope.urls.as_ref());
        for (path, urls) in [("targets", Some(&self.targets)), ("settings.scope.urls", scope_urls)] {
            if let Some(url) = urls.into_iter().flatten().find(|url| !is_absolute(url)) {
                return Err(invalid_member(path, format!("{url:?} is not an absolute http or https URL")));
            }
        }
        if let Some(schedule) = &self.schedule {
            schedule.check()?;
        }
        if let Some(windows) = &self.schedule_windows {
            if self.schedule.is_none() {
                return Err(invalid_member("schedule_windows", "windows need a schedule"));
            }
            windows.check()?;
        }
        let mut addresses =
            self.notifications.iter().flat_map(|notifications| notifications.emails.iter().flatten());
        let is_address = |address: &&String| {
            address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        };
        if let Some(address) = addresses.find(|address| !is_address(address)) {
            return Err(invalid_member(
                "notifications.emails",
                format!("{address:?} is not an e-mail address"),
            ));
        }
        self.check_settings()
    }

    /// Does [`check`](Self::check), and checks that the owner and the template's id are set.
    pub(crate) fn check_complete(&self) -> Result<()> {
        self.check()?;
        if self.owner_id.as_ref().is_none_or(|owner| owner.trim().is_empty()) {
            return Err(invalid_member("owner_id", "the owner is missing; `complete_config` fills it in"));
        }
        if !matches!(self.template, TemplateChoice::Id(_)) {
            return Err(invalid_member(
                "template_id",
                "the template's id is missing; `complete_config` fills it in",
            ));
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<()> {
        let settings = &self.settings;
        for (path, time) in
            [("settings.timeout", &settings.timeout), ("settings.queue_timeout", &settings.queue_timeout)]
        {
            if let Some(time) = time.as_ref().filter(|time| !is_duration(time)) {
                return Err(invalid_member(path, format!("{time:?} is not HH:MM:SS, at most 99:59:59")));
            }
        }
        let Some(scope) = &settings.scope else { return Ok(()) };
        for (path, limit) in [
            ("settings.scope.dom_depth_limit", scope.dom_depth_limit),
            ("settings.scope.directory_depth_limit", scope.directory_depth_limit),
            ("settings.scope.page_limit", scope.page_limit),
            ("settings.scope.auto_redundant_paths", scope.auto_redundant_paths),
        ] {
            if limit == Some(0) {
                return Err(invalid_member(path, "the minimum is 1"));
            }
        }
        for (path, file, url) in [
            ("settings.scope.openapi_file", &scope.openapi_file, &scope.openapi_file_url),
            ("settings.scope.graphql_file", &scope.graphql_file, &scope.graphql_file_url),
            ("settings.scope.soap_file", &scope.soap_file, &scope.soap_file_url),
        ] {
            if file.is_some() && url.is_some() {
                return Err(invalid_member(path, "a file and the URL of a file cannot be combined"));
            }
            // Base64 encodes three bytes in four characters.
            if file.as_ref().is_some_and(|file| file.len() / 4 * 3 > ApiSpec::MAX_FILE_BYTES + 2) {
                return Err(invalid_member(path, "the file is larger than 1 MB; use its URL instead"));
            }
        }
        Ok(())
    }
}

fn is_absolute(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether a text is `HH:MM:SS`, with hours up to 99.
fn is_duration(time: &str) -> bool {
    let parts: Vec<&str> = time.split(':').collect();
    let is_two_digits = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let [_, minutes, seconds] = parts.as_slice() else { return false };
    parts.iter().all(is_two_digits) && *minutes < "60" && *seconds < "60"
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Weekday, WindowKind};

    const ID: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

    fn shop() -> ScanConfig {
        ScanConfig::for_url("https://shop.example.com/path")
    }

    fn json_of(config: &ScanConfig) -> Value {
        serde_json::to_value(config).unwrap()
    }

    #[test]
    fn a_url_is_enough() {
        let config = shop();
        config.check().unwrap();
        assert_eq!(config.name, "shop.example.com");
        assert_eq!(config.template_name(), Some("scan"));
        let config = config.with_owner("me").with_template_id(ID.parse().unwrap());
        assert_eq!(
            json_of(&config),
            json!({"name": "shop.example.com", "targets": ["https://shop.example.com/path"], "owner_id": "me",
                "template_id": ID, "settings": {}})
        );
    }

    #[test]
    fn every_option_is_serialized_as_documented() {
        let config = ScanConfig::new("x")
            .with_description("nightly run")
            .with_target("https://a.example.com")
            .with_tag(ID.parse().unwrap())
            .with_application(ID.parse().unwrap())
            .with_template("overview")
            .with_user_template(ID.parse().unwrap())
            .with_scanner(ScannerId(36_960_339))
            .with_folder(ID.parse().unwrap())
            .with_schedule(Schedule::daily("20260301T020000", "UTC"))
            .with_schedule_windows(ScheduleWindows::new("UTC").with_window(
                WindowKind::Pause,
                (Weekday::Monday, "10:00"),
                (Weekday::Monday, "11:00"),
            ))
            .with_email("appsec@example.com")
            .with_permission(Permission::group(ID, crate::model::PermissionLevel::View))
            .with_credentials(ID.parse().unwrap())
            .with_timeout(Duration::from_secs(100 * 3600 - 1))
            .with_scope(ScopeOption::Urls)
            .with_scope_url("https://a.example.com/x")
            .with_excluded_path("logout");
        config.check().unwrap();
        let body = json_of(&config);
        assert_eq!(body["template_id"], Value::Null, "a name is not an id");
        assert_eq!(body["scanner_id"], json!(36_960_339));
        assert_eq!(body["notifications"], json!({"emails": ["appsec@example.com"]}));
        assert_eq!(body["permissions"], json!([{"entity": "group", "entity_id": ID, "level": "view"}]));
        assert_eq!(
            body["settings"],
            json!({"timeout": "99:59:59", "credentials": {"credential_ids": [ID]},
                "scope": {"option": "urls", "urls": ["https://a.example.com/x"], "exclude_path_patterns": ["logout"]}})
        );
        for member in
            ["description", "tag_targets", "applications", "user_template_id", "folder_id", "schedule"]
        {
            assert!(body.get(member).is_some(), "{member}");
        }
    }

    #[test]
    fn an_api_description_selects_the_api_template() {
        let spec = ApiSpec::openapi_url("https://shop.example.com/openapi.json").unwrap();
        let config = shop().with_api_spec(spec);
        assert_eq!(config.template_name(), Some("api"));
        assert_eq!(config.with_template("scan").template_name(), Some("scan"));
    }

    #[test]
    fn unknown_members_are_written_back() {
        let read: ConfigDetails = serde_json::from_value(json!({
            "config_id": ID, "container_id": "c", "created_at": "2026-03-01T08:00:00Z", "in_trash": false,
            "folder": {"folder_id": ID, "name": "Shop"}, "owner_id": "me", "template_id": ID, "name": "shop",
            "targets": ["https://shop.example.com/"], "scanner_id": "36960339", "default_permissions": "no_access",
            "settings": {"timeout": "08:00:00", "plugin": {"ids": []}, "later": 1}, "business_context": {"tier": 1},
            "schedule": null, "notifications": {"emails": []},
        }))
        .unwrap();
        assert_eq!(
            json_of(&ScanConfig::from_details(read)),
            json!({"name": "shop", "targets": ["https://shop.example.com/"], "folder_id": ID, "owner_id": "me",
                "template_id": ID, "scanner_id": 36_960_339, "notifications": {"emails": []},
                "settings": {"timeout": "08:00:00", "plugin": {"ids": []}, "later": 1}, "business_context": {"tier": 1}})
        );
        let old: ConfigDetails =
            serde_json::from_value(json!({"target": "https://shop.example.com/"})).unwrap();
        assert_eq!(ScanConfig::from_details(old).targets, ["https://shop.example.com/"]);
    }

    #[test]
    fn invalid_members_are_refused_with_their_path() {
        let windows = ScheduleWindows::new("UTC");
        let timeout = |text: &str| {
            let text = text.to_owned();
            shop().with_settings(|settings| settings.timeout = Some(text))
        };
        let scope = |change: fn(&mut crate::model::settings::ScopeSettings)| {
            shop().with_settings(|settings| change(settings.scope.get_or_insert_default()))
        };
        for (config, path) in vec![
            (shop().with_name(" "), "name"),
            (ScanConfig::new("x"), "targets"),
            (shop().with_target("shop.example.com"), "targets"),
            (shop().with_target("ftp://shop.example.com"), "targets"),
            (shop().with_scope_url("/x"), "settings.scope.urls"),
            (shop().with_schedule_windows(windows), "schedule_windows"),
            (shop().with_schedule(Schedule::daily("tomorrow", "UTC")), "schedule.starttime"),
            (shop().with_email("appsec"), "notifications.emails"),
            (shop().with_timeout(Duration::from_secs(100 * 3600)), "settings.timeout"),
            (timeout("8:00:00"), "settings.timeout"),
            (timeout("08:60:00"), "settings.timeout"),
            (scope(|scope| scope.page_limit = Some(0)), "settings.scope.page_limit"),
            (
                scope(|scope| {
                    scope.soap_file = Some(String::new());
                    scope.soap_file_url = Some(String::new());
                }),
                "settings.scope.soap_file",
            ),
            (scope(|scope| scope.openapi_file = Some("A".repeat(1_500_000))), "settings.scope.openapi_file"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidRequest, Some(path)), "{error}");
        }
        ScanConfig::new("by tag").with_tag(ID.parse().unwrap()).check().unwrap();
    }
}
