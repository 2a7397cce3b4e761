//! The states of a finding in the store, and how a run changes them.

use appsec_core::FindingStatus;
use serde::{Deserialize, Serialize};

use crate::decision::Decision;

/// The state of a finding in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "report", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum State {
    /// The finding needs work.
    Open,
    /// The finding is fixed, or the scanner no longer reports it.
    Closed,
    /// The risk is accepted.
    RiskAccepted,
    /// The finding is not a weakness.
    FalsePositive,
    /// The finding is ignored.
    Ignored,
}

impl State {
    /// Returns the state that follows from the status at the scanner. Without a status, the state before is
    /// kept.
    pub(crate) fn from_status(status: Option<&FindingStatus>, before: Option<Self>) -> Self {
        match status {
            Some(FindingStatus::RiskAccepted) => Self::RiskAccepted,
            Some(FindingStatus::FalsePositive) => Self::FalsePositive,
            Some(FindingStatus::Ignored) => Self::Ignored,
            None => before.filter(|before| *before != Self::Closed).unwrap_or(Self::Open),
            Some(_) => Self::Open,
        }
    }
}

impl From<Decision> for State {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::RiskAccepted => Self::RiskAccepted,
            Decision::FalsePositive => Self::FalsePositive,
            Decision::Ignored => Self::Ignored,
        }
    }
}

/// How a run changes a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "report", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Change {
    /// It was not known before.
    New,
    /// It was known, and was observed again.
    Recurrent,
    /// It was closed, and was observed again.
    Reopened,
    /// The run closes it.
    Closed,
    /// It is open, and it or one of its occurrences was not observed, but its absence proves nothing.
    KeptOpen,
    /// It stays as it was: closed or decided and not observed, or never open.
    Unchanged,
}
