//! Events for other systems, in a stable JSON form.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Cause, ConnectionReport, Error, ErrorKind, StepOutcome, Timestamp, printable_json};
use serde::{Deserialize, Serialize};

use super::event_text::mask_and_truncate;
use super::references::{BindingRef, FindingRef, RunRef};
use crate::reconcile::KeptOpen;

/// The most findings in one event; more become several events.
pub const MAX_FINDINGS_PER_EVENT: usize = 100;

/// The kind of an event. May grow without a major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// Findings that were not known before.
    #[serde(rename = "finding.new")]
    FindingNew,
    /// Findings that were closed and were found again.
    #[serde(rename = "finding.reopened")]
    FindingReopened,
    /// Findings that a run closed.
    #[serde(rename = "finding.closed")]
    FindingClosed,
    /// A run ended and read everything it requested.
    #[serde(rename = "scan.completed")]
    ScanCompleted,
    /// A run ended, and something is missing from what it read.
    #[serde(rename = "import.partial")]
    ImportPartial,
    /// An error ended a run. Not sent where a user or a stopping worker ended it.
    #[serde(rename = "import.failed")]
    ImportFailed,
    /// The scanner cannot be read. Sent beside `import.failed`, with what to repair.
    #[serde(rename = "connection.failed")]
    ConnectionFailed,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::FindingNew,
        Self::FindingReopened,
        Self::FindingClosed,
        Self::ScanCompleted,
        Self::ImportPartial,
        Self::ImportFailed,
        Self::ConnectionFailed,
    ];

    /// The name of the kind, for instance `finding.new`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FindingNew => "finding.new",
            Self::FindingReopened => "finding.reopened",
            Self::FindingClosed => "finding.closed",
            Self::ScanCompleted => "scan.completed",
            Self::ImportPartial => "import.partial",
            Self::ImportFailed => "import.failed",
            Self::ConnectionFailed => "connection.failed",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = Error;

    /// Parses a name that [`EventKind::as_str`] returns.
    ///
    /// # Errors
    /// `InvalidRequest` for any other text.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::new(ErrorKind::InvalidRequest, format!("unknown event {text:?}; the events are {known}"))
        })
    }
}

/// An event for other systems.
///
/// Its JSON is `{"type": …, "timestamp": …, "data": …}`, the form that Standard Webhooks recommends. New
/// versions only add members; a member that may be absent is an `Option` or a list here. An event has no
/// evidence and no credentials: of a finding it has ids, fingerprint, severity, rule, state, times and the
/// location without query and password.
///
/// ```
/// # fn main() -> appsec_core::Result<()> {
/// use appsec_core::{Error, ErrorKind, Timestamp};
/// use appsec_import::ScanConfiguration;
/// use appsec_import::outbox::{BindingRef, ConnectionFailed, Event, EventData};
///
/// let binding = BindingRef::new("shop", "saltsecurity", &ScanConfiguration::new("host:shop.example.com"));
/// let error = Error::new(ErrorKind::Auth, "the token has expired");
/// let data = EventData::ConnectionFailed(ConnectionFailed::from_error(binding, &error));
/// let event = Event::new(Timestamp::UNIX_EPOCH, data);
/// assert_eq!(
///     event.to_json(),
///     concat!(
///         r#"{"timestamp":"1970-01-01T00:00:00Z","type":"connection.failed","data":{"#,
///         r#""binding":{"project":"shop","scanner":"saltsecurity","bind_target":"host:shop.example.com"},"#,
///         r#""problem":"credentials refused: the token has expired"}}"#,
///     )
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub data: EventData,
}

impl Event {
    /// An event of the given time.
    pub fn new(timestamp: Timestamp, data: EventData) -> Self {
        Self { timestamp, data }
    }

    /// The kind of the event.
    pub fn kind(&self) -> EventKind {
        match self.data {
            EventData::FindingNew(_) => EventKind::FindingNew,
            EventData::FindingReopened(_) => EventKind::FindingReopened,
            EventData::FindingClosed(_) => EventKind::FindingClosed,
            EventData::ScanCompleted(_) => EventKind::ScanCompleted,
            EventData::ImportPartial(_) => EventKind::ImportPartial,
            EventData::ImportFailed(_) => EventKind::ImportFailed,
            EventData::ConnectionFailed(_) => EventKind::ConnectionFailed,
        }
    }

