//! One error for the workspace: what happened, whether trying again can help, and what the scanner said.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::coverage::CoverageGap;
use crate::printable::{Printable, truncate};
use crate::scan::Scan;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What a caller can do about an [`Error`].
///
/// Kinds are chosen by the remedy, not by the place where the error arose, and none is named after a
/// library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client was configured with values that cannot work. Correct the settings; nothing was sent.
    Config,
    /// The scanner does not accept the credentials, or no longer does. Replace the token or key.
    Auth,
    /// The credentials are known but may not do this. Ask for the role or scope that the message names.
    PermissionDenied,
    /// The object does not exist, or not yet, or is not visible to these credentials.
    NotFound,
    /// The object is in a state that does not allow this (a scan already runs, an export is in progress).
    Conflict,
    /// The scanner asks for fewer requests. Wait for [`Error::retry_after`], then ask again.
    RateLimited,
    /// The scanner, or the client on its behalf, refuses the request as malformed. Correct the arguments.
    InvalidRequest,
    /// The scanner has no such ability; see its `Capabilities`. Nothing was sent.
    Unsupported,
    /// No usable response came over the network: DNS, connection, TLS, a body cut short, a stall.
    Transport,
    /// The scanner reports a fault of its own (5xx).
    Server,
    /// A response came that does not match the API. [`Error::path`] names the place in the JSON.
    Decode,
    /// A watched scan ended without completing. [`Error::scan`] holds its last state.
    ScanFailed,
    /// The caller's own deadline passed. The operation may still be running at the scanner.
    Deadline,
    /// A stored resume point is no longer of use (an expired export, another scanner). Start over.
    ResumeExpired,
    /// None of the above; a bug or an undocumented response.
    Unexpected,
}

impl ErrorKind {
    /// The kind in lower-case words, as `Display` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "configuration",
            Self::Auth => "credentials refused",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate limited",
            Self::InvalidRequest => "invalid request",
            Self::Unsupported => "unsupported",
            Self::Transport => "transport",
            Self::Server => "server fault",
            Self::Decode => "undecodable response",
            Self::ScanFailed => "scan failed",
            Self::Deadline => "deadline passed",
            Self::ResumeExpired => "resume point expired",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of the workspace that an [`Error`] comes from.
///
/// It distinguishes errors of one [`ErrorKind`] where the remedy depends on the part: a `Deadline` of a
/// scanner's HTTP call is a matter of the network, the `Deadline` of a watch means that the scan still
/// runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorOrigin {
    /// The scanner, or the client that talks to it. This is the default.
    #[default]
    Scanner,
    /// The watch over a scan: the scan ended without completing, or the deadline of the watch passed.
    Watch,
    /// The store in which an importer keeps its findings.
    Store,
    /// The writing of a report.
    Report,
}

/// The error of every fallible operation in this workspace.
///
/// `Display` is one line, whatever the scanner sent (see [`Printable`]), and never repeats the cause; the chain is behind [`std::error::Error::source`].
/// Neither form holds a credential: clients build errors from redacted material only.
///
/// The constructors are public, so that a test suite can fake any error that a scanner may return:
///
/// ```
/// use std::time::Duration;
/// use appsec_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::RateLimited, "429 Too Many Requests")
///     .with_operation("salt: list posture gaps")
///     .with_status(429)
///     .with_retry_after(Duration::from_secs(30));
/// assert_eq!(error.to_string(), "salt: list posture gaps: rate limited: 429 Too Many Requests");
/// assert!(error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

#[expect(clippy::struct_excessive_bools, reason = "independent facts, each behind an accessor")]
struct Inner {
    kind: ErrorKind,
    message: String,
    origin: ErrorOrigin,
    operation: Option<&'static str>,
    context: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    conflicting_id: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    retryable: bool,
    outcome_unknown: bool,
    html: bool,
    expired: bool,
    path: Option<String>,
    body_excerpt: Option<String>,
    scan: Option<Scan>,
    gap: Option<CoverageGap>,
    source: Option<Source>,
}

impl Error {
    /// The largest size of a message, in bytes. A longer one is cut.
    pub const MAX_MESSAGE: usize = 4_096;

    /// The largest size of a path, in bytes. A longer one is cut: its keys are the scanner's, of any length.
    pub const MAX_PATH: usize = 256;

