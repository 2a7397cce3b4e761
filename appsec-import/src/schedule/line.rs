//! A line and when it runs.

use appsec_core::{BindTargetId, Severity};
use serde::{Deserialize, Serialize};

use super::when::Schedule;
use crate::line::{Environment, ImportLine, ScanConfiguration};

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
    /// same line run now and then where that matters. A scanner that does not tell when it saw a finding, as Salt does not, is read whole.
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

/// An import line and when it runs.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use appsec_import::{RunKind, ScheduledLine};
/// #[derive(serde::Deserialize)]
/// struct Config { line: Vec<ScheduledLine> }
///
/// let config: Config = toml::from_str(r#"
///     [[line]]
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
/// let line = &config.line[0];
/// assert_eq!((line.name.as_str(), line.run), ("shop nightly", RunKind::Scan));
/// assert_eq!(line.line.scanner, "tenable-eu");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
#[non_exhaustive]
pub struct ScheduledLine {
    /// Its name, one of its kind in a store. A line that is renamed is another one, with the same findings.
    pub name: String,
    /// What is imported for whom. Its `scanner` names the connection.
    pub line: ImportLine,
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

/// The line as it is written. A field that is not known is refused: a misspelt filter must not mean "everything".
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

impl From<Text> for ScheduledLine {
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
            line: ImportLine::new(text.project, text.scanner, configuration),
            schedule: text.schedule,
            run: text.run,
            severities: text.severities,
            webhooks: text.webhooks,
            enabled: text.enabled,
        }
    }
}

impl From<ScheduledLine> for Text {
    fn from(line: ScheduledLine) -> Self {
        let ImportLine { project, scanner, configuration: set } = line.line;
        Self {
            name: line.name,
            project,
            scanner,
            bind_target: set.bind_target,
            environment: set.environment,
            branch: set.branch,
            meta_data: set.meta_data,
            scan_tag: set.scan_tag,
            schedule: line.schedule,
            run: line.run,
            severities: line.severities,
            webhooks: line.webhooks,
            enabled: line.enabled,
        }
    }
}

impl ScheduledLine {
    /// A line that is imported by the schedule, all severities, telling nobody.
    pub fn new(name: impl Into<String>, line: ImportLine, schedule: Schedule) -> Self {
        Self {
            name: name.into(),
            line,
            schedule,
            run: RunKind::Import,
            severities: Vec::new(),
            webhooks: Vec::new(),
            enabled: true,
        }
    }

    /// True when what one of them saw is what the other asks for: the same findings of the same line, all there are or those of a scan.
    #[cfg(any(test, feature = "sqlite", feature = "postgres"))]
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        let of_a_scan = |line: &Self| line.run == RunKind::Scan;
        self.line == other.line && self.severities == other.severities && of_a_scan(self) == of_a_scan(other)
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
        &self.line.scanner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> ScheduledLine {
        let set = ScanConfiguration::new("host:api.example.com").with_environment(Environment::Production);
        let schedule = Schedule::cron("*/5 * * * *", "UTC").unwrap();
        ScheduledLine::new("api", ImportLine::new("shop", "salt-eu", set), schedule)
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        for line in [
            line(),
            line()
                .with_run(RunKind::Sync)
                .with_severities([Severity::High])
                .with_webhooks(["tickets"])
                .with_enabled(false),
        ] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<ScheduledLine>(&text).unwrap(), line, "{text}");
        }
    }

    #[test]
    fn lines_that_ask_otherwise_have_no_watermark_in_common() {
        let mut other = line();
        other.line.configuration.bind_target = "host:www.example.com".into();
        for changed in [other, line().with_severities([Severity::High]), line().with_run(RunKind::Scan)] {
            assert!(!line().asks_as(&changed), "{changed:?}");
        }
        let told = line().with_run(RunKind::Sync).with_webhooks(["tickets"]).with_enabled(false);
        assert!(line().asks_as(&told));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = serde_json::to_string(&line()).unwrap();
        let error = serde_json::from_str::<ScheduledLine>(&text.replace("\"run\"", "\"runs\"")).unwrap_err();
        assert!(error.to_string().contains("runs"), "{error}");
    }
}
