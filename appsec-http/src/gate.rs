//! The gate that one 429 closes for all calls of a client.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Closed until a point in time. A service that asks one call to wait means them all.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Closes the gate for at least this long.
    pub(crate) fn close_for(&self, wait: Duration) {
        let Some(until) = Instant::now().checked_add(wait) else { return };
        let mut closed = self.lock();
        *closed = (*closed).max(Some(until));
    }

    /// How long the gate stays closed; zero when it is open.
    pub(crate) fn closed_for(&self) -> Duration {
        let closed = *self.lock();
        closed.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing can panic while the lock is held; a poisoned one is still sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_wins_and_passes() {
        let gate = Gate::default();
        assert_eq!(gate.closed_for(), Duration::ZERO);
        gate.close_for(Duration::from_secs(5));
        gate.close_for(Duration::from_secs(2));
        assert_eq!(gate.closed_for(), Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(gate.closed_for(), Duration::ZERO);
    }
}
