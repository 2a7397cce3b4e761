//! Scans that a configuration has run before the fake starts, and their notes.

use std::time::Duration;

use appsec_core::Timestamp;

/// A past scan of a configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeScan {
    /// Its status.
    pub status: String,
    /// When it was launched.
    pub created_at: Timestamp,
    /// Its duration.
    pub took: Duration,
    /// The scanner's notes.
    pub notes: Vec<FakeNote>,
    /// The largest number of findings of each target; `None` for all.
    pub limit: Option<usize>,
    /// Whether `metadata` and `scanner` are objects; the service sends `null` for scans that never got
    /// anywhere.
    pub has_metadata: bool,
}

impl FakeScan {
    /// A scan that completed without a note.
    pub fn completed(created_at: Timestamp) -> Self {
        Self::new("completed", created_at)
    }

    /// A scan with that status. A scan that has not ended stays in its status until it is stopped.
    pub fn new(status: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            status: status.into(),
            created_at,
            took: Duration::from_secs(70 * 60),
            notes: Vec::new(),
            limit: None,
            has_metadata: true,
        }
    }

    /// Adds a note.
    pub fn with_note(mut self, note: FakeNote) -> Self {
        self.notes.push(note);
        self
    }

    /// Limits its findings to that many of each target.
    pub fn with_limit(mut self, findings: usize) -> Self {
        self.limit = Some(findings);
        self
    }

    /// Makes the service send `null` for `metadata` and `scanner`.
    pub fn without_metadata(mut self) -> Self {
        self.has_metadata = false;
        self
    }
}

/// A note of the scanner on a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeNote {
    /// The severity: `info` to `critical`.
    pub severity: String,
    /// The title.
    pub title: String,
    /// The message.
    pub message: String,
}

impl FakeNote {
    /// A note. The titles that the service is known to use have constructors of their own.
    pub fn new(severity: impl Into<String>, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: severity.into(), title: title.into(), message: message.into() }
    }

    /// The scan reached its time limit. Its status is `completed` nevertheless.
    pub fn time_limit() -> Self {
        Self::new("info", "Scan Time Limit Reached", "Stopped at the configured time limit.")
    }

    /// The scanner could not log in.
    pub fn authentication_failed() -> Self {
        Self::new("high", "Authentication Failed", "The login form did not accept the credentials.")
    }

    /// The target did not respond.
    pub fn target_unreachable() -> Self {
        Self::new("critical", "Target Unreachable", "The target did not answer.")
    }

    /// The scanner crashed.
    pub fn crashed() -> Self {
        Self::new("high", "Scan Crashed", "The scanner ended unexpectedly.")
    }
}
