//! The options of the HTTP stack, one type for all clients.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::resolve::{Resolver, SystemResolver};

/// How a client connects to its service: proxy, trust, timeouts, limits, retries.
///
/// The defaults suit a service on the internet. Values are checked when the client is built; a value that
/// cannot work is an error of kind `Config`.
///
/// No environment variable is read: `HTTPS_PROXY` and the like have no effect. Only
/// [`with_proxy`](Self::with_proxy) sets a proxy.
///
/// ```
/// use std::time::Duration;
/// use appsec_http::{HttpOptions, RetryPolicy};
///
/// let options = HttpOptions::new()
///     .with_proxy("http://user:hush@proxy.example:3128")
///     .with_call_timeout(Duration::from_secs(60))
///     .with_retry(RetryPolicy::new().with_max_attempts(3));
/// assert!(!format!("{options:?}").contains("hush"));
/// ```
#[derive(Clone)]
pub struct HttpOptions {
    pub(crate) proxy: Option<SecretString>,
    pub(crate) root_certificates: Vec<Vec<u8>>,
    pub(crate) accept_invalid_certs: bool,
    pub(crate) allow_plain_http: bool,
    pub(crate) http1_only: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) min_throughput: u32,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_in_flight: usize,
    pub(crate) max_streams: usize,
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) max_body_bytes: u64,
    pub(crate) max_stream_bytes: u64,
    pub(crate) max_element_bytes: usize,
    pub(crate) user_agent: Option<String>,
    pub(crate) resolver: Arc<dyn Resolver>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpOptions {
    /// The default options, as documented at each `with_` method.
    pub fn new() -> Self {
        Self {
            proxy: None,
            root_certificates: Vec::new(),
            accept_invalid_certs: false,
            allow_plain_http: false,
            http1_only: false,
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(30),
            min_throughput: 1024,
            retry: RetryPolicy::new(),
            max_in_flight: 8,
            max_streams: 4,
            requests_per_second: None,
            max_body_bytes: 64 << 20,
            max_stream_bytes: 4 << 30,
            max_element_bytes: 8 << 20,
            user_agent: None,
            resolver: Arc::new(SystemResolver::new()),
        }
    }

    /// Sends all requests through this proxy, for instance `http://user:pass@proxy:3128`. Default: none.
    ///
    /// The scheme is `http` or `https`. User and password are percent-decoded, sent to the proxy only, and
    /// never printed. Loopback is not exempt.
    pub fn with_proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(SecretString::from(url.into()));
        self
    }

    /// Trusts these certificates in addition to those of the platform, for a service or proxy with its own
    /// certificate authority. One PEM text may hold several; repeated calls add certificates.
    pub fn with_root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Whether any certificate is accepted, for self-signed instances. Default: false.
    ///
    /// An attacker in the network can then read the credentials. A warning is logged when the client is
    /// built. Prefer a root certificate.
    pub fn with_accept_invalid_certs(mut self, yes: bool) -> Self {
        self.accept_invalid_certs = yes;
        self
    }

    /// Whether `http://` is allowed to hosts other than loopback. Default: false.
    pub fn with_allow_plain_http(mut self, yes: bool) -> Self {
        self.allow_plain_http = yes;
        self
    }

    /// Whether HTTP/2 is never offered, for middleboxes that break it. Default: false.
    pub fn with_http1_only(mut self, yes: bool) -> Self {
        self.http1_only = yes;
        self
    }

    /// The time to open a connection, from the DNS look-up to the end of the TLS handshake. Default: 10 s.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time from the start of a request to the head of its response. Default: 30 s.
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// The total time of a single call, including limits, retries and the whole response. Default: 2 min.
    ///
    /// Streams have no total; see [`with_idle_timeout`](Self::with_idle_timeout).
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// The longest pause of a body while it is awaited. Default: 30 s.
    ///
    /// Time in which the consumer of a stream does not request more does not count.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The minimum throughput of a streamed body, in decoded bytes per second. Default: 1024; 0 disables
    /// it.
    ///
    /// The mean is taken over windows as long as the idle timeout, counting only time in which the consumer
    /// awaits the body.
    pub fn with_min_throughput(mut self, bytes_per_second: u32) -> Self {
        self.min_throughput = bytes_per_second;
        self
    }

    /// When and how often a request is repeated.
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The number of single calls in flight; others wait. Default: 8.
    pub fn with_max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls;
        self
    }

    /// The number of streamed bodies open at once; others wait. Default: 4.
    ///
    /// Separate from single calls, so that a consumer that makes a call while it reads a stream does not
    /// wait for itself. A task that opens more streams than this at once does wait for itself, and gets a
    /// `Deadline` error after the call timeout.
    pub fn with_max_streams(mut self, streams: usize) -> Self {
        self.max_streams = streams;
        self
    }

    /// Spaces requests evenly so that at most this many start per second. Default: unlimited.
    pub fn with_requests_per_second(mut self, requests: f64) -> Self {
        self.requests_per_second = Some(requests);
        self
    }

    /// The largest response of a single call, in decoded bytes. Default: 64 MiB.
    pub fn with_max_body_bytes(mut self, bytes: u64) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// The largest streamed response, in decoded bytes. It is never held in memory as a whole. Default: 4
    /// GiB.
    pub fn with_max_stream_bytes(mut self, bytes: u64) -> Self {
        self.max_stream_bytes = bytes;
        self
    }

    /// The largest element of a streamed array, in decoded bytes. Default: 8 MiB.
    pub fn with_max_element_bytes(mut self, bytes: usize) -> Self {
        self.max_element_bytes = bytes;
        self
    }

    /// The `User-Agent` to send. Default: that of the client, in the form its vendor asks for.
    pub fn with_user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// The resolver of host names. Default: that of the operating system.
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// The proxy's URL with its credentials, if a proxy is set.
    pub fn proxy(&self) -> Option<&SecretString> {
        self.proxy.as_ref()
    }

    /// The PEM texts of the additional root certificates.
    pub fn root_certificates_pem(&self) -> &[Vec<u8>] {
        &self.root_certificates
    }

    /// Whether any certificate is accepted.
    pub fn accept_invalid_certs(&self) -> bool {
        self.accept_invalid_certs
    }

    /// Whether `http://` is allowed to hosts other than loopback.
    pub fn allow_plain_http(&self) -> bool {
        self.allow_plain_http
    }

    /// Whether HTTP/2 is never offered.
    pub fn http1_only(&self) -> bool {
        self.http1_only
    }

    /// The time to open a connection.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The time from the start of a request to the head of its response.
    pub fn head_timeout(&self) -> Duration {
        self.head_timeout
    }

    /// The total time of a single call.
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// The longest pause of a body while it is awaited.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// The minimum throughput of a streamed body, in decoded bytes per second; 0 if it is disabled.
    pub fn min_throughput(&self) -> u32 {
        self.min_throughput
    }

    /// When and how often a request is repeated.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// The number of single calls in flight.
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// The number of streamed bodies open at once.
    pub fn max_streams(&self) -> usize {
        self.max_streams
    }

    /// The limit on requests per second, if one is set.
    pub fn requests_per_second(&self) -> Option<f64> {
        self.requests_per_second
    }

    /// The largest response of a single call, in decoded bytes.
    pub fn max_body_bytes(&self) -> u64 {
        self.max_body_bytes
    }

    /// The largest streamed response, in decoded bytes.
    pub fn max_stream_bytes(&self) -> u64 {
        self.max_stream_bytes
    }

    /// The largest element of a streamed array, in decoded bytes.
    pub fn max_element_bytes(&self) -> usize {
        self.max_element_bytes
    }

    /// The `User-Agent` to send, if it is not that of the client.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The resolver of host names.
    pub fn resolver(&self) -> &Arc<dyn Resolver> {
        &self.resolver
    }

    /// Checks for values that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, timeout) in [
            ("connect", self.connect_timeout),
            ("head", self.head_timeout),
            ("call", self.call_timeout),
            ("idle", self.idle_timeout),
        ] {
            if timeout.is_zero() {
                return Err(refused(format!("the {name} timeout is zero")));
            }
        }
        for (name, limit) in [
            ("max_in_flight", self.max_in_flight as u64),
            ("max_streams", self.max_streams as u64),
            ("max_body_bytes", self.max_body_bytes),
            ("max_stream_bytes", self.max_stream_bytes),
            ("max_element_bytes", self.max_element_bytes as u64),
            ("the retry policy's max_attempts", u64::from(self.retry.max_attempts)),
        ] {
            if limit == 0 {
                return Err(refused(format!("{name} is zero")));
            }
        }
        if self.requests_per_second.is_some_and(|rate| !(rate.is_finite() && rate >= 0.001)) {
            return Err(refused("requests_per_second must be at least 0.001".to_owned()));
        }
        self.proxy_url().map(|_| ())
    }

    /// The proxy's URL, with its credentials.
    pub(crate) fn proxy_url(&self) -> Result<Option<Url>> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        // The text is not part of the error: an invalid URL may still hold a password.
        let url = Url::parse(proxy.expose_secret())
            .map_err(|error| refused(format!("the proxy is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(refused("the proxy must be http://host:port or https://host:port".to_owned()));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("the proxy's URL has more than a host and a port".to_owned()));
        }
        Ok(Some(url))
    }

    /// The proxy's password, to recognise it in what a proxy echoes.
    pub(crate) fn proxy_password(&self) -> Option<SecretString> {
        let url = self.proxy_url().ok()??;
        url.password().map(SecretString::from)
    }

    /// The proxy as it may be printed.
    fn redacted_proxy(&self) -> Option<String> {
        self.proxy.as_ref().map(|_| match self.proxy_url() {
            Ok(Some(url)) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port_or_known_default().unwrap_or_default();
                format!("{}://{host}:{port}", url.scheme())
            }
            _ => "(invalid)".to_owned(),
        })
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("proxy", &self.redacted_proxy())
            .field("root_certificates", &self.root_certificates.len())
            .field("accept_invalid_certs", &self.accept_invalid_certs)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("http1_only", &self.http1_only)
            .field("connect_timeout", &self.connect_timeout)
            .field("head_timeout", &self.head_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("min_throughput", &self.min_throughput)
            .field("retry", &self.retry)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_streams", &self.max_streams)
            .field("requests_per_second", &self.requests_per_second)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("max_stream_bytes", &self.max_stream_bytes)
            .field("max_element_bytes", &self.max_element_bytes)
            .field("user_agent", &self.user_agent)
            .field("resolver", &self.resolver)
            .finish()
    }
}

