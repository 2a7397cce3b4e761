//! Retires partitions: closes the open findings of a place that is not examined any more.

use std::collections::BTreeMap;

use appsec_core::{Error, ErrorKind, PartitionKey, Result, Timestamp};

use super::finding_row::{COLUMNS, StoredRow};
use super::runs::{CONCLUDED, OPEN, run_ref};
use super::sql_store::SqlStore;
use super::transaction::{Transaction, args, from_json, get, parse_time};
use crate::binding::Binding;
use crate::decision::{Retirement, RetirementEntry};
use crate::outbox::{EventBatcher, Subscription, messages_for};
use crate::reconcile::{Change, Transition};
use crate::store::partition::KnownPartition;

/// The number of findings in one page.
const PAGE: i64 = 512;

impl SqlStore {
    pub(super) async fn read_partitions(&self, binding: &Binding) -> Result<Vec<KnownPartition>> {
        let text = "SELECT partition, also_in, COUNT(*) AS open, MAX(last_seen) AS last_seen FROM finding
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = 'open'
                    GROUP BY partition, also_in";
        let mut partitions: BTreeMap<PartitionKey, KnownPartition> = BTreeMap::new();
        for row in self.rows(text, args![binding.key()]).await? {
            let also_in = get::<Option<String>>(&row, "also_in")?;
            let also_in: Option<Vec<PartitionKey>> =
                also_in.map(|text| from_json(&text, "partitions")).transpose()?;
            let open = u64::try_from(get::<i64>(&row, "open")?).unwrap_or_default();
            let last_seen = parse_time(&get::<String>(&row, "last_seen")?)?;
            let first = PartitionKey::from(get::<String>(&row, "partition")?);
            for partition in also_in.into_iter().flatten().chain([first]) {
                let known = partitions
                    .entry(partition.clone())
                    .or_insert_with(|| KnownPartition::new(partition, 0, last_seen));
                known.open += open;
                known.last_seen = known.last_seen.max(last_seen);
            }
        }
        Ok(partitions.into_values().collect())
    }

    pub(super) async fn retire_partition(
        &self,
        binding: &Binding,
        partition: &PartitionKey,
        retirement: &Retirement,
        subscriptions: &[Subscription],
    ) -> Result<u64> {
        let now = Timestamp::now();
        let mut tx = self.begin().await?;
        // The binding is locked before its run, in the order in which a run is concluded.
        let lock = "UPDATE binding SET finding_count = finding_count WHERE key = $1";
        tx.execute(lock, args![binding.key()]).await?;
        let wait = "UPDATE run SET lease_until = lease_until
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = $2";
        tx.execute(wait, args![binding.key(), OPEN]).await?;
        let select = "SELECT b.id AS id, COALESCE(MAX(r.number), 0) AS run
                      FROM binding b LEFT JOIN run r ON r.binding = b.id AND r.state = $2
                      WHERE b.key = $1 GROUP BY b.id";
        let Some(row) = tx.row(select, args![binding.key(), CONCLUDED]).await? else {
            return Err(nothing_to_retire(partition));
        };
        let (id, run): (i64, i64) = (get(&row, "id")?, get(&row, "run")?);
        let entry = RetirementEntry::new(run, now, retirement.clone());
        let mut retiring = Retiring {
            binding: id,
            partition,
            entry: &entry,
            reason: format!("retired by {}: {}", retirement.by, retirement.reason),
            events: EventBatcher::new(run_ref(binding, run), now),
            subscriptions,
            found: 0,
            closed: 0,
        };
        retiring.retire_pages(&mut tx).await?;
        let Retiring { events, found, closed, .. } = retiring;
        if found == 0 {
            tx.rollback().await?;
            return Err(nothing_to_retire(partition));
        }
        for event in events.finish_transitions() {
            tx.write_messages(&messages_for(&event, subscriptions)).await?;
        }
        tx.commit().await?;
        Ok(closed)
    }

    pub(super) async fn read_retirements(
        &self,
        binding: &Binding,
        finding: i64,
    ) -> Result<Vec<RetirementEntry>> {
        let text = "SELECT run, at, retired_by, reason FROM retirement
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND finding = $2 ORDER BY run, at";
        let rows = self.rows(text, args![binding.key(), finding]).await?;
        let entries = rows.iter().map(|row| {
            let text = |column| get::<String>(row, column);
            let retirement = Retirement::new(text("retired_by")?, text("reason")?);
            Ok(RetirementEntry::new(get(row, "run")?, parse_time(&text("at")?)?, retirement))
        });
        entries.collect()
    }
}

/// A retirement while its findings are read page by page.
struct Retiring<'a> {
    binding: i64,
    partition: &'a PartitionKey,
    entry: &'a RetirementEntry,
    /// Why the findings close, as events say it.
    reason: String,
    events: EventBatcher,
    subscriptions: &'a [Subscription],
    /// The number of open findings that the partition holds, or may hold.
    found: u64,
    closed: u64,
}

impl Retiring<'_> {
    async fn retire_pages(&mut self, tx: &mut Transaction) -> Result<()> {
        let text = format!(
            "SELECT {COLUMNS} FROM finding f
             WHERE f.binding = $1 AND f.id > $2 AND f.state = 'open' AND (f.partition = $3 OR f.also_in IS NOT NULL)
             ORDER BY f.id LIMIT $4"
        );
        let mut after = 0;
        loop {
            let rows = tx.rows(&text, args![self.binding, after, self.partition.as_str(), PAGE]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let (mut changed, mut retired) = (Vec::new(), Vec::new());
            for row in &rows {
                let StoredRow { id, mut finding, change, reason } = StoredRow::new(row)?;
                after = id;
                if finding.partitions().all(|partition| partition != self.partition) {
                    continue;
                }
                self.found += 1;
                let transition = if finding.retire(self.partition, self.entry.at) {
                    let RetirementEntry { after_run, at, retirement } = self.entry;
                    let (at, by, why) = (at.to_string(), retirement.by.as_str(), retirement.reason.as_str());
                    retired.push(args![self.binding, id, *after_run, at, by, why]);
                    Transition { finding, change: Change::Closed, reason: Some(self.reason.clone()) }
                } else {
                    Transition { finding, change, reason }
                };
                changed.push((id, transition));
            }
            self.closed += retired.len() as u64;
            let closed = changed.iter().filter(|(_, transition)| transition.finding.retired_at.is_some());
            for (_, transition) in closed.filter(|_| !self.subscriptions.is_empty()) {
                let reason = transition.reason.as_deref();
                if let Some(event) = self.events.push(&transition.finding, Change::Closed, reason) {
                    tx.write_messages(&messages_for(&event, self.subscriptions)).await?;
                }
            }
            tx.write_findings(self.binding, &changed).await?;
            let into = "retirement (binding, finding, run, at, retired_by, reason)";
            tx.insert(into, retired, "").await?;
        }
    }
}

fn nothing_to_retire(partition: &PartitionKey) -> Error {
    let message = format!("the binding has no open findings in {partition}");
    Error::new(ErrorKind::NotFound, message).with_operation("retire")
}
