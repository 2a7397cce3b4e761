//! The course of a scan, as a test scripts it.

use std::time::Duration;

use crate::testing::tenant::scan::FakeNote;

/// What advances a scan to its next status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advance {
    /// Each read of its details, after the response was made.
    EachPoll,
    /// After this time on the fake's clock.
    Every(Duration),
}

/// The course of a scan from launch to end.
///
/// ```
/// use tenable_was_client::testing::{FakeNote, ScanScript};
///
/// let unlucky = ScanScript::new().with_statuses(["queued", "running", "aborted"]).with_note(FakeNote::crashed());
/// let stuck = ScanScript::new().with_statuses(["queued"]);
/// # let _ = (unlucky, stuck);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScanScript {
    /// The statuses in order; the scan stays at the last one.
    pub statuses: Vec<String>,
    /// What advances it to the next status.
    pub advance: Advance,
    /// The number of reads of its details that respond with 404 after the launch.
    pub hidden_polls: u32,
    /// The notes of the scan once it has ended.
    pub notes: Vec<FakeNote>,
}

impl Default for ScanScript {
    fn default() -> Self {
        Self {
            statuses: ["queued", "pending", "running", "running", "processing", "completed"]
                .map(str::to_owned)
                .to_vec(),
            advance: Advance::EachPoll,
            hidden_polls: 0,
            notes: Vec::new(),
        }
    }
}

impl ScanScript {
    /// A scan that completes after five polls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the statuses in order; the scan stays at the last one.
    pub fn with_statuses<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.statuses = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what advances it to the next status.
    pub fn with_advance(mut self, advance: Advance) -> Self {
        self.advance = advance;
        self
    }

    /// Sets how many reads of its details respond with 404 after the launch.
    pub fn with_hidden_polls(mut self, polls: u32) -> Self {
        self.hidden_polls = polls;
        self
    }

    /// Adds a note that appears once the scan has ended.
    pub fn with_note(mut self, note: FakeNote) -> Self {
        self.notes.push(note);
        self
    }
}
