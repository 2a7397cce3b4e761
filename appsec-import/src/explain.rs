//! Why a finding is in its state, run by run.

use std::fmt;

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::judge::{Change, Decision, State};
use crate::reconcile::KnownFinding;

/// A finding and what each run since its first meant for it. Prints as a line for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What is known of it now.
    pub finding: KnownFinding,
    /// The verdicts, oldest first.
    pub verdicts: Vec<HistoryEntry>,
    /// What people decided about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionEntry>,
}

/// A decision of a person about a finding, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionEntry {
    /// The number of the last run whose verdict stood then.
    pub after_run: i64,
    /// When.
    pub at: Timestamp,
    /// What was decided; `None` where an earlier decision was taken back.
    pub decision: Option<Decision>,
    /// Where the finding stood from then on.
    pub state: State,
}

impl DecisionEntry {
    /// A decision after that run.
    pub fn new(after_run: i64, at: Timestamp, decision: Option<Decision>, state: State) -> Self {
        Self { after_run, at, decision, state }
    }
}

impl Explanation {
    /// An explanation from its parts.
    pub fn new(finding: KnownFinding, verdicts: Vec<HistoryEntry>, decisions: Vec<DecisionEntry>) -> Self {
        Self { finding, verdicts, decisions }
    }
}

/// What one run meant for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The run's number.
    pub run: i64,
    /// The time at which the run counts as made.
    pub at: Timestamp,
    /// The label of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
    /// Where the finding stood after it.
    pub state: State,
    /// What the run meant.
    pub change: Change,
    /// Why, for what closes and what stays open unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HistoryEntry {
    /// What the run after this one means, where nothing else is kept: a finding that was seen is seen again, one that was
    /// not stays as it is.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn then(change: Change, reason: Option<&str>) -> (Change, Option<&str>) {
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
        write!(f, "{} at {} ({})", finding.title, finding.place, finding.fingerprint)?;
        for verdict in &self.verdicts {
            write!(f, "\nrun {} at {}", verdict.run, verdict.at)?;
            if let Some(tag) = &verdict.scan_tag {
                write!(f, " [{tag}]")?;
            }
            write!(f, ": {}, {}", words(verdict.change), state_words(verdict.state))?;
            if let Some(reason) = &verdict.reason {
                write!(f, ": {reason}")?;
            }
            for made in self.decisions.iter().filter(|made| made.after_run == verdict.run) {
                let what = if made.decision.is_some() { "decided" } else { "a decision was taken back" };
                write!(f, "\nat {}: {what}, {}", made.at, state_words(made.state))?;
            }
        }
        match finding.decision {
            Some(_) => write!(f, "\nnow {}, as a person decided", state_words(finding.state)),
            None => write!(f, "\nnow {}", state_words(finding.state)),
        }
    }
}

fn words(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Recurrent => "seen again",
        Change::Reopened => "back",
        Change::Closed => "closed by this run",
        Change::KeptOpen => "not closed",
        Change::Unchanged => "nothing changed",
    }
}

fn state_words(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Closed => "closed",
        State::RiskAccepted => "risk accepted",
        State::FalsePositive => "false positive",
        State::Ignored => "ignored",
    }
}
