//! The exit codes: every way in which a command can end, and the errors that lead to each.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use appsec_core::{Cause, Error, ErrorKind, ErrorOrigin, Printable, ScanId, duration_text};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded, and the gate passed.
    Passed,
    /// The gate failed on complete data.
    GateFailed,
    /// The command line or the configuration is invalid.
    Usage,
    /// The scanner refuses the credentials, or they lack a permission.
    Credentials,
    /// The scanner cannot be reached.
    Network,
    /// The scan did not end in time. It continues.
    Timeout,
    /// The scan ended without completing.
    ScanFailed,
    /// The imported data are incomplete.
    Partial,
    /// The scanner failed or sent an invalid response, or the destination of a push refused or failed.
    Scanner,
    /// The store failed, or the output could not be written.
    Output,
    /// A signal ended the command.
    Interrupted,
}

/// Which numbers the process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ExitCodes {
    /// One code for each [`Exit`].
    #[default]
    Own,
    /// The codes of KDT: 0, or 1 for everything else.
    Kdt,
    /// Always this code, even on success, as with KDT's `--exit-code`.
    Always(u8),
}

impl Exit {
    /// The exit code of the process.
    pub(crate) fn code(self, codes: ExitCodes) -> u8 {
        match (codes, self) {
            (ExitCodes::Always(code), _) => code,
            // For KDT a scan that continues is a success.
            (_, Self::Passed) | (ExitCodes::Kdt, Self::Timeout) => 0,
            (_, Self::Interrupted) => 130,
            (ExitCodes::Kdt, _) | (ExitCodes::Own, Self::GateFailed) => 1,
            (ExitCodes::Own, Self::Usage) => 2,
            (ExitCodes::Own, Self::Credentials) => 3,
            (ExitCodes::Own, Self::Network) => 4,
            (ExitCodes::Own, Self::Timeout) => 5,
            (ExitCodes::Own, Self::ScanFailed) => 6,
            (ExitCodes::Own, Self::Partial) => 7,
            (ExitCodes::Own, Self::Scanner) => 8,
            (ExitCodes::Own, Self::Output) => 9,
        }
    }

    /// The reason, as written in JSON output.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::GateFailed => "gate_failed",
            Self::Usage => "usage",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::ScanFailed => "scan_failed",
            Self::Partial => "partial",
            Self::Scanner => "scanner",
            Self::Output => "output",
            Self::Interrupted => "interrupted",
        }
    }

    /// How an import ended that was not cut short by an error. The gate counts only on complete data.
    pub(crate) fn from_run(scan_failed: bool, partial: bool, gate_failed: bool) -> Self {
        match (scan_failed, partial, gate_failed) {
            (true, _, _) => Self::ScanFailed,
            (_, true, _) => Self::Partial,
            (_, _, true) => Self::GateFailed,
            _ => Self::Passed,
        }
    }

    /// The exit for an error of a scanner, the store or a report.
    fn from_error(error: &Error) -> Self {
        match error.origin() {
            ErrorOrigin::Store | ErrorOrigin::Report => return Self::Output,
            ErrorOrigin::Watch if error.kind() == ErrorKind::Deadline => return Self::Timeout,
            _ => {}
        }
        match error.kind() {
            ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::NotFound => Self::Usage,
            // Without a status the client refused the request before sending it.
            ErrorKind::InvalidRequest if error.status().is_none() => Self::Usage,
            ErrorKind::Auth | ErrorKind::PermissionDenied => Self::Credentials,
            ErrorKind::Transport | ErrorKind::Deadline => Self::Network,
            ErrorKind::ScanFailed => Self::ScanFailed,
            _ => Self::Scanner,
        }
    }

    /// The exit for a failed step of a connection test.
    pub(crate) fn from_cause(cause: Option<Cause>) -> Self {
        match cause {
            // An empty list nearly always means that the credentials lack a permission.
            Some(Cause::NoBindTargets | Cause::NoScanTemplates) => Self::Credentials,
            Some(cause) => Self::from_error(&Error::new(cause.error_kind(), "")),
            None => Self::Scanner,
        }
    }
}

/// An error that ends the command.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One or more lines, without secrets.
    pub(crate) message: String,
    /// The scan that continues, or that failed.
    pub(crate) scan: Option<ScanId>,
    /// How long the service asks to wait before the next request.
    pub(crate) retry_after: Option<Duration>,
}