/// When and how often a request is made again.
///
/// The wait before a retry is exponential with jitter, and never shorter than what the service asks for in
/// `Retry-After`. In addition, a budget shared by all calls of a client ends retries in a total outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    pub(crate) max_attempts: u32,
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
    pub(crate) max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryPolicy {
    /// At most 4 attempts, waits from 0.5 s to 20 s, and up to 5 min where the service asks for it.
    pub fn new() -> Self {
        Self {
            max_attempts: 4,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            max_retry_after: Duration::from_secs(300),
        }
    }

    /// Returns a policy of one attempt without retries.
    pub fn none() -> Self {
        Self::new().with_max_attempts(1)
    }

    /// The number of requests made for one call, including the first; at least 1.
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The wait before the second attempt, before jitter. It doubles with each further one.
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest wait, unless the service asks for a longer one.
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The longest wait that the service may ask for. If it asks for more, the call ends with an error that
    /// states the wait, instead of repeating the request early.
    pub fn with_max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// The number of requests made for one call, including the first.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The wait before the second attempt, before jitter.
    pub fn base(&self) -> Duration {
        self.base
    }

    /// The longest wait, unless the service asks for a longer one.
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// The longest wait that the service may ask for.
    pub fn max_retry_after(&self) -> Duration {
        self.max_retry_after
    }
}
