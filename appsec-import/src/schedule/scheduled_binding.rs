//! A binding, when it runs, and what a run does.

use appsec_core::{BindTargetId, Severity};
use serde::{Deserialize, Serialize};

use super::due_time::Schedule;
use crate::binding::{Binding, Environment, ScanConfiguration};

/// What a scheduled run does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunKind {
    /// Starts a scan, waits for its end, and imports its findings. With a passive scanner this is an
    /// import.
    Scan,
    /// Imports all findings that the scanner has.
    #[default]
    Import,
    /// Imports the findings that changed since a week before the previous sync.
    ///
    /// No finding closes by absence; where that matters, schedule an occasional import of the same binding
    /// too. A scanner that does not report when it last saw a finding, such as Salt, is read
    /// completely.
    Sync,
}

impl RunKind {
    /// The name of the kind: `scan`, `import` or `sync`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Import => "import",
            Self::Sync => "sync",
        }
    }
}

impl std::fmt::Display for RunKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A binding, when it runs, and what a run does.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use appsec_import::schedule::{RunKind, ScheduledBinding};
/// #[derive(serde::Deserialize)]
/// struct Config { binding: Vec<ScheduledBinding> }
///
/// let config: Config = toml::from_str(r#"
///     [[binding]]
///     name = "shop nightly"             # unique
///     project = "shop"
///     scanner = "tenable-eu"            # a connection, or a scanner with one connection
///     bind_target = "config:9f1c7a52-6f57-4d4e-8f0a-3a8fb1d3c5aa" # the id, or the name
///     environment = "production"        # optional, as branch, meta_data and scan_tag are
///     run = "scan"                      # scan, import (default) or sync
///     severities = ["critical", "high"] # optional: all
///     webhooks = ["tickets"]            # optional: none
///     schedule = { cron = "30 2 * * 1-5", time_zone = "Europe/Berlin" }
/// "#)?;
/// let binding = &config.binding[0];
/// assert_eq!((binding.name.as_str(), binding.run), ("shop nightly", RunKind::Scan));
/// assert_eq!(binding.connection, "tenable-eu");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SerializedBinding", into = "SerializedBinding")]
#[non_exhaustive]
pub struct ScheduledBinding {
    /// The name, unique in a store. Under another name it is a new scheduled binding with the same
    /// findings.
    pub name: String,
    /// The name of the connection. A worker opens it, and takes the scanner's key and the tenant of the
    /// binding's identity from it.
    pub connection: String,
    /// The binding. Its bind target may be named by its name; a worker looks its id up.
    pub binding: Binding,
    /// When it runs.
    pub schedule: Schedule,
    /// What a run does.
    pub run: RunKind,
    /// The severities that are imported; empty means all. With a filter no finding closes by absence.
    pub severities: Vec<Severity>,
    /// The names of the webhook endpoints that receive the events of its runs.
    pub webhooks: Vec<String>,
    /// Whether it runs. Its findings are kept in either case.
    pub enabled: bool,
}

/// The flat form in which a scheduled binding is serialized. Unknown fields are refused, so that a misspelt
/// filter does not mean "all".
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SerializedBinding {
    name: String,
    project: String,
    /// The name of the connection, or the scanner's key where `connection` is the name.
    scanner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    bind_target: BindTargetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scan_tag: Option<String>,
    schedule: Schedule,
    #[serde(default)]
    run: RunKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    severities: Vec<Severity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<String>,
    #[serde(default = "default_enabled", skip_serializing_if = "is_true")]
    enabled: bool,
}

fn default_enabled() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl From<SerializedBinding> for ScheduledBinding {
    fn from(text: SerializedBinding) -> Self {
        let configuration = ScanConfiguration {
            bind_target: text.bind_target,
            environment: text.environment,
            branch: text.branch,
            meta_data: text.meta_data,
            scan_tag: text.scan_tag,
        };
        Self {
            name: text.name,
            connection: text.connection.unwrap_or_else(|| text.scanner.clone()),
            binding: Binding::new(text.project, text.scanner, configuration).with_tenant(text.tenant),
            schedule: text.schedule,
            run: text.run,
            severities: text.severities,
            webhooks: text.webhooks,
            enabled: text.enabled,
        }
    }
}

