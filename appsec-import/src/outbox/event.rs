//! What is told to the outside world, in a JSON form that does not change.

use std::fmt;
use std::str::FromStr;

use appsec_core::{
    BindTargetId, Cause, ConnectionReport, Coverage, Error, ErrorKind, Fingerprint, PartitionKey, Severity,
    StepOutcome, Timestamp, mask,
};
use serde::{Deserialize, Serialize};

use crate::binding::{Environment, ScanConfiguration};
use crate::reconcile::KnownFinding;
use crate::reconcile::missing_from;
use crate::reconcile::{Change, State};
use crate::reconcile::{KeptOpen, Summary};

/// The most findings that one event tells of; more become several events.
pub const MAX_FINDINGS_PER_EVENT: usize = 100;

/// The most places, and the most gaps, that the end of a run lists; the counts beside them count all.
const MAX_REASONS: usize = 50;

/// The most bytes of any text that came from a scanner, so that an event's size has a bound too.
const MAX_TEXT: usize = 512;

/// The most ids of the scanner's own for one finding.
const MAX_ALIASES: usize = 8;

/// What an event tells of. May grow without a major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// Findings that were not known before.
    #[serde(rename = "finding.new")]
    FindingNew,
    /// Findings that were closed and are back.
    #[serde(rename = "finding.reopened")]
    FindingReopened,
    /// Findings that a run closed.
    #[serde(rename = "finding.closed")]
    FindingClosed,
    /// A run ended, and saw everything it asked for.
    #[serde(rename = "scan.completed")]
    ScanCompleted,
    /// A run ended, and something is missing from what it saw.
    #[serde(rename = "import.partial")]
    ImportPartial,
    /// The scanner cannot be read.
    #[serde(rename = "connection.failed")]
    ConnectionFailed,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::FindingNew,
        Self::FindingReopened,
        Self::FindingClosed,
        Self::ScanCompleted,
        Self::ImportPartial,
        Self::ConnectionFailed,
    ];

    /// The kind as it is written, `finding.new` for instance.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FindingNew => "finding.new",
            Self::FindingReopened => "finding.reopened",
            Self::FindingClosed => "finding.closed",
            Self::ScanCompleted => "scan.completed",
            Self::ImportPartial => "import.partial",
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

    /// Reads what [`EventKind::as_str`] writes.
    ///
    /// # Errors
    /// `InvalidRequest` for any other word.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::new(ErrorKind::InvalidRequest, format!("{text:?} is no event; there are {known}"))
        })
    }
}

/// Something that happened, as it is told to others.
///
/// In JSON it is `{"type": …, "timestamp": …, "data": …}`, the form that Standard Webhooks advises. Members are only ever added;
/// one that may be absent is an `Option` or a list here. It holds no evidence: ids, fingerprint, severity, rule, place and line, and of a place no query and no
/// password.
///
/// ```
/// # fn main() -> appsec_core::Result<()> {
/// use appsec_core::{Error, ErrorKind, Timestamp};
/// use appsec_import::ScanConfiguration;
/// use appsec_import::outbox::{BindingRef, ConnectionFailed, Event, EventData};
///
/// let binding = BindingRef::new("shop", "saltsecurity", &ScanConfiguration::new("host:shop.example.com"));
/// let error = Error::new(ErrorKind::Auth, "the token has expired");
/// let event = Event::new(Timestamp::UNIX_EPOCH, EventData::ConnectionFailed(ConnectionFailed::of_error(binding, &error)));
/// assert_eq!(
///     event.to_json(),
///     r#"{"timestamp":"1970-01-01T00:00:00Z","type":"connection.failed","data":{"binding":{"project":"shop","scanner":"saltsecurity","bind_target":"host:shop.example.com"},"problem":"credentials refused: the token has expired"}}"#
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
    /// Something that happened at the given time.
    pub fn new(timestamp: Timestamp, data: EventData) -> Self {
        Self { timestamp, data }
    }

    /// What it tells of.
    pub fn kind(&self) -> EventKind {
        match self.data {
            EventData::FindingNew(_) => EventKind::FindingNew,
            EventData::FindingReopened(_) => EventKind::FindingReopened,
            EventData::FindingClosed(_) => EventKind::FindingClosed,
            EventData::ScanCompleted(_) => EventKind::ScanCompleted,
            EventData::ImportPartial(_) => EventKind::ImportPartial,
            EventData::ConnectionFailed(_) => EventKind::ConnectionFailed,
        }
    }

    /// The event in JSON.
    pub fn to_json(&self) -> String {
        // Fails only for maps whose keys are no text, and there is none.
        serde_json::to_string(self).unwrap_or_default()
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
    /// Findings that were closed and are back.
    #[serde(rename = "finding.reopened")]
    FindingReopened(FindingsChanged),
    /// Findings that a run closed.
    #[serde(rename = "finding.closed")]
    FindingClosed(FindingsChanged),
    /// A run ended, and saw everything it asked for.
    #[serde(rename = "scan.completed")]
    ScanCompleted(RunEnded),
    /// A run ended, and something is missing from what it saw. Exactly one of this and `scan.completed` ends a run that has a verdict.
    #[serde(rename = "import.partial")]
    ImportPartial(RunEnded),
    /// The scanner cannot be read.
    #[serde(rename = "connection.failed")]
    ConnectionFailed(ConnectionFailed),
}

