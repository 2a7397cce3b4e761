//! The result of a run.

use std::fmt;

use appsec_core::{CoverageGap, Printable, ScanId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::reconcile::{Completeness, EmptyReason, Summary};

/// The result of a run. Displays as its summary; that of a dry run says what would happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Import {
    /// The run's number among those of its binding; 0 for a dry run, which uses none.
    pub run: i64,
    /// The start time of the run. It is that of the first process where another one resumed the run.
    pub started_at: Timestamp,
    /// The counts, and which findings stay open although they were not observed.
    pub summary: Summary,
    /// What is missing from the findings that were read.
    pub gaps: Vec<CoverageGap>,
    /// Whether the store's findings of the binding hold everything that is open. Check this before anything is
    /// closed in another tool.
    #[serde(default)]
    pub completeness: Completeness,
    /// The number of records that this process received. The summary counts those of all processes that made
    /// the run.
    pub received: u64,
    /// Why no findings were received.
    pub empty: Option<EmptyReason>,
    /// The scan that was started or joined.
    pub scan: Option<ScanId>,
    /// Whether the run resumed where a dead process had stopped.
    pub resumed: bool,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the run did not do as it was asked, one sentence each: for instance, that a scanner which cannot
    /// start scans was asked for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Import {
    /// Returns what the import did not see, one sentence each; empty where it saw everything it asked for.
    /// For a gate and for reports.
    ///
    /// A filtered import can have everything that it asked for and still be incomplete; see
    /// [`Completeness`]. An import of a scanner that examined nothing has no gaps, so its [`EmptyReason`] is
    /// returned.
    pub fn missing(&self) -> Vec<String> {
        let mut missing: Vec<_> = self.gaps.iter().map(ToString::to_string).collect();
        if let Some(reason) = &self.empty
            && missing.is_empty()
            && !matches!(
                reason,
                EmptyReason::NothingFound | EmptyReason::NothingListed | EmptyReason::Filtered
            )
        {
            missing.push(reason.to_string());
        }
        missing
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            let Summary { new, closed, reopened, recurrent, .. } = &self.summary;
            write!(f, "would open {new}, close {closed}, reopen {reopened}, find {recurrent} again")?;
            if let Some(received) = self.summary.received_text() {
                write!(f, "\n{received}")?;
            }
            for kept in &self.summary.kept_open {
                let (place, reason) = (kept.place(), kept.detail());
                let (place, reason) = (Printable(place), Printable(&reason));
                write!(f, "\nwould not close {} of {place}: {reason}", kept.count)?;
            }
        } else {
            write!(f, "{}", self.summary)?;
        }
        if let Some(reason) = &self.empty {
            write!(f, "\nno findings: {reason}")?;
        }
        self.remarks.iter().try_for_each(|remark| write!(f, "\n{remark}"))
    }
}
