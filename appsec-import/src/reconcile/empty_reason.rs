//! Why an import returned no findings.

use std::fmt;

use appsec_core::{Absence, Coverage, FindingQuery, GapKind, Printable};
use serde::{Deserialize, Serialize};

/// Why an import returned no findings at all. Displays as a sentence that says what to do, where something
/// can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmptyReason {
    /// The scanner examined everything it was asked to and reports nothing.
    NothingFound,
    /// The scanner lists no findings, and does not say that there are none.
    NothingListed,
    /// The scanner does not list the bind target, or not to these credentials.
    TargetMissing,
    /// The target was never scanned.
    NeverScanned,
    /// The scanner's inventory does not list the place: no traffic was seen there, or the credentials may
    /// not see it.
    NotInInventory,
    /// The query asked for some severities only, and no finding has one of those.
    Filtered,
    /// The scanner examined nothing: no traffic, no scan, or nothing that belongs to the target.
    NothingExamined,
    /// Part of the list is missing; this is the first gap.
    Incomplete(String),
}

impl EmptyReason {
    /// Returns the reason, given what was asked and what the scanner says it covered.
    pub(crate) fn new(query: &FindingQuery, coverage: &Coverage) -> Self {
        let has_gap = |kind: GapKind| coverage.gaps().iter().any(|gap| gap.kind == kind);
        if has_gap(GapKind::TargetMissing) {
            Self::TargetMissing
        } else if has_gap(GapKind::NeverScanned) {
            Self::NeverScanned
        } else if has_gap(GapKind::NotInInventory) {
            Self::NotInInventory
        } else if let Some(gap) = coverage.gaps().first() {
            Self::Incomplete(gap.to_string())
        } else if coverage.partitions().len() == 0 {
            Self::NothingExamined
        } else if !query.severities.is_empty() {
            Self::Filtered
        } else if coverage.partitions().any(|(_, known)| known.absence == Absence::Inconclusive) {
            Self::NothingListed
        } else {
            Self::NothingFound
        }
    }
}

impl fmt::Display for EmptyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingFound => "the scanner examined the target and reports nothing",
            Self::NothingListed => {
                "the scanner lists none, which does not prove that findings known before are fixed"
            }
            Self::TargetMissing => {
                "the scanner does not list the bind target: choose the target again, or give the credentials access to it"
            }
            Self::NeverScanned => "the target was never scanned: start a scan first",
            Self::NotInInventory => {
                "the scanner's inventory does not list the place: no traffic was seen there, or the credentials may not see it"
            }
            Self::Filtered => "no finding has one of the severities asked for: widen the filter to see others",
            Self::NothingExamined => {
                "the scanner examined nothing: there was no traffic or no scan of the target"
            }
            Self::Incomplete(gap) => return write!(f, "part of the list is missing: {}", Printable(gap)),
        })
    }
}