impl From<ScheduledBinding> for SerializedBinding {
    fn from(binding: ScheduledBinding) -> Self {
        let Binding { project, scanner, tenant, configuration: set } = binding.binding;
        Self {
            name: binding.name,
            project,
            connection: (binding.connection != scanner).then_some(binding.connection),
            scanner,
            tenant,
            bind_target: set.bind_target,
            environment: set.environment,
            branch: set.branch,
            meta_data: set.meta_data,
            scan_tag: set.scan_tag,
            schedule: binding.schedule,
            run: binding.run,
            severities: binding.severities,
            webhooks: binding.webhooks,
            enabled: binding.enabled,
        }
    }
}

impl ScheduledBinding {
    /// A binding that is imported as scheduled, with all severities and without webhooks. Its connection has
    /// the name that the binding gives as its scanner.
    pub fn new(name: impl Into<String>, binding: Binding, schedule: Schedule) -> Self {
        Self {
            name: name.into(),
            connection: binding.scanner.clone(),
            binding,
            schedule,
            run: RunKind::Import,
            severities: Vec::new(),
            webhooks: Vec::new(),
            enabled: true,
        }
    }

    /// Whether both read the same findings, so that the time of a complete run of one is valid for the
    /// other.
    #[cfg(any(test, feature = "sqlite", feature = "postgres"))]
    pub(crate) fn reads_same_findings_as(&self, other: &Self) -> bool {
        let is_scan = |binding: &Self| binding.run == RunKind::Scan;
        self.binding == other.binding
            && self.connection == other.connection
            && self.severities == other.severities
            && is_scan(self) == is_scan(other)
    }

    /// Sets the name of the connection.
    pub fn with_connection(mut self, name: impl Into<String>) -> Self {
        self.connection = name.into();
        self
    }

    /// Sets what a run does.
    pub fn with_run(mut self, run: RunKind) -> Self {
        self.run = run;
        self
    }

    /// Sets the severities that are imported; empty means all.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Sets the names of the webhook endpoints that receive the events of its runs.
    pub fn with_webhooks<T: Into<String>>(mut self, endpoints: impl IntoIterator<Item = T>) -> Self {
        self.webhooks = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether it runs. Default: true.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The name of the connection.
    pub fn connection(&self) -> &str {
        &self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> ScheduledBinding {
        let set = ScanConfiguration::new("host:api.example.com").with_environment(Environment::Production);
        let schedule = Schedule::cron("*/5 * * * *", "UTC").unwrap();
        ScheduledBinding::new("api", Binding::new("shop", "salt-eu", set), schedule)
    }

    #[test]
    fn a_scheduled_binding_is_serialized_as_it_was_read() {
        for binding in [
            binding(),
            binding()
                .with_run(RunKind::Sync)
                .with_connection("eu")
                .with_severities([Severity::High])
                .with_webhooks(["tickets"])
                .with_enabled(false),
        ] {
            let text = serde_json::to_string(&binding).unwrap();
            assert_eq!(serde_json::from_str::<ScheduledBinding>(&text).unwrap(), binding, "{text}");
        }
    }

    #[test]
    fn bindings_that_read_other_findings_share_no_watermark() {
        let mut other = binding();
        other.binding.configuration.bind_target = "host:www.example.com".into();
        for changed in [other, binding().with_severities([Severity::High]), binding().with_run(RunKind::Scan)]
        {
            assert!(!binding().reads_same_findings_as(&changed), "{changed:?}");
        }
        let same = binding().with_run(RunKind::Sync).with_webhooks(["tickets"]).with_enabled(false);
        assert!(binding().reads_same_findings_as(&same));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = serde_json::to_string(&binding()).unwrap();
        let error =
            serde_json::from_str::<ScheduledBinding>(&text.replace("\"run\"", "\"runs\"")).unwrap_err();
        assert!(error.to_string().contains("runs"), "{error}");
    }
}
