//! Turns: which due bindings become jobs, who holds a binding's turn, and how a turn ends.
//!
//! A turn has a fence that grows: who held an earlier one writes nothing any more. What runs is known by the run's own lease,
//! so that there is one sign of life and not two.

use std::collections::HashSet;
use std::time::Duration;

use appsec_core::{Result, Timestamp};
use serde::Serialize;
use sqlx::any::AnyRow;

use super::runs::OPEN;
use super::schedule::time_of;
use super::{Dialect, SqlStore, Tx, args, get, json, millis, parse};
use crate::schedule::ScheduledBinding;
use crate::store::ScheduledRun;

/// Any number: it keeps two processes from looking for what is due in one PostgreSQL database at a time.
const TICK_LOCK: i64 = 7_390_112_605;

/// A binding that is due: what a job is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct DueBinding {
    pub(crate) name: String,
    /// Milliseconds.
    pub(crate) due: i64,
    /// How often this time was tried in vain.
    pub(crate) tries: i64,
}

impl DueBinding {
    /// The job's key: the binding and the time that is due, and the number of the try where it is not the first.
    pub(crate) fn key(&self) -> Result<String> {
        let due = time_of(self.due)?;
        Ok(match self.tries {
            0 => format!("{}@{due}", self.name),
            tries => format!("{}@{due}/{tries}", self.name),
        })
    }
}

/// How many jobs of a connection may be under way.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionLimit<'a> {
    pub(crate) name: &'a str,
    pub(crate) most: usize,
}

/// What a job finds when it begins.
#[derive(Debug)]
pub(crate) enum Start {
    /// It is its turn.
    ScheduledRun(Box<StartedTurn>),
    /// It is not, or not yet; the binding is looked after, and the job is done.
    Nothing(&'static str),
}

#[derive(Debug)]
pub(crate) struct StartedTurn {
    pub(crate) binding: ScheduledBinding,
    pub(crate) watermark: Option<Timestamp>,
    pub(crate) turn: ScheduledRun,
}

/// How many bindings stand where.
#[derive(Debug, Default)]
pub(crate) struct Depth {
    pub(crate) due: i64,
    pub(crate) queued: i64,
    pub(crate) put_off: i64,
}

/// The look for what is due, which one process at a time takes.
pub(crate) struct Tick {
    /// Holds PostgreSQL's lock. SQLite has one writer, which the queue needs meanwhile: two looks may find the same there, and the key keeps
    /// the job from being two.
    lock: Option<Tx>,
}

impl SqlStore {
    pub(crate) async fn begin_tick(&self) -> Result<Tick> {
        if self.dialect == Dialect::Sqlite {
            return Ok(Tick { lock: None });
        }
        let mut tx = self.transaction().await?;
        tx.rows("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)", args![TICK_LOCK]).await?;
        Ok(Tick { lock: Some(tx) })
    }

    pub(crate) async fn end_tick(&self, tick: Tick) -> Result<()> {
        match tick.lock {
            Some(tx) => tx.commit().await,
            None => Ok(()),
        }
    }

    /// Bindings that are due, as far as their connections have room, those due longest first. After a failure a connection is tried
    /// with one job before it gets more.
    pub(crate) async fn due(
        &self,
        now: Timestamp,
        default_limit: usize,
        limits: &[ConnectionLimit<'_>],
    ) -> Result<Vec<DueBinding>> {
        let text = "SELECT d.name AS name, d.due_at AS due_at, d.tries AS tries FROM (
                SELECT s.name, s.due_at, s.tries, s.connection,
                    ROW_NUMBER() OVER (PARTITION BY s.connection ORDER BY s.due_at, s.name) AS place
                FROM scheduled s
                WHERE s.enabled = 1 AND s.queued_at IS NULL AND s.due_at <= $1 AND s.put_off_to <= $1
            ) d
            LEFT JOIN connection_state c ON c.name = d.connection
            LEFT JOIN (SELECT value->>'name' AS name, CAST(value->>'most' AS BIGINT) AS most FROM {rows:3} AS given) l
                ON l.name = d.connection
            LEFT JOIN (SELECT connection, COUNT(*) AS jobs FROM scheduled WHERE queued_at IS NOT NULL GROUP BY connection) o
                ON o.connection = d.connection
            WHERE (c.name IS NULL OR c.open_until <= $1)
                AND d.place + COALESCE(o.jobs, 0) <= CASE WHEN c.failures > 0 THEN 1 ELSE COALESCE(l.most, $2) END
            ORDER BY d.due_at, d.name LIMIT 1000";
        let default_limit = i64::try_from(default_limit).unwrap_or(i64::MAX);
        let rows = self.rows(text, args![millis(now), default_limit, json(&limits)?]).await?;
        rows.iter().map(due_binding).collect()
    }

