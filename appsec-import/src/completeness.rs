//! Whether what a run did not report is gone: what everything that closes by absence asks first.

use std::fmt;

use appsec_core::{Absence, Coverage};
use serde::{Deserialize, Serialize};

use crate::store::EndedRun;
use crate::summary::Summary;

/// Whether what a run did not report is gone, everywhere it looked.
///
/// A list of findings that is not complete must close nothing at whoever reads it. So a complete one is made from a run's proof alone,
/// its [`Coverage`]: there is no way to claim it.
///
/// ```
/// use appsec_core::{Coverage, CoverageGap, GapKind};
/// use appsec_import::Completeness;
///
/// let mut coverage = Coverage::new();
/// coverage.mark_conclusive("host:shop.example.com".into());
/// assert!(Completeness::of(&coverage).is_complete());
///
/// coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit"));
/// assert_eq!(Completeness::of(&coverage).reason(), Some("the scan hit its time limit"));
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
    /// What a walk over findings proved.
    pub fn of(coverage: &Coverage) -> Self {
        if let Some(gap) = coverage.gaps().first() {
            let further = coverage.gap_count().saturating_sub(1);
            return Self::unproven(match further {
                0 => gap.to_string(),
                _ => format!("{gap}, and {further} more"),
            });
        }
        if coverage.partitions().len() == 0 {
            return Self::unproven("nothing was looked at");
        }
        match coverage.partitions().find(|(_, known)| known.absence == Absence::Inconclusive) {
            Some((partition, known)) => {
                let why = known.reason.as_deref().unwrap_or("the scanner does not say what silence means");
                Self::unproven(format!("{partition}: {why}"))
            }
            None => Self(Proof::Complete),
        }
    }

    /// What an import proved: its walk, and that nothing known stays open unseen.
    pub(crate) fn of_import(coverage: &Coverage, summary: &Summary) -> Self {
        match summary.kept_open.first() {
            Some(kept) if Self::of(coverage).is_complete() => Self::unproven(format!(
                "{} findings stay open unproven; {}: {}",
                summary.kept_open_count(),
                kept.partition,
                kept.reason
            )),
            _ => Self::of(coverage),
        }
    }

    /// Nothing is proven, as of a file whose run nobody knows.
    pub fn unproven(reason: impl Into<String>) -> Self {
        Self(Proof::Unproven { reason: reason.into() })
    }

    /// True when what was not reported is gone.
    pub fn is_complete(&self) -> bool {
        self.0 == Proof::Complete
    }

    /// Why absence proves nothing; `None` where it does.
    pub fn reason(&self) -> Option<&str> {
        match &self.0 {
            Proof::Complete => None,
            Proof::Unproven { reason } => Some(reason),
        }
    }
}

impl EndedRun {
    /// Whether what the run did not report is gone. Asked before anything is closed elsewhere.
    pub fn completeness(&self) -> Completeness {
        Completeness::of_import(&self.coverage, &self.summary)
    }
}

/// Nothing is proven.
impl Default for Completeness {
    fn default() -> Self {
        Self::unproven("the run does not say what it looked at")
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str("complete"),
            Some(reason) => write!(f, "not complete: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use appsec_core::{CoverageGap, GapKind};

    use super::*;
    use crate::summary::KeptOpen;

    fn complete() -> Coverage {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive("a".into());
        coverage.mark_conclusive("b".into());
        coverage
    }

    #[test]
    fn one_silent_place_is_enough_to_prove_nothing() {
        assert!(Completeness::of(&complete()).is_complete());
        let mut silent = complete();
        silent.mark_inconclusive("b".into(), "an export does not say");
        assert_eq!(Completeness::of(&silent).reason(), Some("b: an export does not say"));
        let mut gap = complete();
        gap.add_gap(CoverageGap::new(GapKind::Record, "unreadable").with_partition("a"));
        assert_eq!(Completeness::of(&gap).reason(), Some("a: unreadable"));
        gap.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
        assert_eq!(Completeness::of(&gap).reason(), Some("a: unreadable, and 1 more"));
        assert!(!Completeness::of(&Coverage::new()).is_complete(), "nothing was looked at");
    }

    #[test]
    fn what_stays_open_unseen_says_that_the_list_is_not_complete() {
        let kept = KeptOpen {
            partition: "c".into(),
            host: None,
            reason: "it was not looked at".to_owned(),
            count: 3,
        };
        let summary = Summary { kept_open: vec![kept], ..Summary::default() };
        assert!(Completeness::of_import(&complete(), &Summary::default()).is_complete());
        let mut partial = complete();
        partial.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
        assert_eq!(
            Completeness::of_import(&partial, &summary).reason(),
            Some("chunk 2 failed"),
            "what is missing is the reason before what follows from it"
        );
        assert_eq!(
            Completeness::of_import(&complete(), &summary).to_string(),
            "not complete: 3 findings stay open unproven; c: it was not looked at"
        );
    }

    #[test]
    fn a_run_that_ended_says_the_same_later() {
        let time = appsec_core::Timestamp::UNIX_EPOCH;
        let run = EndedRun::new(1, (time, time), Summary::default(), complete());
        assert!(run.completeness().is_complete());
        let run = EndedRun::new(1, (time, time), Summary::default(), Coverage::new());
        assert_eq!(run.completeness().reason(), Some("nothing was looked at"));
    }

    #[test]
    fn it_is_kept_and_read_again_and_silence_of_a_file_proves_nothing() {
        for completeness in [Completeness::of(&complete()), Completeness::unproven("why")] {
            let text = serde_json::to_string(&completeness).unwrap();
            assert_eq!(serde_json::from_str::<Completeness>(&text).unwrap(), completeness);
        }
        assert!(serde_json::from_str::<Completeness>("{}").is_err());
        assert!(!Completeness::default().is_complete());
    }
}
