//! The errors of a SQL store.

use std::error::Error as StdError;

use appsec_core::{Error, ErrorKind, ErrorOrigin};

fn store_error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_operation("import store").with_origin(ErrorOrigin::Store)
}

/// The error of a database call. The database's own message may quote values, none of which is a secret
/// here.
pub(super) fn database_error(cause: sqlx::Error) -> Error {
    let (kind, message) = match &cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
            (ErrorKind::Transport, "the store cannot be reached")
        }
        sqlx::Error::Configuration(_) => (ErrorKind::Config, "the store's URL is not valid"),
        _ => (ErrorKind::Unexpected, "the store failed"),
    };
    store_error(kind, message).with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}

/// The error for a stored value that cannot be read.
pub(super) fn unreadable(what: &str) -> Error {
    store_error(ErrorKind::Unexpected, format!("the store holds {what} that cannot be read"))
}

/// The error for a run that this process does not hold any more.
pub(super) fn run_lost() -> Error {
    store_error(ErrorKind::Conflict, "another process has taken this run over, or it has ended")
}

/// The error for a binding that another process imports.
pub(super) fn binding_held() -> Error {
    let message = "another process is importing this binding, and its lease has not ended";
    store_error(ErrorKind::Conflict, message).with_operation("import")
}

/// The error for a store that a later version of this crate wrote.
pub(super) fn later_version(version: i64, known: usize) -> Error {
    let message = format!(
        "the store has version {version}, and this program knows versions up to {known}: use a later program"
    );
    store_error(ErrorKind::Unsupported, message)
}
