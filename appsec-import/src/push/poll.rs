//! Waits until a service has processed a report that it accepted.

use std::future::Future;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep, timeout_at};

use super::options::PushOptions;

/// How many status requests in a row may fail before the wait ends. A failed status request is no failed
/// push.
const MAX_FAILURES: u32 = 10;

/// Calls `poll` until it returns a final result, good or bad. `what` names what is waited for, with its id.
///
/// The report is with the service already: an error that ends the wait early says that the outcome is
/// unknown.
pub(super) async fn poll_until_done<T, F>(
    options: &PushOptions,
    operation: &'static str,
    what: &str,
    mut poll: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<Result<T>>>>,
{
    let deadline = Instant::now().checked_add(options.deadline());
    let mut failures = 0;
    loop {
        let polled = match deadline {
            Some(deadline) => timeout_at(deadline, poll()).await,
            None => Ok(poll().await),
        };
        let mut pause = options.poll_interval();
        match polled {
            Ok(Ok(Some(result))) => return result,
            Ok(Ok(None)) => failures = 0,
            Ok(Err(error)) if is_temporary(&error) && failures < MAX_FAILURES => {
                failures += 1;
                tracing::debug!(operation, what, %error, "a status request failed");
                pause = pause.max(error.retry_after().unwrap_or(Duration::ZERO));
            }
            Ok(Err(error)) => return Err(error.with_outcome_unknown(true).with_retryable(false)),
            Err(_) => return Err(deadline_exceeded(options, operation, what)),
        }
        if deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return Err(deadline_exceeded(options, operation, what));
        }
        sleep(pause).await;
    }
}

/// `NotFound` is temporary because a new object may not be visible immediately, `Decode` because a gateway
/// may send a web page.
fn is_temporary(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Transport
            | ErrorKind::Server
            | ErrorKind::RateLimited
            | ErrorKind::NotFound
            | ErrorKind::Decode
            | ErrorKind::Deadline
    )
}

fn deadline_exceeded(options: &PushOptions, operation: &'static str, what: &str) -> Error {
    let message =
        format!("{what} was not done after {:?}; its processing continues there", options.deadline());
    Error::new(ErrorKind::Deadline, message).with_operation(operation).with_outcome_unknown(true)
}
