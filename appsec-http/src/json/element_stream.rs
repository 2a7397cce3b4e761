//! Reads the elements of a JSON array one by one, while the response arrives.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::json::array_path::ArrayPath;
use crate::json::decode::from_json;
use crate::json::digest::{BlockDigests, Digest};
use crate::json::error::{Found, SplitError, SplitErrorKind};
use crate::json::known_blocks::KnownBlocks;
use crate::json::limits::Limits;
use crate::json::members::Member;
use crate::json::splitter::Splitter;
use crate::redact::Redactor;
use crate::request::Request;
use crate::stack::Stack;
use crate::stack::body::Body;
use crate::stack::deadline::pause;
use crate::stack::retry::{Attempts, Failure, FailureClass};
use crate::stack::throttle_signal::ThrottleSignal;

/// One element of a streamed array.
#[derive(Clone)]
pub struct Element<'a> {
    /// The position in the array, from 0.
    pub index: u64,
    /// The bytes: one JSON value, of which only brackets and strings have been checked. They are often a
    /// view of the chunk of the response that they came in, which then stays in memory as long. Empty for
    /// an element that exceeds a [limit](Self::exceeded).
    pub bytes: Bytes,
    /// The limit that the element exceeds: it is nested too deep or too large. Nothing of it is kept, and
    /// decoding it fails.
    pub exceeded: Option<SplitErrorKind>,
    /// The positions of its members, if they were recorded; see [`Splitter::members`].
    pub members: &'a [Member],
    /// Masks the client's credentials, which a service may put into a response.
    redactor: Option<&'a Redactor>,
}

impl Element<'_> {
    /// Returns an element without recorded members.
    pub fn new(index: u64, bytes: impl Into<Bytes>) -> Self {
        Self { index, bytes: bytes.into(), exceeded: None, members: &[], redactor: None }
    }

    /// Decodes the element.
    ///
    /// # Errors
    /// `Decode`, with the path of what could not be decoded; it begins with the index of the element. An
    /// element that exceeds a limit cannot be decoded.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        if let Some(limit) = self.exceeded {
            let error = Error::new(ErrorKind::Decode, limit.to_string()).with_operation(operation);
            return Err(error.with_path(format!("[{}]", self.index)));
        }
        let redactor = self.redactor.cloned().unwrap_or_default();
        from_json(&self.bytes, Some(self.index), &redactor)
            .map_err(|failure| failure.error.with_operation(operation))
    }
}

/// Shows the length, not the bytes, which may hold the evidence of a finding.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("index", &self.index)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A stream of the elements of an array in a response.
///
/// * Lazy: nothing is sent before the first element is requested, and at most 64 KiB of what has arrived is
///   read ahead.
/// * Complete: the stream ends with the end of the array and of the body. A response that merely stops is
///   an error.
/// * One by one: an element that is nested too deep or is larger than the options allow is delivered without
///   its bytes, and the stream goes on after it; see [`Element::exceeded`].
/// * Each element once: after an interruption the request is repeated within the retry rules, and the
///   elements already delivered are skipped while their digest agrees. If it does not, the response has
///   changed, and the stream ends in an error.
/// * An error is the last item.
pub struct ElementStream {
    stack: Arc<Stack>,
    request: Request,
    at: ArrayPath,
    state: State,
    delivered: u64,
    /// The digest of all elements delivered.
    digest: Digest,
    rest: Option<Box<RawValue>>,
    array_name: Option<&'static str>,
    known: Option<Arc<dyn KnownBlocks>>,
    blocks: BlockDigests,
    throttle_signal: Option<ThrottleSignal>,
}

enum State {
    New,
    Opening(Opening),
    Reading(Box<Reading>),
    Ended,
}

/// Kept across cancelled calls, so that the request is not sent twice.
type Opening = Pin<Box<dyn Future<Output = Result<(Body, Attempts)>> + Send>>;

struct Reading {
    body: Body,
    splitter: Splitter,
    attempts: Attempts,
    /// The elements found in this response, and the digest of those that an earlier response delivered.
    seen: u64,
    digest: Digest,
    /// The beginning of the response, until it proves to hold an array.
    begin: Option<Bytes>,
}

