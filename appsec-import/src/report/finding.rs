//! A finding as a report holds it: what the scanner says, and what the store knows.

use appsec_core::{Finding, FindingStatus, Timestamp};

use crate::reconcile::KnownFinding;
use crate::reconcile::{Change, State};
use crate::store::StoredFinding;

/// A finding of a report.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReportFinding {
    /// What the scanner says. First and last observation are the store's, where it knows the finding.
    pub finding: Finding,
    /// Where it stands.
    pub state: State,
    /// What the last run meant for it; `None` where no store was asked.
    pub change: Option<Change>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

impl ReportFinding {
    /// A finding of which only the scanner's word is known; its state is that word's.
    pub fn new(finding: Finding) -> Self {
        let state = match &finding.status {
            Some(FindingStatus::Fixed) => State::Closed,
            Some(FindingStatus::RiskAccepted) => State::RiskAccepted,
            Some(FindingStatus::FalsePositive) => State::FalsePositive,
            Some(FindingStatus::Ignored) => State::Ignored,
            _ => State::Open,
        };
        let closed_at = finding.fixed_at.filter(|_| state == State::Closed);
        Self { finding, state, change: None, closed_at }
    }

    /// Adds what a store knows of it, and what its last run meant.
    pub fn with_known(mut self, known: &KnownFinding, change: Change) -> Self {
        (self.state, self.change, self.closed_at) = (known.state, Some(change), known.closed_at);
        // The store's identity: it outlasts a rule that is renamed.
        self.finding.fingerprint = known.fingerprint;
        self.finding.first_seen = Some(known.first_seen);
        self.finding.last_seen = Some(known.last_seen);
        self
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
