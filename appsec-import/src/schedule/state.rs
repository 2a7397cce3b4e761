//! What a store knows about a scheduled binding.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::scheduled_binding::ScheduledBinding;

/// A scheduled binding and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleEntry {
    /// The scheduled binding.
    pub binding: ScheduledBinding,
    /// When it is due; `None` when its schedule has no further time. While a job of it waits or runs, the
    /// due time of that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Whether it waits, runs or is held back.
    pub state: ScheduleState,
    /// The number of failed runs for the current due time.
    pub failed_attempts: u32,
    /// When the last import ended that read everything it requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<Timestamp>,
    /// When the last run ended, successful or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The error of the last run; `None` after a successful run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What the last successful run did not do as its binding asks; see [`Import::remarks`].
    ///
    /// [`Import::remarks`]: crate::Import::remarks
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// The state of a scheduled binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleState {
    /// It is not due yet.
    Waiting,
    /// It is due. A worker queues it at its next check, as far as the limit of the connection allows.
    Due,
    /// A job of it waits for a worker, or runs.
    Queued,
    /// It failed and is retried later.
    BackingOff {
        /// When it is retried.
        until: Timestamp,
    },
    /// The circuit breaker of its connection is open: the scanner asked for a pause, refused the
    /// credentials or cannot be reached.
    BreakerOpen {
        /// When the connection is tried again.
        until: Timestamp,
        /// Why the breaker opened.
        reason: String,
    },
    /// It is disabled.
    Disabled,
    /// Its schedule has no further time.
    Finished,
}

/// What [`apply_schedule`](crate::SqlStore::apply_schedule) changed, by the names of the bindings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleChanges {
    /// Added bindings.
    pub added: Vec<String>,
    /// Changed bindings.
    pub changed: Vec<String>,
    /// Removed bindings. Their findings are kept.
    pub removed: Vec<String>,
    /// Bindings that did not change.
    pub unchanged: Vec<String>,
}

impl ScheduleChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}