impl ElementStream {
    pub(crate) fn new(stack: Arc<Stack>, request: Request, at: ArrayPath) -> Self {
        Self {
            stack,
            request,
            at,
            state: State::New,
            delivered: 0,
            digest: Digest::default(),
            rest: None,
            array_name: None,
            known: None,
            blocks: BlockDigests::default(),
            throttle_signal: None,
        }
    }

    /// Skips objects that are known, and records the positions of the members of each element. The elements
    /// stay the same, and so do errors except for their offset.
    pub fn with_known_blocks(mut self, known: Arc<dyn KnownBlocks>) -> Self {
        self.known = Some(known);
        self
    }

    /// Sets the signal when the service returns 429 while this stream is opened or read, also if a retry
    /// hides it.
    pub fn with_throttle_signal(mut self, signal: ThrottleSignal) -> Self {
        self.throttle_signal = Some(signal);
        self
    }

    /// Returns the next element, or `None` after the last one and after an error. Cancel-safe: a cancelled
    /// call loses neither an element nor the request in flight.
    ///
    /// # Errors
    /// Those of [`HttpClient::send`](crate::HttpClient::send) except `Deadline`, and `Decode` for a
    /// response that has no such array or is larger than the options allow.
    pub async fn next(&mut self) -> Option<Result<Element<'_>>> {
        let (bytes, exceeded) = match self.advance().await? {
            Ok(Ok(bytes)) => (bytes, None),
            Ok(Err(limit)) => (Bytes::new(), Some(limit)),
            Err(error) => return Some(Err(error)),
        };
        let members = match &self.state {
            State::Reading(reading) => reading.splitter.members(),
            _ => &[],
        };
        let redactor = Some(&self.stack.redactor);
        Some(Ok(Element { index: self.delivered - 1, bytes, exceeded, members, redactor }))
    }

    /// The bytes of the next element, or the limit that it exceeds. It counts as delivered.
    async fn advance(&mut self) -> Option<Result<Result<Bytes, SplitErrorKind>>> {
        loop {
            match &mut self.state {
                State::New => {
                    let attempts = Attempts::new(&self.stack.options.retry);
                    self.reopen(Duration::ZERO, attempts.with_signal(self.throttle_signal.clone()));
                }
                State::Opening(opening) => match opening.await {
                    Ok((body, attempts)) => {
                        self.state = State::Reading(Box::new(self.reading(body, attempts)));
                    }
                    Err(error) => {
                        self.state = State::Ended;
                        return Some(Err(error));
                    }
                },
                State::Reading(reading) => match reading.next().await {
                    Ok(Some(element)) if reading.seen <= self.delivered => {
                        let bytes = element.as_deref().unwrap_or_default();
                        reading.digest.add_element(bytes, reading.splitter.members(), &mut self.blocks);
                        if reading.seen == self.delivered && reading.digest != self.digest {
                            let made = reading.attempts.made();
                            self.state = State::Ended;
                            return Some(Err(self.changed(made)));
                        }
                    }
                    Ok(Some(element)) => {
                        let bytes = element.as_deref().unwrap_or_default();
                        self.digest.add_element(bytes, reading.splitter.members(), &mut self.blocks);
                        self.delivered += 1;
                        return Some(Ok(element));
                    }
                    ended => {
                        if let Err(error) = self.end_response(ended.err()) {
                            return Some(Err(error));
                        }
                    }
                },
                State::Ended => return None,
            }
        }
    }

    /// The members beside the array: the object of the response without the array. `None` before the end,
    /// for [`ArrayPath::Root`], and after an error, unless the error is that the object holds no array:
    /// then its members may say why.
    pub fn rest(&self) -> Option<&RawValue> {
        self.rest.as_deref()
    }

    /// The name of the member that is the array, or should be. `None` before the first element, unless the
    /// response has ended, and for [`ArrayPath::Root`].
    pub fn array_name(&self) -> Option<&'static str> {
        match &self.state {
            State::Reading(reading) => reading.splitter.array_name(),
            _ => self.array_name,
        }
    }

    /// Returns text of the response with secrets masked and control characters escaped, as
    /// [`Response::redacted`](crate::Response::redacted) does.
    pub fn redacted(&self, text: &str) -> String {
        self.stack.redactor.redact(text)
    }

    /// Starts to send the request, after a wait.
    fn reopen(&mut self, wait: Duration, mut attempts: Attempts) {
        let stack = Arc::clone(&self.stack);
        let request = self.request.clone();
        self.state = State::Opening(Box::pin(async move {
            pause(wait).await;
            let body = stack.open(&request, &mut attempts).await?;
            Ok((body, attempts))
        }));
    }

    fn reading(&self, body: Body, attempts: Attempts) -> Reading {
        let largest = self.stack.options.max_element_bytes;
        let limits = Limits::new().with_element_bytes(largest).with_rest_bytes(largest);
        let mut splitter = Splitter::new(self.at, limits);
        if let Some(known) = &self.known {
            splitter = splitter.with_known_blocks(Arc::clone(known));
        }
        Reading { body, splitter, attempts, seen: 0, digest: Digest::default(), begin: None }
    }

    /// Ends the reading of a response that has ended or failed, for good or to repeat the request.
    fn end_response(&mut self, failure: Option<Failure>) -> Result<()> {
        let State::Reading(mut reading) = std::mem::replace(&mut self.state, State::Ended) else {
            return Ok(());
        };
        self.array_name = reading.splitter.array_name();
        self.rest = reading.splitter.rest_without_array();
        let failure = match failure {
            Some(failure) => failure,
            None => match reading.splitter.finish() {
                Ok(_) if reading.seen < self.delivered => return Err(self.changed(reading.attempts.made())),
                Ok(rest) => {
                    self.rest = rest;
                    self.stack.succeeded();
                    return Ok(());
                }
                Err(error) => refused(error),
            },
        };
        let Failure { mut error, class, outcome_unknown } = failure;
        error = error.with_status(reading.body.status());
        if let (ErrorKind::Decode, Some(begin)) = (error.kind(), &reading.begin) {
            error = error.with_body_excerpt(self.stack.redactor.excerpt_of_part(begin));
        }
        let failure = Failure { error, class, outcome_unknown };
        let wait =
            self.stack.retry_wait(failure, &self.request, &mut reading.attempts, self.stack.no_deadline())?;
        self.reopen(wait, reading.attempts);
        Ok(())
    }

    fn changed(&self, attempts: u32) -> Error {
        Error::new(ErrorKind::Decode, "the response changed while being read again")
            .with_operation(self.request.operation())
            .with_attempts(attempts)
    }
}

