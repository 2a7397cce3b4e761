//! Merges the occurrences of a finding in one run into one observation.

use std::collections::{BTreeSet, HashMap};

use appsec_core::{Finding, FindingStatus, Fingerprint, PartitionKey, ProfileKey, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::occurrence_set::OccurrenceSet;

/// A finding as one run observed it, with all its occurrences merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) aliases: Vec<String>,
    /// The highest severity of the occurrences.
    pub(crate) severity: Severity,
    /// The most open status of the occurrences; `None` where the scanner reports none.
    pub(crate) status: Option<FindingStatus>,
    pub(crate) partition: PartitionKey,
    /// The other partitions in which it was observed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) also_in: BTreeSet<PartitionKey>,
    /// The profile of the examination that saw it; `None` where only the coverage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<ProfileKey>,
    /// Whether only the scans of other bind targets saw it. The binding knows it by an alias.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_other_target: bool,
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) seen_at: Option<Timestamp>,
    pub(crate) fixed_at: Option<Timestamp>,
    /// The number of records that were merged.
    pub(crate) records: u64,
    /// The occurrences that are not fixed.
    #[serde(default, skip_serializing_if = "OccurrenceSet::is_empty")]
    pub(crate) open: OccurrenceSet,
    /// The occurrences that the scanner reports as fixed, and not also with another status.
    #[serde(default, skip_serializing_if = "OccurrenceSet::is_empty")]
    pub(crate) fixed: OccurrenceSet,
}

impl Observation {
    pub(crate) fn new(finding: &Finding) -> Self {
        let (mut open, mut fixed) = (OccurrenceSet::of(finding), OccurrenceSet::default());
        if finding.status == Some(FindingStatus::Fixed) {
            std::mem::swap(&mut open, &mut fixed);
        }
        Self {
            records: 1,
            open,
            fixed,
            fingerprint: finding.fingerprint,
            aliases: finding.aliases.clone(),
            severity: finding.severity.clone(),
            status: finding.status.clone(),
            partition: finding.partition.clone(),
            also_in: BTreeSet::new(),
            profile: finding.profile.clone(),
            by_other_target: false,
            title: finding.rule.name.clone(),
            place: finding.location.to_string(),
            first_seen: finding.first_seen,
            seen_at: finding.last_seen,
            fixed_at: finding.fixed_at,
        }
    }

    /// Returns the number of its occurrences, whatever their status: at least one, and at most one for each
    /// record.
    pub(crate) fn occurrence_count(&self) -> u64 {
        self.open.count().saturating_add(self.fixed.count()).clamp(1, self.records.max(1))
    }

    /// Returns the occurrences that count: those that are not fixed, or all where all are fixed.
    pub(crate) fn occurrences(&self) -> &OccurrenceSet {
        if self.open.is_empty() { &self.fixed } else { &self.open }
    }

