//! A budget of retries, shared by all calls of a client: when everything fails, trying again only makes it worse.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many retries a client may make without a single success in between.
const CAPACITY: u32 = 20;

/// A token bucket. A retry takes a token, a success puts one back; first tries are free.
///
/// In a total outage a client thus makes at most [`CAPACITY`] requests more than it has calls. While calls succeed in
/// between, retries keep flowing.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(CAPACITY))
    }

    /// True when a retry may be made; it is paid for.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tokens| tokens.checked_sub(1)).is_ok()
    }

    /// Notes a success.
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
    fn an_outage_empties_it_and_successes_fill_it_no_further_than_its_brim() {
        let budget = Budget::new();
        budget.put_back();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), CAPACITY as usize);
        budget.put_back();
        budget.put_back();
        assert_eq!((0..10).filter(|_| budget.take()).count(), 2);
    }
}
