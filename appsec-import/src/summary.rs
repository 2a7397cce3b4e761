//! What a run meant, in counts and in words.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::PartitionKey;
use serde::{Deserialize, Serialize};

use crate::judge::Change;
use crate::reconcile::Outcome;

/// Findings that stay open although they were not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptOpen {
    /// Where they are.
    pub partition: PartitionKey,
    /// Why silence proves nothing there.
    pub reason: String,
    /// How many they are.
    pub count: u64,
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
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
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
    kept: BTreeMap<PartitionKey, BTreeMap<String, u64>>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
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
                if let Some(count) = self.kept.get_mut(partition).and_then(|kept| kept.get_mut(reason)) {
                    *count += 1;
                } else {
                    self.kept.entry(partition.clone()).or_default().insert(reason.to_owned(), 1);
                }
            }
            Change::Unchanged => {}
        }
    }

    pub(crate) fn summary(self) -> Summary {
        let kept = self.kept.into_iter().flat_map(|(partition, kept)| {
            kept.into_iter().map(move |(reason, count)| KeptOpen {
                partition: partition.clone(),
                reason,
                count,
            })
        });
        Summary { kept_open: kept.collect(), ..self.summary }
    }
}

/// One line of counts, and one for each place where findings stay open unseen.
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
            write!(f, "\n{} findings of {} stay open: {}", kept.count, kept.partition, kept.reason)?;
        }
        Ok(())
    }
}
