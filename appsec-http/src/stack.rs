//! What stands between a call and the network, from the outside in: deadline, retry with its budget, in-flight limit,
//! shared gate, pace, one attempt, body cap, status to error, decoding.
//!
//! The in-flight limit stands outside gate and pace: a place that is taken first cannot be waited for between the
//! moment that the pace grants and the request.

use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument as _;
use url::Url;

use crate::body::Body;
use crate::budget::Budget;
use crate::figures;
use crate::gate::Gate;
use crate::options::HttpOptions;
use crate::pace::Pace;
use crate::redact::{Redactor, whole_words};
use crate::request::Request;
use crate::response::Response;
use crate::retry::{Failure, Fate, Next, Tries};
use crate::retry_after;
use crate::service::{AuthHeader, Service};
use crate::transport::{Broken, Incoming, Outgoing, Transport};

/// The most that is read of an answer that is not 2xx, in bytes; the rest is of no use to an error.
const REFUSAL_BYTES: u64 = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) service: Service,
    pub(crate) base_url: Url,
    pub(crate) options: HttpOptions,
    pub(crate) redactor: Redactor,
    auth: AuthHeader,
    transport: Box<dyn Transport>,
    budget: Budget,
    gate: Gate,
    pace: Pace,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Stack {
    pub(crate) fn new(
        service: Service,
        base_url: Url,
        auth: AuthHeader,
        options: HttpOptions,
        transport: Box<dyn Transport>,
    ) -> Self {
        let places = |limit: usize| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        Self {
            redactor: Redactor::new([auth.value()].into_iter().chain(&options.proxy_password())),
            budget: Budget::new(),
            gate: Gate::default(),
            pace: Pace::new(options.requests_per_second),
            calls: places(options.max_in_flight),
            streams: places(options.max_streams),
            service,
            base_url,
            options,
            auth,
            transport,
        }
    }

    /// A single call: repeated until `accept` takes an answer, the rules say stop, or the call timeout passes.
    pub(crate) async fn call<T>(
        &self,
        request: &Request,
        accept: impl Fn(Response) -> Result<T, Failure> + Send + Sync,
    ) -> Result<T> {
        let deadline = Instant::now().checked_add(self.options.call_timeout);
        let mut tries = Tries::new(&self.options.retry);
        let span = self.span(request);
        let calling = async {
            loop {
                let failure = match self.attempt(request, deadline, &mut tries).await.and_then(&accept) {
                    Ok(value) => {
                        self.succeeded();
                        return Ok(value);
                    }
                    Err(failure) => failure,
                };
                pause(self.after(failure, request, &mut tries, deadline)?).await;
            }
        };
        let result = calling.instrument(span.clone()).await;
        span.record("attempts", tries.made());
        result
    }

    /// What a call's requests are told under.
    fn span(&self, request: &Request) -> tracing::Span {
        let (service, operation) = (self.service.name, request.operation());
        tracing::debug_span!("call", service, operation, attempts = tracing::field::Empty)
    }

    /// Opens a stream: repeated until an answer begins that is 2xx, or the rules say stop.
    pub(crate) async fn open(&self, request: &Request, tries: &mut Tries) -> Result<Body> {
        let span = self.span(request);
        let opening = async {
            loop {
                let failure = match self.begin(request, tries).await {
                    Ok(body) => return Ok(body),
                    Err(failure) => failure,
                };
                pause(self.after(failure, request, tries, None)?).await;
            }
        };
        let result = opening.instrument(span.clone()).await;
        span.record("attempts", tries.made());
        result
    }

    /// Notes that a call came to its end, which pays for another one's retry.
    pub(crate) fn succeeded(&self) {
        self.budget.put_back();
    }

    /// The wait before the next attempt, or the error if there is none.
    pub(crate) fn after(
        &self,
        mut failure: Failure,
        request: &Request,
        tries: &mut Tries,
        deadline: Option<Instant>,
    ) -> Result<Duration> {
        if failure.error.operation().is_none() {
            failure.error = failure.error.with_operation(request.operation());
        }
        if failure.fate == Fate::Throttled {
            let policy = &self.options.retry;
            // Capped, so that one absurd value does not shut a client up for a day.
            self.gate
                .close_for(failure.error.retry_after().unwrap_or(policy.base).min(policy.max_retry_after));
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match tries.next(failure, request.repeat(), left, || self.budget.take()) {
            Next::After(wait) => {
                figures::retry(self.service.name, request.operation());
                tracing::debug!(
                    operation = request.operation(),
                    attempt = tries.made(),
                    ?wait,
                    "trying again"
                );
                Ok(wait)
            }
            Next::Stop(error) => Err(error),
        }
    }

    /// One attempt at a single call.
    async fn attempt(
        &self,
        request: &Request,
        deadline: Option<Instant>,
        tries: &mut Tries,
    ) -> Result<Response, Failure> {
        let _place = self.place(&self.calls, deadline).await?;
        let incoming = self.send(request, deadline, tries).await?;
        if !is_success(incoming.status) {
            return Err(self.refusal(request, incoming, deadline).await);
        }
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let mut body = Body::whole(request.operation(), incoming, &self.options, self.options.max_body_bytes);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.by(deadline, body.piece()).await.ok_or_else(|| self.too_late(true))?? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(self.answer(status, headers, bytes))
    }

    /// One attempt at a stream.
    async fn begin(&self, request: &Request, tries: &mut Tries) -> Result<Body, Failure> {
        let place = self.place_for_stream().await?;
        let incoming = self.send(request, None, tries).await?;
        if !is_success(incoming.status) {
            // What says why the stream did not begin is a single answer, with a total.
            let deadline = Instant::now().checked_add(self.options.call_timeout);
            return Err(self.refusal(request, incoming, deadline).await);
        }
        Ok(Body::streamed(request.operation(), incoming, &self.options, place))
    }

    /// Waits for its turn, sends, and gives the head of the answer.
    async fn send(
        &self,
        request: &Request,
        deadline: Option<Instant>,
        tries: &mut Tries,
    ) -> Result<Incoming, Failure> {
        let outgoing = self.outgoing(request).map_err(Failure::last)?;
        self.turn(deadline).await?;
        tries.count();
        let started = Instant::now();
        let head_by = started.checked_add(self.options.head_timeout);
        let limit = [head_by, deadline].into_iter().flatten().min();
        let result = match self.by(limit, self.transport.execute(outgoing)).await {
            Some(result) => result.map_err(Failure::from),
            None if limit == deadline => Err(self.too_late(true)),
            None => {
                Err(Broken::midway(format!("no answer began within {:?}", self.options.head_timeout)).into())
            }
        };
        let (status, failed) = match &result {
            Ok(incoming) => (Some(incoming.status), None),
            Err(failure) => (None, Some(failure.error.message())),
        };
        figures::request(self.service.name, request.operation(), status);
        tracing::debug!(
            service = self.service.name,
            operation = request.operation(),
            method = %request.method(),
            path = %request.path(),
            attempt = tries.made(),
            status,
            failed,
            took = ?started.elapsed(),
            "request"
        );
        result
    }

    /// A place among the streams. Bounded, since the places may be those of streams that the same consumer has stopped reading,
    /// and then nobody else would ever end the wait.
    async fn place_for_stream(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let limit = Instant::now().checked_add(self.options.call_timeout);
        self.place(&self.streams, limit).await.map_err(|failure| {
            if failure.error.kind() != ErrorKind::Deadline {
                return failure;
            }
            let message = format!(
                "no place for another stream within {:?}: {} are open, and one that is not read keeps its place",
                self.options.call_timeout, self.options.max_streams
            );
            Failure::last(Error::new(ErrorKind::Deadline, message))
        })
    }

    /// A place among those under way.
    async fn place(
        &self,
        places: &Arc<Semaphore>,
        deadline: Option<Instant>,
    ) -> Result<OwnedSemaphorePermit, Failure> {
        self.admits(deadline)?;
        let place = self
            .by(deadline, Arc::clone(places).acquire_owned())
            .await
            .ok_or_else(|| self.too_late(false))?;
        place.map_err(|closed| {
            Failure::last(Error::new(ErrorKind::Unexpected, "the client is shut").with_source(closed))
        })
    }

    /// Waits until the gate is open and the pace allows another request.
    async fn turn(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        loop {
            let closed = self.admits(deadline)?;
            if !closed.is_zero() {
                sleep(closed).await;
                continue;
            }
            let Some(at) = self.pace.take(deadline) else { return Err(self.too_late(false)) };
            pause(at.saturating_duration_since(Instant::now())).await;
            // It may have closed in the meantime.
            if self.gate.closed_for().is_zero() {
                return Ok(());
            }
        }
    }

    /// How long the gate stays closed; an error at once when that is longer than the call may take.
    fn admits(&self, deadline: Option<Instant>) -> Result<Duration, Failure> {
        let closed = self.gate.closed_for();
        if deadline.is_some_and(|deadline| Instant::now() + closed > deadline) {
            let error = Error::new(ErrorKind::RateLimited, "the service asked an earlier call to wait")
                .with_retry_after(closed);
            return Err(Failure::last(error));
        }
        Ok(closed)
    }

    /// The future's result, or `None` when the moment passes first.
    async fn by<T>(&self, moment: Option<Instant>, future: impl Future<Output = T> + Send) -> Option<T> {
        match moment {
            Some(moment) => timeout_at(moment, future).await.ok(),
            None => Some(future.await),
        }
    }

    fn too_late(&self, sent: bool) -> Failure {
        let timeout = self.options.call_timeout;
        let message = if sent {
            format!("no complete answer within the call timeout of {timeout:?}")
        } else {
            format!("the call's turn did not come within the call timeout of {timeout:?}")
        };
        Failure { unclear: sent, ..Failure::last(Error::new(ErrorKind::Deadline, message)) }
    }

    /// The request with all its headers.
    fn outgoing(&self, request: &Request) -> Result<Outgoing> {
        let mut headers = HeaderMap::new();
        if let Some(body) = request.outgoing_body() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // Without it a streamed body would go out in chunks, which many servers of uploads do not take.
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

    fn answer(&self, status: u16, headers: HeaderMap, body: BytesMut) -> Response {
        let answer = Response::new(status, headers, body).with_redactor(self.redactor.clone());
        match self.service.request_id_header {
            Some(name) => answer.with_request_id_header(name),
            None => answer,
        }
    }

    /// What an answer that is not 2xx means.
    async fn refusal(&self, request: &Request, incoming: Incoming, deadline: Option<Instant>) -> Failure {
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let mut body = Body::whole(request.operation(), incoming, &self.options, REFUSAL_BYTES);
        let mut bytes = BytesMut::new();
        // The status says enough: a body that breaks off or never ends is no reason for another error.
        loop {
            match self.by(deadline, body.piece()).await {
                Some(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                Some(Ok(None)) => break,
                Some(Err(_)) | None => {
                    bytes.truncate(whole_words(&bytes).len());
                    break;
                }
            }
        }
        let answer = self.answer(status, headers, bytes);
        let fate = Fate::of_status(status);
        let mut error = match (status, answer.header("location")) {
            (300..=399, Some(location)) => self.redirect(location),
            (407, _) => {
                Error::new(ErrorKind::Transport, "the proxy refuses the credentials, or asks for some")
            }
            _ => (self.service.to_error)(&answer),
        };
        error = error.with_status(status);
        if fate == Fate::Final && matches!(error.kind(), ErrorKind::Server | ErrorKind::Transport) {
            error = error.with_retryable(false);
        }
        if let (None, Some(id)) = (error.request_id(), answer.request_id()) {
            error = error.with_request_id(id);
        }
        if error.body_excerpt().is_none() && !answer.body().is_empty() {
            error = error.with_body_excerpt(answer.excerpt());
        }
        if let (None, Some(asked)) = (error.retry_after(), answer.header("retry-after"))
            && let Some(wait) = retry_after::parse(asked, answer.header("date"), Timestamp::now())
        {
            error = error.with_retry_after(wait);
        }
        // A gateway that gives up does not know what became of the request behind it.
        Failure { error, fate, unclear: matches!(status, 502 | 504) }
    }

    /// Redirects are not followed: the credentials would go along.
    fn redirect(&self, location: &str) -> Error {
        let to = match self.base_url.join(location) {
            Ok(mut url) => {
                url.set_query(None);
                url.set_fragment(None);
                // Neither can fail for a URL with a host, and one without has no credentials.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                self.redactor.text(url.as_str())
            }
            Err(_) => "an unreadable address".to_owned(),
        };
        Error::new(ErrorKind::Decode, format!("a redirect to {to} came instead of an answer"))
    }
}

/// Sleeps; a wait of zero is none, where the timer would make it a millisecond.
pub(crate) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests;
