//! A budget of retries that all calls of a client share: when everything fails, retries only add to the
//! load.

use std::sync::atomic::{AtomicU32, Ordering};

/// The number of retries a client may make without a single success in between.
const CAPACITY: u32 = 20;

/// A token bucket. A retry takes a token, a success puts one back; first attempts are free.
///
/// In a total outage a client makes at most [`CAPACITY`] requests more than it has calls. While calls
/// succeed in between, retries continue.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(CAPACITY))
    }

    /// Takes the token of one retry. Returns false if there is none.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tokens| tokens.checked_sub(1)).is_ok()
    }

    /// Puts one token back, after a success.
    pub(crate) fn put_back(&self) {
        // An error means that the bucket is full.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tokens| {
            (tokens < CAPACITY).then_some(tokens + 1)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_empty_the_budget_and_successes_refill_it() {
        let budget = RetryBudget::new();
        budget.put_back();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), CAPACITY as usize);
        budget.put_back();
        budget.put_back();
        assert_eq!((0..10).filter(|_| budget.take()).count(), 2);
    }
}
