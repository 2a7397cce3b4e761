//! What the failure of a chunk means: for that chunk alone, or for everything that is left of the export.
//!
//! | failure, after its retries | what follows |
//! | --- | --- |
//! | 401 | the read ends: the credentials are refused for everything |
//! | what came is not an array of records, a redirect, 404, any other 4xx | the chunk is lost |
//! | 403, 429, 5xx, a broken connection | the status of the export is requested, see below |
//!
//! The last row may concern one chunk or all of them. If the service refuses the status too, the read ends
//! with that error. If it answers, the chunk is lost, except that the read ends with the error of the chunk:
//!
//! * when [`OUTAGE`] different chunks have failed like this one after another, without a record in between,
//!   and others are unread;
//! * when every chunk of the export failed like this, and not one record was read.

use std::collections::BTreeSet;

use appsec_core::{Error, ErrorKind, duration_text, mask};

use crate::model::ChunkId;

/// How many different chunks have to fail one after another, while the service answers other requests,
/// before it is taken to serve no chunk at all (chosen; a few bad chunks in a row are not an outage).
const OUTAGE: usize = 5;

/// What a failure may concern, as far as its kind tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureScope {
    /// This chunk only.
    Chunk,
    /// This chunk, or the service.
    Unclear,
    /// Every request.
    Everything,
}

impl FailureScope {
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Auth | ErrorKind::Config | ErrorKind::Unsupported => Self::Everything,
            ErrorKind::PermissionDenied
            | ErrorKind::RateLimited
            | ErrorKind::Server
            | ErrorKind::Transport
            | ErrorKind::Deadline => Self::Unclear,
            _ => Self::Chunk,
        }
    }
}

/// Counts failures whose scope is unclear.
#[derive(Debug, Default)]
pub(super) struct ChunkFailures {
    /// The chunks that failed since the last record.
    in_row: BTreeSet<ChunkId>,
    /// The first failure, while no chunk failed in another way and no record was read.
    only: Option<Error>,
    other: bool,
}

impl ChunkFailures {
    /// Records that records were read, or that a chunk was read to its end.
    pub(super) fn read(&mut self) {
        self.in_row.clear();
        self.lost();
    }

    /// Records that a chunk was lost in a way that concerns no other.
    pub(super) fn lost(&mut self) {
        self.only = None;
        self.other = true;
    }

    /// Records a failure of unclear scope. Returns the error back if the service seems to serve no chunk.
    pub(super) fn failed(&mut self, chunk: ChunkId, error: Error, others_unread: bool) -> Result<(), Error> {
        self.in_row.insert(chunk);
        if self.in_row.len() >= OUTAGE && others_unread {
            let chunks = self.in_row.len();
            return Err(error.with_context(format!("{chunks} chunks in a row could not be read; the last")));
        }
        if !self.other && self.only.is_none() {
            self.only = Some(error);
        }
        Ok(())
    }

    /// Returns the error with which all chunks failed, if they did.
    pub(super) fn into_outage(self) -> Option<Error> {
        self.only
    }
}

/// Says why a chunk is lost, as the end of a sentence. `records` of its records were read before.
pub(super) fn reason(error: &Error, records: u64) -> String {
    // A decoder may quote a value of the chunk.
    let mut reason = mask(error.message()).into_owned();
    if let Some(wait) = error.retry_after() {
        reason.push_str("; the service asks to wait ");
        reason.push_str(&duration_text(wait));
    }
    match records {
        0 => reason,
        1 => format!("{reason}; its first record was read"),
        _ => format!("{reason}; its first {records} records were read"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failure(kind: ErrorKind) -> Error {
        Error::new(kind, "trouble")
    }

    #[test]
    fn five_failures_in_a_row_are_an_outage_while_others_are_unread() {
        let mut failures = ChunkFailures::default();
        let mut fail = |chunk, unread| failures.failed(ChunkId(chunk), failure(ErrorKind::Server), unread);
        for chunk in [1, 2, 3, 4, 4, 4] {
            assert!(fail(chunk, true).is_ok());
        }
        let error = fail(5, true).unwrap_err();
        assert!(error.context().unwrap().starts_with("5 chunks in a row"), "{error}");
        assert!(fail(6, false).is_ok(), "the others were read");
    }

    #[test]
    fn a_record_in_between_ends_the_row() {
        let mut failures = ChunkFailures::default();
        for chunk in 1..100 {
            assert!(failures.failed(ChunkId(chunk), failure(ErrorKind::Server), true).is_ok());
            if chunk % 4 == 0 {
                failures.read();
            }
        }
        assert!(failures.into_outage().is_none());
    }

    #[test]
    fn an_export_of_which_every_chunk_failed_is_an_outage_with_the_first_error() {
        let mut failures = ChunkFailures::default();
        failures.failed(ChunkId(1), failure(ErrorKind::PermissionDenied), false).unwrap();
        failures.failed(ChunkId(2), failure(ErrorKind::Server), false).unwrap();
        assert_eq!(failures.into_outage().unwrap().kind(), ErrorKind::PermissionDenied);

        for lost_first in [true, false] {
            let mut failures = ChunkFailures::default();
            if lost_first {
                failures.lost();
            }
            failures.failed(ChunkId(1), failure(ErrorKind::PermissionDenied), false).unwrap();
            if !lost_first {
                failures.lost();
            }
            assert!(failures.into_outage().is_none(), "one chunk is lost for a reason of its own");
        }
        assert!(ChunkFailures::default().into_outage().is_none());
    }

    #[test]
    fn the_reason_says_how_long_to_wait_and_what_was_read() {
        let error = failure(ErrorKind::RateLimited).with_retry_after(Duration::from_secs(86_400));
        assert_eq!(reason(&error, 0), "trouble; the service asks to wait 24 h");
        assert_eq!(reason(&failure(ErrorKind::Decode), 1), "trouble; its first record was read");
        assert_eq!(reason(&failure(ErrorKind::Decode), 7), "trouble; its first 7 records were read");
    }
}
