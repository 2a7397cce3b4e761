//! One error for the workspace: what happened, whether trying again can help, and what the scanner said.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::scan::Scan;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What a caller can do about an [`Error`].
///
/// Kinds are chosen by the remedy, not by the place where the error arose, and none is named after a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client was configured with values that cannot work. Correct the settings; nothing was sent.
    Config,
    /// The scanner does not know the credentials, or no longer does. Replace the token or key.
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
    /// No usable answer came over the network: DNS, connection, TLS, a body cut short, a stall.
    Transport,
    /// The scanner reports a fault of its own (5xx).
    Server,
    /// An answer came, and it is not what the API promises. [`Error::path`] names the place in the JSON.
    Decode,
    /// A watched scan ended without completing. [`Error::scan`] holds its last state.
    ScanFailed,
    /// The caller's own deadline passed. What was under way may still go on at the scanner's side.
    Deadline,
    /// A stored resume point is no longer of use (an expired export, another scanner). Start over.
    ResumeExpired,
    /// None of the above; a bug or an answer nobody has documented.
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
            Self::Decode => "undecodable answer",
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

/// The error of every fallible operation in this workspace.
///
/// `Display` is one line and never repeats the cause; the chain is behind [`std::error::Error::source`]. Neither
/// form holds a credential: clients build errors from redacted material only.
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

struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    retryable: bool,
    outcome_unknown: bool,
    path: Option<String>,
    body_excerpt: Option<String>,
    scan: Option<Scan>,
    source: Option<Source>,
}

impl Error {
    /// An error of the given kind. The message is lower case, without a full stop, and free of secrets.
    ///
    /// `RateLimited`, `Server` and `Transport` start as retryable, the others do not.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            attempts: 0,
            retryable: matches!(kind, ErrorKind::RateLimited | ErrorKind::Server | ErrorKind::Transport),
            outcome_unknown: false,
            path: None,
            body_excerpt: None,
            scan: None,
            source: None,
        }))
    }

    /// The error of an ability that the scanner lacks; `operation` is the trait's method with its variant.
    pub fn unsupported(operation: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported, "this scanner has no such ability").with_operation(operation)
    }

    /// Names the operation, as in `"salt: list posture gaps"`.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Keeps the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Keeps the scanner's own error code, such as `NOT_ALLOWED`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Keeps the id that the scanner's support asks for.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Keeps how long the scanner asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Keeps how many requests were made for this one call.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Overrides whether the same call may succeed when made again.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Marks that the call may have taken effect although no answer came.
    #[must_use]
    pub fn with_outcome_unknown(mut self, unknown: bool) -> Self {
        self.0.outcome_unknown = unknown;
        self
    }

    /// Keeps the place in the JSON that could not be decoded, as in `response[3].severity`.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// Keeps the beginning of the answer's body, already redacted and cut by the caller.
    #[must_use]
    pub fn with_body_excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.0.body_excerpt = Some(excerpt.into());
        self
    }

    /// Keeps the last state seen of the scan in question.
    #[must_use]
    pub fn with_scan(mut self, scan: Scan) -> Self {
        self.0.scan = Some(scan);
        self
    }

    /// Keeps the cause. It must hold no secret: it is printed by whoever walks the chain.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What can be done about it. Match on this; the set may grow.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was seen, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, as in `"tenable: launch scan"`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The HTTP status of the last answer. `None` when no answer came; then look at the connection.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The scanner's own code for the error, where its answer has one. Quote it to the vendor's support.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
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

    /// True when the same call, made again later, may succeed.
    ///
    /// False after the client's own last retry, so that an outer loop does not start the whole sequence again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// True when the call may have taken effect without an answer, as a launch whose connection broke.
    ///
    /// Look before repeating it: list the scans of the target first.
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// The place in the answer's JSON that could not be decoded.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// The beginning of the answer's body: at most 1 KiB, redacted. For a person to read, not for code to match.
    pub fn body_excerpt(&self) -> Option<&str> {
        self.0.body_excerpt.as_deref()
    }

    /// The last state of the scan that this error is about, for `ScanFailed` and for a watch's `Deadline`.
    pub fn scan(&self) -> Option<&Scan> {
        self.0.scan.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: {}", self.0.kind, self.0.message)?;
        if let Some(path) = &self.0.path {
            write!(f, " (at {path})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("operation", &inner.operation)
            .field("message", &inner.message)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("request_id", &inner.request_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts)
            .field("retryable", &inner.retryable)
            .field("outcome_unknown", &inner.outcome_unknown)
            .field("path", &inner.path)
            .field("body_excerpt", &inner.body_excerpt)
            .field("scan", &inner.scan)
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
        let error = Error::new(ErrorKind::Transport, "the answer was cut short").with_source(cause);
        assert_eq!(error.to_string(), "transport: the answer was cut short");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection reset by peer"));
    }

    #[test]
    fn display_names_operation_and_path() {
        let error = Error::new(ErrorKind::Decode, "expected a list")
            .with_operation("salt: list hosts")
            .with_path("response[2].host");
        assert_eq!(
            error.to_string(),
            "salt: list hosts: undecodable answer: expected a list (at response[2].host)"
        );
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
