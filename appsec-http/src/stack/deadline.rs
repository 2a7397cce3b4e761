//! The deadline of a single call.

use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use tokio::time::{Instant, sleep, timeout_at};

use crate::stack::retry::Failure;

/// The moment by which a call must be complete. A stream has none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// The call timeout of the options, for messages.
    timeout: Duration,
}

impl Deadline {
    /// The deadline of a call that begins now.
    pub(crate) fn for_call(timeout: Duration) -> Self {
        Self { at: Instant::now().checked_add(timeout), timeout }
    }

    /// No deadline.
    pub(crate) fn none(timeout: Duration) -> Self {
        Self { at: None, timeout }
    }

    /// The moment, if there is one.
    pub(crate) fn at(self) -> Option<Instant> {
        self.at
    }

    /// The time left, if there is a deadline.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The failure of a call whose request may have been sent.
    pub(crate) fn no_response(self) -> Failure {
        let message = format!("no complete response within the call timeout of {:?}", self.timeout);
        Failure { outcome_unknown: true, ..Failure::permanent(Error::new(ErrorKind::Deadline, message)) }
    }

    /// The failure of a call whose request was not sent.
    pub(crate) fn not_sent(self) -> Failure {
        let message = format!("the limits delayed the request beyond the call timeout of {:?}", self.timeout);
        Failure::permanent(Error::new(ErrorKind::Deadline, message))
    }
}

/// Returns the future's output, or `None` if the moment passes first.
pub(crate) async fn until<T>(moment: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match moment {
        Some(moment) => timeout_at(moment, future).await.ok(),
        None => Some(future.await),
    }
}

/// Sleeps, except for zero, which the timer would round up to a millisecond.
pub(crate) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}
