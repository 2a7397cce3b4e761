//! Runs of a binding, as a store knows them.

use std::time::Duration;

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingQuery, GapKind, PartitionKey, ResumePoint, ScanId, Timestamp,
};

use crate::outbox::RunRef;
use crate::reconcile::{Completeness, Summary, missing_from};

/// A request to begin a run of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    started_at: Timestamp,
    lease: Duration,
    take_over: bool,
    dry_run: bool,
    scheduled_run: Option<ScheduledRun>,
    connection: Option<String>,
}

impl RunRequest {
    /// Creates a request for a run that starts at the given time, with a lease of two minutes.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            started_at,
            lease: Duration::from_mins(2),
            take_over: false,
            dry_run: false,
            scheduled_run: None,
            connection: None,
        }
    }

    /// Sets how long the run holds its binding without a heartbeat.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets whether to take over a run whose lease has not ended, because its process is known to be dead.
    pub fn with_take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }

    /// Sets whether the run only computes its summary. Such a run does not hold the binding, and nothing of
    /// it is kept.
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets the scheduled run that this is. It must still be the latest of its scheduled binding.
    pub fn with_scheduled_run(mut self, scheduled_run: impl Into<Option<ScheduledRun>>) -> Self {
        self.scheduled_run = scheduled_run.into();
        self
    }

    /// Sets the name of the connection, an alias of the binding for people.
    pub fn with_connection(mut self, name: impl Into<Option<String>>) -> Self {
        self.connection = name.into();
        self
    }

    /// Returns the start time of the run.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns how long the run holds its binding without a heartbeat.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Whether to take over a run whose lease has not ended.
    pub fn take_over(&self) -> bool {
        self.take_over
    }

    /// Whether the run only computes its summary.
    pub fn dry_run(&self) -> bool {
        self.dry_run
    }

    /// Returns the scheduled run that this is, where it is one.
    pub fn scheduled_run(&self) -> Option<&ScheduledRun> {
        self.scheduled_run.as_ref()
    }

    /// Returns the name of the connection.
    pub fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// One run of a scheduled binding. A process that holds an older one can begin nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The name of the scheduled binding.
    pub name: String,
    /// The fencing token, which grows with each scheduled run of the binding.
    pub fence: i64,
}

/// A run that holds its binding.
///
/// `scan`, `query`, `resume` and `gaps` are set where an earlier process began the run and another resumes
/// it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The store's id of the binding.
    pub binding_id: i64,
    /// The run's number among those of its binding, from 1.
    pub number: i64,
    /// How events refer to the run.
    pub reference: RunRef,
    /// The fencing token, which grows with each process that holds the run. A process with an older one
    /// writes nothing.
    pub fence: i64,
    /// The start time of the run. It is kept when another process resumes the run.
    pub started_at: Timestamp,
    /// How long the run holds its binding without a heartbeat.
    pub lease: Duration,
    /// Whether the run only computes its summary.
    pub dry_run: bool,
    /// The scan that was started for the run.
    pub scan: Option<ScanId>,
    /// The query whose findings are staged.
    pub query: Option<FindingQuery>,
    /// The resume point after the last batch that is staged.
    pub resume: Option<ResumePoint>,
    /// The gaps so far.
    pub gaps: Vec<CoverageGap>,
    /// The name of the bind target, as an earlier run read it.
    pub target_name: Option<String>,
    /// The name of the connection.
    pub connection: Option<String>,
    /// What the run does not do as it was asked, one sentence each. The event at its end has them.
    pub remarks: Vec<String>,
}

impl Run {
    /// Creates a run that begins.
    pub fn new(binding_id: i64, number: i64, reference: RunRef, fence: i64, request: &RunRequest) -> Self {
        Self {
            binding_id,
            number,
            reference,
            fence,
            started_at: request.started_at,
            lease: request.lease,
            dry_run: request.dry_run,
            scan: None,
            query: None,
            resume: None,
            gaps: Vec::new(),
            target_name: None,
            connection: request.connection.clone(),
            remarks: Vec::new(),
        }
    }
}

/// What became of a batch that was staged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staged {
    /// The number of findings that were left out, since they belong to other bind targets and the binding
    /// knows none of their aliases.
    pub left_out: u64,
    /// The gap for those of them of which nothing tells whose they are.
    pub gap: Option<CoverageGap>,
}

impl Staged {
    /// Counts a finding that is left out. It is a gap if it names no bind target.
    pub fn leave_out(&mut self, finding: &Finding) {
        self.left_out += 1;
        if finding.targets.is_empty() {
            let message = "some findings were left out, since nothing tells which bind target they belong to";
            let gap = CoverageGap::new(GapKind::Unattributed, message);
            self.gap = Some(gap.with_partition(PartitionKey::unattributed()));
        }
    }
}

/// A run that was concluded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndedRun {
    /// The run's number among those of its binding.
    pub number: i64,
    /// The start time of the run.
    pub started_at: Timestamp,
    /// When the run was concluded.
    pub ended_at: Timestamp,
    /// The label of the run.
    pub scan_tag: Option<String>,
    /// What the run changed.
    pub summary: Summary,
    /// What the run covered.
    pub coverage: Coverage,
    /// What the run asked the scanner for; `None` where that is not known.
    pub query: Option<FindingQuery>,
}

impl EndedRun {
    /// Creates a concluded run without a label and a query.
    pub fn new(
        number: i64,
        (started_at, ended_at): (Timestamp, Timestamp),
        summary: Summary,
        coverage: Coverage,
    ) -> Self {
        Self { number, started_at, ended_at, scan_tag: None, summary, coverage, query: None }
    }

    /// Sets what the run asked the scanner for.
    pub fn with_query(mut self, query: FindingQuery) -> Self {
        self.query = Some(query);
        self
    }

    /// Returns whether the store's findings of the binding hold everything that is open. Check this before
    /// anything is closed in another tool.
    pub fn completeness(&self) -> Completeness {
        Completeness::from_run(&self.coverage, self.query.as_ref(), self.number)
    }

    /// Returns what the run did not see, one sentence each, as [`Import::missing`](crate::Import::missing)
    /// does.
    pub fn missing(&self) -> Vec<String> {
        missing_from(&self.coverage)
    }
}
