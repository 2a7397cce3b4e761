//! What one run means for everything that was known: new, recurrent, reopened, closed, or kept open because silence proves nothing.

use std::collections::HashMap;

use appsec_core::{Coverage, Finding, FindingStatus, Fingerprint, PartitionKey, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fold::{Observation, earliest, fold};
use crate::judge::{self, Change, Decision, Judgement, State};
use crate::summary::Summary;

/// What is known of a finding of one binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KnownFinding {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of it, matched before the fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Where it stands.
    pub state: State,
    /// What a person decided downstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// How grave it was when last seen.
    pub severity: Severity,
    /// Where it stood at the scanner, as far as a route ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FindingStatus>,
    /// The partition of its last observation.
    pub partition: PartitionKey,
    /// Other partitions that hold it, or may. It is gone where the silence of all of them says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<PartitionKey>,
    /// The broken rule's name.
    pub title: String,
    /// Where it is.
    pub place: String,
    /// When it was first seen, by the scanner's clock where it has one.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

impl KnownFinding {
    /// The partitions that hold it, or may.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &PartitionKey> {
        std::iter::once(&self.partition).chain(&self.also_in)
    }

    /// Keeps what a person decided, or takes it back with `None`: then the scanner's word counts again. A closed finding stays closed; the
    /// decision counts when it comes back.
    pub fn decide(&mut self, decision: Option<Decision>) {
        self.state = judge::decided(self, decision);
        self.decision = decision;
    }
}

/// A finding after a run, and what the run meant for it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// What is known now.
    pub finding: KnownFinding,
    /// What the run meant.
    pub change: Change,
    /// Why, in words a person can act on, for what closes and for what stays open unseen.
    pub reason: Option<String>,
}

/// What a run meant.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// Every finding, those known before first and in their order.
    pub outcomes: Vec<Transition>,
    /// The counts, and what stays open unseen, by reason.
    pub summary: Summary,
}

/// Reconciles what a run saw with what was known of its binding.
///
/// A finding closes when the scanner says that it is fixed, whatever the coverage, unless something is missing and an occurrence that
/// was known was not told of; or by absence, when it was last seen in partitions without gaps whose absence means gone. Anything
/// else stays open, and the outcome says why. Risk accepted,
/// ignored and false positive are states of their own and never close by absence; a person's decision stands against the scanner's word
/// except when that is "fixed". Findings are matched by the scanner's own ids first, then by fingerprint, so that a renamed rule is
/// no wave of closed and new ones. Equal ones in a run are occurrences: the highest severity and the most open status count.
///
/// Pure: nothing is stored, and the clock is an argument.
pub fn reconcile<'a>(
    known: Vec<KnownFinding>,
    seen: impl IntoIterator<Item = &'a Finding>,
    coverage: &Coverage,
    now: Timestamp,
) -> Reconciliation {
    let index = Index::of(&known);
    let mut observations: Vec<Option<Observation>> = vec![None; known.len()];
    let mut new = Vec::new();
    for observation in fold(seen) {
        match index.find(&observation).and_then(|place| observations.get_mut(place)) {
            Some(place @ None) => *place = Some(observation),
            // Two observations of one known finding that share neither id nor fingerprint: the second is a finding of its own.
            Some(Some(_)) | None => new.push(observation),
        }
    }
    let mut outcomes: Vec<_> = known
        .into_iter()
        .zip(observations)
        .map(|(known, observation)| match observation {
            Some(observation) => {
                let taken = index.by_fingerprint.contains_key(&observation.fingerprint);
                seen_again(known, observation, coverage, now, taken)
            }
            None => not_seen(known, coverage, now),
        })
        .collect();
    outcomes.extend(new.into_iter().map(|observation| seen_first(observation, coverage, now)));
    let summary = Summary::of(&outcomes);
    Reconciliation { outcomes, summary }
}

/// Where a known finding is found, by id and by fingerprint.
struct Index {
    by_alias: HashMap<String, Vec<usize>>,
    by_fingerprint: HashMap<Fingerprint, Vec<usize>>,
}

