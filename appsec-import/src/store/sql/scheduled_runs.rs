//! Scheduled runs: which due bindings become jobs, which process holds a scheduled run, and how it ends.
//!
//! A scheduled run has a fencing token that grows: a process that holds an earlier one writes nothing any
//! more. Whether it is alive is known from the lease of its import, so that one heartbeat serves both.

use std::collections::HashSet;
use std::time::Duration;

use appsec_core::{Result, Timestamp};
use serde::Serialize;
use sqlx::any::AnyRow;

use super::dialect::Dialect;
use super::runs::OPEN;
use super::sql_store::SqlStore;
use super::transaction::{Transaction, args, from_json, from_millis, get, millis_after, to_json, to_millis};
use crate::binding::Binding;
use crate::schedule::ScheduledBinding;
use crate::store::run::ScheduledRun;

/// An arbitrary number. In PostgreSQL it keeps two processes from polling one schedule at the same time.
const POLL_LOCK: i64 = 7_390_112_605;

/// A binding that is due: the content of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct DueBinding {
    pub(crate) name: String,
    /// The due time in milliseconds.
    pub(crate) due: i64,
    /// The number of earlier attempts at this due time.
    pub(crate) attempts: i64,
}

impl DueBinding {
    /// Returns the key of the job: the name and the due time, and the number of earlier attempts where
    /// there are any.
    pub(crate) fn key(&self) -> Result<String> {
        let due = from_millis(self.due)?;
        Ok(match self.attempts {
            0 => format!("{}@{due}", self.name),
            attempts => format!("{}@{due}/{attempts}", self.name),
        })
    }
}

/// The maximum number of jobs in progress for a connection.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionLimit<'a> {
    pub(crate) name: &'a str,
    pub(crate) max_jobs: usize,
}

/// What a job does when it begins.
#[derive(Debug)]
pub(crate) enum Start {
    /// It runs the binding.
    Run(Box<StartedRun>),
    /// It ends without a run, for the given reason. The binding is due again where it has to be.
    Nothing(&'static str),
}

/// A scheduled run that a job holds.
#[derive(Debug)]
pub(crate) struct StartedRun {
    pub(crate) binding: ScheduledBinding,
    pub(crate) watermark: Option<Timestamp>,
    pub(crate) scheduled_run: ScheduledRun,
}

/// The number of bindings by state.
#[derive(Debug, Default)]
pub(crate) struct QueueDepth {
    pub(crate) due: i64,
    pub(crate) queued: i64,
    pub(crate) backing_off: i64,
}

/// A poll of the schedule.
pub(crate) struct Poll {
    /// Holds PostgreSQL's lock, so that one process polls at a time. SQLite has one writer, and the job
    /// queue needs it meanwhile: there two polls may find the same bindings, and the job's key keeps a
    /// second job from being queued.
    lock: Option<Transaction>,
}

impl SqlStore {
    pub(crate) async fn begin_poll(&self) -> Result<Poll> {
        if self.dialect == Dialect::Sqlite {
            return Ok(Poll { lock: None });
        }
        let mut tx = self.begin().await?;
        tx.rows("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)", args![POLL_LOCK]).await?;
        Ok(Poll { lock: Some(tx) })
    }

    pub(crate) async fn end_poll(&self, poll: Poll) -> Result<()> {
        match poll.lock {
            Some(tx) => tx.commit().await,
            None => Ok(()),
        }
    }

    /// Returns the due bindings for which their connections have room, those due longest first. After a
    /// failure a connection gets one job before it gets more.
    pub(crate) async fn due_bindings(
        &self,
        now: Timestamp,
        default_limit: usize,
        limits: &[ConnectionLimit<'_>],
    ) -> Result<Vec<DueBinding>> {
        let limits_table = self.dialect.json_objects(3);
        let text = format!(
            "SELECT d.name AS name, d.due_at AS due_at, d.attempts AS attempts FROM (
                SELECT s.name, s.due_at, s.attempts, s.connection,
                    ROW_NUMBER() OVER (PARTITION BY s.connection ORDER BY s.due_at, s.name) AS place
                FROM scheduled_binding s
                WHERE s.enabled = 1 AND s.queued_at IS NULL AND s.due_at <= $1 AND s.backoff_until <= $1
            ) d
            LEFT JOIN circuit_breaker c ON c.connection = d.connection
            LEFT JOIN (SELECT value->>'name' AS name, CAST(value->>'max_jobs' AS BIGINT) AS max_jobs FROM {limits_table} AS given) l
                ON l.name = d.connection
            LEFT JOIN (SELECT connection, COUNT(*) AS jobs FROM scheduled_binding WHERE queued_at IS NOT NULL GROUP BY connection) o
                ON o.connection = d.connection
            WHERE (c.connection IS NULL OR c.open_until <= $1)
                AND d.place + COALESCE(o.jobs, 0) <= CASE WHEN c.failures > 0 THEN 1 ELSE COALESCE(l.max_jobs, $2) END
            ORDER BY d.due_at, d.name LIMIT 1000"
        );
        let default_limit = i64::try_from(default_limit).unwrap_or(i64::MAX);
        let rows = self.rows(&text, args![to_millis(now), default_limit, to_json(&limits)?]).await?;
        rows.iter().map(due_binding).collect()
    }

