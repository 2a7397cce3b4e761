//! The history of decisions about a finding.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::kind::Decision;
use crate::reconcile::State;

/// A user's decision about a finding, or its withdrawal, in the finding's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionEntry {
    /// The number of the last run that had been concluded by then.
    pub after_run: i64,
    /// When the decision was made.
    pub at: Timestamp,
    /// The decision; `None` where an earlier one was withdrawn.
    pub decision: Option<Decision>,
    /// The state of the finding after it.
    pub state: State,
}

impl DecisionEntry {
    /// Creates an entry for a decision that was made after the given run.
    pub fn new(after_run: i64, at: Timestamp, decision: Option<Decision>, state: State) -> Self {
        Self { after_run, at, decision, state }
    }
}
