//! The schedule: bindings, when they are due, and whose turn it is.

use std::collections::{BTreeMap, HashSet};

use appsec_core::{BindTargetId, Error, ErrorKind, Result, Timestamp};
use sqlx::any::AnyRow;

use super::{SqlStore, Tx, args, get, json, millis, parse, unreadable};
use crate::schedule::{ScheduleChanges, ScheduleEntry, ScheduleState, ScheduledBinding};

/// The schedule, with the feature `schedule`. Who runs what is due is a worker (feature `worker`).
impl SqlStore {
    /// Makes the schedule what the list says: adds, changes and removes bindings.
    ///
    /// A new binding, or one whose schedule changed, is due at its next time after `now`; every other keeps its place. A binding that runs
    /// is left in peace. A binding that is removed keeps its findings.
    ///
    /// # Errors
    /// `Config` when two bindings have one name, or one has none; those of the store. Then nothing changed.
    pub async fn apply_schedule(
        &self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut tx = self.transaction().await?;
        let changes = tx.apply_schedule(bindings, now).await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// What [`apply_schedule`](Self::apply_schedule) would change. Changes nothing.
    ///
    /// # Errors
    /// Those of `apply_schedule`.
    pub async fn preview_schedule(
        &self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut tx = self.transaction().await?;
        let changes = tx.apply_schedule(bindings, now).await?;
        tx.rollback().await?;
        Ok(changes)
    }

    /// The whole schedule by name, and where each binding stands at `now`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn schedule(&self, now: Timestamp) -> Result<Vec<ScheduleEntry>> {
        let text = "SELECT s.name, s.body, s.enabled, s.due_at, s.put_off_to, s.tries, s.queued_at, s.complete_at, s.ended_at,
                        s.last_error, c.open_until, c.reason
                    FROM scheduled s LEFT JOIN connection_state c ON c.name = s.connection ORDER BY s.name";
        self.rows(text, args![]).await?.iter().map(|row| entry(row, now)).collect()
    }

    /// Makes a binding due now, whatever its schedule says. One that runs is due again when it ends.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, `Conflict` for a binding that is switched off; those of the store.
    pub async fn run_now(&self, name: &str, now: Timestamp) -> Result<()> {
        let mut tx = self.transaction().await?;
        let row = tx.row("SELECT enabled FROM scheduled WHERE name = $1", args![name]).await?;
        let Some(row) = row else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no scheduled binding has the name {name:?}"),
            ));
        };
        if get::<i64>(&row, "enabled")? == 0 {
            return Err(Error::new(ErrorKind::Conflict, format!("the binding {name:?} is switched off")));
        }
        tx.due_now("name = $1", args![name], now).await?;
        tx.commit().await
    }

    /// Shortens the wait of the bindings that poll a target (`sync`): they are due now, and those that run are due again when they end.
    ///
    /// A message from a scanner is a hint that there is something to read at a target, and no more: what it says is not
    /// believed, the target is read. Gives how many bindings that was.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn hint(&self, connection: &str, target: &BindTargetId, now: Timestamp) -> Result<u64> {
        let which = "connection = $1 AND target = $2 AND kind = 'sync' AND enabled = 1";
        let mut tx = self.transaction().await?;
        let bindings = tx.due_now(which, args![connection, target.as_str()], now).await?;
        tx.commit().await?;
        Ok(bindings)
    }
}