    /// Marks the bindings as queued. A job that has begun has done this itself.
    pub(crate) async fn mark_queued(&self, bindings: &[DueBinding], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.set_queued_at(bindings, "NULL", now).await?;
        tx.commit().await
    }

    /// Makes bindings due again whose job is lost, and returns their number.
    ///
    /// A job is lost when its binding was queued before the given time, its key is not among the `waiting`
    /// ones, and its import holds no lease.
    pub(crate) async fn requeue_lost(
        &self,
        queued_before: Timestamp,
        now: Timestamp,
        waiting: &HashSet<String>,
    ) -> Result<u64> {
        let old = "SELECT name, due_at, attempts FROM scheduled_binding WHERE queued_at < $1";
        let mut still_waiting = Vec::new();
        for row in &self.rows(old, args![to_millis(queued_before)]).await? {
            let binding = due_binding(row)?;
            if waiting.contains(&binding.key()?) {
                still_waiting.push(binding);
            }
        }
        let update = format!(
            "UPDATE scheduled_binding SET queued_at = NULL, attempts = attempts + 1
             WHERE queued_at < $1 AND NOT EXISTS (
                SELECT 1 FROM run r JOIN binding b ON b.id = r.binding
                WHERE b.key = scheduled_binding.binding AND r.state = '{OPEN}' AND r.lease_until > $2)"
        );
        let mut tx = self.begin().await?;
        if !still_waiting.is_empty() {
            tx.set_queued_at(&still_waiting, "NOT NULL", now).await?;
        }
        let lost = tx.execute(&update, args![to_millis(queued_before), to_millis(now)]).await?;
        tx.commit().await?;
        Ok(lost)
    }

    /// Starts the next scheduled run of the binding for a job, unless the binding is not due any more,
    /// disabled, held by another process, or the circuit breaker of its connection is open.
    pub(crate) async fn start_scheduled_run(&self, job: &DueBinding, now: Timestamp) -> Result<Start> {
        // Of two processes that start the same job, one waits here for the other.
        let lock = "UPDATE scheduled_binding SET queued_at = COALESCE(queued_at, $4)
                    WHERE name = $1 AND due_at = $2 AND attempts = $3";
        let mut tx = self.begin().await?;
        if tx.execute(lock, args![job.name.as_str(), job.due, job.attempts, to_millis(now)]).await? == 0 {
            return Ok(Start::Nothing("the binding is not due any more"));
        }
        let text = format!(
            "SELECT s.body, s.fence, s.watermark, s.enabled, c.open_until,
                (SELECT MAX(r.lease_until) FROM run r JOIN binding b ON b.id = r.binding
                 WHERE b.key = s.binding AND r.state = '{OPEN}' AND r.lease_until > $2) AS held
             FROM scheduled_binding s LEFT JOIN circuit_breaker c ON c.connection = s.connection WHERE s.name = $1"
        );
        let rows = tx.rows(&text, args![job.name.as_str(), to_millis(now)]).await?;
        let Some(row) = rows.first() else {
            return Ok(Start::Nothing("the binding is not scheduled any more"));
        };
        let (held, open_until) = (get::<Option<i64>>(row, "held")?, get::<Option<i64>>(row, "open_until")?);
        let breaker_open = open_until.is_some_and(|until| until > to_millis(now));
        let (why, until) = match (get::<i64>(row, "enabled")?, held) {
            (0, _) => ("the binding is disabled", 0),
            _ if breaker_open => ("the circuit breaker of its connection is open", 0),
            (_, Some(until)) => ("another process is importing the binding", until),
            _ => {
                let fence = get::<i64>(row, "fence")?.saturating_add(1);
                let update = "UPDATE scheduled_binding SET fence = $2, run_again = 0 WHERE name = $1";
                tx.execute(update, args![job.name.as_str(), fence]).await?;
                let body: String = get(row, "body")?;
                let started = StartedRun {
                    binding: from_json(&body, "a scheduled binding")?,
                    watermark: get::<Option<i64>>(row, "watermark")?.map(from_millis).transpose()?,
                    scheduled_run: ScheduledRun { name: job.name.clone(), fence },
                };
                tx.commit().await?;
                return Ok(Start::Run(Box::new(started)));
            }
        };
        // The fence is kept: the process that holds the binding may end its scheduled run.
        let update = "UPDATE scheduled_binding SET queued_at = NULL, attempts = attempts + 1, backoff_until = $2 WHERE name = $1";
        tx.execute(update, args![job.name.as_str(), until]).await?;
        tx.commit().await?;
        Ok(Start::Nothing(why))
    }

