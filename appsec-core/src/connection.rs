//! The result of a connection test: which step failed, why, and what to do about it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::printable::Printable;

/// A step of a connection test, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// The settings make sense by themselves.
    Configuration,
    /// The host name (of the proxy, where one is set) resolves.
    Dns,
    /// A TCP connection opens (to the proxy, where one is set).
    Tcp,
    /// The proxy opens a tunnel to the scanner.
    Proxy,
    /// The TLS handshake succeeds and the certificate is trusted.
    Tls,
    /// The response comes from the API; it is no login page and no redirect.
    Http,
    /// The scanner accepts the credentials.
    Credentials,
    /// The credentials may do what an import needs.
    Permission,
    /// The product is licensed.
    Licence,
    /// The base URL leads to the right region and path.
    BasePath,
    /// There is something to bind to.
    BindTargets,
}

impl StepKind {
    /// Every step, in order.
    pub const ALL: [Self; 11] = [
        Self::Configuration,
        Self::Dns,
        Self::Tcp,
        Self::Proxy,
        Self::Tls,
        Self::Http,
        Self::Credentials,
        Self::Permission,
        Self::Licence,
        Self::BasePath,
        Self::BindTargets,
    ];

    /// The step's name for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::Licence => "licence",
            Self::BasePath => "base path",
            Self::BindTargets => "bind targets",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a step of a connection test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It works.
    Passed,
    /// It works, with a remark that the user should read.
    Warning,
    /// It does not work; later steps were not taken.
    Failed,
    /// It was not taken, or does not apply.
    Skipped,
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

/// Why a step failed or warns. The set may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A setting cannot work.
    InvalidConfiguration,
    /// Certificates are not verified, by option.
    InvalidCertificatesAccepted,
    /// The host name does not resolve.
    DnsFailed,
    /// Nothing listens on the port.
    ConnectRefused,
    /// The connection request got no reply; usually a firewall that drops.
    ConnectTimeout,
    /// The connection could not be opened for another reason, such as no route.
    ConnectFailed,
    /// The proxy refuses or does not respond.
    ProxyFailed,
    /// The certificate's issuer is not trusted; the detail names the issuer.
    TlsUntrusted,
    /// The certificate has expired, or is not valid yet.
    TlsExpired,
    /// The certificate is for another name.
    TlsWrongName,
    /// The TLS handshake failed before a certificate could be checked.
    TlsHandshake,
    /// The connection was established, but no HTTP response arrived in time.
    NoResponse,
    /// An HTML page was returned instead of an API response, as by a login portal.
    NotTheApi,
    /// The server redirects; credentials are never carried along.
    Redirected,
    /// The scanner does not accept the credentials.
    InvalidCredentials,
    /// The scanner says that the credentials have expired.
    ExpiredCredentials,
    /// The credentials lack a role or scope.
    PermissionDenied,
    /// The product is not licensed, or its licence has expired.
    NotLicensed,
    /// The base URL belongs to another region, to the dashboard, or to nothing.
    WrongBaseUrl,
    /// No scan template is visible.
    NoScanTemplates,
    /// Nothing to bind to is visible.
    NoBindTargets,
    /// The scanner asks for fewer requests.
    RateLimited,
    /// The scanner reports a fault of its own.
    ServerFault,
    /// The response does not match the API.
    UnexpectedResponse,
}

impl Cause {
    /// The kind of error of an ordinary call for the same reason.
    pub fn error_kind(self) -> ErrorKind {
        match self {
            Self::InvalidConfiguration | Self::InvalidCertificatesAccepted | Self::WrongBaseUrl => {
                ErrorKind::Config
            }
            Self::DnsFailed
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectFailed
            | Self::ProxyFailed
            | Self::TlsUntrusted
            | Self::TlsExpired
            | Self::TlsWrongName
            | Self::TlsHandshake
            | Self::NoResponse => ErrorKind::Transport,
            Self::InvalidCredentials | Self::ExpiredCredentials => ErrorKind::Auth,
            Self::PermissionDenied | Self::NotLicensed => ErrorKind::PermissionDenied,
            Self::NoScanTemplates | Self::NoBindTargets => ErrorKind::NotFound,
            Self::RateLimited => ErrorKind::RateLimited,
            Self::ServerFault => ErrorKind::Server,
            Self::NotTheApi | Self::Redirected | Self::UnexpectedResponse => ErrorKind::Decode,
        }
    }
}

/// One step of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionStep {
    /// Which step.
    pub kind: StepKind,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Why it failed or warns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How long it took.
    pub took: Duration,
    /// What happened, in one sentence.
    pub detail: String,
    /// What to do, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl ConnectionStep {
    /// A step that passed.
    pub fn passed(kind: StepKind, took: Duration, detail: impl Into<String>) -> Self {
        Self { kind, outcome: StepOutcome::Passed, cause: None, took, detail: detail.into(), remedy: None }
    }

    /// A step that failed.
    pub fn failed(
        kind: StepKind,
        cause: Cause,
        took: Duration,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            outcome: StepOutcome::Failed,
            cause: Some(cause),
            took,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// A step that works, with a remark.
    pub fn warning(
        kind: StepKind,
        cause: Cause,
        took: Duration,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: StepOutcome::Warning, ..Self::failed(kind, cause, took, detail, remedy) }
    }

    /// A step that was not taken, and why.
    pub fn skipped(kind: StepKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            outcome: StepOutcome::Skipped,
            cause: None,
            took: Duration::ZERO,
            detail: detail.into(),
            remedy: None,
        }
    }
}

