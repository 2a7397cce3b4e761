//! What a store knows of a scheduled binding.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::binding::ScheduledBinding;

/// A scheduled binding, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleEntry {
    /// The binding.
    pub binding: ScheduledBinding,
    /// When it is due; `None` when it never is again. While a job of it waits or runs, the time that this is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Why it does not run although it is due, or what it does.
    pub state: ScheduleState,
    /// How often the time that is due has been tried in vain.
    pub tries: u32,
    /// When an import that saw all it asked for last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<Timestamp>,
    /// When a run last ended, well or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it last did not end well; gone with the next that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Where a scheduled binding stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleState {
    /// It waits for its time.
    Waiting,
    /// It is due, and the next look at the schedule lets it run, as far as its connection has room.
    Due,
    /// A job of it waits for a worker, or runs.
    Queued,
    /// It failed, and is tried again then.
    PutOff {
        /// When.
        until: Timestamp,
    },
    /// Its connection is left in peace until then: the scanner asked for it, or refused the credentials.
    ConnectionClosed {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// It is switched off.
    Disabled,
    /// Its schedule has no further time.
    Over,
}

/// What [`apply_schedule`](crate::SqlStore::apply_schedule) changed, by the bindings' names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleChanges {
    /// Not there before.
    pub added: Vec<String>,
    /// There, and different.
    pub changed: Vec<String>,
    /// Gone. Their findings stay.
    pub removed: Vec<String>,
    /// As they were.
    pub unchanged: Vec<String>,
}

impl ScheduleChanges {
    /// True when nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}