    /// Sets the identity of the binding of a scheduled run, by which its lease and its hints are found.
    pub(crate) async fn set_scheduled_identity(&self, run: &ScheduledRun, binding: &Binding) -> Result<()> {
        let (key, target) = (binding.key(), binding.configuration.bind_target.as_str());
        let known =
            "SELECT 1 AS known FROM scheduled_binding WHERE name = $1 AND binding = $2 AND target = $3";
        if !self.rows(known, args![run.name.as_str(), key.as_str(), target]).await?.is_empty() {
            return Ok(());
        }
        let update = "UPDATE scheduled_binding SET binding = $3, target = $4 WHERE name = $1 AND fence = $2";
        let mut tx = self.begin().await?;
        tx.execute(update, args![run.name.as_str(), run.fence, key, target]).await?;
        tx.commit().await
    }

    /// Ends a scheduled run whose import was concluded.
    ///
    /// The binding is next due after the start of that import: times before it are covered, however many
    /// there were, and a time that came meanwhile is due now. The scanner responded after
    /// `requested_at`. `complete` is the binding as it was imported, where nothing was missing. `remark` is
    /// what the run did not do as it was asked.
    ///
    /// Returns false, and writes nothing, when the scheduled run is over already.
    pub(crate) async fn end_scheduled_run(
        &self,
        run: &ScheduledRun,
        started_at: Timestamp,
        requested_at: Timestamp,
        complete: Option<&ScheduledBinding>,
        remark: Option<&str>,
    ) -> Result<bool> {
        let now = Timestamp::now();
        let mut tx = self.begin().await?;
        let Some((binding, due, run_again)) = tx.lock_scheduled_run(run).await? else { return Ok(false) };
        // The clocks of two machines differ, so a job may begin before its binding is due.
        let after = due.map_or(started_at, |due| started_at.max(due));
        let next = if run_again { Some(now) } else { binding.schedule.next_after(after) };
        let update = "UPDATE scheduled_binding SET due_at = $3, attempts = 0, backoff_until = 0, queued_at = NULL, ended_at = $4, last_error = NULL, remark = $5
                   WHERE name = $1 AND fence = $2";
        let values = args![
            run.name.as_str(),
            run.fence,
            next.map(to_millis),
            to_millis(now),
            remark.map(str::to_owned)
        ];
        tx.execute(update, values).await?;
        // A binding that was changed meanwhile imports something else.
        if complete.is_some_and(|complete| complete.reads_same_findings_as(&binding)) {
            let update = "UPDATE scheduled_binding SET watermark = $2, complete_at = $3 WHERE name = $1";
            tx.execute(update, args![run.name.as_str(), to_millis(started_at), to_millis(now)]).await?;
        }
        // A success whose requests began before the connection failed proves nothing. A resumed run began
        // long before.
        let close = "DELETE FROM circuit_breaker WHERE connection = $1 AND open_until <= $2";
        tx.execute(close, args![binding.connection(), to_millis(requested_at)]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a scheduled run that failed. Its due time stays, and is tried again after `wait`.
    ///
    /// Returns false, and writes nothing, when the scheduled run is over already.
    pub(crate) async fn back_off_scheduled_run(
        &self,
        run: &ScheduledRun,
        wait: Duration,
        why: &str,
    ) -> Result<bool> {
        let now = Timestamp::now();
        let update = "UPDATE scheduled_binding SET queued_at = NULL, attempts = attempts + 1, backoff_until = $3, ended_at = $4, last_error = $5
                   WHERE name = $1 AND fence = $2 AND queued_at IS NOT NULL";
        let mut tx = self.begin().await?;
        let until = millis_after(now, wait);
        let bindings =
            tx.execute(update, args![run.name.as_str(), run.fence, until, to_millis(now), why]).await?;
        tx.commit().await?;
        Ok(bindings > 0)
    }

    /// Opens the circuit breaker of a connection, for the time that `wait` returns for the number of
    /// earlier failures.
    ///
    /// A failure while the breaker is open has the same cause, and only a longer wait counts.
    pub(crate) async fn trip_breaker(
        &self,
        connection: &str,
        why: &str,
        wait: impl Fn(u32) -> Duration + Send,
    ) -> Result<()> {
        let now = Timestamp::now();
        let mut tx = self.begin().await?;
        let insert =
            "INSERT INTO circuit_breaker (connection, open_until, failures, reason) VALUES ($1, 0, 0, '')
                   ON CONFLICT (connection) DO UPDATE SET reason = circuit_breaker.reason";
        tx.execute(insert, args![connection]).await?;
        let row = tx
            .row("SELECT open_until, failures FROM circuit_breaker WHERE connection = $1", args![connection])
            .await?;
        let Some(row) = row else { return Ok(()) };
        let (open_until, failures) = (get::<i64>(&row, "open_until")?, get::<i64>(&row, "failures")?);
        let is_new = open_until <= to_millis(now);
        let before = u32::try_from(if is_new { failures } else { failures - 1 }).unwrap_or(0);
        let until = millis_after(now, wait(before)).max(open_until);
        let update =
            "UPDATE circuit_breaker SET open_until = $2, failures = $3, reason = $4 WHERE connection = $1";
        tx.execute(update, args![connection, until, failures + i64::from(is_new), why]).await?;
        tx.commit().await
    }

    /// Returns the number of bindings that are due, queued or backing off.
    pub(crate) async fn queue_depth(&self, now: Timestamp) -> Result<QueueDepth> {
        let text = "SELECT COUNT(CASE WHEN queued_at IS NOT NULL THEN 1 END) AS queued,
                COUNT(CASE WHEN queued_at IS NULL AND due_at <= $1 AND enabled = 1 AND backoff_until <= $1
                    AND (c.connection IS NULL OR c.open_until <= $1) THEN 1 END) AS due,
                COUNT(CASE WHEN queued_at IS NULL AND due_at <= $1 AND enabled = 1 AND (backoff_until > $1
                    OR c.open_until > $1) THEN 1 END) AS backing_off
            FROM scheduled_binding s LEFT JOIN circuit_breaker c ON c.connection = s.connection";
        let rows = self.rows(text, args![to_millis(now)]).await?;
        let Some(row) = rows.first() else { return Ok(QueueDepth::default()) };
        Ok(QueueDepth {
            due: get(row, "due")?,
            queued: get(row, "queued")?,
            backing_off: get(row, "backing_off")?,
        })
    }

    /// Returns when the last complete import of each binding ended.
    pub(crate) async fn last_complete_imports(&self) -> Result<Vec<(String, Timestamp)>> {
        let text = "SELECT name, complete_at FROM scheduled_binding WHERE complete_at IS NOT NULL";
        let rows = self.rows(text, args![]).await?;
        rows.iter().map(|row| Ok((get(row, "name")?, from_millis(get(row, "complete_at")?)?))).collect()
    }
}

impl Transaction {
    /// Sets when the bindings were queued, where the value before is as `before` says: `NULL` or `NOT
    /// NULL`.
    async fn set_queued_at(&mut self, bindings: &[DueBinding], before: &str, now: Timestamp) -> Result<()> {
        let update = format!(
            "UPDATE scheduled_binding SET queued_at = $1 FROM (
                SELECT value->>'name' AS name, CAST(value->>'due' AS BIGINT) AS due, CAST(value->>'attempts' AS BIGINT) AS attempts
                FROM {} AS given) j
             WHERE scheduled_binding.name = j.name AND scheduled_binding.due_at = j.due AND scheduled_binding.attempts = j.attempts
                AND scheduled_binding.queued_at IS {before}",
            self.dialect().json_objects(2),
        );
        self.execute(&update, args![to_millis(now), to_json(&bindings)?]).await?;
        Ok(())
    }

    /// Returns the binding as it is scheduled now, its due time, and whether it is to run again at once;
    /// `None` when the scheduled run is over.
    async fn lock_scheduled_run(
        &mut self,
        run: &ScheduledRun,
    ) -> Result<Option<(ScheduledBinding, Option<Timestamp>, bool)>> {
        // Locks the row, so that a hint comes before or after.
        let lock = "UPDATE scheduled_binding SET fence = fence WHERE name = $1 AND fence = $2";
        if self.execute(lock, args![run.name.as_str(), run.fence]).await? == 0 {
            return Ok(None);
        }
        let text = "SELECT body, due_at, run_again FROM scheduled_binding WHERE name = $1";
        let Some(row) = self.row(text, args![run.name.as_str()]).await? else { return Ok(None) };
        let (body, run_again) = (get::<String>(&row, "body")?, get::<i64>(&row, "run_again")? != 0);
        let due = get::<Option<i64>>(&row, "due_at")?.map(from_millis).transpose()?;
        Ok(Some((from_json(&body, "a scheduled binding")?, due, run_again)))
    }
}

fn due_binding(row: &AnyRow) -> Result<DueBinding> {
    let (name, due, attempts) = (get(row, "name")?, get(row, "due_at")?, get(row, "attempts")?);
    Ok(DueBinding { name, due, attempts })
}
