//! Occurrences of one finding folded into one observation.

use std::collections::{BTreeSet, HashMap};

use appsec_core::{Finding, FindingStatus, Fingerprint, PartitionKey, Severity, Timestamp};
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::sql::Detail;

/// A finding as one run saw it, its occurrences together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) aliases: Vec<String>,
    /// The gravest of the occurrences.
    pub(crate) severity: Severity,
    /// The most open of the occurrences; `None` where the scanner does not say.
    pub(crate) status: Option<FindingStatus>,
    pub(crate) partition: PartitionKey,
    /// The other partitions that it was seen in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) also_in: BTreeSet<PartitionKey>,
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) seen_at: Option<Timestamp>,
    pub(crate) fixed_at: Option<Timestamp>,
    /// What else the occurrence told that was seen last, for a store to keep.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[serde(skip)]
    pub(crate) detail: Option<Detail>,
}

impl Observation {
    pub(crate) fn of(finding: &Finding) -> Self {
        Self {
            fingerprint: finding.fingerprint,
            aliases: finding.aliases.clone(),
            severity: finding.severity.clone(),
            status: finding.status.clone(),
            partition: finding.partition.clone(),
            also_in: BTreeSet::new(),
            title: finding.rule.name.clone(),
            place: finding.location.to_string(),
            first_seen: finding.first_seen,
            seen_at: finding.last_seen,
            fixed_at: finding.fixed_at,
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            detail: None,
        }
    }

    /// The observation as a store can keep it: PostgreSQL's texts hold no NUL.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn stored(mut self) -> Self {
        let clean = |text: &mut String| {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        };
        self.aliases.iter_mut().for_each(clean);
        clean(&mut self.title);
        clean(&mut self.place);
        let cleaned = |key: &PartitionKey| PartitionKey::new(key.as_str().replace('\0', "\u{fffd}"));
        if self.partition.as_str().contains('\0') {
            self.partition = cleaned(&self.partition);
        }
        self.also_in = self.also_in.iter().map(cleaned).collect();
        if let Severity::Unknown(word) = &self.severity {
            self.severity = Severity::Unknown(word.replace('\0', "\u{fffd}").into());
        }
        if let Some(FindingStatus::Unknown(word)) = &mut self.status {
            clean(word);
        }
        self
    }

    /// Takes in another occurrence: the highest severity and the most open status win, whatever the order.
    fn join(&mut self, other: Self) {
        if other.severity > self.severity {
            self.severity = other.severity;
        }
        let openness = |status: &Option<FindingStatus>| FindingStatus::openness(status.as_ref());
        if openness(&other.status) > openness(&self.status) {
            self.status = other.status;
        }
        for alias in other.aliases {
            if !self.aliases.contains(&alias) {
                self.aliases.push(alias);
            }
        }
        self.first_seen = earliest(self.first_seen, other.first_seen);
        self.also_in.extend(other.also_in);
        if other.partition != self.partition {
            self.also_in.extend([self.partition.clone(), other.partition.clone()]);
        }
        if other.seen_at > self.seen_at {
            (self.seen_at, self.partition, self.place) = (other.seen_at, other.partition, other.place);
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            {
                self.detail = other.detail;
            }
        }
        self.also_in.remove(&self.partition);
        self.fixed_at = self.fixed_at.max(other.fixed_at);
    }
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Folds occurrences, which share an id or a fingerprint, into observations in the order of first occurrence.
///
/// It can start from observations that were folded before, so that a run need not be held in memory.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    observations: Vec<Observation>,
    by_fingerprint: HashMap<Fingerprint, usize>,
    by_alias: HashMap<String, usize>,
}

impl Folder {
    pub(crate) fn add(&mut self, observation: Observation) {
        let known = observation.aliases.iter().find_map(|alias| self.by_alias.get(alias)).copied();
        let place = known.or_else(|| self.by_fingerprint.get(&observation.fingerprint).copied());
        let place = place.unwrap_or(self.observations.len());
        self.by_fingerprint.entry(observation.fingerprint).or_insert(place);
        for alias in &observation.aliases {
            self.by_alias.entry(alias.clone()).or_insert(place);
        }
        match self.observations.get_mut(place) {
            Some(first) => first.join(observation),
            None => self.observations.push(observation),
        }
    }

    pub(crate) fn into_sightings(self) -> Vec<Observation> {
        self.observations
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Folder {
    /// Takes in a observation that was folded before. What it is found by is told apart, by the two methods below.
    pub(crate) fn restore(&mut self, observation: Observation) -> usize {
        self.observations.push(observation);
        self.observations.len() - 1
    }

    pub(crate) fn restore_fingerprint(&mut self, fingerprint: Fingerprint, place: usize) {
        self.by_fingerprint.insert(fingerprint, place);
    }

    pub(crate) fn restore_alias(&mut self, alias: String, place: usize) {
        self.by_alias.insert(alias, place);
    }

    /// What observations are found by, and their places.
    pub(crate) fn keys(&self) -> (&HashMap<Fingerprint, usize>, &HashMap<String, usize>) {
        (&self.by_fingerprint, &self.by_alias)
    }
}

/// The observations in the order of first occurrence.
pub(crate) fn fold<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Observation> {
    let mut folder = Folder::default();
    findings.into_iter().for_each(|finding| folder.add(Observation::of(finding)));
    folder.into_sightings()
}
