//! The options of exports.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};

/// The options of exports: chunk size, concurrency, polling intervals, patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportOptions {
    assets_per_chunk: u32,
    chunks_in_flight: usize,
    first_pause: Duration,
    longest_pause: Duration,
    patience: Duration,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ExportOptions {
    /// Returns the defaults, which each `with_` method documents.
    pub fn new() -> Self {
        Self {
            assets_per_chunk: 500,
            chunks_in_flight: 2,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            patience: Duration::from_secs(30 * 60),
        }
    }

    /// Sets the number of assets in a chunk, 50 to 5000. Default: 500.
    pub fn with_assets_per_chunk(mut self, assets: u32) -> Self {
        self.assets_per_chunk = assets;
        self
    }

    /// Sets the maximum number of chunks that are fetched at once. Default: 2.
    ///
    /// The client starts with one, and halves the number after a 429. The vendor asks integrations not to
    /// send requests in parallel (vendor document), so more than 4 are likely to be refused.
    pub fn with_chunks_in_flight(mut self, chunks: usize) -> Self {
        self.chunks_in_flight = chunks;
        self
    }

    /// Sets the pauses between two polls of a job, from the first to the longest. Each is twice the one
    /// before. Default: 1 s to 30 s.
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// Sets how long to wait without progress: while a job is queued, between two chunks, or for a running
    /// job of another request. Default: 30 min.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The number of assets in a chunk.
    pub fn assets_per_chunk(&self) -> u32 {
        self.assets_per_chunk
    }

    /// The maximum number of chunks that are fetched at once.
    pub fn chunks_in_flight(&self) -> usize {
        self.chunks_in_flight
    }

    /// The first pause between two polls of a job.
    pub fn first_pause(&self) -> Duration {
        self.first_pause
    }

    /// The longest pause between two polls of a job.
    pub fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// How long to wait without progress.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Config, message));
        if !(50..=5000).contains(&self.assets_per_chunk) {
            return refused("a chunk of an export must have 50 to 5000 assets");
        }
        if self.chunks_in_flight == 0 {
            return refused("the number of chunks in flight must be greater than zero");
        }
        if self.first_pause.is_zero() || self.first_pause > self.longest_pause {
            return refused(
                "the first pause of an export must be greater than zero and not greater than the longest",
            );
        }
        Ok(())
    }
}
