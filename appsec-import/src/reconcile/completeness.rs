//! Whether a list of findings holds everything that is open.

use std::fmt;

use appsec_core::{Absence, Coverage, FindingQuery, FindingScope, Printable};
use serde::{Deserialize, Serialize};

use super::empty_reason::EmptyReason;

/// Whether a list of findings is complete: it holds everything that is open, so that another tool may close
/// what the list does not hold.
///
/// No constructor claims completeness. It follows from what was read:
///
/// * The findings of a *store* after a run, as [`EndedRun::completeness`](crate::store::EndedRun::completeness)
///   returns it: complete where the run has no gap and was not filtered. A finding that the run did not see
///   stays open in the store, and so in its reports; the run need not prove anything by absence.
/// * The findings of *one read*, without a store: complete only where the read proves that everything else is
///   gone ([`from_coverage`](Self::from_coverage)).
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
    /// Returns whether the findings of one read are complete, without those that a store had before it.
    pub fn from_coverage(coverage: &Coverage) -> Self {
        if let Some(reason) = nothing_or_gaps(coverage) {
            return Self::unproven(reason);
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

    /// Returns whether the findings of a binding in a store are complete after the run of this number, which
    /// asked this query and covered this.
    ///
    /// A filter by time is no gap after the first run: the store has what came before. After the first run of
    /// one scan, the store has nothing but what the scan saw, so the scan has to prove the rest.
    pub(crate) fn from_run(coverage: &Coverage, query: Option<&FindingQuery>, number: i64) -> Self {
        if let Some(reason) = nothing_or_gaps(coverage) {
            return Self::unproven(reason);
        }
        let Some(query) = query else { return Self::default() };
        let first = number <= 1;
        let filter = if !query.severities.is_empty() {
            Some("severity")
        } else if !query.statuses.is_empty() {
            Some("status")
        } else {
            query.seen_since.filter(|_| first).map(|_| "time")
        };
        match (filter, &query.scope) {
            (Some(filter), _) => Self::unproven(format!("only a part was requested, by {filter}")),
            (None, FindingScope::Scan(_)) if first => Self::from_coverage(coverage),
            _ => Self(Proof::Complete),
        }
    }

    /// Nothing is proven, for instance for a file whose run is unknown.
    pub fn unproven(reason: impl Into<String>) -> Self {
        Self(Proof::Unproven { reason: reason.into() })
    }

    /// Whether the list holds everything that is open.
    pub fn is_complete(&self) -> bool {
        self.0 == Proof::Complete
    }

    /// Returns why the list may lack open findings; `None` where it is complete.
    pub fn reason(&self) -> Option<&str> {
        match &self.0 {
            Proof::Complete => None,
            Proof::Unproven { reason } => Some(reason),
        }
    }
}

/// The gaps of a coverage in one sentence, or that it covers nothing; `None` where neither is so.
fn nothing_or_gaps(coverage: &Coverage) -> Option<String> {
    let Some(gap) = coverage.gaps().first() else {
        return (coverage.partitions().len() == 0).then(|| "the scanner examined nothing".to_owned());
    };
    Some(match coverage.gap_count().saturating_sub(1) {
        0 => gap.to_string(),
        further => format!("{gap}, and {further} more"),
    })
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
    use crate::reconcile::Summary;
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

    fn export() -> FindingQuery {
        FindingQuery::target("config:1")
    }

    #[test]
    fn a_store_is_complete_after_a_run_without_gaps_and_filters() {
        let mut silent = Coverage::new();
        silent.mark_inconclusive("a".into(), "an export does not say what is gone");
        let store = |coverage: &Coverage, query: &FindingQuery, number| {
            Completeness::from_run(coverage, Some(query), number)
        };
        assert!(store(&silent, &export(), 1).is_complete(), "an export holds all that is open");
        let scan = FindingQuery::scan("s-1");
        assert_eq!(
            store(&silent, &scan, 1).reason(),
            Some("a: an export does not say what is gone"),
            "the store has only what this scan saw"
        );
        assert!(store(&silent, &scan, 2).is_complete(), "the store has what earlier runs saw");
        assert!(store(&complete(), &scan, 1).is_complete());

        let mut gap = complete();
        gap.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
        assert_eq!(store(&gap, &export(), 2).reason(), Some("chunk 2 failed"));
        assert_eq!(store(&Coverage::new(), &export(), 2).reason(), Some("the scanner examined nothing"));
    }

    #[test]
    fn a_filter_makes_the_store_incomplete_and_a_time_only_at_first() {
        let time = appsec_core::Timestamp::UNIX_EPOCH;
        let of = |query: &FindingQuery, number| Completeness::from_run(&complete(), Some(query), number);
        let by_severity = export().with_severities([appsec_core::Severity::High]);
        let by_status = export().with_statuses([appsec_core::FindingStatus::Open]);
        for (query, filter) in [(by_severity, "severity"), (by_status, "status")] {
            let expected = format!("only a part was requested, by {filter}");
            assert_eq!(of(&query, 7).reason(), Some(&*expected));
        }
        let since = export().with_seen_since(time);
        assert_eq!(of(&since, 1).reason(), Some("only a part was requested, by time"));
        assert!(of(&since, 2).is_complete());
        assert!(!Completeness::from_run(&complete(), None, 2).is_complete(), "an unknown query");
    }

    #[test]
    fn an_ended_run_gives_the_same_completeness() {
        let time = appsec_core::Timestamp::UNIX_EPOCH;
        let run = EndedRun::new(1, (time, time), Summary::default(), complete());
        assert!(!run.completeness().is_complete(), "its query is not known");
        assert!(run.with_query(export()).completeness().is_complete());
        let run = EndedRun::new(1, (time, time), Summary::default(), Coverage::new());
        assert_eq!(run.with_query(export()).completeness().reason(), Some("the scanner examined nothing"));
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
