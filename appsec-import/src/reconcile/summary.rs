//! The counts of a run, and why findings stay open.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::{PartitionKey, Printable, Timestamp};
use serde::{Deserialize, Serialize};

use super::occurrences::Observation;
use super::state::Change;
use super::transition::Transition;

/// Findings of one partition that stay open although they were not observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptOpen {
    /// The partition.
    pub partition: PartitionKey,
    /// The host of all these findings, where they share one. It is easier to read than the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why their absence proves nothing.
    pub reason: String,
    /// The number of findings.
    pub count: u64,
    /// When any of them was last seen: since then the scanner has said nothing about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

impl KeptOpen {
    /// Returns the place for display: the host, else the partition.
    pub fn place(&self) -> &str {
        self.host.as_deref().unwrap_or(self.partition.as_str())
    }

    /// Returns the reason, and the date in UTC since which nothing was heard.
    pub(crate) fn detail(&self) -> String {
        match self.last_seen {
            Some(last_seen) => {
                format!("{}; nothing heard since {}", self.reason, last_seen.strftime("%Y-%m-%d"))
            }
            None => self.reason.clone(),
        }
    }
}

/// Writes one sentence: `40 findings of shop.example.com stay open: the scan hit its time limit; nothing heard
/// since 2026-10-01`. The date is in UTC.
impl fmt::Display for KeptOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (findings, stay) = if self.count == 1 { ("finding", "stays") } else { ("findings", "stay") };
        let (place, detail) = (Printable(self.place()), self.detail());
        write!(f, "{} {findings} of {place} {stay} open: {}", self.count, Printable(&detail))
    }
}

/// The counts of a run.
///
/// What was received adds up: `received = findings + further_occurrences + repeats + left_out`. Where one
/// finding has more occurrences than [`OccurrenceSet::MAX_KEYS`](super::OccurrenceSet::MAX_KEYS), the
/// division into occurrences and repeats is an estimate; the sum is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// The number of findings that were not known before.
    pub new: u64,
    /// The number of known findings that were observed again.
    pub recurrent: u64,
    /// The number of closed findings that were observed again.
    pub reopened: u64,
    /// The number of findings that the run closed.
    pub closed: u64,
    /// The open findings that were not observed and did not close, by partition and reason.
    pub kept_open: Vec<KeptOpen>,
    /// The number of records that the scanner delivered, over all processes that made the run.
    #[serde(default)]
    pub received: u64,
    /// The number of findings that they are, whatever their status.
    #[serde(default)]
    pub findings: u64,
    /// The number of records that are a further occurrence of one of these findings: another URL, another
    /// input, or another id where there is no path.
    #[serde(default)]
    pub further_occurrences: u64,
    /// The number of records that are an occurrence which another record was already.
    #[serde(default)]
    pub repeats: u64,
    /// The number of records that were left out on purpose, such as findings of another bind target.
    #[serde(default)]
    pub left_out: u64,
}

impl Summary {
    pub(crate) fn new(received: SummaryBuilder, transitions: &[Transition]) -> Self {
        let mut builder = received;
        for transition in transitions {
            builder.add(transition);
        }
        builder.build()
    }

    /// Returns the number of findings that stay open although they were not observed.
    pub fn kept_open_count(&self) -> u64 {
        self.kept_open.iter().map(|kept| kept.count).sum()
    }

    /// Returns what was received, in one line; `None` where each record was a finding of its own.
    ///
    /// ```
    /// let mut summary = appsec_import::Summary::default();
    /// (summary.received, summary.findings, summary.further_occurrences, summary.repeats) = (4, 1, 2, 1);
    /// let text = "received 4 records: 1 finding, 2 further occurrences (3 occurrences in all), 1 repeat";
    /// assert_eq!(summary.received_text().as_deref(), Some(text));
    /// ```
    pub fn received_text(&self) -> Option<String> {
        if self.received == self.findings {
            return None;
        }
        let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut parts = vec![counted(self.findings, "finding")];
        if self.further_occurrences > 0 {
            let all = self.findings.saturating_add(self.further_occurrences);
            let further = counted(self.further_occurrences, "further occurrence");
            parts.push(format!("{further} ({all} occurrences in all)"));
        }
        if self.repeats > 0 {
            parts.push(counted(self.repeats, "repeat"));
        }
        if self.left_out > 0 {
            parts.push(format!("{} left out", self.left_out));
        }
        Some(format!("received {}: {}", counted(self.received, "record"), parts.join(", ")))
    }
}