/// Whose findings: what tells one binding from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindingRef {
    /// The project.
    pub project: String,
    /// The scanner's key.
    pub scanner: String,
    /// What the project reads from.
    pub bind_target: BindTargetId,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The word that separates otherwise equal bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<String>,
}

impl BindingRef {
    /// The binding of a project, a scanner and a configuration.
    pub fn new(
        project: impl Into<String>,
        scanner: impl Into<String>,
        configuration: &ScanConfiguration,
    ) -> Self {
        Self {
            project: project.into(),
            scanner: scanner.into(),
            bind_target: configuration.bind_target.clone(),
            environment: configuration.environment.clone(),
            branch: configuration.branch.clone(),
            meta_data: configuration.meta_data.clone(),
        }
    }
}

/// Which run of which binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRef {
    /// Whose findings.
    pub binding: BindingRef,
    /// The run's id in the store.
    pub run: String,
    /// The run's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
}

impl RunRef {
    /// A run of a binding, without a label.
    pub fn new(binding: BindingRef, run: impl Into<String>) -> Self {
        Self { binding, run: run.into(), scan_tag: None }
    }

    /// Sets the run's label.
    pub fn with_scan_tag(mut self, tag: impl Into<String>) -> Self {
        self.scan_tag = Some(tag.into());
        self
    }
}

/// A finding, as it is told to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingRef {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of it, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How grave it is.
    pub severity: Severity,
    /// Where it stands after the run.
    pub state: State,
    /// The broken rule's name.
    pub rule: String,
    /// Where it is, without query and password.
    pub place: String,
    /// The partition it was last seen in.
    pub partition: PartitionKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// Why it closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FindingRef {
    fn of(finding: &KnownFinding, reason: Option<&str>) -> Self {
        let aliases = finding.aliases.iter().filter(|alias| alias.len() <= MAX_TEXT);
        Self {
            fingerprint: finding.fingerprint,
            aliases: aliases.take(MAX_ALIASES).cloned().collect(),
            severity: match &finding.severity {
                Severity::Unknown(word) => Severity::Unknown(cut(word).into()),
                known => known.clone(),
            },
            state: finding.state,
            rule: cut(&finding.title),
            place: bare_place(&finding.place),
            partition: finding.partition.clone(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            reason: reason.map(cut),
        }
    }
}

/// Findings to which the same happened in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingsChanged {
    /// In which run.
    #[serde(flatten)]
    pub run: RunRef,
    /// Which of the run's events of this kind it is, from 1.
    pub part: u32,
    /// The findings, at most [`MAX_FINDINGS_PER_EVENT`].
    pub findings: Vec<FindingRef>,
}

