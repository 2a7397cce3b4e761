//! The errors of a SQL store.

use std::error::Error as StdError;
use std::fmt::Display;

use appsec_core::{Error, ErrorKind, ErrorOrigin, Timestamp};

use super::place::Place;
use super::schema::VERSION;
use crate::store::BINDING_HELD;

fn store_error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_operation("import store").with_origin(ErrorOrigin::Store)
}

/// The error of a database call. The database's own message may quote values, none of which is a secret
/// here.
pub(super) fn database_error(cause: sqlx::Error) -> Error {
    let (kind, message) = describe(&cause);
    store_error(kind, message).with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}

/// The error of opening a database, which names it.
pub(super) fn at_place(place: &Place, cause: sqlx::Error) -> Error {
    let (kind, _) = describe(&cause);
    let message = format!("the store {place} cannot be opened");
    store_error(kind, message).with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}

fn describe(cause: &sqlx::Error) -> (ErrorKind, &'static str) {
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
            (ErrorKind::Transport, "the store cannot be reached")
        }
        sqlx::Error::Configuration(_) => (ErrorKind::Config, "the store's URL is not valid"),
        sqlx::Error::Database(error) if is_lock(error.code().as_deref()) => (
            ErrorKind::Transport,
            "another process has locked the store for a minute: end it, or try again later",
        ),
        _ => (ErrorKind::Unexpected, "the store failed"),
    }
}

/// Whether the code says that a lock was not released in time: SQLite's `SQLITE_BUSY` and its extended codes, or
/// PostgreSQL's `lock_not_available`.
fn is_lock(code: Option<&str>) -> bool {
    matches!(code, Some("5" | "261" | "517" | "773" | "55P03"))
}

/// The error of a file that cannot be read.
pub(super) fn cannot_open(place: &Place, cause: std::io::Error) -> Error {
    store_error(ErrorKind::Transport, format!("the store {place} cannot be opened")).with_source(cause)
}

/// The error of a database that did not answer in time.
pub(super) fn no_answer(place: &Place, seconds: u64) -> Error {
    store_error(ErrorKind::Transport, format!("the store {place} did not answer within {seconds} s"))
}

/// The error of a place without a store, where none is to be created.
pub(super) fn no_store(place: &Place) -> Error {
    store_error(ErrorKind::NotFound, format!("there is no store at {place} yet: import something first"))
}

/// The error of a place that belongs to another program.
pub(super) fn foreign(place: &Place, why: impl Display) -> Error {
    let message =
        format!("{place} is no store of this program and was not changed: {why}; name another place");
    store_error(ErrorKind::Config, message)
}

/// The error for a stored value that cannot be read.
pub(super) fn unreadable(what: &str) -> Error {
    store_error(ErrorKind::Unexpected, format!("the store holds {what} that cannot be read"))
}

/// The error for a run that this process does not hold any more.
pub(super) fn run_lost() -> Error {
    store_error(ErrorKind::Conflict, "another process has taken this run over, or it has ended")
}

/// The error for a binding whose run another process holds: until when, and when that process last renewed
/// its lease. It may be alive, or dead.
pub(super) fn binding_held(until: Timestamp, renewed_at: Timestamp, now: Timestamp) -> Error {
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs().max(0);
    let left = seconds(now, until);
    let message = format!(
        "the binding is held until {} (in {left} s) by a process that has not answered since {} ({} s ago)",
        whole_seconds(until),
        whole_seconds(renewed_at),
        seconds(renewed_at, now),
    );
    let wait = std::time::Duration::from_secs(u64::try_from(left).unwrap_or(0));
    let error = store_error(ErrorKind::Conflict, message).with_operation("import");
    error.with_code(BINDING_HELD).with_retry_after(wait)
}

fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// The error for a store that a later version of this crate wrote.
pub(super) fn later_version(place: &Place, version: i64) -> Error {
    let message = format!(
        "the store {place} has version {version}, and this program knows version {VERSION}: use a later program"
    );
    store_error(ErrorKind::Unsupported, message)
}

/// The error for a store that an earlier version of this crate wrote.
pub(super) fn earlier_version(place: &Place, version: i64) -> Error {
    let message = format!(
        "the store {place} has version {version} of an unreleased program, and this one needs version {VERSION}: \
         delete or rename it"
    );
    store_error(ErrorKind::Unsupported, message)
}