/// Counts transitions one by one.
#[derive(Debug, Default)]
pub(crate) struct SummaryBuilder {
    summary: Summary,
    kept_open: BTreeMap<PartitionKey, BTreeMap<String, Group>>,
}

/// Findings that stay open in one partition for one reason.
#[derive(Debug)]
struct Group {
    count: u64,
    last_seen: Timestamp,
    /// The host that they share so far; `None` where they have several hosts or none.
    host: Option<String>,
}

/// Returns the host, with its port, of a place as `Location` writes it.
fn host_of(place: &str) -> Option<&str> {
    let place = place.split_once(' ').map_or(place, |(_, place)| place);
    let place = place.split_once("://").map_or(place, |(_, rest)| rest);
    let authority = place.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host).filter(|host| !host.is_empty())
}

impl SummaryBuilder {
    /// Counts the records of an observation.
    pub(crate) fn add_observation(&mut self, observation: &Observation) {
        let (summary, occurrences) = (&mut self.summary, observation.occurrence_count());
        summary.received += observation.records;
        summary.findings += 1;
        summary.further_occurrences += occurrences - 1;
        summary.repeats += observation.records.saturating_sub(occurrences);
    }

    /// Counts records that were left out on purpose.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn add_left_out(&mut self, records: u64) {
        self.summary.received += records;
        self.summary.left_out += records;
    }

    pub(crate) fn add(&mut self, transition: &Transition) {
        let summary = &mut self.summary;
        match transition.change {
            Change::New => summary.new += 1,
            Change::Recurrent => summary.recurrent += 1,
            Change::Reopened => summary.reopened += 1,
            Change::Closed => summary.closed += 1,
            Change::KeptOpen => {
                let reason = transition.reason.as_deref().unwrap_or_default();
                // Looked up before it is cloned: there are few groups, and there may be many findings.
                let partition = &transition.finding.partition;
                let (host, last_seen) = (host_of(&transition.finding.place), transition.finding.last_seen);
                if let Some(group) = self.kept_open.get_mut(partition).and_then(|kept| kept.get_mut(reason)) {
                    group.count += 1;
                    group.last_seen = group.last_seen.max(last_seen);
                    if group.host.as_deref() != host {
                        group.host = None;
                    }
                } else {
                    let group = Group { count: 1, last_seen, host: host.map(str::to_owned) };
                    self.kept_open.entry(partition.clone()).or_default().insert(reason.to_owned(), group);
                }
            }
            Change::Unchanged => {}
        }
    }

    pub(crate) fn build(self) -> Summary {
        let kept = self.kept_open.into_iter().flat_map(|(partition, kept)| {
            kept.into_iter().map(move |(reason, Group { count, last_seen, host })| KeptOpen {
                partition: partition.clone(),
                host,
                reason,
                count,
                last_seen: Some(last_seen),
            })
        });
        Summary { kept_open: kept.collect(), ..self.summary }
    }
}

/// Writes one line of counts, one of what was received where that is more than the findings, and one for
/// each partition and reason with findings that stay open.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} new, {} recurrent, {} reopened, {} closed, {} kept open (not observed)",
            self.new,
            self.recurrent,
            self.reopened,
            self.closed,
            self.kept_open_count()
        )?;
        if let Some(received) = self.received_text() {
            write!(f, "\n{received}")?;
        }
        for kept in &self.kept_open {
            write!(f, "\n{kept}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_a_place() {
        for (place, host) in [
            ("https://shop.example.com/search?q=1", Some("shop.example.com")),
            ("GET https://user:word@shop.example.com:8443/", Some("shop.example.com:8443")),
            ("POST billing.example/v1/{id}", Some("billing.example")),
            ("billing.example", Some("billing.example")),
            ("/v1/orders", None),
            ("", None),
        ] {
            assert_eq!(host_of(place), host, "{place}");
        }
    }
}
