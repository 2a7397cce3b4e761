//! The timeouts of clients under test.

use std::time::Duration;

use appsec_http::{HttpOptions, RetryPolicy};

/// The timeouts of a client under test.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// The options of the HTTP stack.
    pub http: HttpOptions,
    /// How long an export may make no progress.
    pub export_patience: Duration,
}

impl Timeouts {
    /// Milliseconds instead of seconds, long enough for a machine under load.
    pub fn short() -> Self {
        let retry = RetryPolicy::new()
            .with_base(Duration::from_millis(1))
            .with_cap(Duration::from_millis(5))
            .with_max_retry_after(Duration::from_millis(1500));
        let http = HttpOptions::new()
            .with_retry(retry)
            .with_connect_timeout(Duration::from_millis(400))
            .with_head_timeout(Duration::from_millis(700))
            .with_idle_timeout(Duration::from_millis(500))
            .with_call_timeout(Duration::from_secs(5));
        Self { http, export_patience: Duration::from_millis(700) }
    }

    /// A minute each, for reads without faults on a busy machine.
    pub fn long() -> Self {
        let minute = Duration::from_mins(1);
        let http =
            Self::short().http.with_head_timeout(minute).with_idle_timeout(minute).with_call_timeout(minute);
        Self { http: http.with_connect_timeout(minute), export_patience: minute }
    }
}