/// What a run meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunEnded {
    /// Which run.
    #[serde(flatten)]
    pub run: RunRef,
    /// Not known before.
    pub new: u64,
    /// Known and still there.
    pub recurrent: u64,
    /// Closed before and back.
    pub reopened: u64,
    /// Closed by the run.
    pub closed: u64,
    /// Open, not seen, and not closed.
    pub kept_open: u64,
    /// Where findings stay open unproven, and why: the 50 places with most of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_open_at: Vec<KeptOpen>,
    /// How many gaps there are in what was seen.
    pub gaps: u64,
    /// What the gaps are, in words a person can act on: the first 50. Without a gap, why something is missing all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gap_messages: Vec<String>,
}

impl RunEnded {
    fn new(run: RunRef, summary: &Summary, coverage: &Coverage) -> Self {
        let mut kept_open_at: Vec<_> = summary.kept_open.iter().collect();
        kept_open_at.sort_by_key(|kept| std::cmp::Reverse(kept.count));
        let kept_open_at = kept_open_at.into_iter().take(MAX_REASONS);
        Self {
            run,
            new: summary.new,
            recurrent: summary.recurrent,
            reopened: summary.reopened,
            closed: summary.closed,
            kept_open: summary.kept_open_count(),
            kept_open_at: kept_open_at
                .map(|kept| KeptOpen { reason: cut(&kept.reason), ..kept.clone() })
                .collect(),
            gaps: coverage.gap_count(),
            gap_messages: match coverage.gaps() {
                [] => missing_from(coverage),
                gaps => gaps.iter().take(MAX_REASONS).map(|gap| cut(&gap.message)).collect(),
            },
        }
    }
}

/// Why the scanner cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionFailed {
    /// Whose findings cannot be read.
    pub binding: BindingRef,
    /// What was seen.
    pub problem: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The cause, where a connection test found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl ConnectionFailed {
    /// By the error that ended a run.
    pub fn of_error(binding: BindingRef, error: &Error) -> Self {
        Self { binding, problem: cut(&error.to_string()), remedy: None, cause: None }
    }

    /// By a connection test; `None` where no step of it failed.
    pub fn of_report(binding: BindingRef, report: &ConnectionReport) -> Option<Self> {
        let step = report.steps().iter().find(|step| step.outcome == StepOutcome::Failed)?;
        Some(Self {
            binding,
            problem: format!("{}: {}", step.kind, cut(&step.saw)),
            remedy: step.remedy.as_deref().map(cut),
            cause: step.cause,
        })
    }
}

/// Makes the events of one run while its verdicts pass by, holding no more than one event of each kind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{DastApiScannerExt, FindingQuery, Severity, Timestamp};
/// use appsec_import::outbox::{BindingRef, Event, EventBatcher, RunRef};
/// use appsec_import::{ScanConfiguration, reconcile};
///
/// let scanner = MemoryScanner::new().with_finding(MemoryScanner::finding(
///     "app:shop", "SQL injection", Severity::High, "https://shop.example.com/search?q=secret",
/// ));
/// let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await?;
/// let now = Timestamp::now();
/// let run = reconcile(Vec::new(), &findings, &coverage, now);
///
/// let binding = BindingRef::new("shop", "memory", &ScanConfiguration::new("app:shop"));
/// let mut batcher = EventBatcher::new(RunRef::new(binding, "1"), now);
/// let mut events: Vec<Event> = Vec::new();
/// for outcome in &run.transitions {
///     events.extend(batcher.push(&outcome.finding, outcome.change, outcome.reason.as_deref()));
/// }
/// events.extend(batcher.finish(&run.summary, &coverage));
///
/// let kinds: Vec<_> = events.iter().map(|event| event.kind().as_str()).collect();
/// assert_eq!(kinds, ["finding.new", "scan.completed"]);
/// assert!(!events[0].to_json().contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventBatcher {
    run: RunRef,
    at: Timestamp,
    new: Batch,
    reopened: Batch,
    closed: Batch,
}

#[derive(Debug, Default)]
struct Batch {
    parts: u32,
    findings: Vec<FindingRef>,
}

