//! How a worker works.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::outbox::Subscription;

/// How a worker works. Workers on one store agree on all but the slots.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// How many imports this process runs at a time; default 8.
    pub slots: usize,
    /// How many imports of one connection run at a time, over all processes; default 4.
    pub limit: usize,
    /// Connections with a limit of their own.
    pub limits: BTreeMap<String, usize>,
    /// How often each process looks for what is due, besides when one of its imports ends; default 1 s.
    pub tick: Duration,
    /// How long a run holds its binding without a sign of life; default 60 s.
    pub lease: Duration,
    /// How often a process says that it lives; default 20 s, at least 1 s.
    pub heartbeat: Duration,
    /// After how many heartbeats that did not come the jobs of a process go to others; default 4.
    pub missed_heartbeats: usize,
    /// The pause before a binding is tried again that failed, or a connection; it doubles with each failure; default 30 s.
    pub first_wait: Duration,
    /// The longest such pause; default 1 h. A scanner that asks for a longer one gets it.
    pub most_wait: Duration,
    /// The pause between two looks at a scan; default 30 s.
    pub scan_poll: Duration,
    /// How long to wait for a scan; default 24 h. A later turn goes on waiting for the same scan.
    pub scan_deadline: Duration,
    /// How long imports may go on after the worker was told to stop; default 20 s. What is not done by then goes on elsewhere.
    pub grace: Duration,
    /// Which events the endpoints want that bindings name. An endpoint that is not among them gets all.
    pub subscriptions: Vec<Subscription>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            slots: 8,
            limit: 4,
            limits: BTreeMap::new(),
            tick: Duration::from_secs(1),
            lease: Duration::from_mins(1),
            heartbeat: Duration::from_secs(20),
            missed_heartbeats: 4,
            first_wait: Duration::from_secs(30),
            most_wait: Duration::from_hours(1),
            scan_poll: Duration::from_secs(30),
            scan_deadline: Duration::from_hours(24),
            grace: Duration::from_secs(20),
            subscriptions: Vec::new(),
        }
    }
}

impl WorkerOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many imports this process runs at a time; at least one.
    pub fn with_slots(mut self, slots: usize) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Sets how many imports of one connection run at a time, over all processes; at least one.
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// Gives one connection a limit of its own.
    pub fn with_limit_of(mut self, connection: impl Into<String>, limit: usize) -> Self {
        self.limits.insert(connection.into(), limit.max(1));
        self
    }

    /// Sets how often to look for what is due.
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick = tick.max(Duration::from_millis(10));
        self
    }

    /// Sets how long a run holds its binding without a sign of life; at least a second.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Sets how often a process says that it lives, and after how many that did not come its jobs go to others.
    pub fn with_heartbeat(mut self, every: Duration, missed: usize) -> Self {
        (self.heartbeat, self.missed_heartbeats) = (every.max(Duration::from_secs(1)), missed.max(2));
        self
    }

    /// Sets the first and the longest pause after failures.
    pub fn with_waits(mut self, first: Duration, most: Duration) -> Self {
        (self.first_wait, self.most_wait) = (first, most.max(first));
        self
    }

    /// Sets the pause between two looks at a scan, and how long to wait for it.
    pub fn with_scan_wait(mut self, poll: Duration, deadline: Duration) -> Self {
        (self.scan_poll, self.scan_deadline) = (poll, deadline);
        self
    }

    /// Sets how long imports may go on after the worker was told to stop.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets which events the endpoints want that bindings name.
    pub fn with_subscriptions(mut self, to: impl IntoIterator<Item = Subscription>) -> Self {
        self.subscriptions = to.into_iter().collect();
        self
    }

    /// The pause after so many failures before this one.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.most_wait)
    }

    /// After what time a process without a sign of life counts as dead.
    pub(super) fn dead_after(&self) -> Duration {
        self.heartbeat.saturating_mul(u32::try_from(self.missed_heartbeats).unwrap_or(u32::MAX))
    }

    /// What the endpoints of these names are told.
    pub(super) fn subscriptions_of(&self, endpoints: &[String]) -> Vec<Subscription> {
        let of = |name: &String| {
            let known = self.subscriptions.iter().find(|subscription| subscription.endpoint == *name);
            known.cloned().unwrap_or_else(|| Subscription::to_all(name.as_str()))
        };
        endpoints.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest() {
        let options = WorkerOptions::new().with_waits(Duration::from_secs(30), Duration::from_mins(5));
        let waits: Vec<_> = (0..5).chain([99]).map(|failures| options.wait(failures).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn an_endpoint_gets_the_events_it_wants_and_else_all() {
        let chat = Subscription::to_all("chat").with_events([crate::outbox::EventKind::FindingNew]);
        let options = WorkerOptions::new().with_subscriptions([chat.clone()]);
        let given = options.subscriptions_of(&["tickets".to_owned(), "chat".to_owned()]);
        assert_eq!(given, [Subscription::to_all("tickets"), chat]);
    }
}
