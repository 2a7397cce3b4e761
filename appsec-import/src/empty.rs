//! Why an import brought nothing.

use std::fmt;

use appsec_core::{Coverage, FindingQuery, GapKind};
use serde::{Deserialize, Serialize};

/// Why an import brought no finding at all. Prints as a sentence that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmptyReason {
    /// The scanner looked everywhere it was asked to and reports nothing.
    NothingFound,
    /// The scanner does not list the bind target, or not to these credentials.
    TargetMissing,
    /// The target was never scanned.
    NeverScanned,
    /// The scanner's own list does not hold the place: no traffic was seen there, or the credentials may not see it.
    NotInInventory,
    /// The query let only some severities through, and none of those came.
    Filtered,
    /// The scanner looked at nothing: no traffic, no scan, or nothing that belongs to the target.
    NothingLookedAt,
    /// Something is missing from the answer; this is the first of it.
    Incomplete(String),
}

impl EmptyReason {
    /// The reason, by what was asked and what the scanner says it looked at.
    pub(crate) fn of(query: &FindingQuery, coverage: &Coverage) -> Self {
        let gap = |kind: GapKind| coverage.gaps().iter().any(|gap| gap.kind == kind);
        if gap(GapKind::TargetMissing) {
            Self::TargetMissing
        } else if gap(GapKind::NeverScanned) {
            Self::NeverScanned
        } else if gap(GapKind::NotInInventory) {
            Self::NotInInventory
        } else if let Some(gap) = coverage.gaps().first() {
            Self::Incomplete(gap.to_string())
        } else if coverage.partitions().len() == 0 {
            Self::NothingLookedAt
        } else if !query.severities.is_empty() {
            Self::Filtered
        } else {
            Self::NothingFound
        }
    }
}

impl fmt::Display for EmptyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingFound => "the scanner looked and reports nothing",
            Self::TargetMissing => {
                "the scanner does not list the bind target: bind the binding again, or let the credentials see it"
            }
            Self::NeverScanned => "the target was never scanned: start a scan first",
            Self::NotInInventory => {
                "the scanner's own list does not hold the place: no traffic was seen there, or the credentials may not see it"
            }
            Self::Filtered => "the severity filter let nothing through: widen it to see what there is",
            Self::NothingLookedAt => "the scanner looked at nothing: there was no traffic or no scan of the target",
            Self::Incomplete(gap) => return write!(f, "the answer is incomplete: {gap}"),
        })
    }
}
