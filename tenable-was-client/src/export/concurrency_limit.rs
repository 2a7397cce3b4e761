//! How many chunks are fetched at once: one at first, more after successes, fewer after a 429.

/// The maximum number of concurrent downloads. It grows by one after as many successes as its value, and
/// halves after a 429.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    current: usize,
    max: usize,
    successes: usize,
}

impl ConcurrencyLimit {
    /// Starts at one.
    pub(crate) fn new(max: usize) -> Self {
        Self { current: 1, max: max.max(1), successes: 0 }
    }

    pub(crate) fn current(&self) -> usize {
        self.current
    }

    pub(crate) fn succeeded(&mut self) {
        self.successes += 1;
        if self.successes >= self.current {
            self.successes = 0;
            self.current = (self.current + 1).min(self.max);
        }
    }

    pub(crate) fn throttled(&mut self) {
        self.successes = 0;
        self.current = (self.current / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_slowly_halves_and_keeps_its_bounds() {
        let mut limit = ConcurrencyLimit::new(4);
        let mut seen = vec![limit.current()];
        for _ in 0..12 {
            limit.succeeded();
            seen.push(limit.current());
        }
        assert_eq!(seen, [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
        for expected in [2, 1, 1] {
            limit.throttled();
            assert_eq!(limit.current(), expected);
        }
        assert_eq!(ConcurrencyLimit::new(0).current(), 1);
    }
}