/// A result whose error ends the command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), scan: None, retry_after: None }
    }

    /// The command line or the configuration is invalid.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The store failed.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn store(error: Error) -> Self {
        let exit = match error.kind() {
            // Another place, or another command first, helps.
            ErrorKind::Config | ErrorKind::NotFound => Exit::Usage,
            _ => Exit::Output,
        };
        Self::new(exit, with_causes(&error))
    }

    /// A push failed at its destination. Nothing that the destination refuses is an error of the command line:
    /// what is wrong there was found before.
    pub(crate) fn destination(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Config => Exit::Usage,
            ErrorKind::Auth | ErrorKind::PermissionDenied => Exit::Credentials,
            ErrorKind::Transport | ErrorKind::Deadline => Exit::Network,
            // The only case in which a push sends nothing although the destination could be asked.
            ErrorKind::Unsupported => Exit::Partial,
            _ => Exit::Scanner,
        };
        Self { exit, ..Self::from(error) }
    }

    /// An import failed. What it could not find was there before, so the command line is right.
    pub(crate) fn from_run(error: Error) -> Self {
        let exit = match (error.kind(), error.origin()) {
            // The scan was deleted while it was waited for.
            (ErrorKind::NotFound, ErrorOrigin::Watch) => Some(Exit::ScanFailed),
            (ErrorKind::NotFound, ErrorOrigin::Scanner) => Some(Exit::Scanner),
            _ => None,
        };
        let failure = Self::from(error);
        Self { exit: exit.unwrap_or(failure.exit), ..failure }
    }

    /// Output could not be written.
    pub(crate) fn output(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::Output, format!("{what}: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = with_causes(&error);
        if let Some(wait) = error.retry_after() {
            message = format!(
                "{message}\nthe service asks to wait {} before the next request",
                duration_text(wait)
            );
        }
        Self {
            exit: Exit::from_error(&error),
            message,
            scan: error.scan().map(|scan| scan.id.clone()),
            retry_after: error.retry_after(),
        }
    }
}

/// The error and its causes in one line.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&Printable(&error.to_string()).to_cow());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdt_codes_are_only_success_and_failure() {
        for (exit, own, kdt) in [
            (Exit::Passed, 0, 0),
            (Exit::GateFailed, 1, 1),
            (Exit::Usage, 2, 1),
            (Exit::Credentials, 3, 1),
            (Exit::Network, 4, 1),
            (Exit::Timeout, 5, 0),
            (Exit::ScanFailed, 6, 1),
            (Exit::Partial, 7, 1),
            (Exit::Scanner, 8, 1),
            (Exit::Output, 9, 1),
            (Exit::Interrupted, 130, 130),
        ] {
            assert_eq!((exit.code(ExitCodes::Own), exit.code(ExitCodes::Kdt)), (own, kdt), "{exit:?}");
            assert_eq!(exit.code(ExitCodes::Always(42)), 42, "{exit:?}");
        }
    }

    #[test]
    fn a_deadline_is_a_timeout_only_while_a_scan_is_watched() {
        let deadline = || Error::new(ErrorKind::Deadline, "too late");
        assert_eq!(Failure::from(deadline().with_origin(ErrorOrigin::Watch)).exit, Exit::Timeout);
        assert_eq!(Failure::from(deadline().with_operation("salt: list hosts")).exit, Exit::Network);
    }

    #[test]
    fn what_a_run_does_not_find_is_no_usage_error() {
        let missing = || Error::new(ErrorKind::NotFound, "404");
        assert_eq!(Failure::from(missing()).exit, Exit::Usage);
        assert_eq!(Failure::from_run(missing()).exit, Exit::Scanner);
        assert_eq!(Failure::from_run(missing().with_origin(ErrorOrigin::Watch)).exit, Exit::ScanFailed);
    }

    #[test]
    fn an_invalid_request_is_a_usage_error_unless_the_scanner_refused_it() {
        let refused = || Error::new(ErrorKind::InvalidRequest, "no");
        assert_eq!(Failure::from(refused()).exit, Exit::Usage);
        assert_eq!(Failure::from(refused().with_status(400)).exit, Exit::Scanner);
    }
}
