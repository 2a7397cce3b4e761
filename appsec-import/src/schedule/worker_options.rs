//! The options of a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::outbox::Subscription;

/// The options of a worker. All workers on a store should have the same, except for the concurrency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    concurrency: usize,
    connection_limit: usize,
    connection_limits: BTreeMap<String, usize>,
    poll_interval: Duration,
    lease: Duration,
    heartbeat: Duration,
    missed_heartbeats: usize,
    first_backoff: Duration,
    max_backoff: Duration,
    scan_poll_interval: Duration,
    scan_deadline: Duration,
    stall_limit: Duration,
    shutdown_grace: Duration,
    subscriptions: Vec<Subscription>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            connection_limit: 4,
            connection_limits: BTreeMap::new(),
            poll_interval: Duration::from_secs(1),
            lease: Duration::from_mins(1),
            heartbeat: Duration::from_secs(20),
            missed_heartbeats: 4,
            first_backoff: Duration::from_secs(30),
            max_backoff: Duration::from_hours(1),
            scan_poll_interval: Duration::from_secs(30),
            scan_deadline: Duration::from_hours(24),
            stall_limit: Duration::from_mins(30),
            shutdown_grace: Duration::from_secs(20),
            subscriptions: Vec::new(),
        }
    }
}

impl WorkerOptions {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many imports this process runs at a time, at least one. Default: 8.
    pub fn with_concurrency(mut self, imports: usize) -> Self {
        self.concurrency = imports.max(1);
        self
    }

    /// Sets how many imports of one connection run at a time, over all processes, at least one. Default: 4.
    pub fn with_connection_limit(mut self, imports: usize) -> Self {
        self.connection_limit = imports.max(1);
        self
    }

    /// Sets the limit of one connection, in place of the common one.
    pub fn with_connection_limit_for(mut self, connection: impl Into<String>, imports: usize) -> Self {
        self.connection_limits.insert(connection.into(), imports.max(1));
        self
    }

    /// Sets how often each process checks for what is due, besides when one of its imports ends. At least
    /// 10 ms; default: 1 s.
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how long a run keeps its lease on the binding without renewing it. At least 1 s; default: 60 s.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Sets the interval of a process's heartbeats, at least 1 s, and after how many missed ones its jobs
    /// go to other processes, at least 2. Default: 20 s and 4.
    pub fn with_heartbeat(mut self, interval: Duration, missed: usize) -> Self {
        (self.heartbeat, self.missed_heartbeats) = (interval.max(Duration::from_secs(1)), missed.max(2));
        self
    }

    /// Sets the pause after the first failure of a binding or a connection, and the longest pause. It
    /// doubles with each failure. A scanner that asks for a longer pause gets it. Default: 30 s and 1
    /// h.
    pub fn with_backoff(mut self, first: Duration, max: Duration) -> Self {
        (self.first_backoff, self.max_backoff) = (first, max.max(first));
        self
    }

    /// Sets the interval between two requests for the status of a scan. Default: 30 s.
    pub fn with_scan_poll_interval(mut self, interval: Duration) -> Self {
        self.scan_poll_interval = interval;
        self
    }

    /// Sets how long a run waits for the end of its scan. A later run continues to wait for the same scan.
    /// Default: 24 h.
    pub fn with_scan_deadline(mut self, deadline: Duration) -> Self {
        self.scan_deadline = deadline;
        self
    }

    /// Sets how long a run waits for an answer of the scanner; see
    /// [`ImportOptions::with_stall_limit`](crate::ImportOptions::with_stall_limit). Default: 30 min.
    pub fn with_stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// Sets how long imports may continue after the worker was asked to stop. Another process continues
    /// what is not done by then. Default: 20 s.
    pub fn with_shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// Sets which events the endpoints want that bindings name. An endpoint without a subscription receives
    /// all events.
    pub fn with_subscriptions(mut self, subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        self.subscriptions = subscriptions.into_iter().collect();
        self
    }

    /// How many imports this process runs at a time.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// How many imports of one connection run at a time, over all processes.
    pub fn connection_limit(&self) -> usize {
        self.connection_limit
    }

    /// The connections with a limit of their own.
    pub fn connection_limits(&self) -> &BTreeMap<String, usize> {
        &self.connection_limits
    }

    /// How often each process checks for what is due.
    pub fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// How long a run keeps its lease on the binding without renewing it.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The interval of a process's heartbeats.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// After how many missed heartbeats the jobs of a process go to other processes.
    pub fn missed_heartbeats(&self) -> usize {
        self.missed_heartbeats
    }

    /// The pause after the first failure of a binding or a connection.
    pub fn first_backoff(&self) -> Duration {
        self.first_backoff
    }

    /// The longest pause after a failure.
    pub fn max_backoff(&self) -> Duration {
        self.max_backoff
    }

    /// The interval between two requests for the status of a scan.
    pub fn scan_poll_interval(&self) -> Duration {
        self.scan_poll_interval
    }

    /// How long a run waits for the end of a scan.
    pub fn scan_deadline(&self) -> Duration {
        self.scan_deadline
    }

    /// How long a run waits for an answer of the scanner.
    pub fn stall_limit(&self) -> Duration {
        self.stall_limit
    }

    /// How long imports may continue after the worker was asked to stop.
    pub fn shutdown_grace(&self) -> Duration {
        self.shutdown_grace
    }

    /// Which events the endpoints want that bindings name.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// The pause after a failure that so many failures preceded.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
        self.first_backoff.saturating_mul(factor).min(self.max_backoff)
    }

    /// The time without a heartbeat after which a process counts as dead.
    pub(super) fn dead_after(&self) -> Duration {
        self.heartbeat.saturating_mul(u32::try_from(self.missed_heartbeats).unwrap_or(u32::MAX))
    }

    /// The subscriptions of the endpoints with these names.
    pub(super) fn subscriptions_for(&self, endpoints: &[String]) -> Vec<Subscription> {
        let subscription = |name: &String| {
            let known = self.subscriptions.iter().find(|subscription| subscription.endpoint == *name);
            known.cloned().unwrap_or_else(|| Subscription::all_events(name.as_str()))
        };
        endpoints.iter().map(subscription).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::EventKind;

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let options = WorkerOptions::new().with_backoff(Duration::from_secs(30), Duration::from_mins(5));
        let pauses: Vec<_> = (0..5).chain([99]).map(|failures| options.backoff(failures).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn an_endpoint_without_a_subscription_receives_all_events() {
        let chat = Subscription::all_events("chat").with_events([EventKind::FindingNew]);
        let options = WorkerOptions::new().with_subscriptions([chat.clone()]);
        let subscriptions = options.subscriptions_for(&["tickets".to_owned(), "chat".to_owned()]);
        assert_eq!(subscriptions, [Subscription::all_events("tickets"), chat]);
    }
}