    /// Sets whether only the scans of other bind targets saw it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn with_other_target(mut self, other: bool) -> Self {
        self.by_other_target = other;
        self
    }

    /// Whether it tells nothing about the partition that the finding belongs to.
    pub(crate) fn has_no_partition(&self) -> bool {
        self.by_other_target || self.partition.is_unattributed()
    }

    /// Returns the observation with each NUL character replaced, since a text in PostgreSQL cannot hold
    /// one.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn without_nul(mut self) -> Self {
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
        if let Some(profile) = self.profile.as_mut().filter(|profile| profile.as_str().contains('\0')) {
            *profile = ProfileKey::new(profile.as_str().replace('\0', "\u{fffd}"));
        }
        if let Severity::Unknown(text) = &self.severity {
            self.severity = Severity::Unknown(text.replace('\0', "\u{fffd}").into());
        }
        if let Some(FindingStatus::Unknown(text)) = &mut self.status {
            clean(text);
        }
        self
    }

    /// Merges another occurrence: the highest severity and the most open status win, whatever the order.
    ///
    /// Returns whether the other one was seen later. Then this observation has its place and partition.
    fn merge(&mut self, other: Self) -> bool {
        let other_has_no_partition = other.has_no_partition();
        self.records = self.records.saturating_add(other.records);
        self.open.add(&self.place, &other.open, &other.place);
        self.fixed.add(&self.place, &other.fixed, &other.place);
        self.fixed.remove(&self.open);
        if other.severity > self.severity {
            self.severity = other.severity;
        }
        let openness = |status: &Option<FindingStatus>| FindingStatus::precedence(status.as_ref());
        if openness(&other.status) > openness(&self.status) {
            self.status = other.status;
        }
        for alias in other.aliases {
            if !self.aliases.contains(&alias) {
                self.aliases.push(alias);
            }
        }
        self.first_seen = earliest(self.first_seen, other.first_seen);
        let is_later = other.seen_at > self.seen_at;
        match (self.has_no_partition(), other_has_no_partition) {
            (_, true) => self.by_other_target &= other.by_other_target,
            (true, false) => {
                (self.partition, self.also_in) = (other.partition, other.also_in);
                (self.profile, self.by_other_target) = (other.profile, false);
            }
            (false, false) => {
                self.also_in.extend(other.also_in);
                self.also_in.extend([self.partition.clone(), other.partition.clone()]);
                if self.profile != other.profile {
                    // No examination has this profile, so the finding does not close by absence.
                    self.profile = Some(ProfileKey::from(SEVERAL_PROFILES));
                }
                if is_later {
                    self.partition = other.partition;
                }
            }
        }
        if is_later {
            (self.seen_at, self.place) = (other.seen_at, other.place);
        }
        self.also_in.remove(&self.partition);
        self.fixed_at = self.fixed_at.max(other.fixed_at);
        is_later
    }
}

/// The profile of a finding that examinations by several profiles saw in one run.
const SEVERAL_PROFILES: &str = "several profiles";

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Merges occurrences, which share an id or a fingerprint, into observations in the order of the first
/// occurrence.
///
/// `D` is what a store keeps beside an observation: that of the occurrence which was seen last.
/// Observations that were merged before can be restored, so that a run need not be held in memory.
#[derive(Debug, Default)]
pub(crate) struct Occurrences<D> {
    observations: Vec<(Observation, D)>,
    by_fingerprint: HashMap<Fingerprint, usize>,
    by_alias: HashMap<String, usize>,
}

impl<D> Occurrences<D> {
    pub(crate) fn add(&mut self, observation: Observation, beside: D) {
        let known = observation.aliases.iter().find_map(|alias| self.by_alias.get(alias)).copied();
        let index = known.or_else(|| self.by_fingerprint.get(&observation.fingerprint).copied());
        let index = index.unwrap_or(self.observations.len());
        self.by_fingerprint.entry(observation.fingerprint).or_insert(index);
        for alias in &observation.aliases {
            self.by_alias.entry(alias.clone()).or_insert(index);
        }
        match self.observations.get_mut(index) {
            Some((first, beside_first)) => {
                if first.merge(observation) {
                    *beside_first = beside;
                }
            }
            None => self.observations.push((observation, beside)),
        }
    }

    pub(crate) fn into_observations(self) -> Vec<(Observation, D)> {
        self.observations
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl<D> Occurrences<D> {
    /// Adds an observation that was merged before, and returns its index. Its keys are restored by the two
    /// methods below.
    pub(crate) fn restore(&mut self, observation: Observation, beside: D) -> usize {
        self.observations.push((observation, beside));
        self.observations.len() - 1
    }

    pub(crate) fn restore_fingerprint(&mut self, fingerprint: Fingerprint, index: usize) {
        self.by_fingerprint.insert(fingerprint, index);
    }

    pub(crate) fn restore_alias(&mut self, alias: String, index: usize) {
        self.by_alias.insert(alias, index);
    }

    /// Returns the fingerprints and the aliases, each with the index of its observation.
    pub(crate) fn keys(&self) -> (&HashMap<Fingerprint, usize>, &HashMap<String, usize>) {
        (&self.by_fingerprint, &self.by_alias)
    }
}

/// Returns the observations in the order of the first occurrence.
pub(crate) fn merge_occurrences<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Observation> {
    let mut occurrences = Occurrences::default();
    findings.into_iter().for_each(|finding| occurrences.add(Observation::new(finding), ()));
    occurrences.into_observations().into_iter().map(|(observation, ())| observation).collect()
}