impl fmt::Debug for ElementStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New => "new",
            State::Opening(_) => "opening",
            State::Reading(_) => "reading",
            State::Ended => "ended",
        };
        f.debug_struct("ElementStream")
            .field("request", &self.request)
            .field("at", &self.at)
            .field("state", &state)
            .field("delivered", &self.delivered)
            .finish_non_exhaustive()
    }
}

impl Reading {
    /// The next element of this response, or the limit that it exceeds; `None` at the end of the body, even
    /// within the array.
    async fn next(&mut self) -> Result<Option<Result<Bytes, SplitErrorKind>>, Failure> {
        loop {
            if let Some(element) = self.splitter.next_element_or_skipped().map_err(refused)? {
                self.begin = None;
                self.seen += 1;
                return Ok(Some(element));
            }
            let Some(chunk) = self.body.next().await? else { return Ok(None) };
            if self.seen == 0 && self.begin.is_none() {
                self.begin = Some(chunk.clone());
            }
            self.splitter.feed(chunk);
        }
    }
}

/// The failure that a refused document means. Bytes that are not JSON may be right in another response;
/// JSON of another shape is a permanent failure.
fn refused(error: SplitError) -> Failure {
    use SplitErrorKind as Kind;
    let html = matches!(error.kind(), Kind::NotAnArray(Found(b'<')) | Kind::NotAnObject(Found(b'<')));
    let class = match error.kind() {
        _ if html => FailureClass::Transient,
        Kind::Truncated
        | Kind::Unexpected { .. }
        | Kind::Mismatched(_)
        | Kind::InvalidRest
        | Kind::Trailing(_) => FailureClass::Transient,
        _ => FailureClass::Permanent,
    };
    let message = if html { "an HTML page came instead of JSON".to_owned() } else { error.to_string() };
    let mut refused = Error::new(ErrorKind::Decode, message).with_html(html);
    if let Kind::MissingField(name) | Kind::NullField(name) | Kind::DuplicateField(name) = error.kind() {
        refused = refused.with_path(name);
    }
    let error = refused;
    Failure { error, class, outcome_unknown: true }
}

#[cfg(test)]
mod tests;
