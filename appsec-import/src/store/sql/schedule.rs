//! The schedule: bindings and when they are due.

use std::collections::{BTreeMap, HashSet};

use appsec_core::{BindTargetId, Error, ErrorKind, Result, Timestamp};
use sqlx::any::AnyRow;

use super::sql_store::SqlStore;
use super::transaction::{Arg, Transaction, args, from_json, from_millis, get, to_json, to_millis};
use crate::schedule::{ScheduleChanges, ScheduleEntry, ScheduleState, ScheduledBinding};

/// The schedule, with the feature `schedule`. A worker (feature `worker`) runs the bindings that are due.
impl SqlStore {
    /// Replaces the schedule with the list: adds, changes and removes bindings.
    ///
    /// A new binding, or one whose schedule changed, is due at its next time after `now`; every other
    /// binding keeps its due time. A running job is not interrupted. The findings of a removed binding
    /// are kept.
    ///
    /// # Errors
    /// `Config` when two bindings have the same name, or one has none; those of the store. Then nothing
    /// changed.
    pub async fn apply_schedule(
        &self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut tx = self.begin().await?;
        let changes = tx.apply_schedule(bindings, now).await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// Returns what [`apply_schedule`](Self::apply_schedule) would change. Changes nothing.
    ///
    /// # Errors
    /// Those of `apply_schedule`.
    pub async fn preview_schedule(
        &self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut tx = self.begin().await?;
        let changes = tx.apply_schedule(bindings, now).await?;
        tx.rollback().await?;
        Ok(changes)
    }

    /// Returns the whole schedule by name, with the state of each binding at `now`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn schedule(&self, now: Timestamp) -> Result<Vec<ScheduleEntry>> {
        let text = "SELECT s.name, s.body, s.enabled, s.due_at, s.backoff_until, s.attempts, s.queued_at, s.complete_at, s.ended_at,
                        s.last_error, s.remark, c.open_until, c.reason
                    FROM scheduled_binding s LEFT JOIN circuit_breaker c ON c.connection = s.connection ORDER BY s.name";
        self.rows(text, args![]).await?.iter().map(|row| entry(row, now)).collect()
    }

    /// Makes a binding due now, whatever its schedule says. A running binding is due again when its run
    /// ends.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, `Conflict` for a disabled binding; those of the store.
    pub async fn run_now(&self, name: &str, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let row = tx.row("SELECT enabled FROM scheduled_binding WHERE name = $1", args![name]).await?;
        let Some(row) = row else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no scheduled binding has the name {name:?}"),
            ));
        };
        if get::<i64>(&row, "enabled")? == 0 {
            return Err(Error::new(ErrorKind::Conflict, format!("the binding {name:?} is disabled")));
        }
        tx.due_now("name = $1", args![name], now).await?;
        tx.commit().await
    }

    /// Makes the bindings due now that poll a target (`sync`), and returns their number. Those that run are
    /// due again when they end.
    ///
    /// Call it when the scanner's webhook reports a change. The message is only a hint: its content is not
    /// used, the target is read.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn hint(&self, connection: &str, target: &BindTargetId, now: Timestamp) -> Result<u64> {
        let which = "connection = $1 AND target = $2 AND kind = 'sync' AND enabled = 1";
        let mut tx = self.begin().await?;
        let bindings = tx.due_now(which, args![connection, target.as_str()], now).await?;
        tx.commit().await?;
        Ok(bindings)
    }
}

impl Transaction {
    async fn apply_schedule(
        &mut self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut known = BTreeMap::new();
        let text = "SELECT name, body FROM scheduled_binding";
        for row in self.rows(text, args![]).await? {
            let body: String = get(&row, "body")?;
            known.insert(
                get::<String>(&row, "name")?,
                from_json::<ScheduledBinding>(&body, "a scheduled binding")?,
            );
        }
        let (mut changes, mut named) = (ScheduleChanges::default(), HashSet::new());
        for binding in bindings {
            if binding.name.is_empty() || !named.insert(binding.name.as_str()) {
                let message =
                    format!("the name {:?} of a scheduled binding is empty or not unique", binding.name);
                return Err(Error::new(ErrorKind::Config, message).with_path("name"));
            }
            match known.remove(&binding.name) {
                None => {
                    self.add_scheduled(binding, now).await?;
                    changes.added.push(binding.name.clone());
                }
                Some(was) if was == *binding => changes.unchanged.push(binding.name.clone()),
                Some(was) => {
                    self.change_scheduled(&was, binding, now).await?;
                    changes.changed.push(binding.name.clone());
                }
            }
        }
        for name in known.into_keys() {
            self.execute("DELETE FROM scheduled_binding WHERE name = $1", args![name.as_str()]).await?;
            changes.removed.push(name);
        }
        Ok(changes)
    }

