//! Scans: what to start, what is running, and what went wrong with one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bind::BindTargetId;
use crate::severity::Severity;

crate::id_type! {
    /// A scanner's id of one run over a target.
    pub struct ScanId;
}

crate::open_enum! {
    /// The status of a scan.
    pub enum ScanStatus {
        /// Accepted and waiting.
        Queued = "queued",
        /// The scanner is running.
        Running = "running",
        /// Paused; it can be resumed.
        Paused = "paused",
        /// Asked to stop, not yet ended.
        Stopping = "stopping",
        /// The scanner is done, its results are being stored.
        Processing = "processing",
        /// Ended, and its results are there.
        Completed = "completed",
        /// Stopped by a user or a client; its results are partial.
        Canceled = "canceled",
        /// Ended for another reason; see the scan's problems.
        Aborted = "aborted",
    }
}

impl ScanStatus {
    /// Whether the scan has ended and will not change. An unknown status is not an end.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Completed | Self::Canceled | Self::Aborted)
    }
}

crate::open_enum! {
    /// The kind of a problem of a scan.
    pub enum ScanProblemKind {
        /// No slot was free; the licence or the scanner allows no more scans at a time.
        NoSlot = "no_slot",
        /// It waited too long for a slot.
        QueuedTooLong = "queued_too_long",
        /// The target does not respond, or stopped responding.
        TargetUnreachable = "target_unreachable",
        /// The scanner could not log in to the target.
        AuthenticationFailed = "authentication_failed",
        /// The scanner itself failed.
        ScannerCrashed = "scanner_crashed",
        /// The time limit ended the scan before its work was done.
        TimeLimit = "time_limit",
        /// Responses of the target were cut, so that parts of it were not examined.
        ResponseTruncated = "response_truncated",
        /// A URL outside the scope was found and skipped.
        OutOfScope = "out_of_scope",
        /// The target is private and this scanner may not reach it.
        PrivateTarget = "private_target",
        /// The scan has not ended, or did not end well; its results are partial.
        NotFinished = "not_finished",
        /// Another remark of the scanner.
        Other = "other",
    }
}

impl ScanProblemKind {
    /// Whether results may be missing because of it, so that the absence of a finding is inconclusive.
    pub fn limits_results(&self) -> bool {
        !matches!(self, Self::OutOfScope | Self::Other)
    }
}

/// A problem of a scan, with the message of the scanner where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScanProblem {
    /// The kind of problem.
    pub kind: ScanProblemKind,
    /// The severity that the scanner reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// One sentence.
    pub message: String,
}

impl ScanProblem {
    /// A problem of the given kind.
    pub fn new(kind: ScanProblemKind, message: impl Into<String>) -> Self {
        Self { kind, severity: None, message: message.into() }
    }

    /// Sets the severity that the scanner reports.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }
}

/// One run of a scanner over a target. A run over several targets is one `Scan` with children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scan {
    /// The scanner's id of the run.
    pub id: ScanId,
    /// What was scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<BindTargetId>,
    /// The status.
    pub status: ScanStatus,
    /// The status as the scanner spells it.
    pub provider_status: String,
    /// How far it is, 0 to 100, where the scanner says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// When it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When the scanner began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it works on, where the scanner says so: usually a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The problems so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ScanProblem>,
    /// The runs of its single targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Scan>,
}

impl Scan {
    /// A scan in the given state.
    pub fn new(id: impl Into<ScanId>, status: ScanStatus) -> Self {
        let provider_status = status.to_string();
        Self {
            id: id.into(),
            target: None,
            status,
            provider_status,
            percent: None,
            created_at: None,
            started_at: None,
            ended_at: None,
            location: None,
            problems: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Sets what was scanned.
    pub fn with_target(mut self, target: impl Into<BindTargetId>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Sets the status as the scanner spells it.
    pub fn with_provider_status(mut self, status: impl Into<String>) -> Self {
        self.provider_status = status.into();
        self
    }

    /// Sets how far it is; more than 100 counts as 100.
    pub fn with_percent(mut self, percent: u8) -> Self {
        self.percent = Some(percent.min(100));
        self
    }

    /// Adds a problem.
    pub fn with_problem(mut self, problem: ScanProblem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Adds the run of a single target.
    pub fn with_child(mut self, child: Scan) -> Self {
        self.children.push(child);
        self
    }

    /// Whether it has ended and will not change.
    pub fn is_ended(&self) -> bool {
        self.status.is_ended()
    }

    /// Its problems and those of its children.
    pub fn all_problems(&self) -> impl Iterator<Item = &ScanProblem> {
        self.problems.iter().chain(self.children.iter().flat_map(|child| child.problems.iter()))
    }
}

/// What to scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScanRequest {
    /// The target, as listed by `bind_targets`.
    pub target: BindTargetId,
}

impl ScanRequest {
    /// A request to scan the target.
    pub fn new(target: impl Into<BindTargetId>) -> Self {
        Self { target: target.into() }
    }
}

/// The result of a request to scan.
#[derive(Debug, Clone, PartialEq)]
pub enum StartedScan {
    /// A scan was started.
    Started(Scan),
    /// The target is being scanned already; this is that scan.
    AlreadyRunning(Scan),
}

impl StartedScan {
    /// The scan, in either case.
    pub fn scan(&self) -> &Scan {
        match self {
            Self::Started(scan) | Self::AlreadyRunning(scan) => scan,
        }
    }

    /// The scan by value.
    pub fn into_scan(self) -> Scan {
        match self {
            Self::Started(scan) | Self::AlreadyRunning(scan) => scan,
        }
    }
}
