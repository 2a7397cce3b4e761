//! Waiting until a target has worked through what it took.

use std::future::Future;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep, timeout_at};

use super::options::PushOptions;

/// How many looks in a row may fail before the wait is given up. A failed look is no failed push.
const MAX_TROUBLE: u32 = 10;

/// Looks until there is a verdict, good or bad. `what` names what is waited for, with its id.
///
/// What was sent is sent: an error that ends the wait before the verdict says that the outcome is unknown.
pub(super) async fn verdict<T, F>(
    options: &PushOptions,
    operation: &'static str,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<Result<T>>>>,
{
    let deadline = Instant::now().checked_add(options.deadline);
    let mut trouble = 0;
    loop {
        let looked = match deadline {
            Some(deadline) => timeout_at(deadline, look()).await,
            None => Ok(look().await),
        };
        let mut pause = options.poll_every;
        match looked {
            Ok(Ok(Some(verdict))) => return verdict,
            Ok(Ok(None)) => trouble = 0,
            Ok(Err(error)) if may_pass(&error) && trouble < MAX_TROUBLE => {
                trouble += 1;
                tracing::debug!(operation, what, %error, "a look failed");
                pause = pause.max(error.retry_after().unwrap_or(Duration::ZERO));
            }
            Ok(Err(error)) => return Err(error.with_outcome_unknown(true).with_retryable(false)),
            Err(_) => return Err(late(options, operation, what)),
        }
        if deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return Err(late(options, operation, what));
        }
        sleep(pause).await;
    }
}

/// `NotFound`: what was just made may not be visible at once. `Decode`: a gateway's page.
fn may_pass(error: &Error) -> bool {
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

fn late(options: &PushOptions, operation: &'static str, what: &str) -> Error {
    let message = format!("{what} was not done after {:?}; it goes on there", options.deadline);
    Error::new(ErrorKind::Deadline, message).with_operation(operation).with_outcome_unknown(true)
}
