//! How a push talks to its target.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};

/// The shortest pause between two looks at what a target makes of a report.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How a push talks to its target.
#[derive(Debug, Clone)]
pub struct PushOptions {
    pub(super) http: HttpOptions,
    pub(super) poll_every: Duration,
    pub(super) deadline: Duration,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PushOptions {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        let http = HttpOptions::new()
            .with_head_timeout(Duration::from_mins(10))
            .with_call_timeout(Duration::from_mins(15));
        Self { http, poll_every: Duration::from_secs(5), deadline: Duration::from_mins(30) }
    }

    /// Proxy, trust, timeouts and retries. Default: those of [`HttpOptions`], with 10 min to the head of an answer and 15 min for a call:
    /// the upload counts as well, and `DefectDojo` answers when it has worked through the report.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// The pause between two looks at what the target makes of a report, and how long to look. Default: 5 s and 30 min.
    pub fn with_wait(mut self, every: Duration, deadline: Duration) -> Self {
        (self.poll_every, self.deadline) = (every.max(SHORTEST_PAUSE), deadline);
        self
    }

    /// Sends with these options to the service at that URL.
    pub(super) fn client(&self, service: Service, base_url: &str, auth: AuthHeader) -> Result<HttpClient> {
        if self.deadline.is_zero() {
            return Err(Error::new(ErrorKind::Config, "the time to wait for a target's processing is zero"));
        }
        HttpClient::new(service, base_url, auth, self.http.clone())
    }
}
