//! How messages are delivered.

use std::time::Duration;

use appsec_http::HttpOptions;

use super::retry_schedule::RetrySchedule;

/// How messages are delivered.
#[derive(Debug, Clone)]
pub struct DeliveryOptions {
    retry_schedule: RetrySchedule,
    timeout: Duration,
    max_in_flight: usize,
    poll_interval: Duration,
    http: HttpOptions,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl DeliveryOptions {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        Self {
            retry_schedule: RetrySchedule::new(),
            timeout: Duration::from_secs(20),
            max_in_flight: 4,
            poll_interval: Duration::from_secs(5),
            http: HttpOptions::new(),
        }
    }

    /// Sets when a failed delivery is attempted again. Default: [`RetrySchedule::new`].
    pub fn with_retry_schedule(mut self, schedule: RetrySchedule) -> Self {
        self.retry_schedule = schedule;
        self
    }

    /// Sets how long an attempt may take until the head of the response arrives. Default: 20 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many messages are sent to one endpoint at the same time, at least 1. Default: 4.
    pub fn with_max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages;
        self
    }

    /// Sets how often [`Dispatcher::run`](crate::webhook::Dispatcher::run) checks for messages that are
    /// due. Default: 5 s.
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Sets proxy, trust and resolver. Plain http is allowed for loopback only, whatever these options say.
    /// Their timeouts and retries are ignored.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// When a failed delivery is attempted again.
    pub fn retry_schedule(&self) -> &RetrySchedule {
        &self.retry_schedule
    }

    /// How long an attempt may take until the head of the response arrives.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How many messages are sent to one endpoint at the same time.
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// How often the dispatcher checks for messages that are due.
    pub fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// Proxy, trust and resolver.
    pub fn http(&self) -> &HttpOptions {
        &self.http
    }
}