impl Batch {
    fn take(&mut self, run: &RunRef) -> FindingsChanged {
        self.parts = self.parts.saturating_add(1);
        FindingsChanged { run: run.clone(), part: self.parts, findings: std::mem::take(&mut self.findings) }
    }
}

/// What makes an event of findings.
type Make = fn(FindingsChanged) -> EventData;

impl EventBatcher {
    /// For a run whose verdict is of the given time.
    pub fn new(run: RunRef, at: Timestamp) -> Self {
        Self { run, at, new: Batch::default(), reopened: Batch::default(), closed: Batch::default() }
    }

    /// Takes in what the run meant for one finding, and gives an event when enough of them have gathered.
    pub fn push(&mut self, finding: &KnownFinding, change: Change, reason: Option<&str>) -> Option<Event> {
        let (batch, make): (_, Make) = match change {
            Change::New => (&mut self.new, EventData::FindingNew),
            Change::Reopened => (&mut self.reopened, EventData::FindingReopened),
            Change::Closed => (&mut self.closed, EventData::FindingClosed),
            Change::Recurrent | Change::KeptOpen | Change::Unchanged => return None,
        };
        batch.findings.push(FindingRef::of(finding, reason));
        (batch.findings.len() >= MAX_FINDINGS_PER_EVENT)
            .then(|| Event::new(self.at, make(batch.take(&self.run))))
    }

    /// The last events: what has gathered, and the run's end, `import.partial` where [something is missing](crate::store::EndedRun::missing).
    pub fn finish(mut self, summary: &Summary, coverage: &Coverage) -> Vec<Event> {
        let batches: [(&mut Batch, Make); 3] = [
            (&mut self.new, EventData::FindingNew),
            (&mut self.reopened, EventData::FindingReopened),
            (&mut self.closed, EventData::FindingClosed),
        ];
        let mut data: Vec<EventData> = batches
            .into_iter()
            .filter(|(batch, _)| !batch.findings.is_empty())
            .map(|(batch, make)| make(batch.take(&self.run)))
            .collect();
        let ended = RunEnded::new(self.run, summary, coverage);
        let partial = !ended.gap_messages.is_empty();
        data.push(if partial { EventData::ImportPartial(ended) } else { EventData::ScanCompleted(ended) });
        data.into_iter().map(|data| Event::new(self.at, data)).collect()
    }
}

/// The place without query, fragment, user and password, and with what else looks like a secret masked.
fn bare_place(place: &str) -> String {
    let place = &place[..place.find(['?', '#']).unwrap_or(place.len())];
    let Some((before, rest)) = place.split_once("://") else { return cut(place) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    cut(&format!("{before}://{host}{path}"))
}

/// The text, masked and at most [`MAX_TEXT`] bytes of it.
fn cut(text: &str) -> String {
    let masked = mask(text);
    if masked.len() <= MAX_TEXT {
        return masked.into_owned();
    }
    let mut end = MAX_TEXT - '…'.len_utf8();
    while !masked.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &masked[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_loses_query_fragment_user_and_password() {
        for (place, expected) in [
            ("GET https://a.example/x?token=canary#canary", "GET https://a.example/x"),
            ("https://canary:canary@a.example:8443/x", "https://a.example:8443/x"),
            ("https://canary@a.example", "https://a.example"),
            ("https://a.example/me@x", "https://a.example/me@x"),
            ("POST billing.example/v1/{id}", "POST billing.example/v1/{id}"),
            ("/v1?canary", "/v1"),
            ("", ""),
        ] {
            assert_eq!(bare_place(place), expected, "{place}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        for text in ["x".repeat(10_000), "ü".repeat(10_000), "€".repeat(200)] {
            let cut = cut(&text);
            assert!(cut.len() <= MAX_TEXT && cut.ends_with('…'), "{} bytes", cut.len());
        }
        assert_eq!(cut(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
    }

    #[test]
    fn kinds_are_read_back_and_a_wrong_one_names_those_there_are() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.as_str()));
        }
        let error = "finding.nwe".parse::<EventKind>().unwrap_err();
        assert!(error.to_string().contains("finding.new"), "{error}");
    }
}
