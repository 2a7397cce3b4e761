//! The layers between a call and the network, outermost first: deadline, retry with its budget, in-flight
//! limit, cooldown, rate limit, one attempt, body cap, response to error, decoding.
//!
//! The in-flight limit is outside the cooldown and the rate limit: otherwise a request could wait for a
//! permit after the rate limit has reserved a moment for it.

pub(crate) mod body;
pub(crate) mod cooldown;
pub(crate) mod deadline;
pub(crate) mod in_flight;
pub(crate) mod rate_limit;
pub(crate) mod retry;
pub(crate) mod retry_after;
pub(crate) mod retry_budget;
#[cfg(test)]
pub(crate) mod scripted_transport;
pub(crate) mod throttle_signal;
pub(crate) mod transport;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, duration_text};
use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;
use url::Url;

use crate::metrics;
use crate::options::HttpOptions;
use crate::redact::{Redactor, whole_words};
use crate::request::Request;
use crate::response::Response;
use crate::service::{AuthHeader, Service};
use crate::stack::body::Body;
use crate::stack::cooldown::Cooldown;
use crate::stack::deadline::{Deadline, pause, until};
use crate::stack::in_flight::InFlight;
use crate::stack::rate_limit::RateLimit;
use crate::stack::retry::{Attempts, Failure, FailureClass, RetryDecision};
use crate::stack::retry_budget::RetryBudget;
use crate::stack::transport::{Incoming, Outgoing, Transport, TransportError};

/// The most that is read of a response that is not 2xx, in bytes; an error needs no more.
const REFUSAL_BYTES: u64 = 64 * 1024;

/// A pause of this length is worth a warning: a user would wonder why nothing happens.
const ANNOUNCED_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) service: Service,
    pub(crate) base_url: Url,
    pub(crate) options: HttpOptions,
    pub(crate) redactor: Redactor,
    auth: AuthHeader,
    transport: Box<dyn Transport>,
    retry_budget: RetryBudget,
    cooldown: Cooldown,
    /// Whether a long pause was logged as a warning, which happens once.
    announced: AtomicBool,
    rate_limit: RateLimit,
    in_flight: InFlight,
}

impl Stack {
    pub(crate) fn new(
        service: Service,
        base_url: Url,
        auth: AuthHeader,
        options: HttpOptions,
        transport: Box<dyn Transport>,
    ) -> Self {
        Self {
            redactor: Redactor::new([auth.value()].into_iter().chain(&options.proxy_password())),
            retry_budget: RetryBudget::new(),
            cooldown: Cooldown::default(),
            announced: AtomicBool::new(false),
            rate_limit: RateLimit::new(options.requests_per_second),
            in_flight: InFlight::new(&options),
            service,
            base_url,
            options,
            auth,
            transport,
        }
    }

    /// Makes a single call. It is repeated until `accept` accepts a response, the rules of retrying end it,
    /// or the call timeout passes.
    pub(crate) async fn call<T>(
        &self,
        request: &Request,
        accept: impl Fn(Response) -> Result<T, Failure> + Send + Sync,
    ) -> Result<T> {
        let deadline = Deadline::for_call(self.options.call_timeout);
        let mut attempts = Attempts::new(&self.options.retry);
        let span = self.span(request);
        let calling = async {
            loop {
                let failure = match self.attempt(request, deadline, &mut attempts).await.and_then(&accept) {
                    Ok(value) => {
                        self.succeeded();
                        return Ok(value);
                    }
                    Err(failure) => failure,
                };
                pause(self.retry_wait(failure, request, &mut attempts, deadline)?).await;
            }
        };
        let result = calling.instrument(span.clone()).await;
        span.record("attempts", attempts.made());
        result
    }

    /// The span of all requests of one call.
    fn span(&self, request: &Request) -> tracing::Span {
        let (service, operation) = (self.service.name, request.operation());
        tracing::debug_span!("call", service, operation, attempts = tracing::field::Empty)
    }

    /// Opens a stream. The request is repeated until a 2xx response begins or the rules of retrying end it.
    pub(crate) async fn open(&self, request: &Request, attempts: &mut Attempts) -> Result<Body> {
        let span = self.span(request);
        let opening = async {
            loop {
                let failure = match self.begin(request, attempts).await {
                    Ok(body) => return Ok(body),
                    Err(failure) => failure,
                };
                pause(self.retry_wait(failure, request, attempts, self.no_deadline())?).await;
            }
        };
        let result = opening.instrument(span.clone()).await;
        span.record("attempts", attempts.made());
        result
    }

