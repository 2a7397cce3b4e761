//! Reconciles a whole run in memory.

use appsec_core::{Coverage, Finding, Timestamp};

use super::known_finding::KnownFinding;
use super::matching::KnownIndex;
use super::occurrences::{Observation, merge_occurrences};
use super::summary::{Summary, SummaryBuilder};
use super::transition::Transition;

/// What a run changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// One transition for each finding: those known before first, in their order, then the new ones.
    pub transitions: Vec<Transition>,
    /// The counts, and which findings stay open although they were not observed.
    pub summary: Summary,
}

/// Reconciles what a run observed with what was known of its binding.
///
/// A finding closes in two cases:
///
/// * The scanner reports it as fixed. The coverage does not matter, unless the list is partial and a known
///   occurrence was not observed.
/// * It is absent, and all partitions in which it was last observed are free of gaps and conclusive.
///
/// Every other finding stays as it is, and its transition says why. Risk accepted, ignored and false
/// positive are states of their own and never close by absence. A user's decision overrides the status that
/// the scanner reports, except "fixed".
///
/// Findings are matched by the scanner's own ids first and then by fingerprint, so that a renamed rule does
/// not close and reopen its findings. Equal findings of a run are occurrences of one: the highest severity
/// and the most open status count. Their number is kept in [`KnownFinding::occurrences`]; an occurrence that
/// the scanner reports as fixed while another is open does not count.
///
/// The function is pure: nothing is stored, and the clock is an argument.
pub fn reconcile<'a>(
    known: Vec<KnownFinding>,
    observed: impl IntoIterator<Item = &'a Finding>,
    coverage: &Coverage,
    now: Timestamp,
) -> Reconciliation {
    let index = KnownIndex::new(&known);
    let mut observations: Vec<Option<Observation>> = vec![None; known.len()];
    let mut new = Vec::new();
    let mut received = SummaryBuilder::default();
    for observation in merge_occurrences(observed) {
        received.add_observation(&observation);
        match index.find(&observation).and_then(|place| observations.get_mut(place)) {
            Some(place @ None) => *place = Some(observation),
            // Two observations of one known finding that share neither id nor fingerprint: the second is a
            // finding of its own.
            Some(Some(_)) | None => new.push(observation),
        }
    }
    let mut transitions: Vec<_> = known
        .into_iter()
        .zip(observations)
        .map(|(known, observation)| match observation {
            Some(observation) => {
                let taken = index.contains(&observation.fingerprint);
                Transition::observed_again(known, observation, coverage, now, taken)
            }
            None => Transition::unobserved(known, coverage, now),
        })
        .collect();
    transitions
        .extend(new.into_iter().map(|observation| Transition::first_observed(observation, coverage, now)));
    let summary = Summary::new(received, &transitions);
    Reconciliation { transitions, summary }
}
