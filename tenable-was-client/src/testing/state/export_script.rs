//! The course of an export, as a test scripts it.

use std::collections::BTreeSet;

/// How an export ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEnd {
    /// It finishes.
    Finished,
    /// It fails once so many chunks are there; they stay, the others are dropped.
    Error(usize),
    /// It is cancelled by someone else once so many chunks are there; they stay, the others are dropped.
    Cancelled(usize),
    /// It says `PROCESSING` for ever once so many chunks are there.
    Stuck(usize),
    /// It says a word that nobody knows for ever once all chunks are there.
    Unknown(String),
}

/// The course of an export. Each time its status is read it moves on.
///
/// ```
/// use tenable_was_client::testing::{ExportEnd, ExportScript};
///
/// let partial = ExportScript::new().with_failed_chunks([2]);
/// let broken = ExportScript::new().with_end(ExportEnd::Error(1));
/// # let _ = (partial, broken);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportScript {
    /// How often it says `QUEUED`.
    pub queued_polls: usize,
    /// How many chunks each poll adds.
    pub chunks_per_poll: usize,
    /// How it ends.
    pub end: ExportEnd,
    /// The ids of chunks that fail.
    pub failed: BTreeSet<u32>,
    /// The ids of chunks that are said to be there and have expired.
    pub expired: BTreeSet<u32>,
    /// So many chunks count in the total and hold nothing; their ids come before the others'.
    pub empty: u32,
    /// So many chunks count in the total and are never heard of again.
    pub missing: u32,
}

impl Default for ExportScript {
    fn default() -> Self {
        Self {
            queued_polls: 1,
            chunks_per_poll: 1,
            end: ExportEnd::Finished,
            failed: BTreeSet::new(),
            expired: BTreeSet::new(),
            empty: 0,
            missing: 0,
        }
    }
}

impl ExportScript {
    /// An export that is queued for one poll and then adds a chunk with each, until it finishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how often it says `QUEUED`.
    pub fn with_queued_polls(mut self, polls: usize) -> Self {
        self.queued_polls = polls;
        self
    }

    /// Sets how many chunks each poll adds.
    pub fn with_chunks_per_poll(mut self, chunks: usize) -> Self {
        self.chunks_per_poll = chunks;
        self
    }

    /// Sets how it ends.
    pub fn with_end(mut self, end: ExportEnd) -> Self {
        self.end = end;
        self
    }

    /// Sets the ids of chunks that fail. The first chunk has the id 1.
    pub fn with_failed_chunks(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.failed = ids.into_iter().collect();
        self
    }

    /// Sets the ids of chunks that are said to be there and have expired.
    pub fn with_expired_chunks(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.expired = ids.into_iter().collect();
        self
    }

    /// Sets how many chunks hold nothing. They have the first ids and are never available.
    pub fn with_empty_chunks(mut self, chunks: u32) -> Self {
        self.empty = chunks;
        self
    }

    /// Sets how many chunks count in the total and are never heard of again.
    pub fn with_missing_chunks(mut self, chunks: u32) -> Self {
        self.missing = chunks;
        self
    }
}
