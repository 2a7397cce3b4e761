//! The limit on requests per second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Spaces requests evenly. No burst is allowed: the second that a service counts may begin at any moment.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimit {
    /// A limit of this many requests per second, which has been checked to be positive and finite. `None`
    /// is unlimited.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let interval = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(rate.recip()));
        Self { interval, next: Mutex::new(None) }
    }

    /// Reserves the next free moment. If it lies after the deadline, nothing is reserved and `None` is
    /// returned. A reserved moment that is not used stays empty.
    pub(crate) fn reserve(&self, deadline: Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        if self.interval.is_zero() {
            return Some(now);
        }
        // Nothing can panic while the lock is held, so a poisoned lock still holds a valid value.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        if deadline.is_some_and(|deadline| at > deadline) {
            return None;
        }
        *next = Some(at + self.interval);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spaced_and_none_is_delayed_beyond_its_deadline() {
        let limit = RateLimit::new(Some(5.0));
        let start = Instant::now();
        for n in 0..4 {
            assert_eq!(limit.reserve(None), Some(start + n * Duration::from_millis(200)));
        }
        assert_eq!(limit.reserve(Some(start + Duration::from_millis(500))), None);
        assert_eq!(
            limit.reserve(Some(start + Duration::from_millis(800))),
            Some(start + Duration::from_millis(800))
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(limit.reserve(None), Some(Instant::now()), "idle time is not saved up");
        assert_eq!(limit.reserve(None), Some(Instant::now() + Duration::from_millis(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_there_is_no_wait() {
        let limit = RateLimit::new(None);
        assert_eq!(limit.reserve(None), Some(Instant::now()));
        assert_eq!(limit.reserve(None), Some(Instant::now()));
    }
}
