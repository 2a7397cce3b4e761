//! The course of an export, as a test scripts it.

use std::collections::BTreeSet;

/// How an export ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEnd {
    /// It finishes.
    Finished,
    /// It fails once that many chunks are available. These stay; the others are dropped.
    Error(usize),
    /// Another user cancels it once that many chunks are available. These stay; the others are dropped.
    Cancelled(usize),
    /// It stays in `PROCESSING` once that many chunks are available.
    Stuck(usize),
    /// It stays in an undocumented status once all chunks are available.
    Unknown(String),
}

/// The course of an export. Each read of its status advances it.
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
    /// The number of polls that return `QUEUED`.
    pub queued_polls: usize,
    /// The number of chunks that each poll adds.
    pub chunks_per_poll: usize,
    /// How it ends.
    pub end: ExportEnd,
    /// The ids of chunks that fail.
    pub failed: BTreeSet<u32>,
    /// The ids of chunks that are listed as available and have expired.
    pub expired: BTreeSet<u32>,
    /// The number of empty chunks. They count in the total, and their ids come before those of the others.
    pub empty: u32,
    /// The number of chunks that count in the total and are never reported in any state.
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
    /// An export that is queued for one poll, then adds a chunk with each poll until it finishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many polls return `QUEUED`.
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

    /// Sets the ids of chunks that are listed as available and have expired.
    pub fn with_expired_chunks(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.expired = ids.into_iter().collect();
        self
    }

    /// Sets the number of empty chunks. They have the first ids and are never available.
    pub fn with_empty_chunks(mut self, chunks: u32) -> Self {
        self.empty = chunks;
        self
    }

    /// Sets the number of chunks that count in the total and are never reported in any state.
    pub fn with_missing_chunks(mut self, chunks: u32) -> Self {
        self.missing = chunks;
        self
    }
}
