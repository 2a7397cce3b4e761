//! What a run meant, in counts and in words.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::PartitionKey;
use serde::{Deserialize, Serialize};

use crate::judge::Change;
use crate::reconcile::Transition;

/// Findings that stay open although they were not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptOpen {
    /// Where they are.
    pub partition: PartitionKey,
    /// The host that they are all of, where there is one: what a person calls the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why silence proves nothing there.
    pub reason: String,
    /// How many they are.
    pub count: u64,
}

impl KeptOpen {
    /// The place in a person's words: the host, else the partition.
    pub fn place(&self) -> &str {
        self.host.as_deref().unwrap_or(self.partition.as_str())
    }
}

/// As a person says it: `40 findings of shop.example.com stay open: the scan hit its time limit`.
impl fmt::Display for KeptOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (findings, stay) = if self.count == 1 { ("finding", "stays") } else { ("findings", "stay") };
        write!(f, "{} {findings} of {} {stay} open: {}", self.count, self.place(), self.reason)
    }
}

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Not known before.
    pub new: u64,
    /// Known and still there.
    pub recurrent: u64,
    /// Closed before and back.
    pub reopened: u64,
    /// Closed by the run.
    pub closed: u64,
    /// Open, not seen, and not closed, by place and reason.
    pub kept_open: Vec<KeptOpen>,
}

impl Summary {
    pub(crate) fn of(outcomes: &[Transition]) -> Self {
        let mut tally = Tally::default();
        for outcome in outcomes {
            tally.add(outcome);
        }
        tally.summary()
    }

    /// How many findings stay open although they were not seen.
    pub fn kept_open_count(&self) -> u64 {
        self.kept_open.iter().map(|kept| kept.count).sum()
    }
}

/// A summary under way.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    summary: Summary,
    kept: BTreeMap<PartitionKey, BTreeMap<String, Group>>,
}

/// Findings that stay open in one place for one reason.
#[derive(Debug)]
struct Group {
    count: u64,
    /// The host of all of them so far; `None` when they are of several, or of none.
    host: Option<String>,
}

/// The host, and its port, in a place as `Location` writes it.
fn host_of(place: &str) -> Option<&str> {
    let place = place.split_once(' ').map_or(place, |(_, place)| place);
    let place = place.split_once("://").map_or(place, |(_, rest)| rest);
    let authority = place.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host).filter(|host| !host.is_empty())
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Transition) {
        let summary = &mut self.summary;
        match outcome.change {
            Change::New => summary.new += 1,
            Change::Recurrent => summary.recurrent += 1,
            Change::Reopened => summary.reopened += 1,
            Change::Closed => summary.closed += 1,
            Change::KeptOpen => {
                let reason = outcome.reason.as_deref().unwrap_or_default();
                // Looked up before it is cloned: these are few, the findings may be many.
                let partition = &outcome.finding.partition;
                let host = host_of(&outcome.finding.place);
                if let Some(group) = self.kept.get_mut(partition).and_then(|kept| kept.get_mut(reason)) {
                    group.count += 1;
                    if group.host.as_deref() != host {
                        group.host = None;
                    }
                } else {
                    let group = Group { count: 1, host: host.map(str::to_owned) };
                    self.kept.entry(partition.clone()).or_default().insert(reason.to_owned(), group);
                }
            }
            Change::Unchanged => {}
        }
    }

    pub(crate) fn summary(self) -> Summary {
        let kept = self.kept.into_iter().flat_map(|(partition, kept)| {
            kept.into_iter().map(move |(reason, Group { count, host })| KeptOpen {
                partition: partition.clone(),
                host,
                reason,
                count,
            })
        });
        Summary { kept_open: kept.collect(), ..self.summary }
    }
}

/// One line of counts, and one for each place where findings stay open unproven.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} new, {} recurrent, {} reopened, {} closed, {} kept open unseen",
            self.new,
            self.recurrent,
            self.reopened,
            self.closed,
            self.kept_open_count()
        )?;
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
    fn the_host_of_a_place_is_what_a_person_calls_it() {
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
