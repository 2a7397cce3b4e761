//! Whether a run proves that the findings which it did not report are fixed.

use std::fmt;

use appsec_core::{Absence, Coverage, Printable};
use serde::{Deserialize, Serialize};

use super::empty_reason::EmptyReason;
use super::summary::Summary;

/// Whether a list of findings is complete, so that findings which it does not contain are fixed.
///
/// Only a run's [`Coverage`] proves completeness; no constructor claims it. Other tools close what an
/// incomplete list does not contain, so they are asked to close findings only with a complete one.
///
/// ```
/// use appsec_core::{Coverage, CoverageGap, GapKind};
/// use appsec_import::Completeness;
///
/// let mut coverage = Coverage::new();
/// coverage.mark_conclusive("host:shop.example.com".into());
/// assert!(Completeness::from_coverage(&coverage).is_complete());
///
/// coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit"));
/// assert_eq!(Completeness::from_coverage(&coverage).reason(), Some("the scan hit its time limit"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Completeness(Proof);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Proof {
    Complete,
    Unproven { reason: String },
}

impl Completeness {
    /// Returns what a coverage proves.
    pub fn from_coverage(coverage: &Coverage) -> Self {
        if let Some(gap) = coverage.gaps().first() {
            let further = coverage.gap_count().saturating_sub(1);
            return Self::unproven(match further {
                0 => gap.to_string(),
                _ => format!("{gap}, and {further} more"),
            });
        }
        if coverage.partitions().len() == 0 {
            return Self::unproven("the scanner examined nothing");
        }
        match coverage.partitions().find(|(_, known)| known.absence == Absence::Inconclusive) {
            Some((partition, known)) => {
                let why = known
                    .reason
                    .as_deref()
                    .unwrap_or("the scanner does not say whether absence is conclusive");
                Self::unproven(format!("{partition}: {why}"))
            }
            None => Self(Proof::Complete),
        }
    }

    /// Returns what an import proved: its coverage, and that no known finding stays open unobserved.
    pub(crate) fn from_import(coverage: &Coverage, summary: &Summary) -> Self {
        match summary.kept_open.first() {
            Some(kept) if Self::from_coverage(coverage).is_complete() => Self::unproven(format!(
                "{} findings stay open although they were not observed; {}: {}",
                summary.kept_open_count(),
                kept.partition,
                kept.reason
            )),
            _ => Self::from_coverage(coverage),
        }
    }

    /// Nothing is proven, for instance for a file whose run is unknown.
    pub fn unproven(reason: impl Into<String>) -> Self {
        Self(Proof::Unproven { reason: reason.into() })
    }

    /// Whether an unreported finding may be treated as fixed.
    pub fn is_complete(&self) -> bool {
        self.0 == Proof::Complete
    }

    /// Returns why absence proves nothing; `None` where the list is complete.
    pub fn reason(&self) -> Option<&str> {
        match &self.0 {
            Proof::Complete => None,
            Proof::Unproven { reason } => Some(reason),
        }
    }
}

/// Nothing is proven.
impl Default for Completeness {
    fn default() -> Self {
        Self::unproven("the run does not say what it examined")
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str("complete"),
            Some(reason) => write!(f, "not complete: {}", Printable(reason)),
        }
    }
}

/// Returns what a run did not see, one sentence each.
pub(crate) fn missing_from(coverage: &Coverage) -> Vec<String> {
    let mut missing: Vec<_> = coverage.gaps().iter().map(ToString::to_string).collect();
    if missing.is_empty() && coverage.partitions().len() == 0 {
        missing.push(EmptyReason::NothingExamined.to_string());
    }
    missing
}

#[cfg(test)]
mod tests {
    use appsec_core::{CoverageGap, GapKind};

    use super::*;
    use crate::reconcile::KeptOpen;
    use crate::store::EndedRun;

    fn complete() -> Coverage {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive("a".into());
        coverage.mark_conclusive("b".into());
        coverage
    }

    #[test]
    fn one_inconclusive_partition_is_enough_to_prove_nothing() {
        assert!(Completeness::from_coverage(&complete()).is_complete());
        let mut inconclusive = complete();
        inconclusive.mark_inconclusive("b".into(), "an export does not say");
        assert_eq!(Completeness::from_coverage(&inconclusive).reason(), Some("b: an export does not say"));
        let mut gap = complete();
        gap.add_gap(CoverageGap::new(GapKind::Record, "unreadable").with_partition("a"));
        assert_eq!(Completeness::from_coverage(&gap).reason(), Some("a: unreadable"));
        gap.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
        assert_eq!(Completeness::from_coverage(&gap).reason(), Some("a: unreadable, and 1 more"));
        assert!(!Completeness::from_coverage(&Coverage::new()).is_complete(), "nothing was examined");
    }

    #[test]
    fn findings_that_stay_open_unobserved_make_the_list_incomplete() {
        let kept = KeptOpen {
            partition: "c".into(),
            host: None,
            reason: "it was not examined".to_owned(),
            count: 3,
        };
        let summary = Summary { kept_open: vec![kept], ..Summary::default() };
        assert!(Completeness::from_import(&complete(), &Summary::default()).is_complete());
        let mut partial = complete();
        partial.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
        assert_eq!(
            Completeness::from_import(&partial, &summary).reason(),
            Some("chunk 2 failed"),
            "what is missing is the reason before what follows from it"
        );
        assert_eq!(
            Completeness::from_import(&complete(), &summary).to_string(),
            "not complete: 3 findings stay open although they were not observed; c: it was not examined"
        );
    }

    #[test]
    fn an_ended_run_gives_the_same_completeness() {
        let time = appsec_core::Timestamp::UNIX_EPOCH;
        let run = EndedRun::new(1, (time, time), Summary::default(), complete());
        assert!(run.completeness().is_complete());
        let run = EndedRun::new(1, (time, time), Summary::default(), Coverage::new());
        assert_eq!(run.completeness().reason(), Some("the scanner examined nothing"));
    }

    #[test]
    fn it_survives_serialization_and_a_missing_member_proves_nothing() {
        for completeness in [Completeness::from_coverage(&complete()), Completeness::unproven("why")] {
            let text = serde_json::to_string(&completeness).unwrap();
            assert_eq!(serde_json::from_str::<Completeness>(&text).unwrap(), completeness);
        }
        assert!(serde_json::from_str::<Completeness>("{}").is_err());
        assert!(!Completeness::default().is_complete());
    }
}