/// The result of a connection test. It prints as a short table and serializes.
///
/// ```
/// use std::time::Duration;
/// use appsec_core::{Cause, ConnectionReport, ConnectionStep, StepKind};
///
/// let mut report = ConnectionReport::new("saltsecurity", "https://api.secured-api.com/");
/// report.push(ConnectionStep::passed(StepKind::Configuration, Duration::ZERO, "the settings are consistent"));
/// report.push(ConnectionStep::failed(
///     StepKind::Dns,
///     Cause::DnsFailed,
///     Duration::from_millis(12),
///     "api.secured-api.com does not resolve",
///     "check the spelling of the host and this machine's DNS",
/// ));
/// assert!(!report.is_ok());
/// assert_eq!(report.failure().and_then(|step| step.cause), Some(Cause::DnsFailed));
/// assert_eq!(report.steps().len(), StepKind::ALL.len(), "steps after a failure are listed as skipped");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionReport {
    scanner: String,
    endpoint: String,
    steps: Vec<ConnectionStep>,
}

impl ConnectionReport {
    /// A report without steps. The endpoint is the base URL, without credentials.
    pub fn new(scanner: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self { scanner: scanner.into(), endpoint: endpoint.into(), steps: Vec::new() }
    }

    /// Adds a step. Steps that were left out before it are listed as skipped. After a failed step all later
    /// ones are listed as skipped, and further calls do nothing.
    pub fn push(&mut self, step: ConnectionStep) {
        let next = self.steps.len();
        let Some(position) = StepKind::ALL.iter().position(|kind| *kind == step.kind) else { return };
        if position < next {
            return;
        }
        for kind in &StepKind::ALL[next..position] {
            self.steps.push(ConnectionStep::skipped(*kind, "does not apply"));
        }
        let failed = step.outcome == StepOutcome::Failed;
        self.steps.push(step);
        if failed {
            for kind in &StepKind::ALL[position + 1..] {
                self.steps.push(ConnectionStep::skipped(*kind, "an earlier step failed"));
            }
        }
    }

    /// Whether a step failed.
    pub fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// The scanner's key.
    pub fn scanner(&self) -> &str {
        &self.scanner
    }

    /// The base URL that was tested.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[ConnectionStep] {
        &self.steps
    }

    /// The step of that kind, where it was reached or skipped.
    pub fn step(&self, kind: StepKind) -> Option<&ConnectionStep> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// Whether steps were taken and none failed. There may be warnings.
    pub fn is_ok(&self) -> bool {
        !self.steps.is_empty() && !self.has_failed()
    }

    /// The step that failed.
    pub fn failure(&self) -> Option<&ConnectionStep> {
        self.steps.iter().find(|step| step.outcome == StepOutcome::Failed)
    }

    /// The steps that warn.
    pub fn warnings(&self) -> impl Iterator<Item = &ConnectionStep> {
        self.steps.iter().filter(|step| step.outcome == StepOutcome::Warning)
    }

    /// Converts the report to a result, for callers that only need to know whether the connection works.
    ///
    /// # Errors
    /// The kind that belongs to the failed step's cause.
    pub fn into_result(self) -> Result<Self> {
        let Some(step) = self.failure() else { return Ok(self) };
        let kind = step.cause.map_or(ErrorKind::Unexpected, Cause::error_kind);
        let remedy = step.remedy.as_deref().unwrap_or("see the report");
        Err(Error::new(kind, format!("{} step: {}; {remedy}", step.kind, step.detail))
            .with_operation("test connection"))
    }
}

impl fmt::Display for ConnectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.is_ok() { "ok" } else { "FAILED" };
        writeln!(f, "{} at {}: {result}", self.scanner, Printable(&self.endpoint))?;
        for step in &self.steps {
            let took = step.took.as_millis();
            let detail = Printable(&step.detail);
            write!(f, "  {:<13} {:<8} {took:>6} ms  {detail}", step.kind, step.outcome)?;
            match &step.remedy {
                Some(remedy) => writeln!(f, "\n  {:<31}  → {}", "", Printable(remedy))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(kind: StepKind) -> ConnectionStep {
        ConnectionStep::passed(kind, Duration::ZERO, "fine")
    }

    #[test]
    fn steps_stand_in_order_and_gaps_are_skipped() {
        let mut report = ConnectionReport::new("x", "https://x.example/");
        report.push(passed(StepKind::Configuration));
        report.push(passed(StepKind::Tls));
        report.push(passed(StepKind::Dns));
        let kinds: Vec<_> = report.steps().iter().map(|step| (step.kind, step.outcome)).collect();
        assert_eq!(kinds.len(), 5);
        assert_eq!(kinds[3], (StepKind::Proxy, StepOutcome::Skipped));
        assert_eq!(kinds[4], (StepKind::Tls, StepOutcome::Passed));
        assert!(report.is_ok());
    }

    #[test]
    fn nothing_follows_a_failure() {
        let mut report = ConnectionReport::new("x", "https://x.example/");
        report.push(ConnectionStep::failed(
            StepKind::Credentials,
            Cause::InvalidCredentials,
            Duration::ZERO,
            "401",
            "replace the token",
        ));
        report.push(passed(StepKind::BindTargets));
        assert_eq!(report.steps().len(), StepKind::ALL.len());
        assert_eq!(report.step(StepKind::BindTargets).map(|s| s.outcome), Some(StepOutcome::Skipped));
        let error = report.into_result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.to_string().contains("replace the token"));
    }

    #[test]
    fn survives_serialization() {
        let mut report = ConnectionReport::new("x", "https://x.example/");
        report.push(passed(StepKind::Dns));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionReport>(&json).unwrap(), report);
    }

    #[test]
    fn an_empty_report_is_not_ok() {
        assert!(!ConnectionReport::new("x", "y").is_ok());
    }
}
