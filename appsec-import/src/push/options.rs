//! How a push communicates with its service.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};

pub(super) const USER_AGENT: &str = concat!("appsec-import/", env!("CARGO_PKG_VERSION"));

/// The shortest interval between two status requests.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How a push communicates with its service.
#[derive(Debug, Clone)]
pub struct PushOptions {
    http: HttpOptions,
    poll_interval: Duration,
    deadline: Duration,
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
        Self { http, poll_interval: Duration::from_secs(5), deadline: Duration::from_mins(30) }
    }

    /// Sets proxy, trust, timeouts and retries. Default: those of [`HttpOptions`], with 10 min to the head
    /// of a response and 15 min for a call. Both include the upload, and `DefectDojo` responds only
    /// after it has processed the report.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Sets the interval between two requests for the status of an accepted report, at least 1 ms, and how
    /// long to wait for the end of its processing. Default: 5 s and 30 min.
    pub fn with_polling(mut self, interval: Duration, deadline: Duration) -> Self {
        (self.poll_interval, self.deadline) = (interval.max(MIN_POLL_INTERVAL), deadline);
        self
    }

    /// Proxy, trust, timeouts and retries.
    pub fn http(&self) -> &HttpOptions {
        &self.http
    }

    /// The interval between two status requests.
    pub fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// How long to wait until an accepted report is processed.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Creates a client with these options for the service at that URL.
    pub(super) fn client(&self, service: Service, base_url: &str, auth: AuthHeader) -> Result<HttpClient> {
        if self.deadline.is_zero() {
            return Err(Error::new(ErrorKind::Config, "the deadline for the processing of a report is zero"));
        }
        HttpClient::new(service, base_url, auth, self.http.clone())
    }
}
