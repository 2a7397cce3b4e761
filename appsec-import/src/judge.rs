//! The verdict on one finding: what was known, what was seen, and what silence means.

use std::collections::BTreeSet;

use appsec_core::{Coverage, FindingStatus, PartitionKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fold::Observation;
use crate::reconcile::KnownFinding;

/// Where a finding stands in our book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "report", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum State {
    /// There is something to do.
    Open,
    /// Gone, or fixed.
    Closed,
    /// The risk is accepted.
    RiskAccepted,
    /// Not a weakness.
    FalsePositive,
    /// Set aside.
    Ignored,
}

/// A state that a person chose downstream. It stands whatever the scanner says, except that it says the finding is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// The risk is accepted.
    RiskAccepted,
    /// Not a weakness.
    FalsePositive,
    /// Set aside.
    Ignored,
}

impl Decision {
    fn state(self) -> State {
        match self {
            Self::RiskAccepted => State::RiskAccepted,
            Self::FalsePositive => State::FalsePositive,
            Self::Ignored => State::Ignored,
        }
    }
}

/// What a run means for a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "report", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Change {
    /// Not known before.
    New,
    /// Known, and still there.
    Recurrent,
    /// Closed before, and back.
    Reopened,
    /// Closed by this run.
    Closed,
    /// Open, not seen or not in all its occurrences, and not closed: silence proves nothing here.
    KeptOpen,
    /// Nothing changes: closed before or set aside, and not seen; or never open.
    Unchanged,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) state: State,
    pub(crate) change: Change,
    /// Why, in words a person can act on, for what closes and what stays open unseen.
    pub(crate) reason: Option<String>,
}

impl Judgement {
    fn new(state: State, change: Change) -> Self {
        Self { state, change, reason: None }
    }

    fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// The verdict on a finding that was seen.
pub(crate) fn seen(
    known: Option<&KnownFinding>,
    observation: &Observation,
    coverage: &Coverage,
) -> Judgement {
    let was = known.map(|known| known.state);
    if observation.status == Some(FindingStatus::Fixed) {
        return match known {
            None => Judgement::new(State::Closed, Change::Unchanged)
                .because("it was fixed before it was first imported"),
            Some(known) if known.state == State::Closed => Judgement::new(State::Closed, Change::Unchanged),
            Some(known) => fixed(known, observation, coverage),
        };
    }
    if let (Some(known), Some(State::Closed)) = (known, was)
        && is_older_than_the_closing(known, observation)
    {
        return Judgement::new(State::Closed, Change::Unchanged)
            .because("what was seen is older than the closing");
    }
    let state = match known.and_then(|known| known.decision) {
        Some(decision) => decision.state(),
        None => state_at_the_scanner(observation.status.as_ref(), was),
    };
    let change = match was {
        None => Change::New,
        Some(State::Closed) => Change::Reopened,
        Some(_) => Change::Recurrent,
    };
    Judgement::new(state, change)
}

/// The verdict on a known finding that the scanner calls fixed. Its word counts whatever the coverage, for the occurrences that it told
/// of: one that was known and is not among them may be among what is missing.
fn fixed(known: &KnownFinding, observation: &Observation, coverage: &Coverage) -> Judgement {
    // Where no id is known, nobody knows how many occurrences there are.
    let told_of_all =
        !known.aliases.is_empty() && known.aliases.iter().all(|alias| observation.aliases.contains(alias));
    match coverage.partial_reason().filter(|_| !told_of_all) {
        None => Judgement::new(State::Closed, Change::Closed).because("the scanner says that it is fixed"),
        Some(missing) => {
            let change = if known.state == State::Open { Change::KeptOpen } else { Change::Unchanged };
            Judgement::new(known.state, change)
                .because(format!("one occurrence is fixed, and nothing was told of another: {missing}"))
        }
    }
}

/// True where a observation is of some occurrences of a finding, which are fixed, and the finding is not: nothing of it is news.
pub(crate) fn is_of_a_part(seen: Option<&FindingStatus>, judged: State) -> bool {
    seen == Some(&FindingStatus::Fixed) && judged != State::Closed
}

/// The state by the scanner's word. A route that has no word for it does not overwrite what is known.
fn state_at_the_scanner(status: Option<&FindingStatus>, was: Option<State>) -> State {
    match status {
        Some(FindingStatus::RiskAccepted) => State::RiskAccepted,
        Some(FindingStatus::FalsePositive) => State::FalsePositive,
        Some(FindingStatus::Ignored) => State::Ignored,
        None => was.filter(|was| *was != State::Closed).unwrap_or(State::Open),
        Some(_) => State::Open,
    }
}

/// The state of a finding about which this was decided. What is closed stays closed.
pub(crate) fn decided(known: &KnownFinding, decision: Option<Decision>) -> State {
    match (known.state, decision) {
        (State::Closed, _) => State::Closed,
        (_, Some(decision)) => decision.state(),
        (_, None) => state_at_the_scanner(known.status.as_ref(), None),
    }
}

/// True when a observation without a status is of a time before the finding was closed: old news reopen nothing.
fn is_older_than_the_closing(known: &KnownFinding, observation: &Observation) -> bool {
    observation.status.is_none()
        && matches!((observation.seen_at, known.closed_at), (Some(seen), Some(closed)) if seen < closed)
}

/// The verdict on a finding that was known and not seen.
pub(crate) fn unseen(known: &KnownFinding, coverage: &Coverage) -> Judgement {
    if known.state != State::Open {
        // Set aside or accepted is a state of its own, never closed by silence.
        return Judgement::new(known.state, Change::Unchanged);
    }
    match known.partitions().find_map(|partition| coverage.inconclusive_reason(partition)) {
        None => Judgement::new(State::Closed, Change::Closed)
            .because("the scanner examined the place completely and did not report it"),
        Some(reason) => Judgement::new(State::Open, Change::KeptOpen).because(reason),
    }
}

/// The partitions that a finding may be in, besides that of its observation: the others where it was seen, and those where it was known and
/// of which the run tells less than all. One that is not among what was looked at any more is let go: the scanner divides its world anew.
pub(crate) fn partitions_besides(
    known: &KnownFinding,
    observation: &Observation,
    coverage: &Coverage,
) -> Vec<PartitionKey> {
    let told_in_part = |partition: &&PartitionKey| {
        coverage.concerns(partition) && coverage.inconclusive_reason(partition).is_some()
    };
    let mut besides: BTreeSet<_> = observation.also_in.iter().cloned().collect();
    let before = known.partitions().filter(|partition| **partition != observation.partition);
    besides.extend(before.filter(told_in_part).cloned());
    besides.into_iter().collect()
}

/// When a finding was closed, after a verdict at the given time.
pub(crate) fn closed_at(
    known: Option<&KnownFinding>,
    judgement: &Judgement,
    fixed_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    match (judgement.state, judgement.change) {
        (State::Closed, Change::Unchanged) => {
            known.and_then(|known| known.closed_at).or(fixed_at).or(Some(now))
        }
        (State::Closed, _) => fixed_at.or(Some(now)),
        _ => None,
    }
}
