//! Occurrences of one finding folded into one sighting.

use std::collections::HashMap;

use appsec_core::{Finding, FindingStatus, Fingerprint, PartitionKey, Severity, Timestamp};

/// A finding as one run saw it, its occurrences together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) aliases: Vec<String>,
    /// The gravest of the occurrences.
    pub(crate) severity: Severity,
    /// The most open of the occurrences; `None` where the route has none.
    pub(crate) status: Option<FindingStatus>,
    pub(crate) partition: PartitionKey,
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) seen_at: Option<Timestamp>,
    pub(crate) fixed_at: Option<Timestamp>,
}

impl Sighting {
    fn of(finding: &Finding) -> Self {
        Self {
            fingerprint: finding.fingerprint,
            aliases: finding.aliases.clone(),
            severity: finding.severity.clone(),
            status: finding.status.clone(),
            partition: finding.partition.clone(),
            title: finding.rule.name.clone(),
            place: finding.location.to_string(),
            first_seen: finding.first_seen,
            seen_at: finding.last_seen,
            fixed_at: finding.fixed_at,
        }
    }

    /// Takes in another occurrence: the highest severity and the most open status win, whatever the order.
    fn join(&mut self, other: Self) {
        if other.severity > self.severity {
            self.severity = other.severity;
        }
        let openness = |status: &Option<FindingStatus>| status.as_ref().map(FindingStatus::openness);
        if openness(&other.status) > openness(&self.status) {
            self.status = other.status;
        }
        for alias in other.aliases {
            if !self.aliases.contains(&alias) {
                self.aliases.push(alias);
            }
        }
        self.first_seen = earliest(self.first_seen, other.first_seen);
        // The last sighting's partition is the one whose silence will count.
        if other.seen_at > self.seen_at {
            (self.seen_at, self.partition, self.place) = (other.seen_at, other.partition, other.place);
        }
        self.fixed_at = self.fixed_at.max(other.fixed_at);
    }
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The sightings in the order of first occurrence. Occurrences share a fingerprint or an alias.
pub(crate) fn fold<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Sighting> {
    let mut sightings: Vec<Sighting> = Vec::new();
    let mut by_fingerprint: HashMap<Fingerprint, usize> = HashMap::new();
    let mut by_alias: HashMap<String, usize> = HashMap::new();
    for finding in findings {
        let sighting = Sighting::of(finding);
        let known = sighting.aliases.iter().find_map(|alias| by_alias.get(alias)).copied();
        let place = known.or_else(|| by_fingerprint.get(&sighting.fingerprint).copied());
        let place = place.unwrap_or(sightings.len());
        by_fingerprint.entry(sighting.fingerprint).or_insert(place);
        for alias in &sighting.aliases {
            by_alias.entry(alias.clone()).or_insert(place);
        }
        match sightings.get_mut(place) {
            Some(first) => first.join(sighting),
            None => sightings.push(sighting),
        }
    }
    sightings
}