    /// Notes that there is a job for each of these. A job that has begun already noted it itself.
    pub(crate) async fn queued(&self, bindings: &[DueBinding], now: Timestamp) -> Result<()> {
        let mut tx = self.transaction().await?;
        tx.note_jobs(bindings, "NULL", now).await?;
        tx.commit().await
    }

    /// Makes bindings due again whose job is lost: noted before the given time, not `waiting` by its key, and without a sign of life.
    pub(crate) async fn recover(
        &self,
        queued_before: Timestamp,
        now: Timestamp,
        waiting: &HashSet<String>,
    ) -> Result<u64> {
        let old = "SELECT name, due_at, tries FROM scheduled WHERE queued_at < $1";
        let mut still = Vec::new();
        for row in &self.rows(old, args![millis(queued_before)]).await? {
            let binding = due_binding(row)?;
            if waiting.contains(&binding.key()?) {
                still.push(binding);
            }
        }
        let set = format!(
            "UPDATE scheduled SET queued_at = NULL, tries = tries + 1
             WHERE queued_at < $1 AND NOT EXISTS (
                SELECT 1 FROM run r JOIN binding l ON l.id = r.binding
                WHERE l.key = scheduled.binding AND r.state = '{OPEN}' AND r.lease_until > $2)"
        );
        let mut tx = self.transaction().await?;
        if !still.is_empty() {
            tx.note_jobs(&still, "NOT NULL", now).await?;
        }
        let lost = tx.run(&set, args![millis(queued_before), millis(now)]).await?;
        tx.commit().await?;
        Ok(lost)
    }

    /// Takes the next turn of the binding for a job, unless the binding is not due any more, switched off, held or its connection closed.
    pub(crate) async fn start_turn(&self, job: &DueBinding, now: Timestamp) -> Result<Start> {
        // Of two that start the same job one waits here for the other.
        let lock = "UPDATE scheduled SET queued_at = COALESCE(queued_at, $4)
                    WHERE name = $1 AND due_at = $2 AND tries = $3";
        let mut tx = self.transaction().await?;
        if tx.run(lock, args![job.name.as_str(), job.due, job.tries, millis(now)]).await? == 0 {
            return Ok(Start::Nothing("it is not due any more"));
        }
        let text = format!(
            "SELECT s.body, s.fence, s.watermark, s.enabled, c.open_until,
                (SELECT MAX(r.lease_until) FROM run r JOIN binding l ON l.id = r.binding
                 WHERE l.key = s.binding AND r.state = '{OPEN}' AND r.lease_until > $2) AS held
             FROM scheduled s LEFT JOIN connection_state c ON c.name = s.connection WHERE s.name = $1"
        );
        let rows = tx.rows(&text, args![job.name.as_str(), millis(now)]).await?;
        let Some(row) = rows.first() else { return Ok(Start::Nothing("it is not scheduled any more")) };
        let (held, open_until) = (get::<Option<i64>>(row, "held")?, get::<Option<i64>>(row, "open_until")?);
        let closed = open_until.is_some_and(|until| until > millis(now));
        let (why, until) = match (get::<i64>(row, "enabled")?, held) {
            (0, _) => ("it is switched off", 0),
            _ if closed => ("its connection is left in peace", 0),
            (_, Some(until)) => ("another process imports the binding", until),
            _ => {
                let fence = get::<i64>(row, "fence")?.saturating_add(1);
                let set = "UPDATE scheduled SET fence = $2, hinted = 0 WHERE name = $1";
                tx.run(set, args![job.name.as_str(), fence]).await?;
                let body: String = get(row, "body")?;
                let started = StartedTurn {
                    binding: parse(&body, "a scheduled binding")?,
                    watermark: get::<Option<i64>>(row, "watermark")?.map(time_of).transpose()?,
                    turn: ScheduledRun { name: job.name.clone(), fence },
                };
                tx.commit().await?;
                return Ok(Start::ScheduledRun(Box::new(started)));
            }
        };
        // The fence stays: who holds the binding may end its turn.
        let set = "UPDATE scheduled SET queued_at = NULL, tries = tries + 1, put_off_to = $2 WHERE name = $1";
        tx.run(set, args![job.name.as_str(), until]).await?;
        tx.commit().await?;
        Ok(Start::Nothing(why))
    }

