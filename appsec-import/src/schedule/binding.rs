//! A binding and when it runs.

use appsec_core::{BindTargetId, Severity};
use serde::{Deserialize, Serialize};

use super::when::Schedule;
use crate::binding::{Binding, Environment, ScanConfiguration};

/// What a scheduled run does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunKind {
    /// Starts a scan, waits for it, and imports what it found. With a scanner that only watches it is an import.
    Scan,
    /// Imports what the scanner has.
    #[default]
    Import,
    /// Imports what the scanner has seen or fixed since a week before the sync before. Nothing closes by absence: let an import of the
    /// same binding run now and then where that matters. A scanner that does not tell when it saw a finding, as Salt does not, is read whole.
    Sync,
}

impl RunKind {
    /// The word for it: `scan`, `import` or `sync`.
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

/// An binding and when it runs.
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
///     scanner = "tenable-eu"            # a connection's name, or the scanner's key where there is one of it
///     bind_target = "config:9f1c7a52-6f57-4d4e-8f0a-3a8fb1d3c5aa"
///     environment = "production"        # optional, as branch, meta_data and scan_tag are
///     run = "scan"                      # scan, import (default) or sync
///     severities = ["critical", "high"] # optional: all
///     webhooks = ["tickets"]            # optional: nobody is told
///     schedule = { cron = "30 2 * * 1-5", time_zone = "Europe/Berlin" }
/// "#)?;
/// let binding = &config.binding[0];
/// assert_eq!((binding.name.as_str(), binding.run), ("shop nightly", RunKind::Scan));
/// assert_eq!(binding.binding.scanner, "tenable-eu");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
#[non_exhaustive]
pub struct ScheduledBinding {
    /// Its name, one of its kind in a store. A binding that is renamed is another one, with the same findings.
    pub name: String,
    /// What is imported for whom. Its `scanner` names the connection.
    pub binding: Binding,
    /// When.
    pub schedule: Schedule,
    /// What a run does.
    pub run: RunKind,
    /// Only these severities; empty means all. With a filter nothing closes by absence.
    pub severities: Vec<Severity>,
    /// The names of the endpoints that are told what a run meant.
    pub webhooks: Vec<String>,
    /// False keeps it from running, and its findings in place.
    pub enabled: bool,
}

/// The binding as it is written. A field that is not known is refused: a misspelt filter must not mean "everything".
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    project: String,
    scanner: String,
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
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(yes: &bool) -> bool {
    *yes
}

impl From<Text> for ScheduledBinding {
    fn from(text: Text) -> Self {
        let configuration = ScanConfiguration {
            bind_target: text.bind_target,
            environment: text.environment,
            branch: text.branch,
            meta_data: text.meta_data,
            scan_tag: text.scan_tag,
        };
        Self {
            name: text.name,
            binding: Binding::new(text.project, text.scanner, configuration),
            schedule: text.schedule,
            run: text.run,
            severities: text.severities,
            webhooks: text.webhooks,
            enabled: text.enabled,
        }
    }
}

impl From<ScheduledBinding> for Text {
    fn from(binding: ScheduledBinding) -> Self {
        let Binding { project, scanner, configuration: set } = binding.binding;
        Self {
            name: binding.name,
            project,
            scanner,
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
    /// A binding that is imported by the schedule, all severities, telling nobody.
    pub fn new(name: impl Into<String>, binding: Binding, schedule: Schedule) -> Self {
        Self {
            name: name.into(),
            binding,
            schedule,
            run: RunKind::Import,
            severities: Vec::new(),
            webhooks: Vec::new(),
            enabled: true,
        }
    }

    /// True when what one of them saw is what the other asks for: the same findings of the same binding, all there are or those of a scan.
    #[cfg(any(test, feature = "sqlite", feature = "postgres"))]
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        let of_a_scan = |binding: &Self| binding.run == RunKind::Scan;
        self.binding == other.binding
            && self.severities == other.severities
            && of_a_scan(self) == of_a_scan(other)
    }

    /// Sets what a run does.
    pub fn with_run(mut self, run: RunKind) -> Self {
        self.run = run;
        self
    }

    /// Only these severities.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Tells the endpoints of these names what a run meant.
    pub fn with_webhooks<T: Into<String>>(mut self, endpoints: impl IntoIterator<Item = T>) -> Self {
        self.webhooks = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps it from running, or lets it.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The name of the connection that it reads through.
    pub fn connection(&self) -> &str {
        &self.binding.scanner
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
    fn a_line_is_written_as_it_is_read() {
        for binding in [
            binding(),
            binding()
                .with_run(RunKind::Sync)
                .with_severities([Severity::High])
                .with_webhooks(["tickets"])
                .with_enabled(false),
        ] {
            let text = serde_json::to_string(&binding).unwrap();
            assert_eq!(serde_json::from_str::<ScheduledBinding>(&text).unwrap(), binding, "{text}");
        }
    }

    #[test]
    fn lines_that_ask_otherwise_have_no_watermark_in_common() {
        let mut other = binding();
        other.binding.configuration.bind_target = "host:www.example.com".into();
        for changed in [other, binding().with_severities([Severity::High]), binding().with_run(RunKind::Scan)]
        {
            assert!(!binding().asks_as(&changed), "{changed:?}");
        }
        let told = binding().with_run(RunKind::Sync).with_webhooks(["tickets"]).with_enabled(false);
        assert!(binding().asks_as(&told));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = serde_json::to_string(&binding()).unwrap();
        let error =
            serde_json::from_str::<ScheduledBinding>(&text.replace("\"run\"", "\"runs\"")).unwrap_err();
        assert!(error.to_string().contains("runs"), "{error}");
    }
}