    async fn add_scheduled(&mut self, binding: &ScheduledBinding, now: Timestamp) -> Result<()> {
        let insert =
            "INSERT INTO scheduled_binding (name, body, binding, connection, target, kind, enabled, due_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let mut values = columns(binding)?;
        values.push(binding.schedule.next_after(now).map(to_millis).into());
        self.execute(insert, values).await?;
        Ok(())
    }

    async fn change_scheduled(
        &mut self,
        was: &ScheduledBinding,
        binding: &ScheduledBinding,
        now: Timestamp,
    ) -> Result<()> {
        let update =
            "UPDATE scheduled_binding SET body = $2, binding = $3, connection = $4, target = $5, kind = $6, enabled = $7
                   WHERE name = $1";
        self.execute(update, columns(binding)?).await?;
        if was.schedule != binding.schedule {
            // A running binding gets its next due time when its run ends.
            let update = "UPDATE scheduled_binding SET due_at = $2, attempts = 0, backoff_until = 0 WHERE name = $1 AND queued_at IS NULL";
            let next = binding.schedule.next_after(now).map(to_millis);
            self.execute(update, args![binding.name.as_str(), next]).await?;
        }
        if !was.reads_same_findings_as(binding) {
            // The watermark belongs to what the binding imported before.
            let update = "UPDATE scheduled_binding SET watermark = NULL WHERE name = $1";
            self.execute(update, args![binding.name.as_str()]).await?;
        }
        Ok(())
    }

    /// Makes the bindings due that meet the condition `which`, whose parameters come first.
    async fn due_now(&mut self, which: &str, mut values: Vec<Arg>, now: Timestamp) -> Result<u64> {
        let again =
            format!("UPDATE scheduled_binding SET run_again = 1 WHERE {which} AND queued_at IS NOT NULL");
        let running = self.execute(&again, values.clone()).await?;
        values.push(to_millis(now).into());
        let at = values.len();
        let due = format!(
            "UPDATE scheduled_binding SET due_at = ${at}, attempts = 0, backoff_until = 0
             WHERE {which} AND queued_at IS NULL AND (due_at IS NULL OR due_at > ${at} OR backoff_until > ${at})"
        );
        Ok(running + self.execute(&due, values).await?)
    }
}

fn columns(binding: &ScheduledBinding) -> Result<Vec<Arg>> {
    let target = binding.binding.configuration.bind_target.as_str();
    Ok(args![
        binding.name.as_str(),
        to_json(binding)?,
        binding.binding.key(),
        binding.connection(),
        target,
        binding.run.as_str(),
        i64::from(binding.enabled),
    ])
}

fn entry(row: &AnyRow, now: Timestamp) -> Result<ScheduleEntry> {
    let time = |column| get::<Option<i64>>(row, column)?.map(from_millis).transpose();
    let body: String = get(row, "body")?;
    let due_at = time("due_at")?;
    let (backoff_until, open_until) = (time("backoff_until")?, time("open_until")?);
    let state = if get::<Option<i64>>(row, "queued_at")?.is_some() {
        ScheduleState::Queued
    } else if get::<i64>(row, "enabled")? == 0 {
        ScheduleState::Disabled
    } else {
        match (due_at, backoff_until, open_until) {
            (None, ..) => ScheduleState::Finished,
            (Some(due), ..) if due > now => ScheduleState::Waiting,
            (_, _, Some(until)) if until > now => {
                let reason = get::<Option<String>>(row, "reason")?.unwrap_or_default();
                ScheduleState::BreakerOpen { until, reason }
            }
            (_, Some(until), _) if until > now => ScheduleState::BackingOff { until },
            _ => ScheduleState::Due,
        }
    };
    Ok(ScheduleEntry {
        binding: from_json(&body, "a scheduled binding")?,
        due_at,
        state,
        failed_attempts: u32::try_from(get::<i64>(row, "attempts")?).unwrap_or(u32::MAX),
        complete_at: time("complete_at")?,
        ended_at: time("ended_at")?,
        last_error: get(row, "last_error")?,
        remark: get(row, "remark")?,
    })
}