    /// The event in JSON.
    pub fn to_json(&self) -> String {
        // Serialization fails only for maps with keys that are not text, and an event has none.
        printable_json(self).unwrap_or_default()
    }
}

/// What happened: the members `type` and `data` of an event. May grow without a major version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[non_exhaustive]
pub enum EventData {
    /// Findings that were not known before.
    #[serde(rename = "finding.new")]
    FindingNew(FindingsChanged),
    /// Findings that were closed and were found again.
    #[serde(rename = "finding.reopened")]
    FindingReopened(FindingsChanged),
    /// Findings that a run closed.
    #[serde(rename = "finding.closed")]
    FindingClosed(FindingsChanged),
    /// A run ended and read everything it requested.
    #[serde(rename = "scan.completed")]
    ScanCompleted(RunEnded),
    /// A run ended, and something is missing from what it read. A run that stored its results has exactly
    /// one of this and `scan.completed`.
    #[serde(rename = "import.partial")]
    ImportPartial(RunEnded),
    /// An error ended a run. A run that was stopped, or that another process took over, sends none. Runs
    /// that are resumed and fail in the same way send one.
    #[serde(rename = "import.failed")]
    ImportFailed(ImportFailed),
    /// The scanner cannot be read. Sent beside `import.failed`, with what to repair.
    #[serde(rename = "connection.failed")]
    ConnectionFailed(ConnectionFailed),
}

/// Findings with the same change in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingsChanged {
    /// The run.
    #[serde(flatten)]
    pub run: RunRef,
    /// The number of this event among the events of its kind in the run, from 1.
    pub part: u32,
    /// The findings, at most [`MAX_FINDINGS_PER_EVENT`].
    pub findings: Vec<FindingRef>,
}

/// The end of a run, and its counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunEnded {
    /// The run.
    #[serde(flatten)]
    pub run: RunRef,
    /// The number of findings that were not known before.
    pub new: u64,
    /// The number of known findings that were found again.
    pub recurrent: u64,
    /// The number of closed findings that were found again.
    pub reopened: u64,
    /// The number of findings that the run closed.
    pub closed: u64,
    /// The number of open findings that were not found, and were not closed.
    pub kept_open: u64,
    /// Where findings were kept open without proof, and why: the 50 partitions with the most of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_open_at: Vec<KeptOpen>,
    /// The number of gaps in what was read.
    pub gaps: u64,
    /// The first 50 gaps, each as a sentence for a user. Without a gap, the other reasons why something is
    /// missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gap_messages: Vec<String>,
    /// What the run did not do as it was asked, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A run that an error ended. It changed no finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportFailed {
    /// The binding.
    pub binding: BindingRef,
    /// The run's id in the store; absent where a scheduled run failed before it began, for instance because
    /// its connection cannot be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What happened, in one sentence.
    pub problem: String,
}

impl ImportFailed {
    /// The event data for the error that ended a run.
    pub fn from_error(binding: BindingRef, error: &Error) -> Self {
        Self { binding, run: None, problem: mask_and_truncate(&error.to_string()) }
    }

    /// Sets the run's id in the store.
    pub fn with_run(mut self, run: impl Into<String>) -> Self {
        self.run = Some(run.into());
        self
    }
}

/// A scanner that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionFailed {
    /// The binding whose findings cannot be read.
    pub binding: BindingRef,
    /// What was observed.
    pub problem: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The cause, where a connection test found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl ConnectionFailed {
    /// The event data for the error that ended a run.
    pub fn from_error(binding: BindingRef, error: &Error) -> Self {
        Self { binding, problem: mask_and_truncate(&error.to_string()), remedy: None, cause: None }
    }

    /// The event data for a connection test; `None` where none of its steps failed.
    pub fn from_report(binding: BindingRef, report: &ConnectionReport) -> Option<Self> {
        let step = report.steps().iter().find(|step| step.outcome == StepOutcome::Failed)?;
        Some(Self {
            binding,
            problem: format!("{}: {}", step.kind, mask_and_truncate(&step.detail)),
            remedy: step.remedy.as_deref().map(mask_and_truncate),
            cause: step.cause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_names_are_parsed_and_an_unknown_one_lists_the_known() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.as_str()));
        }
        let error = "finding.nwe".parse::<EventKind>().unwrap_err();
        assert!(error.to_string().contains("finding.new"), "{error}");
    }
}
