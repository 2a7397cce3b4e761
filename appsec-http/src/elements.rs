//! The elements of a JSON array, one by one, while the answer arrives.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::body::Body;
use crate::digest::{BlockDigests, Digest};
use crate::known::KnownBlocks;
use crate::outline::Member;
use crate::redact::Redactor;
use crate::request::Request;
use crate::response::from_json;
use crate::retry::{Failure, Fate, Tries};
use crate::splitter::{Found, Limits, SplitError, SplitErrorKind, Splitter};
use crate::stack::{Stack, pause};

/// Where in an answer the array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The answer is the array.
    Root,
    /// The answer is an object, and the array is this member of it.
    Field(&'static str),
}

/// One element of a streamed array.
#[derive(Clone)]
pub struct Element<'a> {
    /// Its place in the array, from 0.
    pub index: u64,
    /// Its bytes: one JSON value, of which only the outer form is known to be right. Often a view of the piece of the
    /// answer that it came in, which stays in memory as long.
    pub bytes: Bytes,
    /// Where its members stand, as far as that was noted; see [`Splitter::members`].
    pub members: &'a [Member],
    /// Knows the client's credentials: a service may put them into an answer.
    redactor: Option<&'a Redactor>,
}

impl Element<'_> {
    /// An element of which no members were noted.
    pub fn new(index: u64, bytes: impl Into<Bytes>) -> Self {
        Self { index, bytes: bytes.into(), members: &[], redactor: None }
    }

    /// The element decoded.
    ///
    /// # Errors
    /// `Decode`, with the path, which begins with the element's index.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        let redactor = self.redactor.cloned().unwrap_or_default();
        from_json(&self.bytes, Some(self.index), &redactor)
            .map_err(|undecodable| undecodable.error.with_operation(operation))
    }
}

/// Shows the length, not the bytes: a finding's evidence may be in them.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("index", &self.index)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The elements of an array in an answer.
///
/// * Lazy: nothing is sent before the first element is asked for, and no more is read than what has arrived, 64 KiB of it at most.
/// * Complete: the end is the array's own end and the body's. An answer that merely stops is an error.
/// * Each element once: an answer that breaks off is asked for again within the retry rules, and what was delivered is
///   passed over while its digest agrees. Where it does not, the answer has changed, and the stream ends in an error.
/// * The first error is the last item.
pub struct ElementStream {
    stack: Arc<Stack>,
    request: Request,
    at: At,
    state: State,
    delivered: u64,
    /// Of all elements delivered.
    digest: Digest,
    rest: Option<Box<RawValue>>,
    known: Option<Arc<dyn KnownBlocks>>,
    blocks: BlockDigests,
}

enum State {
    New,
    Opening(Opening),
    Reading(Box<Reading>),
    Ended,
}

/// Kept when the consumer gives up waiting, so that the request is not sent twice.
type Opening = Pin<Box<dyn Future<Output = Result<(Body, Tries)>> + Send>>;

struct Reading {
    body: Body,
    splitter: Splitter,
    tries: Tries,
    /// Elements found in this answer, and the digest of those that were delivered from an earlier one.
    seen: u64,
    digest: Digest,
    /// The beginning of the answer, until it proves to hold an array.
    begin: Option<Bytes>,
}

impl ElementStream {
    pub(crate) fn new(stack: Arc<Stack>, request: Request, at: At) -> Self {
        Self {
            stack,
            request,
            at,
            state: State::New,
            delivered: 0,
            digest: Digest::default(),
            rest: None,
            known: None,
            blocks: BlockDigests::default(),
        }
    }

    /// Steps over objects that are known, and notes where each element's members stand. Elements stay the same,
    /// and so do errors but for their place.
    pub fn with_known_blocks(mut self, known: Arc<dyn KnownBlocks>) -> Self {
        self.known = Some(known);
        self
    }

