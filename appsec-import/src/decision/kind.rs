//! What a user can decide about a finding.

use serde::{Deserialize, Serialize};

/// A state that a user chose for a finding. It overrides the status that the scanner reports, unless that
/// is "fixed".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// The risk is accepted.
    RiskAccepted,
    /// The finding is not a weakness.
    FalsePositive,
    /// The finding is ignored.
    Ignored,
}