    /// Records that a call succeeded, which puts a token back into the retry budget.
    pub(crate) fn succeeded(&self) {
        self.retry_budget.put_back();
    }

    /// The deadline of a stream, which has no total timeout.
    pub(crate) fn no_deadline(&self) -> Deadline {
        Deadline::none(self.options.call_timeout)
    }

    /// Returns the wait before the next attempt, or the error if there is none.
    pub(crate) fn retry_wait(
        &self,
        mut failure: Failure,
        request: &Request,
        attempts: &mut Attempts,
        deadline: Deadline,
    ) -> Result<Duration> {
        if failure.error.operation().is_none() {
            failure.error = failure.error.with_operation(request.operation());
        }
        if failure.class == FailureClass::Throttled {
            let policy = &self.options.retry;
            // Capped, so that one absurd value does not stop a client for a day.
            let pause = failure.error.retry_after().unwrap_or(policy.base).min(policy.max_retry_after);
            self.cooldown.start(pause);
            if pause >= ANNOUNCED_PAUSE && !self.announced.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    service = self.service.name,
                    "the service limits requests: all of them pause for {}",
                    duration_text(pause)
                );
            }
            attempts.throttled();
        }
        let decision = attempts
            .decide(failure, request.retry_safety(), deadline.remaining(), || self.retry_budget.take());
        match decision {
            RetryDecision::After(wait) => {
                metrics::retry(self.service.name, request.operation());
                tracing::debug!(
                    operation = request.operation(),
                    attempt = attempts.made(),
                    ?wait,
                    "retrying"
                );
                Ok(wait)
            }
            RetryDecision::Stop(error) => Err(error),
        }
    }

    /// Makes one attempt at a single call.
    async fn attempt(
        &self,
        request: &Request,
        deadline: Deadline,
        attempts: &mut Attempts,
    ) -> Result<Response, Failure> {
        self.check_cooldown(deadline.at())?;
        let _permit = self.in_flight.call(deadline).await?;
        let incoming = self.send(request, deadline, attempts).await?;
        if !is_success(incoming.status) {
            return Err(self.refusal(request, incoming, deadline.at()).await);
        }
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let mut body = Body::whole(request.operation(), incoming, &self.options, self.options.max_body_bytes);
        let mut bytes = BytesMut::new();
        while let Some(chunk) =
            until(deadline.at(), body.next_piece()).await.ok_or_else(|| deadline.no_response())??
        {
            bytes.extend_from_slice(&chunk);
        }
        Ok(self.response(status, headers, bytes))
    }

    /// Makes one attempt at a stream.
    async fn begin(&self, request: &Request, attempts: &mut Attempts) -> Result<Body, Failure> {
        let call_timeout = self.options.call_timeout;
        self.check_cooldown(Instant::now().checked_add(call_timeout))?;
        let permit = self.in_flight.stream(&self.options).await?;
        let incoming = self.send(request, self.no_deadline(), attempts).await?;
        if !is_success(incoming.status) {
            // The response that explains why there is no stream is read as a single response, with a
            // deadline.
            return Err(self.refusal(request, incoming, Instant::now().checked_add(call_timeout)).await);
        }
        Ok(Body::streamed(request.operation(), incoming, &self.options, permit))
    }

    /// Waits for cooldown and rate limit, sends the request, and returns the head of the response.
    async fn send(
        &self,
        request: &Request,
        deadline: Deadline,
        attempts: &mut Attempts,
    ) -> Result<Incoming, Failure> {
        let outgoing = self.outgoing(request).map_err(Failure::permanent)?;
        self.wait_for_limits(deadline).await?;
        attempts.record();
        let started = Instant::now();
        let head_by = started.checked_add(self.options.head_timeout);
        let limit = [head_by, deadline.at()].into_iter().flatten().min();
        let result = match until(limit, self.transport.execute(outgoing)).await {
            Some(result) => result.map_err(Failure::from),
            None if limit == deadline.at() => Err(deadline.no_response()),
            None => {
                let message = format!("no response began within {:?}", self.options.head_timeout);
                Err(TransportError::interrupted(message).into())
            }
        };
        let (status, failed) = match &result {
            Ok(incoming) => (Some(incoming.status), None),
            Err(failure) => (None, Some(failure.error.message())),
        };
        metrics::request(self.service.name, request.operation(), status);
        tracing::debug!(
            service = self.service.name,
            operation = request.operation(),
            method = %request.method(),
            path = %request.path(),
            attempt = attempts.made(),
            status,
            failed,
            took = ?started.elapsed(),
            "request"
        );
        result
    }

    /// Waits until the cooldown is over and the rate limit allows another request.
    async fn wait_for_limits(&self, deadline: Deadline) -> Result<(), Failure> {
        loop {
            let remaining = self.check_cooldown(deadline.at())?;
            if !remaining.is_zero() {
                sleep(remaining).await;
                continue;
            }
            let Some(at) = self.rate_limit.reserve(deadline.at()) else { return Err(deadline.not_sent()) };
            pause(at.saturating_duration_since(Instant::now())).await;
            // A cooldown may have started in the meantime.
            if self.cooldown.remaining().is_zero() {
                return Ok(());
            }
        }
    }

    /// Returns how long the cooldown lasts; an error at once if it outlasts the deadline.
    fn check_cooldown(&self, deadline: Option<Instant>) -> Result<Duration, Failure> {
        let remaining = self.cooldown.remaining();
        if deadline.is_some_and(|deadline| Instant::now() + remaining > deadline) {
            let error = Error::new(ErrorKind::RateLimited, "the service asked an earlier call to wait")
                .with_retry_after(remaining);
            return Err(Failure::permanent(error));
        }
        Ok(remaining)
    }

    /// The request with all its headers.
    fn outgoing(&self, request: &Request) -> Result<Outgoing> {
        let mut headers = HeaderMap::new();
        if let Some(body) = request.outgoing_body() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // Without it a streamed body would be sent chunked, which many servers do not accept for uploads.
            headers.insert(header::CONTENT_LENGTH, body.length().into());
        }
        for (name, value) in request.headers() {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = header else {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("the header {name:?} cannot be sent"),
                ));
            };
            headers.insert(name, value);
        }
        let (name, value) = self.auth.to_header()?;
        headers.insert(name, value);
        Ok(Outgoing {
            method: request.method().clone(),
            url: request.url(&self.base_url),
            headers,
            body: request.outgoing_body().cloned(),
        })
    }

    fn response(&self, status: u16, headers: HeaderMap, body: BytesMut) -> Response {
        let response = Response::new(status, headers, body).with_redactor(self.redactor.clone());
        match self.service.request_id_header {
            Some(name) => response.with_request_id_header(name),
            None => response,
        }
    }

    /// Reads a response other than 2xx, and returns the failure that it means.
    async fn refusal(&self, request: &Request, incoming: Incoming, deadline: Option<Instant>) -> Failure {
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let mut body = Body::whole(request.operation(), incoming, &self.options, REFUSAL_BYTES);
        let mut bytes = BytesMut::new();
        // The status is enough: a body that breaks off or never ends must not become another error.
        loop {
            match until(deadline, body.next_piece()).await {
                Some(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                Some(Ok(None)) => break,
                Some(Err(_)) | None => {
                    bytes.truncate(whole_words(&bytes).len());
                    break;
                }
            }
        }
        let response = self.response(status, headers, bytes);
        let class = FailureClass::from_status(status);
        let mut error = match (status, response.header("location")) {
            (300..=399, Some(location)) => self.redirect(location),
            (407, _) => Error::new(ErrorKind::Transport, "the proxy refuses or requires credentials"),
            _ => (self.service.to_error)(&response),
        };
        error = error.with_status(status);
        if class == FailureClass::Permanent
            && matches!(error.kind(), ErrorKind::Server | ErrorKind::Transport)
        {
            error = error.with_retryable(false);
        }
        if let (None, Some(id)) = (error.request_id(), response.request_id()) {
            error = error.with_request_id(id);
        }
        if error.body_excerpt().is_none() && !response.body().is_empty() {
            error = error.with_body_excerpt(response.excerpt());
        }
        if let (None, Some(requested)) = (error.retry_after(), response.header("retry-after"))
            && let Some(wait) = retry_after::parse(requested, response.header("date"), Timestamp::now())
        {
            error = error.with_retry_after(wait);
        }
        if response.is_html() {
            error = error.with_html(true);
        }
        // A gateway that reports 502 or 504 does not know whether the service carried out the request.
        Failure { error, class, outcome_unknown: matches!(status, 502 | 504) }
    }

    /// The error of a redirect. Redirects are not followed, since the credentials would be sent along.
    fn redirect(&self, location: &str) -> Error {
        let to = match self.base_url.join(location) {
            Ok(mut url) => {
                url.set_query(None);
                url.set_fragment(None);
                // Neither can fail for a URL with a host, and one without has no credentials.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                self.redactor.redact(url.as_str())
            }
            Err(_) => "an unreadable address".to_owned(),
        };
        Error::new(ErrorKind::Decode, format!("the service redirected to {to}; redirects are not followed"))
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests;
