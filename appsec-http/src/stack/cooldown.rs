//! The cooldown that one 429 starts for all calls of a client.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A pause of all requests until a point in time. A service that asks one call to wait means all of them.
#[derive(Debug, Default)]
pub(crate) struct Cooldown(Mutex<Option<Instant>>);

impl Cooldown {
    /// Starts a cooldown of at least this length.
    pub(crate) fn start(&self, wait: Duration) {
        let Some(until) = Instant::now().checked_add(wait) else { return };
        let mut end = self.lock();
        *end = (*end).max(Some(until));
    }

    /// The time left; zero if there is no cooldown.
    pub(crate) fn remaining(&self) -> Duration {
        let end = *self.lock();
        end.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing can panic while the lock is held, so a poisoned lock still holds a valid value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_cooldown_applies_and_ends() {
        let cooldown = Cooldown::default();
        assert_eq!(cooldown.remaining(), Duration::ZERO);
        cooldown.start(Duration::from_secs(5));
        cooldown.start(Duration::from_secs(2));
        assert_eq!(cooldown.remaining(), Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(cooldown.remaining(), Duration::ZERO);
    }
}