impl Index {
    fn of(known: &[KnownFinding]) -> Self {
        let mut by_alias = HashMap::<_, Vec<_>>::new();
        let mut by_fingerprint = HashMap::<_, Vec<_>>::new();
        for (place, finding) in known.iter().enumerate() {
            by_fingerprint.entry(finding.fingerprint).or_default().push(place);
            for alias in &finding.aliases {
                by_alias.entry(alias.clone()).or_default().push(place);
            }
        }
        Self { by_alias, by_fingerprint }
    }

    fn find(&self, observation: &Observation) -> Option<usize> {
        let by_alias =
            observation.aliases.iter().filter_map(|alias| self.by_alias.get(alias)).map(Vec::as_slice);
        let by_fingerprint = self.by_fingerprint.get(&observation.fingerprint).map(Vec::as_slice);
        same(by_alias, by_fingerprint.unwrap_or_default())
    }
}

/// Which of the known findings a observation is: the first that has both one of its ids and its fingerprint, else that of its first id that is
/// known, else the first of its fingerprint. An id may have two, since a rule's new name parts what was one before.
pub(crate) fn same<'a, T: Copy + Ord + 'a>(
    mut by_alias: impl Iterator<Item = &'a [T]> + Clone,
    by_fingerprint: &[T],
) -> Option<T> {
    let both = by_alias.clone().flatten().filter(|known| by_fingerprint.contains(known)).min();
    let first = || by_alias.find_map(|known| known.iter().min());
    both.or_else(first).or_else(|| by_fingerprint.iter().min()).copied()
}

pub(crate) fn seen_first(observation: Observation, coverage: &Coverage, now: Timestamp) -> Transition {
    let judgement = judge::seen(None, &observation, coverage);
    let closed_at = judge::closed_at(None, &judgement, observation.fixed_at, now);
    let last_seen = observation.seen_at.unwrap_or(now);
    let finding = KnownFinding {
        fingerprint: observation.fingerprint,
        aliases: observation.aliases,
        state: judgement.state,
        decision: None,
        severity: observation.severity,
        status: observation.status,
        partition: observation.partition,
        also_in: observation.also_in.into_iter().collect(),
        title: observation.title,
        place: observation.place,
        first_seen: observation.first_seen.unwrap_or(last_seen),
        last_seen,
        closed_at,
    };
    outcome(finding, judgement)
}

/// `taken` is true when the observation's fingerprint is that of a known finding, this one or another.
pub(crate) fn seen_again(
    known: KnownFinding,
    observation: Observation,
    coverage: &Coverage,
    now: Timestamp,
    taken: bool,
) -> Transition {
    let judgement = judge::seen(Some(&known), &observation, coverage);
    if judge::is_of_a_part(observation.status.as_ref(), judgement.state) {
        return outcome(known, judgement);
    }
    let closed_at = judge::closed_at(Some(&known), &judgement, observation.fixed_at, now);
    let also_in = judge::partitions_besides(&known, &observation, coverage);
    let mut finding = known;
    // A rule that was renamed gives a new fingerprint, unless that is another finding's.
    if !taken {
        finding.fingerprint = observation.fingerprint;
    }
    for alias in observation.aliases {
        if !finding.aliases.contains(&alias) {
            finding.aliases.push(alias);
        }
    }
    finding.state = judgement.state;
    finding.severity = observation.severity;
    finding.status = observation.status.or(finding.status);
    (finding.partition, finding.also_in) = (observation.partition, also_in);
    (finding.title, finding.place) = (observation.title, observation.place);
    finding.first_seen = earliest(observation.first_seen, Some(finding.first_seen)).unwrap_or(now);
    finding.last_seen = finding.last_seen.max(observation.seen_at.unwrap_or(now));
    finding.closed_at = closed_at;
    outcome(finding, judgement)
}

pub(crate) fn not_seen(known: KnownFinding, coverage: &Coverage, now: Timestamp) -> Transition {
    let judgement = judge::unseen(&known, coverage);
    let closed_at = judge::closed_at(Some(&known), &judgement, None, now);
    outcome(KnownFinding { state: judgement.state, closed_at, ..known }, judgement)
}

fn outcome(finding: KnownFinding, judgement: Judgement) -> Transition {
    Transition { finding, change: judgement.change, reason: judgement.reason }
}
