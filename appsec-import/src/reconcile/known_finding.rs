//! What is known of a finding between runs.

use appsec_core::{FindingStatus, Fingerprint, PartitionKey, ProfileKey, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::occurrence_set::OccurrenceSet;
use super::state::State;
use crate::decision::Decision;

/// What is known of one finding of a binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KnownFinding {
    /// The fingerprint, which identifies the finding.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of the finding. They are matched before the fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The state in the store.
    pub state: State,
    /// What a user decided about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The severity when it was last observed.
    pub severity: Severity,
    /// The last status that the scanner reported, where it reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FindingStatus>,
    /// The partition of its last observation.
    pub partition: PartitionKey,
    /// Other partitions that hold it, or may. It closes by absence only where all of them are conclusive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<PartitionKey>,
    /// The profile of the examination that saw it last. Absence closes it only where the profile of the
    /// examination equals or includes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileKey>,
    /// The name of the broken rule.
    pub title: String,
    /// The location, as text.
    pub place: String,
    /// When it was first seen, by the scanner's clock where it has one.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When a person closed it by retiring its partition; `None` where it is open, or closed otherwise. An
    /// older observation does not reopen it, whatever its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// The number of its occurrences, at least 1: of the open ones where it is open, and of those that it
    /// had where it is closed. Beyond [`OccurrenceSet::MAX_KEYS`] it is an estimate.
    #[serde(default = "one")]
    pub occurrences: u64,
    /// Which occurrences these are, and where. An import of a part of the findings adds to them.
    #[serde(default, skip_serializing_if = "OccurrenceSet::is_empty")]
    pub occurrence_set: OccurrenceSet,
}

fn one() -> u64 {
    1
}

impl KnownFinding {
    /// Returns the partitions that hold it, or may.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &PartitionKey> {
        std::iter::once(&self.partition).chain(&self.also_in)
    }

    /// Replaces its occurrences.
    pub(crate) fn set_occurrences(&mut self, occurrences: OccurrenceSet) {
        self.occurrences = occurrences.count().max(1);
        self.occurrence_set = occurrences;
    }

    /// Returns the places of its occurrences where it has several, or where the place alone does not name
    /// the occurrence; see [`OccurrenceSet::places`].
    pub fn places(&self) -> impl ExactSizeIterator<Item = &str> {
        self.occurrence_set.places()
    }

    /// Closes an open finding because the partition is retired, and returns whether it closed. A finding that
    /// another partition holds too stays open there.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn retire(&mut self, partition: &PartitionKey, at: Timestamp) -> bool {
        self.also_in.retain(|other| other != partition);
        if self.partition == *partition {
            if self.also_in.is_empty() {
                (self.state, self.closed_at, self.retired_at) = (State::Closed, Some(at), Some(at));
                return true;
            }
            self.partition = self.also_in.remove(0);
        }
        false
    }

    /// Sets a user's decision, or withdraws it with `None`: then the scanner's status counts again.
    ///
    /// A closed finding stays closed; the decision counts when it is observed again.
    pub fn set_decision(&mut self, decision: Option<Decision>) {
        self.state = match (self.state, decision) {
            (State::Closed, _) => State::Closed,
            (_, Some(decision)) => decision.into(),
            (_, None) => State::from_status(self.status.as_ref(), None),
        };
        self.decision = decision;
    }
}