impl Tx {
    async fn apply_schedule(
        &mut self,
        bindings: &[ScheduledBinding],
        now: Timestamp,
    ) -> Result<ScheduleChanges> {
        let mut known = BTreeMap::new();
        let text = "SELECT name, body FROM scheduled";
        for row in self.rows(text, args![]).await? {
            let body: String = get(&row, "body")?;
            known.insert(
                get::<String>(&row, "name")?,
                parse::<ScheduledBinding>(&body, "a scheduled binding")?,
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
            self.run("DELETE FROM scheduled WHERE name = $1", args![name.as_str()]).await?;
            changes.removed.push(name);
        }
        Ok(changes)
    }

    async fn add_scheduled(&mut self, binding: &ScheduledBinding, now: Timestamp) -> Result<()> {
        let add = "INSERT INTO scheduled (name, body, binding, connection, target, kind, enabled, due_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let mut values = columns(binding)?;
        values.push(binding.schedule.next_after(now).map(millis).into());
        self.run(add, values).await?;
        Ok(())
    }

    async fn change_scheduled(
        &mut self,
        was: &ScheduledBinding,
        binding: &ScheduledBinding,
        now: Timestamp,
    ) -> Result<()> {
        let set =
            "UPDATE scheduled SET body = $2, binding = $3, connection = $4, target = $5, kind = $6, enabled = $7
                   WHERE name = $1";
        self.run(set, columns(binding)?).await?;
        if was.schedule != binding.schedule {
            // What runs counts its next time from its own end.
            let set = "UPDATE scheduled SET due_at = $2, tries = 0, put_off_to = 0 WHERE name = $1 AND queued_at IS NULL";
            let next = binding.schedule.next_after(now).map(millis);
            self.run(set, args![binding.name.as_str(), next]).await?;
        }
        if !was.asks_as(binding) {
            // What was seen until then was seen for something else.
            let set = "UPDATE scheduled SET watermark = NULL WHERE name = $1";
            self.run(set, args![binding.name.as_str()]).await?;
        }
        Ok(())
    }

    /// `which` has its parameters first.
    async fn due_now(&mut self, which: &str, mut values: Vec<super::Arg>, now: Timestamp) -> Result<u64> {
        let again = format!("UPDATE scheduled SET hinted = 1 WHERE {which} AND queued_at IS NOT NULL");
        let running = self.run(&again, values.clone()).await?;
        values.push(millis(now).into());
        let at = values.len();
        let due = format!(
            "UPDATE scheduled SET due_at = ${at}, tries = 0, put_off_to = 0
             WHERE {which} AND queued_at IS NULL AND (due_at IS NULL OR due_at > ${at} OR put_off_to > ${at})"
        );
        Ok(running + self.run(&due, values).await?)
    }
}

fn columns(binding: &ScheduledBinding) -> Result<Vec<super::Arg>> {
    let target = binding.binding.configuration.bind_target.as_str();
    Ok(args![
        binding.name.as_str(),
        json(binding)?,
        binding.binding.key(),
        binding.connection(),
        target,
        binding.run.as_str(),
        i64::from(binding.enabled),
    ])
}

pub(super) fn time_of(at: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(at).map_err(|cause| unreadable("a time").with_source(cause))
}

fn entry(row: &AnyRow, now: Timestamp) -> Result<ScheduleEntry> {
    let time = |column| get::<Option<i64>>(row, column)?.map(time_of).transpose();
    let body: String = get(row, "body")?;
    let due_at = time("due_at")?;
    let (put_off_to, open_until) = (time("put_off_to")?, time("open_until")?);
    let state = if get::<Option<i64>>(row, "queued_at")?.is_some() {
        ScheduleState::Queued
    } else if get::<i64>(row, "enabled")? == 0 {
        ScheduleState::Disabled
    } else {
        match (due_at, put_off_to, open_until) {
            (None, ..) => ScheduleState::Over,
            (Some(due), ..) if due > now => ScheduleState::Waiting,
            (_, _, Some(until)) if until > now => {
                let reason = get::<Option<String>>(row, "reason")?.unwrap_or_default();
                ScheduleState::ConnectionClosed { until, reason }
            }
            (_, Some(until), _) if until > now => ScheduleState::PutOff { until },
            _ => ScheduleState::Due,
        }
    };
    Ok(ScheduleEntry {
        binding: parse(&body, "a scheduled binding")?,
        due_at,
        state,
        tries: u32::try_from(get::<i64>(row, "tries")?).unwrap_or(u32::MAX),
        complete_at: time("complete_at")?,
        ended_at: time("ended_at")?,
        last_error: get(row, "last_error")?,
    })
}
