//! Says what a process waits for.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

/// How long a lock is waited for before a message says so.
const PATIENCE: Duration = Duration::from_secs(2);

/// Completes the work. When it takes longer than two seconds, a warning says what is waited for.
pub(super) async fn saying_what_for<T>(work: impl Future<Output = T>, what: impl Display) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => tracing::warn!("waiting for {what}"),
    }
    work.await
}
