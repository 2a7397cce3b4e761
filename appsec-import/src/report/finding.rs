//! A finding of a report: what the scanner says about it, and what the store knows.

use appsec_core::{Finding, FindingStatus, Timestamp};

use crate::reconcile::KnownFinding;
use crate::reconcile::{Change, State};
use crate::store::StoredFinding;

/// A finding of a report.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReportFinding {
    /// The finding of the scanner. `first_seen` and `last_seen` are the store's, where it knows the
    /// finding.
    pub finding: Finding,
    /// Its state.
    pub state: State,
    /// What the last run changed; `None` where no store was asked.
    pub change: Option<Change>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The number of occurrences that the store knows, at least 1.
    pub occurrences: u64,
    /// The places of the occurrences where there are several, at most
    /// [`OccurrenceSet::MAX_PLACES`](crate::reconcile::OccurrenceSet::MAX_PLACES).
    pub places: Vec<String>,
}

impl ReportFinding {
    /// A finding that no store knows. Its state follows from the scanner's status.
    pub fn new(finding: Finding) -> Self {
        let state = match &finding.status {
            Some(FindingStatus::Fixed) => State::Closed,
            Some(FindingStatus::RiskAccepted) => State::RiskAccepted,
            Some(FindingStatus::FalsePositive) => State::FalsePositive,
            Some(FindingStatus::Ignored) => State::Ignored,
            _ => State::Open,
        };
        let closed_at = finding.fixed_at.filter(|_| state == State::Closed);
        Self { finding, state, change: None, closed_at, occurrences: 1, places: Vec::new() }
    }

    /// Adds what a store knows about the finding, and what the last run changed.
    pub fn with_known(mut self, known: &KnownFinding, change: Change) -> Self {
        (self.state, self.change, self.closed_at) = (known.state, Some(change), known.closed_at);
        self.occurrences = known.occurrences.max(1);
        if self.occurrences > 1 {
            self.places = known.places().map(str::to_owned).collect();
        }
        // The store's fingerprint stays the same when the scanner renames a rule.
        self.finding.fingerprint = known.fingerprint;
        self.finding.first_seen = Some(known.first_seen);
        self.finding.last_seen = Some(known.last_seen);
        self
    }
}

impl ReportFinding {
    /// The number of occurrences where there are several.
    pub(super) fn several_occurrences(&self) -> Option<u64> {
        (self.occurrences > 1).then_some(self.occurrences)
    }
}

impl From<Finding> for ReportFinding {
    fn from(finding: Finding) -> Self {
        Self::new(finding)
    }
}

impl From<StoredFinding> for ReportFinding {
    fn from(stored: StoredFinding) -> Self {
        Self::new(stored.finding).with_known(&stored.known, stored.change)
    }
}
