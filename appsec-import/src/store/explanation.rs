//! Why a finding is in its state, run by run.

use std::fmt;

use appsec_core::{Printable, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decision::{DecisionEntry, RetirementEntry};
use crate::reconcile::{Change, KnownFinding, State};

/// The number of places that are displayed. The finding has more of them.
const MAX_PLACES: usize = 20;

/// A finding and how each run changed it. Displays as one line for each entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What is known of the finding now.
    pub finding: KnownFinding,
    /// What each run changed, oldest first.
    pub history: Vec<HistoryEntry>,
    /// What users decided about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionEntry>,
    /// The retirements that closed it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retirements: Vec<RetirementEntry>,
}

impl Explanation {
    /// Creates an explanation from its parts.
    pub fn new(finding: KnownFinding, history: Vec<HistoryEntry>, decisions: Vec<DecisionEntry>) -> Self {
        Self { finding, history, decisions, retirements: Vec::new() }
    }

    /// Sets the retirements that closed it, oldest first.
    pub fn with_retirements(mut self, retirements: Vec<RetirementEntry>) -> Self {
        self.retirements = retirements;
        self
    }
}

/// The stored form of a [`Transition`](crate::reconcile::Transition): how one run changed a finding, and
/// why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The number of the run.
    pub run: i64,
    /// The start time of the run.
    pub at: Timestamp,
    /// The label of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
    /// The state of the finding after the run.
    pub state: State,
    /// How the run changed it.
    pub change: Change,
    /// Why the finding closed, or why it stays as it is although it was not observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HistoryEntry {
    /// Returns the change and reason that are expected of the next run, so that a store keeps only entries
    /// that differ.
    ///
    /// A finding that was observed is expected to be observed again; one that was not is expected to stay
    /// as it is.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn expected_after(change: Change, reason: Option<&str>) -> (Change, Option<&str>) {
        match change {
            Change::New | Change::Reopened | Change::Recurrent => (Change::Recurrent, None),
            Change::Closed | Change::Unchanged => (Change::Unchanged, None),
            Change::KeptOpen => (Change::KeptOpen, reason),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = &self.finding;
        let (title, place) = (Printable(&finding.title), Printable(&finding.place));
        write!(f, "{title} at {place} ({})", finding.fingerprint)?;
        if finding.occurrences > 1 {
            write!(f, "\n{} occurrences:", finding.occurrences)?;
            let places = finding.places().take(MAX_PLACES);
            places.map(Printable).try_for_each(|place| write!(f, "\n  {place}"))?;
            let further = finding.occurrences.saturating_sub(finding.places().len().min(MAX_PLACES) as u64);
            if further > 0 {
                write!(f, "\n  and {further} more")?;
            }
        }
        for entry in &self.history {
            write!(f, "\nrun {} at {}", entry.run, entry.at)?;
            if let Some(tag) = &entry.scan_tag {
                write!(f, " [{}]", Printable(tag))?;
            }
            write!(f, ": {}, {}", change_text(entry.change), state_text(entry.state))?;
            if let Some(reason) = &entry.reason {
                write!(f, ": {}", Printable(reason))?;
            }
            for decision in self.decisions.iter().filter(|decision| decision.after_run == entry.run) {
                let what = if decision.decision.is_some() { "decided" } else { "decision withdrawn" };
                write!(f, "\nat {}: {what}, {}", decision.at, state_text(decision.state))?;
            }
            for entry in self.retirements.iter().filter(|retired| retired.after_run == entry.run) {
                let (by, reason) = (Printable(&entry.retirement.by), Printable(&entry.retirement.reason));
                write!(f, "\nat {}: closed, since its target was retired by {by}: {reason}", entry.at)?;
            }
        }
        match finding.decision {
            Some(_) => write!(f, "\nnow {}, as a user decided", state_text(finding.state)),
            None => write!(f, "\nnow {}", state_text(finding.state)),
        }
    }
}

fn change_text(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Recurrent => "observed again",
        Change::Reopened => "reopened",
        Change::Closed => "closed by this run",
        Change::KeptOpen => "not closed",
        Change::Unchanged => "unchanged",
    }
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Closed => "closed",
        State::RiskAccepted => "risk accepted",
        State::FalsePositive => "false positive",
        State::Ignored => "ignored",
    }
}
