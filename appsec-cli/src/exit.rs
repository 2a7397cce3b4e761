//! The exit codes, and what leads to each. The one place where they are decided.

use std::error::Error as _;
use std::fmt;
use std::io;

use appsec_core::{Cause, Error, ErrorKind, ScanId};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Passed,
    /// The gate failed, on data that are complete.
    GateFailed,
    /// The command line or the configuration cannot work.
    Usage,
    /// The scanner does not take the credentials, or they may too little.
    Credentials,
    /// The scanner cannot be reached.
    Network,
    /// The scan had not ended in time; it goes on.
    Timeout,
    /// The scan ended without completing.
    ScanFailed,
    /// Something is missing from what was imported.
    Partial,
    /// The scanner failed, or answered nonsense.
    Scanner,
    /// The store failed, or the output could not be written.
    Output,
    /// A signal ended the command.
    Interrupted,
}

/// Whose codes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Codes {
    /// One for each thing that a caller can do.
    #[default]
    Own,
    /// KDT's: 0, or 1 for everything else.
    Kdt,
    /// Always this one, success included, as KDT's `--exit-code`.
    Always(u8),
}

impl Exit {
    /// The code for the process.
    pub(crate) fn code(self, codes: Codes) -> u8 {
        match (codes, self) {
            (Codes::Always(code), _) => code,
            // KDT leaves a scan that goes on to itself, and calls that a success.
            (_, Self::Passed) | (Codes::Kdt, Self::Timeout) => 0,
            (_, Self::Interrupted) => 130,
            (Codes::Kdt, _) | (Codes::Own, Self::GateFailed) => 1,
            (Codes::Own, Self::Usage) => 2,
            (Codes::Own, Self::Credentials) => 3,
            (Codes::Own, Self::Network) => 4,
            (Codes::Own, Self::Timeout) => 5,
            (Codes::Own, Self::ScanFailed) => 6,
            (Codes::Own, Self::Partial) => 7,
            (Codes::Own, Self::Scanner) => 8,
            (Codes::Own, Self::Output) => 9,
        }
    }

    /// The reason in one word, for machines.
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

    /// How a run ended that has a verdict. The gate's word counts where the data are complete only.
    pub(crate) fn of_run(scan_failed: bool, partial: bool, gate_failed: bool) -> Self {
        match (scan_failed, partial, gate_failed) {
            (true, _, _) => Self::ScanFailed,
            (_, true, _) => Self::Partial,
            (_, _, true) => Self::GateFailed,
            _ => Self::Passed,
        }
    }

    /// What an error of a scanner or of an import leads to.
    fn of_error(error: &Error) -> Self {
        if matches!(error.operation(), Some("import store" | "report")) {
            return Self::Output;
        }
        match error.kind() {
            // Another process holds the binding in the store.
            ErrorKind::Conflict if error.operation() == Some("import") => Self::Output,
            ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::NotFound => Self::Usage,
            // Without a status it was refused on this side, before anything was sent.
            ErrorKind::InvalidRequest if error.status().is_none() => Self::Usage,
            ErrorKind::Auth | ErrorKind::PermissionDenied => Self::Credentials,
            ErrorKind::Deadline if error.operation() == Some("watch scan") => Self::Timeout,
            ErrorKind::Transport | ErrorKind::Deadline => Self::Network,
            ErrorKind::ScanFailed => Self::ScanFailed,
            _ => Self::Scanner,
        }
    }

    /// What a failed step of a connection test leads to.
    pub(crate) fn of_cause(cause: Option<Cause>) -> Self {
        match cause {
            // Nothing to see is nearly always a token that may not see it.
            Some(Cause::NoBindTargets | Cause::NoScanTemplates) => Self::Credentials,
            Some(cause) => Self::of_error(&Error::new(cause.error_kind(), "")),
            None => Self::Scanner,
        }
    }
}

/// What went wrong, in words for a person, and the code that it leads to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One line or more, without a secret.
    pub(crate) message: String,
    /// The scan that goes on, or that failed.
    pub(crate) scan: Option<ScanId>,
}

/// A result whose error ends the command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), scan: None }
    }

    /// The command line or the configuration cannot work.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The store failed.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn store(error: Error) -> Self {
        let exit = if error.kind() == ErrorKind::Config { Exit::Usage } else { Exit::Output };
        Self::new(exit, chain(&error))
    }

    /// Something could not be written.
    pub(crate) fn output(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::Output, format!("{what}: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let scan = error.scan().map(|scan| scan.id.clone());
        Self { exit: Exit::of_error(&error), message: chain(&error), scan }
    }
}

/// The error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdt_knows_success_and_failure_only() {
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
            assert_eq!((exit.code(Codes::Own), exit.code(Codes::Kdt)), (own, kdt), "{exit:?}");
            assert_eq!(exit.code(Codes::Always(42)), 42, "{exit:?}");
        }
    }

    #[test]
    fn a_deadline_is_a_timeout_only_where_a_scan_was_watched() {
        let deadline = || Error::new(ErrorKind::Deadline, "too late");
        assert_eq!(Failure::from(deadline().with_operation("watch scan")).exit, Exit::Timeout);
        assert_eq!(Failure::from(deadline().with_operation("salt: list hosts")).exit, Exit::Network);
    }

    #[test]
    fn a_refusal_on_this_side_is_the_users_and_one_of_the_scanner_is_the_scanners() {
        let refused = || Error::new(ErrorKind::InvalidRequest, "no");
        assert_eq!(Failure::from(refused()).exit, Exit::Usage);
        assert_eq!(Failure::from(refused().with_status(400)).exit, Exit::Scanner);
    }
}
