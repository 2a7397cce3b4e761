//! The options of a run.

use std::time::Duration;

use appsec_core::{Severity, Timestamp};

use crate::outbox::Subscription;
use crate::store::ScheduledRun;

/// Options for one run of an [`Importer`](crate::Importer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    scan: bool,
    scan_poll_interval: Duration,
    scan_deadline: Duration,
    scan_visible_within: Duration,
    stall_limit: Duration,
    severities: Vec<Severity>,
    since: Option<Timestamp>,
    dry_run: bool,
    take_over: bool,
    lease: Duration,
    started_at: Option<Timestamp>,
    subscriptions: Vec<Subscription>,
    scheduled_run: Option<ScheduledRun>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            scan: false,
            scan_poll_interval: Duration::from_secs(30),
            scan_deadline: Duration::from_hours(24),
            scan_visible_within: Duration::from_mins(2),
            stall_limit: Duration::from_mins(30),
            severities: Vec::new(),
            since: None,
            dry_run: false,
            take_over: false,
            lease: Duration::from_mins(2),
            started_at: None,
            subscriptions: Vec::new(),
            scheduled_run: None,
        }
    }
}

impl ImportOptions {
    /// Creates the default options: all findings that the scanner has, without a scan before.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to start a scan first and to wait for it, where the scanner can scan. A dry run starts
    /// no scan.
    pub fn with_scan(mut self, scan: bool) -> Self {
        self.scan = scan;
        self
    }

    /// Sets the interval at which the scan is polled. The default is 30 s.
    pub fn with_scan_poll_interval(mut self, interval: Duration) -> Self {
        self.scan_poll_interval = interval;
        self
    }

    /// Sets how long to wait for the scan. The default is 24 h. A later run waits for the same scan.
    pub fn with_scan_deadline(mut self, deadline: Duration) -> Self {
        self.scan_deadline = deadline;
        self
    }

    /// Sets how long the scanner may answer that the scan does not exist, after this run has started it: a
    /// scanner may not show a new scan at once. The default is 2 min. Then the run ends with `Deadline`, and
    /// a later run looks for the scan again; if it does not exist then, the scan is forgotten.
    pub fn with_scan_visible_within(mut self, limit: Duration) -> Self {
        self.scan_visible_within = limit;
        self
    }

    /// Sets how long to wait for an answer of the scanner: for the next batch of findings, for its bind
    /// targets, for the launch of a scan and for each of its states. The default is 30 min, the minimum one
    /// second.
    ///
    /// A batch without findings and without progress is no answer. When the time is over, the run ends with
    /// `Deadline`, and the next run of the binding continues from there.
    pub fn with_stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit.max(Duration::from_secs(1));
        self
    }

    /// Imports only these severities; an empty list means all. With a filter no finding closes by absence.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Imports only what was seen or fixed at or after this time. With it no finding closes by absence.
    ///
    /// A scanner that cannot filter by time is read completely.
    pub fn with_since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Sets whether to only compute the summary. Nothing is kept of such a run.
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets whether to take over a run of this binding before its lease ends, because its process is known
    /// to be dead.
    pub fn with_take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }

    /// Sets how long the run holds the binding without a heartbeat. The default is two minutes, the minimum
    /// one second.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Sets the start time of the run. The default is the current time.
    pub fn with_started_at(mut self, started_at: Timestamp) -> Self {
        self.started_at = Some(started_at);
        self
    }

    /// Sets the endpoints that are notified of what the run changed.
    pub fn with_subscriptions(mut self, subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        self.subscriptions = subscriptions.into_iter().collect();
        self
    }

    /// Sets the scheduled run that this is.
    pub fn with_scheduled_run(mut self, scheduled_run: ScheduledRun) -> Self {
        self.scheduled_run = Some(scheduled_run);
        self
    }

    /// Whether a scan is started first.
    pub fn scan(&self) -> bool {
        self.scan
    }

    /// Returns the interval at which the scan is polled.
    pub fn scan_poll_interval(&self) -> Duration {
        self.scan_poll_interval
    }

    /// Returns how long to wait for the scan.
    pub fn scan_deadline(&self) -> Duration {
        self.scan_deadline
    }

    /// Returns how long a scan that was started may take to become visible.
    pub fn scan_visible_within(&self) -> Duration {
        self.scan_visible_within
    }

    /// Returns how long to wait for an answer of the scanner.
    pub fn stall_limit(&self) -> Duration {
        self.stall_limit
    }

    /// Returns the severities that are imported; an empty list means all.
    pub fn severities(&self) -> &[Severity] {
        &self.severities
    }

    /// Returns the time at or after which a finding was seen or fixed to be imported.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether the run only computes its summary.
    pub fn dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether a run of this binding is taken over before its lease ends.
    pub fn take_over(&self) -> bool {
        self.take_over
    }

    /// Returns how long the run holds the binding without a heartbeat.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns the start time of the run; `None` for the current time.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// Returns the endpoints that are notified of what the run changed.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// Returns the scheduled run that this is, where it is one.
    pub fn scheduled_run(&self) -> Option<&ScheduledRun> {
        self.scheduled_run.as_ref()
    }
}
