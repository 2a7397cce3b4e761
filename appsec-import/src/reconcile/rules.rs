//! The rules that decide the state of one finding after a run.

use std::collections::BTreeSet;

use appsec_core::{Coverage, FindingStatus, PartitionKey, ProfileKey, Timestamp};

use super::known_finding::KnownFinding;
use super::occurrence_set::OccurrenceSet;
use super::occurrences::Observation;
use super::state::{Change, State};

/// The state of a finding after a run, how the run changes it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextState {
    pub(crate) state: State,
    pub(crate) change: Change,
    /// Why a finding closes, or why it stays as it is although it was not observed.
    pub(crate) reason: Option<String>,
}

impl NextState {
    fn new(state: State, change: Change) -> Self {
        Self { state, change, reason: None }
    }

    fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// The next state of a finding that was observed.
pub(crate) fn observed(
    known: Option<&KnownFinding>,
    observation: &Observation,
    coverage: &Coverage,
) -> NextState {
    let before = known.map(|known| known.state);
    if observation.status == Some(FindingStatus::Fixed) {
        return match known {
            None => NextState::new(State::Closed, Change::Unchanged)
                .with_reason("it was fixed before it was first imported"),
            Some(known) if known.state == State::Closed => NextState::new(State::Closed, Change::Unchanged),
            Some(known) => fixed(known, observation, coverage),
        };
    }
    if let (Some(known), Some(State::Closed)) = (known, before)
        && is_older_than_closing(known, observation)
    {
        return NextState::new(State::Closed, Change::Unchanged)
            .with_reason("the observation is older than the closing");
    }
    let state = match known.and_then(|known| known.decision) {
        Some(decision) => decision.into(),
        None => State::from_status(observation.status.as_ref(), before),
    };
    let change = match before {
        None => Change::New,
        Some(State::Closed) => Change::Reopened,
        Some(_) => Change::Recurrent,
    };
    NextState::new(state, change)
}

/// The next state of a known finding that the scanner reports as fixed.
///
/// The status counts whatever the coverage, but only for the occurrences that were observed. Where the list
/// is partial, a known occurrence that was not observed may still be open. A scan of another bind target
/// counts only if it had the same profile.
fn fixed(known: &KnownFinding, observation: &Observation, coverage: &Coverage) -> NextState {
    if observation.by_other_target && observation.profile != known.profile {
        let by = |profile: &Option<ProfileKey>| {
            profile.as_ref().map_or_else(|| "unknown profile".to_owned(), ToString::to_string)
        };
        let change = if known.state == State::Open { Change::KeptOpen } else { Change::Unchanged };
        return NextState::new(known.state, change).with_reason(format!(
            "another bind target's scan ({}) reports it as fixed, which says nothing about the one that saw it ({})",
            by(&observation.profile),
            by(&known.profile)
        ));
    }
    // Without an alias the number of occurrences is unknown.
    let observed_all =
        !known.aliases.is_empty() && known.aliases.iter().all(|alias| observation.aliases.contains(alias));
    match coverage.partial_reason().filter(|_| !observed_all) {
        None => NextState::new(State::Closed, Change::Closed).with_reason("the scanner reports it as fixed"),
        Some(missing) => {
            let change = if known.state == State::Open { Change::KeptOpen } else { Change::Unchanged };
            NextState::new(known.state, change)
                .with_reason(format!("one occurrence is fixed, but others were not observed: {missing}"))
        }
    }
}

/// Whether an observation says "fixed" and does not close the finding: it is of some occurrences only, or of
/// another bind target. It then updates nothing else.
pub(crate) fn is_ignored_fix(observed: Option<&FindingStatus>, next: State) -> bool {
    observed == Some(&FindingStatus::Fixed) && next != State::Closed
}

/// Whether an observation was made before the finding was closed, and does not reopen it: it has no status, or
/// a person closed the finding.
fn is_older_than_closing(known: &KnownFinding, observation: &Observation) -> bool {
    (observation.status.is_none() || known.retired_at.is_some())
        && matches!((observation.seen_at, known.closed_at), (Some(seen), Some(closed)) if seen < closed)
}

/// The next state of a known finding that was not observed.
pub(crate) fn unobserved(known: &KnownFinding, coverage: &Coverage) -> NextState {
    if known.state != State::Open {
        // Accepted, ignored and false positive are states of their own. They never close by absence.
        return NextState::new(known.state, Change::Unchanged);
    }
    let reason = known
        .partitions()
        .find_map(|partition| inconclusive_reason(partition, known.profile.as_ref(), coverage));
    match reason {
        None => NextState::new(State::Closed, Change::Closed)
            .with_reason("the scanner examined the place completely and did not report it"),
        Some(reason) => NextState::new(State::Open, Change::KeptOpen).with_reason(reason),
    }
}

/// Returns why the absence of a finding of the given profile from a partition is inconclusive, or `None`
/// where it is conclusive. A partition that the run did not examine is named.
fn inconclusive_reason(
    partition: &PartitionKey,
    profile: Option<&ProfileKey>,
    coverage: &Coverage,
) -> Option<String> {
    if !coverage.concerns(partition) {
        return Some(if partition.is_unattributed() {
            "not examined: the scanner does not tell which target it belongs to".to_owned()
        } else {
            format!("not examined: {partition} was not part of this run")
        });
    }
    if let Some(reason) = coverage.inconclusive_reason(partition) {
        return Some(reason.to_owned());
    }
    let examined = coverage.partition(partition)?;
    if examined.covers_profile(profile) {
        return None;
    }
    Some(match (&examined.profile, profile) {
        (Some(by), Some(seen_by)) => {
            format!("the examination ({by}) was narrower or other than the one that saw it ({seen_by})")
        }
        (Some(by), None) => {
            format!("the profile of the examination that saw it is not known; this one is {by}")
        }
        (None, _) => "the profile of the examination is not known".to_owned(),
    })
}

/// Returns the partitions that may hold a finding besides that of its observation.
///
/// These are the others in which it was observed, and those in which it was known and which the run did not
/// examine completely.
pub(crate) fn other_partitions(
    known: &KnownFinding,
    observation: &Observation,
    coverage: &Coverage,
) -> Vec<PartitionKey> {
    if observation.has_no_partition() {
        return known.also_in.clone();
    }
    let is_open = |partition: &&PartitionKey| {
        **partition != observation.partition
            && !partition.is_unattributed()
            && inconclusive_reason(partition, known.profile.as_ref(), coverage).is_some()
    };
    let mut others: BTreeSet<_> = observation.also_in.iter().cloned().collect();
    others.extend(known.partitions().filter(is_open).cloned());
    others.into_iter().collect()
}

/// Returns the occurrences of a known finding that was observed.
///
/// These are the observed ones. Where the run may have missed some, the known ones that it does not report
/// as fixed remain beside them.
pub(crate) fn occurrences(
    known: &KnownFinding,
    observation: &Observation,
    next: &NextState,
    coverage: &Coverage,
) -> OccurrenceSet {
    let partitions = known.partitions().chain([&observation.partition]).chain(&observation.also_in);
    let may_have_missed = coverage.partial_reason().is_some()
        && partitions.into_iter().any(|partition| coverage.inconclusive_reason(partition).is_some());
    let is_reopened = known.state == State::Closed && next.state != State::Closed;
    if is_reopened || !may_have_missed {
        return observation.occurrences().clone();
    }
    let mut occurrences = known.occurrence_set.clone();
    occurrences.add(&known.place, &observation.open, &observation.place);
    if next.state == State::Closed {
        occurrences.add(&known.place, &observation.fixed, &observation.place);
        return occurrences;
    }
    occurrences.remove(&observation.fixed);
    // A finding that is not closed has an occurrence, although the run does not know which.
    if occurrences.is_empty() { known.occurrence_set.clone() } else { occurrences }
}

/// Returns the profile of the examination that saw a finding last.
///
/// That is the profile of the observation, else that of the examination of its partition. An observation that
/// tells nothing about the partition, or is not newer than the sighting that is known, changes nothing.
pub(crate) fn profile_of_sighting(
    known: Option<&KnownFinding>,
    observation: &Observation,
    coverage: &Coverage,
) -> Option<ProfileKey> {
    let examined = || coverage.partition(&observation.partition)?.profile.clone();
    let Some(known) = known else { return observation.profile.clone().or_else(examined) };
    let is_old = known.partition == observation.partition
        && known.profile.is_some()
        && observation.seen_at.is_some_and(|seen| seen <= known.last_seen);
    if observation.has_no_partition() || is_old {
        return known.profile.clone();
    }
    observation.profile.clone().or_else(examined)
}

/// Returns when a finding was closed, given its next state after a run at `now`.
pub(crate) fn closed_at(
    known: Option<&KnownFinding>,
    next: &NextState,
    fixed_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    match (next.state, next.change) {
        (State::Closed, Change::Unchanged) => {
            known.and_then(|known| known.closed_at).or(fixed_at).or(Some(now))
        }
        (State::Closed, _) => fixed_at.or(Some(now)),
        _ => None,
    }
}