    /// The next element, or `None` after the last one and after an error. Cancel-safe: whoever gives up waiting loses
    /// neither an element nor the request under way.
    ///
    /// # Errors
    /// Those of [`HttpClient::send`](crate::HttpClient::send) except `Deadline`, and `Decode` for an answer that holds
    /// no such array or exceeds the limits of the options.
    pub async fn next(&mut self) -> Option<Result<Element<'_>>> {
        let bytes = match self.advance().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        let members = match &self.state {
            State::Reading(reading) => reading.splitter.members(),
            _ => &[],
        };
        let redactor = Some(&self.stack.redactor);
        Some(Ok(Element { index: self.delivered - 1, bytes, members, redactor }))
    }

    /// The next element's bytes; it is the last one delivered then.
    async fn advance(&mut self) -> Option<Result<Bytes>> {
        loop {
            match &mut self.state {
                State::New => self.ask(Duration::ZERO, Tries::new(&self.stack.options.retry)),
                State::Opening(opening) => match opening.await {
                    Ok((body, tries)) => self.state = State::Reading(Box::new(self.reading(body, tries))),
                    Err(error) => {
                        self.state = State::Ended;
                        return Some(Err(error));
                    }
                },
                State::Reading(reading) => match reading.next().await {
                    Ok(Some(bytes)) if reading.seen <= self.delivered => {
                        reading.digest.add_element(&bytes, reading.splitter.members(), &mut self.blocks);
                        if reading.seen == self.delivered && reading.digest != self.digest {
                            let made = reading.tries.made();
                            self.state = State::Ended;
                            return Some(Err(self.changed(made)));
                        }
                    }
                    Ok(Some(bytes)) => {
                        self.digest.add_element(&bytes, reading.splitter.members(), &mut self.blocks);
                        self.delivered += 1;
                        return Some(Ok(bytes));
                    }
                    ended => {
                        if let Err(error) = self.leave(ended.err()) {
                            return Some(Err(error));
                        }
                    }
                },
                State::Ended => return None,
            }
        }
    }

    /// What stands beside the array: the answer's object without the array's member. `None` before the end, after an
    /// error, and for [`At::Root`].
    pub fn rest(&self) -> Option<&RawValue> {
        self.rest.as_deref()
    }

    /// Asks for the answer, after a wait.
    fn ask(&mut self, wait: Duration, mut tries: Tries) {
        let stack = Arc::clone(&self.stack);
        let request = self.request.clone();
        self.state = State::Opening(Box::pin(async move {
            pause(wait).await;
            let body = stack.open(&request, &mut tries).await?;
            Ok((body, tries))
        }));
    }

    fn reading(&self, body: Body, tries: Tries) -> Reading {
        let largest = self.stack.options.max_element_bytes;
        let limits = Limits::new().with_element_bytes(largest).with_rest_bytes(largest);
        let mut splitter = Splitter::new(self.at, limits);
        if let Some(known) = &self.known {
            splitter = splitter.with_known_blocks(Arc::clone(known));
        }
        Reading { body, splitter, tries, seen: 0, digest: Digest::default(), begin: None }
    }

    /// Leaves an answer that has ended or failed: for good, or to ask again.
    fn leave(&mut self, failure: Option<Failure>) -> Result<()> {
        let State::Reading(mut reading) = std::mem::replace(&mut self.state, State::Ended) else {
            return Ok(());
        };
        let failure = match failure {
            Some(failure) => failure,
            None => match reading.splitter.finish() {
                Ok(_) if reading.seen < self.delivered => return Err(self.changed(reading.tries.made())),
                Ok(rest) => {
                    self.rest = rest;
                    self.stack.succeeded();
                    return Ok(());
                }
                Err(error) => refused(error),
            },
        };
        let Failure { mut error, fate, unclear } = failure;
        error = error.with_status(reading.body.status());
        if let (ErrorKind::Decode, Some(begin)) = (error.kind(), &reading.begin) {
            error = error.with_body_excerpt(self.stack.redactor.excerpt_of_part(begin));
        }
        let failure = Failure { error, fate, unclear };
        let wait = self.stack.after(failure, &self.request, &mut reading.tries, None)?;
        self.ask(wait, reading.tries);
        Ok(())
    }

    fn changed(&self, attempts: u32) -> Error {
        Error::new(ErrorKind::Decode, "the answer changed while being read again")
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
    /// The next element of this answer, or `None` at the end of its body, wherever that is.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(element) = self.splitter.next_element().map_err(refused)? {
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

/// What a refused document means: bytes that are no JSON may come right when asked for again, another shape will not.
fn refused(error: SplitError) -> Failure {
    use SplitErrorKind as Kind;
    let (fate, message) = match error.kind() {
        Kind::NotAnArray(Found(b'<')) | Kind::NotAnObject(Found(b'<')) => {
            (Fate::Passing, "an HTML page came instead of JSON".to_owned())
        }
        Kind::Truncated
        | Kind::Unexpected { .. }
        | Kind::Mismatched(_)
        | Kind::InvalidRest
        | Kind::Trailing(_) => (Fate::Passing, error.to_string()),
        _ => (Fate::Final, error.to_string()),
    };
    Failure { error: Error::new(ErrorKind::Decode, message), fate, unclear: true }
}

#[cfg(test)]
mod tests;