    /// Ends a turn whose import gave its verdict. The binding is due next after the time at which that began: what became due
    /// earlier is answered by it, however much that was, and what became due meanwhile is due now. The scanner answered after `asked`;
    /// `seen` is the binding as it was imported, where nothing was missing.
    ///
    /// Gives false, and writes nothing, when the turn is over already.
    pub(crate) async fn end_turn(
        &self,
        turn: &ScheduledRun,
        began: Timestamp,
        asked: Timestamp,
        seen: Option<&ScheduledBinding>,
    ) -> Result<bool> {
        let now = Timestamp::now();
        let mut tx = self.transaction().await?;
        let Some((binding, due, hinted)) = tx.turn(turn).await? else { return Ok(false) };
        // By the clocks of two machines a job may begin before its binding is due.
        let after = due.map_or(began, |due| began.max(due));
        let next = if hinted { Some(now) } else { binding.schedule.next_after(after) };
        let set = "UPDATE scheduled SET due_at = $3, tries = 0, put_off_to = 0, queued_at = NULL, ended_at = $4, last_error = NULL
                   WHERE name = $1 AND fence = $2";
        tx.run(set, args![turn.name.as_str(), turn.fence, next.map(millis), millis(now)]).await?;
        // A binding that was changed meanwhile asks for what nobody saw.
        if seen.is_some_and(|seen| seen.asks_as(&binding)) {
            let set = "UPDATE scheduled SET watermark = $2, complete_at = $3 WHERE name = $1";
            tx.run(set, args![turn.name.as_str(), millis(began), millis(now)]).await?;
        }
        // A success whose questions began before the connection failed proves nothing. A run that was gone on with began long before.
        let open = "DELETE FROM connection_state WHERE name = $1 AND open_until <= $2";
        tx.run(open, args![binding.connection(), millis(asked)]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a turn that came to nothing. The same time stays due, and is tried again after `wait`.
    ///
    /// Gives false, and writes nothing, when the turn is over already.
    pub(crate) async fn put_off_turn(&self, turn: &ScheduledRun, wait: Duration, why: &str) -> Result<bool> {
        let now = Timestamp::now();
        let set = "UPDATE scheduled SET queued_at = NULL, tries = tries + 1, put_off_to = $3, ended_at = $4, last_error = $5
                   WHERE name = $1 AND fence = $2 AND queued_at IS NOT NULL";
        let mut tx = self.transaction().await?;
        let until = later(now, wait);
        let bindings = tx.run(set, args![turn.name.as_str(), turn.fence, until, millis(now), why]).await?;
        tx.commit().await?;
        Ok(bindings > 0)
    }

    /// Leaves a connection in peace for the time that `wait` makes of the number of failures before. One that failed while it was
    /// closed failed for the same reason, and only a longer wait counts.
    pub(crate) async fn trip_breaker(
        &self,
        name: &str,
        why: &str,
        wait: impl Fn(u32) -> Duration + Send,
    ) -> Result<()> {
        let now = Timestamp::now();
        let mut tx = self.transaction().await?;
        let add = "INSERT INTO connection_state (name, open_until, failures, reason) VALUES ($1, 0, 0, '')
                   ON CONFLICT (name) DO UPDATE SET reason = connection_state.reason";
        tx.run(add, args![name]).await?;
        let row =
            tx.row("SELECT open_until, failures FROM connection_state WHERE name = $1", args![name]).await?;
        let Some(row) = row else { return Ok(()) };
        let (open_until, failures) = (get::<i64>(&row, "open_until")?, get::<i64>(&row, "failures")?);
        let is_new = open_until <= millis(now);
        let before = u32::try_from(if is_new { failures } else { failures - 1 }).unwrap_or(0);
        let until = later(now, wait(before)).max(open_until);
        let set = "UPDATE connection_state SET open_until = $2, failures = $3, reason = $4 WHERE name = $1";
        tx.run(set, args![name, until, failures + i64::from(is_new), why]).await?;
        tx.commit().await
    }

    pub(crate) async fn depth(&self, now: Timestamp) -> Result<Depth> {
        let text = "SELECT COUNT(CASE WHEN queued_at IS NOT NULL THEN 1 END) AS queued,
                COUNT(CASE WHEN queued_at IS NULL AND due_at <= $1 AND enabled = 1 AND put_off_to <= $1
                    AND (c.name IS NULL OR c.open_until <= $1) THEN 1 END) AS due,
                COUNT(CASE WHEN queued_at IS NULL AND due_at <= $1 AND enabled = 1 AND (put_off_to > $1
                    OR c.open_until > $1) THEN 1 END) AS put_off
            FROM scheduled s LEFT JOIN connection_state c ON c.name = s.connection";
        let rows = self.rows(text, args![millis(now)]).await?;
        let Some(row) = rows.first() else { return Ok(Depth::default()) };
        Ok(Depth { due: get(row, "due")?, queued: get(row, "queued")?, put_off: get(row, "put_off")? })
    }

    /// When each binding's last complete import ended.
    pub(crate) async fn completed(&self) -> Result<Vec<(String, Timestamp)>> {
        let text = "SELECT name, complete_at FROM scheduled WHERE complete_at IS NOT NULL";
        let rows = self.rows(text, args![]).await?;
        rows.iter().map(|row| Ok((get(row, "name")?, time_of(get(row, "complete_at")?)?))).collect()
    }
}

impl Tx {
    /// Notes when there was a job for each of these, of which was noted before what `noted` says: `NULL` or `NOT NULL`.
    async fn note_jobs(&mut self, bindings: &[DueBinding], noted: &str, now: Timestamp) -> Result<()> {
        let set = format!(
            "UPDATE scheduled SET queued_at = $1 FROM (
                SELECT value->>'name' AS name, CAST(value->>'due' AS BIGINT) AS due, CAST(value->>'tries' AS BIGINT) AS tries
                FROM {{rows:2}} AS given) j
             WHERE scheduled.name = j.name AND scheduled.due_at = j.due AND scheduled.tries = j.tries
                AND scheduled.queued_at IS {noted}"
        );
        self.run(&set, args![millis(now), json(&bindings)?]).await?;
        Ok(())
    }

    /// The binding as it is scheduled now, its due time, and whether a hint came meanwhile; `None` when the turn is over.
    async fn turn(
        &mut self,
        turn: &ScheduledRun,
    ) -> Result<Option<(ScheduledBinding, Option<Timestamp>, bool)>> {
        // Holds the row, so that a hint comes before or after.
        let hold = "UPDATE scheduled SET fence = fence WHERE name = $1 AND fence = $2";
        if self.run(hold, args![turn.name.as_str(), turn.fence]).await? == 0 {
            return Ok(None);
        }
        let text = "SELECT body, due_at, hinted FROM scheduled WHERE name = $1";
        let Some(row) = self.row(text, args![turn.name.as_str()]).await? else { return Ok(None) };
        let (body, hinted) = (get::<String>(&row, "body")?, get::<i64>(&row, "hinted")? != 0);
        let due = get::<Option<i64>>(&row, "due_at")?.map(time_of).transpose()?;
        Ok(Some((parse(&body, "a scheduled binding")?, due, hinted)))
    }
}

fn due_binding(row: &AnyRow) -> Result<DueBinding> {
    let (name, due, tries) = (get(row, "name")?, get(row, "due_at")?, get(row, "tries")?);
    Ok(DueBinding { name, due, tries })
}

fn later(now: Timestamp, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    millis(now).saturating_add(wait).min(millis(Timestamp::MAX))
}