    /// An error of the given kind. The message is lower case, without a full stop, and free of secrets.
    ///
    /// `RateLimited`, `Server` and `Transport` start as retryable, the others do not.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: truncate(message, Self::MAX_MESSAGE),
            origin: ErrorOrigin::default(),
            operation: None,
            context: None,
            status: None,
            code: None,
            conflicting_id: None,
            request_id: None,
            retry_after: None,
            attempts: 0,
            retryable: matches!(kind, ErrorKind::RateLimited | ErrorKind::Server | ErrorKind::Transport),
            outcome_unknown: false,
            html: false,
            expired: false,
            path: None,
            body_excerpt: None,
            scan: None,
            gap: None,
            source: None,
        }))
    }

    /// The error of an ability that the scanner lacks; `operation` is the trait's method with its variant.
    pub fn unsupported(operation: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported, "this scanner has no such ability").with_operation(operation)
    }

    /// Names the operation, as in `"salt: list posture gaps"`.
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Sets the part of the workspace that the error comes from.
    pub fn with_origin(mut self, origin: ErrorOrigin) -> Self {
        self.0.origin = origin;
        self
    }

    /// Adds where it happened, as in `chunk 3`, and leaves everything else as it is. A context that the
    /// error already has stays behind the new one: `export 7: chunk 3`.
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        let mut context = context.into();
        if let Some(inner) = self.0.context.take() {
            context.push_str(": ");
            context.push_str(&inner);
        }
        self.0.context = Some(context);
        self
    }

    /// Keeps the HTTP status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Keeps the scanner's own error code, such as `NOT_ALLOWED`.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Keeps the scanner's id of the scan or export that conflicts with this request.
    pub fn with_conflicting_id(mut self, id: impl Into<String>) -> Self {
        self.0.conflicting_id = Some(id.into());
        self
    }

    /// Keeps the id that the scanner's support asks for.
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Keeps how long the scanner asks to wait.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Keeps how many requests were made for this one call.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Overrides whether the same call may succeed when made again.
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Sets whether the call may have taken effect although no response came.
    pub fn with_outcome_unknown(mut self, unknown: bool) -> Self {
        self.0.outcome_unknown = unknown;
        self
    }

    /// Sets whether an HTML page was returned instead of JSON.
    pub fn with_html(mut self, html: bool) -> Self {
        self.0.html = html;
        self
    }

    /// Sets whether the service said that the credentials expired.
    pub fn with_expired(mut self, expired: bool) -> Self {
        self.0.expired = expired;
        self
    }

    /// Keeps the place in the JSON that could not be decoded, as in `response[3].severity`. At most
    /// [`Error::MAX_PATH`] bytes are kept.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(truncate(path, Self::MAX_PATH));
        self
    }

    /// Keeps the beginning of the response's body, already redacted and cut by the caller.
    pub fn with_body_excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.0.body_excerpt = Some(excerpt.into());
        self
    }

    /// Keeps the last state seen of the scan in question.
    pub fn with_scan(mut self, scan: Scan) -> Self {
        self.0.scan = Some(scan);
        self
    }

    /// Keeps the gap that leaves the question unanswered.
    pub fn with_gap(mut self, gap: CoverageGap) -> Self {
        self.0.gap = Some(gap);
        self
    }

    /// Keeps the cause. It must hold no secret: it is printed with the chain of sources.
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind, which says what can be done. Match on this; the set may grow.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, as in `"tenable: launch scan"`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The part of the workspace that the error comes from, [`ErrorOrigin::Scanner`] unless set.
    ///
    /// Look at it where [`Error::kind`] alone does not say what to do, as for a `Deadline`.
    pub fn origin(&self) -> ErrorOrigin {
        self.0.origin
    }

    /// Where within the operation it happened, as in `chunk 3`. `Display` prints it before the message.
    ///
    /// It is for a reader of the error; the other accessors hold what code needs.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The HTTP status of the last response. `None` when no response came; then look at the connection.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The scanner's own code for the error, where its response has one. Quote it to the vendor's support.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The scanner's id of the scan or export that conflicts with this request, for a `Conflict`.
    ///
    /// The usual cause is a run that was started before and has not ended. Watch or adopt that one, or stop
    /// it. `None` where the response does not name it; then list the scans of the target.
    pub fn conflicting_id(&self) -> Option<&str> {
        self.0.conflicting_id.as_deref()
    }

    /// The scanner's id of the request. Quote it to the vendor's support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the scanner asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many requests were made for the call; 0 when none was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may succeed later.
    ///
    /// False after the client's own last retry, so that an outer loop does not start the whole sequence
    /// again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether the call may have taken effect without a response, as a launch whose connection broke.
    ///
    /// Look before repeating it: list the scans of the target first.
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// Whether an HTML page was returned instead of JSON.
    ///
    /// The usual causes are a base URL that leads to the web interface instead of the API, and a proxy that
    /// shows a page of its own. Correct the base URL or the proxy.
    pub fn is_html(&self) -> bool {
        self.0.html
    }

    /// Whether the service itself said that the credentials expired. Renew the token or key.
    ///
    /// False does not prove that they are current: many services refuse expired and unknown credentials in
    /// the same words.
    pub fn is_expired(&self) -> bool {
        self.0.expired
    }

    /// The place in the response's JSON that could not be decoded.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// The beginning of the response's body: at most 1 KiB, redacted. It is for people; code must not match
    /// on it.
    pub fn body_excerpt(&self) -> Option<&str> {
        self.0.body_excerpt.as_deref()
    }

    /// The last state of the scan that this error is about, for `ScanFailed` and for a watch's `Deadline`.
    pub fn scan(&self) -> Option<&Scan> {
        self.0.scan.as_ref()
    }

    /// The gap of a listing in which an object was not found, while it may be among what the listing lacks.
    ///
    /// Do not conclude that the object is gone. Ask again later; if the gap stays, look at its message.
    pub fn gap(&self) -> Option<&CoverageGap> {
        self.0.gap.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: ", self.0.kind)?;
        if let Some(context) = &self.0.context {
            write!(f, "{}: ", Printable(context))?;
        }
        write!(f, "{}", Printable(&self.0.message))?;
        if let Some(path) = &self.0.path {
            write!(f, " (at {})", Printable(path))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("origin", &inner.origin)
            .field("operation", &inner.operation)
            .field("context", &inner.context)
            .field("message", &inner.message)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("conflicting_id", &inner.conflicting_id)
            .field("request_id", &inner.request_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts)
            .field("retryable", &inner.retryable)
            .field("outcome_unknown", &inner.outcome_unknown)
            .field("html", &inner.html)
            .field("expired", &inner.expired)
            .field("path", &inner.path)
            .field("body_excerpt", &inner.body_excerpt)
            .field("scan", &inner.scan)
            .field("gap", &inner.gap)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_portable<T: Send + Sync + 'static>() {}

    #[test]
    fn is_one_word_and_crosses_threads() {
        is_portable::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn display_does_not_repeat_the_source() {
        let cause = std::io::Error::other("connection reset by peer");
        let error = Error::new(ErrorKind::Transport, "the response was cut short").with_source(cause);
        assert_eq!(error.to_string(), "transport: the response was cut short");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection reset by peer"));
    }

    #[test]
    fn display_names_operation_and_path() {
        let error = Error::new(ErrorKind::Decode, "expected a list")
            .with_operation("salt: list hosts")
            .with_path("response[2].host");
        assert_eq!(
            error.to_string(),
            "salt: list hosts: undecodable response: expected a list (at response[2].host)"
        );
    }

    #[test]
    fn display_puts_the_outer_context_first_and_keeps_the_rest() {
        let error = Error::new(ErrorKind::Decode, "expected a list")
            .with_operation("tenable: download export chunk")
            .with_path("[2].asset")
            .with_context("chunk 3");
        assert_eq!(error.context(), Some("chunk 3"));
        let error = error.with_context("export 7");
        assert_eq!(error.context(), Some("export 7: chunk 3"));
        assert_eq!(error.message(), "expected a list");
        assert_eq!(
            error.to_string(),
            "tenable: download export chunk: undecodable response: export 7: chunk 3: expected a list (at [2].asset)"
        );
    }

    #[test]
    fn each_fact_is_read_as_it_was_set() {
        let plain = Error::new(ErrorKind::Conflict, "a scan runs");
        assert_eq!(
            (plain.origin(), plain.context(), plain.conflicting_id(), plain.is_html(), plain.is_expired()),
            (ErrorOrigin::Scanner, None, None, false, false)
        );
        let error = plain.with_conflicting_id("42").with_origin(ErrorOrigin::Watch);
        assert_eq!((error.conflicting_id(), error.origin()), (Some("42"), ErrorOrigin::Watch));
        assert!(error.with_html(true).is_html());
        let expired = Error::new(ErrorKind::Auth, "401 Unauthorized").with_expired(true);
        assert!(expired.is_expired() && !expired.is_html());
    }

    #[test]
    fn debug_shows_every_field() {
        let error = Error::new(ErrorKind::Conflict, "m")
            .with_origin(ErrorOrigin::Store)
            .with_context("chunk 3")
            .with_conflicting_id("42")
            .with_expired(true);
        let shown = format!("{error:?}");
        for field in [
            "kind: Conflict",
            "origin: Store",
            "operation: None",
            "context: Some(\"chunk 3\")",
            "message: \"m\"",
            "status: None",
            "code: None",
            "conflicting_id: Some(\"42\")",
            "request_id: None",
            "retry_after: None",
            "attempts: 0",
            "retryable: false",
            "outcome_unknown: false",
            "html: false",
            "expired: true",
            "path: None",
            "body_excerpt: None",
            "scan: None",
            "source: None",
        ] {
            assert!(shown.contains(field), "{field} in {shown}");
        }
    }

    #[test]
    fn only_passing_faults_start_as_retryable() {
        for (kind, expected) in [
            (ErrorKind::RateLimited, true),
            (ErrorKind::Server, true),
            (ErrorKind::Transport, true),
            (ErrorKind::Auth, false),
            (ErrorKind::Conflict, false),
            (ErrorKind::Decode, false),
        ] {
            assert_eq!(Error::new(kind, "x").is_retryable(), expected, "{kind:?}");
        }
    }
}
