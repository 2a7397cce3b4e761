//! How exports are made.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};

/// How exports are made: chunk size, pauses, patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportOptions {
    pub(crate) assets_per_chunk: u32,
    pub(crate) chunks_in_flight: usize,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) patience: Duration,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ExportOptions {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        Self {
            assets_per_chunk: 500,
            chunks_in_flight: 2,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            patience: Duration::from_secs(30 * 60),
        }
    }

    /// How many assets a chunk covers, 50 to 5000. Default: 500.
    pub fn with_assets_per_chunk(mut self, assets: u32) -> Self {
        self.assets_per_chunk = assets;
        self
    }

    /// How many chunks are fetched at once, at most. Default: 2.
    ///
    /// It begins with one, and a 429 halves it. The vendor asks integrations not to send requests in parallel (vendor document),
    /// so more than 4 is asking for trouble.
    pub fn with_chunks_in_flight(mut self, chunks: usize) -> Self {
        self.chunks_in_flight = chunks;
        self
    }

    /// The pauses between two looks at a job, from the first to the longest; each is twice the one before. Default: 1 s to 30 s.
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// How long to wait while nothing moves: in the queue, between two chunks, or for a running export of someone else's. Default: 30 min.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Config, message));
        if !(50..=5000).contains(&self.assets_per_chunk) {
            return refused("an export's chunk covers 50 to 5000 assets");
        }
        if self.chunks_in_flight == 0 {
            return refused("no chunk may be in flight: no export would end");
        }
        if self.first_pause.is_zero() || self.first_pause > self.longest_pause {
            return refused("an export's first pause must be above zero and not above the longest");
        }
        Ok(())
    }
}
