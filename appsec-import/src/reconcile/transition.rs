//! What one run changed for a finding.

use appsec_core::{Coverage, Timestamp};

use super::known_finding::KnownFinding;
use super::occurrences::{Observation, earliest};
use super::rules::{self, NextState};
use super::state::{Change, State};

/// A finding after a run, how the run changed it, and why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// What is known of the finding after the run.
    pub finding: KnownFinding,
    /// How the run changed it.
    pub change: Change,
    /// Why a finding closed, or why it stays as it is although it was not observed.
    pub reason: Option<String>,
}

impl Transition {
    fn new(finding: KnownFinding, next: NextState) -> Self {
        Self { finding, change: next.change, reason: next.reason }
    }

    /// The transition of a finding that was not known before.
    pub(crate) fn first_observed(observation: Observation, coverage: &Coverage, now: Timestamp) -> Self {
        let next = rules::observed(None, &observation, coverage);
        let closed_at = rules::closed_at(None, &next, observation.fixed_at, now);
        let profile = rules::profile_of_sighting(None, &observation, coverage);
        let last_seen = observation.seen_at.unwrap_or(now);
        let occurrence_set = observation.occurrences().clone();
        let finding = KnownFinding {
            occurrences: occurrence_set.count().max(1),
            occurrence_set,
            fingerprint: observation.fingerprint,
            aliases: observation.aliases,
            state: next.state,
            decision: None,
            severity: observation.severity,
            status: observation.status,
            partition: observation.partition,
            also_in: observation.also_in.into_iter().collect(),
            profile,
            title: observation.title,
            place: observation.place,
            first_seen: observation.first_seen.unwrap_or(last_seen),
            last_seen,
            closed_at,
            retired_at: None,
        };
        Self::new(finding, next)
    }

    /// The transition of a known finding that was observed again.
    ///
    /// `fingerprint_taken` is whether a known finding, this one or another, has the fingerprint of the
    /// observation.
    pub(crate) fn observed_again(
        known: KnownFinding,
        observation: Observation,
        coverage: &Coverage,
        now: Timestamp,
        fingerprint_taken: bool,
    ) -> Self {
        let next = rules::observed(Some(&known), &observation, coverage);
        let occurrences = rules::occurrences(&known, &observation, &next, coverage);
        if rules::is_ignored_fix(observation.status.as_ref(), next.state) {
            let mut known = known;
            if !observation.by_other_target {
                known.set_occurrences(occurrences);
            }
            return Self::new(known, next);
        }
        let closed_at = rules::closed_at(Some(&known), &next, observation.fixed_at, now);
        let (also_in, profile) = (
            rules::other_partitions(&known, &observation, coverage),
            rules::profile_of_sighting(Some(&known), &observation, coverage),
        );
        let has_partition = !observation.has_no_partition();
        let mut finding = known;
        // A renamed rule gives a new fingerprint, unless another finding has it.
        if !fingerprint_taken {
            finding.fingerprint = observation.fingerprint;
        }
        for alias in observation.aliases {
            if !finding.aliases.contains(&alias) {
                finding.aliases.push(alias);
            }
        }
        finding.state = next.state;
        finding.severity = observation.severity;
        finding.status = observation.status.or(finding.status);
        if has_partition {
            finding.partition = observation.partition;
        }
        (finding.also_in, finding.profile) = (also_in, profile);
        (finding.title, finding.place) = (observation.title, observation.place);
        finding.first_seen = earliest(observation.first_seen, Some(finding.first_seen)).unwrap_or(now);
        finding.last_seen = finding.last_seen.max(observation.seen_at.unwrap_or(now));
        finding.closed_at = closed_at;
        finding.set_occurrences(occurrences);
        finding.retired_at = finding.retired_at.filter(|_| next.state == State::Closed);
        Self::new(finding, next)
    }

    /// The transition of a known finding that was not observed.
    pub(crate) fn unobserved(known: KnownFinding, coverage: &Coverage, now: Timestamp) -> Self {
        let next = rules::unobserved(&known, coverage);
        let closed_at = rules::closed_at(Some(&known), &next, None, now);
        Self::new(KnownFinding { state: next.state, closed_at, ..known }, next)
    }

    /// Whether the observation says "fixed" and does not close the finding. Then nothing of it is kept.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn is_ignored_fix(&self, observed: Option<&appsec_core::FindingStatus>) -> bool {
        rules::is_ignored_fix(observed, self.finding.state)
    }
}
