//! The queue of jobs: the tables of apalis, in the database of the store.
//!
//! The queue has a connection pool of its own, since apalis is typed by the database and the store is not.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Strategy, TaskBuilder, TaskSink as _, WorkerBuilderExt as _};
use apalis_core::backend::TaskSinkError;
use apalis_core::backend::ext::BackendExt as _;
use apalis_core::task::Task;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_core::worker::event::Event;
use apalis_postgres::{PostgresStorage, Pubsub};
use apalis_sqlite::SqliteStorage;
use appsec_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, stream};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;

use super::job_runner::{JobRunner, run_job};
use super::worker_options::WorkerOptions;
use crate::store::DueBinding;

/// The name of the queue in the database.
const QUEUE: &str = "appsec-import";

/// How often a job is attempted when the store fails. The failure of a scanner is not a failure of the job.
const ATTEMPTS: usize = 5;

/// How often a worker polls for jobs, besides those it is notified of.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// For how many seconds finished jobs are kept, and with them their idempotency keys. The due time of a
/// binding advances with its job, so a key is needed only as long as two processes may have read the same
/// schedule.
const RETENTION_SECONDS: i64 = 24 * 60 * 60;

/// The queue of jobs.
#[derive(Clone)]
pub(super) enum JobQueue {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options of the pool may have a password.
        f.write_str(match self {
            Self::Sqlite(_) => "JobQueue(sqlite)",
            Self::Postgres(_) => "JobQueue(postgres)",
        })
    }
}

impl JobQueue {
    /// Opens the queue of the store with this URL, and creates or migrates its tables.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let queue = if url.starts_with("sqlite:") {
            // The same settings as the store's. Those of apalis lack `synchronous`, and a power failure could
            // lose findings.
            let options = SqliteConnectOptions::from_str(url).map_err(failed)?;
            let options = options
                .pragma("trusted_schema", "OFF")
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_mins(1));
            Self::Sqlite(
                SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?,
            )
        } else {
            // The same setting as the store's: a process that stalls inside a transaction does not block
            // others.
            let options = PgConnectOptions::from_str(url).map_err(failed)?;
            let options = options.options([("idle_in_transaction_session_timeout", "10000")]);
            Self::Postgres(
                PgPoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?,
            )
        };
        queue.migrate().await?;
        Ok(queue)
    }

    async fn migrate(&self) -> Result<()> {
        let mut retries = 0;
        loop {
            let done = match self {
                Self::Sqlite(pool) => ignoring_others(SqliteStorage::migrations()).run(pool).await,
                Self::Postgres(pool) => ignoring_others(PostgresStorage::migrations()).run(pool).await,
            };
            match done {
                Ok(()) => return Ok(()),
                // SQLite has no lock for migrations, so another process that starts at the same time may
                // interfere.
                Err(error) if retries < 5 && matches!(self, Self::Sqlite(_)) => {
                    tracing::debug!(%error, "another process creates the tables of the job queue");
                    retries += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Writes a job for each binding. A job whose key exists is not changed.
    pub(super) async fn push(&self, bindings: &[DueBinding]) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                let mut storage = sqlite(pool, &WorkerOptions::default());
                storage.push_all(stream::iter(tasks(bindings)?)).await.map_err(failed)
            }
            Self::Postgres(pool) => {
                let mut storage = postgres(pool, &WorkerOptions::default());
                if storage.push_all(stream::iter(tasks(bindings)?)).await.is_ok() {
                    return Ok(());
                }
                // One key that exists fails the whole batch, so the jobs are written one by one.
                for task in tasks(bindings)? {
                    match postgres(pool, &WorkerOptions::default()).push_task(task).await {
                        Err(error) if !is_duplicate(&error) => return Err(failed(error)),
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    }

    /// The keys of the jobs that no worker has taken yet.
    pub(super) async fn pending_keys(&self) -> Result<HashSet<String>> {
        let keys: Vec<Option<String>> = match self {
            Self::Sqlite(pool) => {
                let text = "SELECT idempotency_key FROM Jobs WHERE job_type = ?1 AND status = 'Pending'";
                sqlx::query_scalar(text).bind(QUEUE).fetch_all(pool).await.map_err(failed)?
            }
            Self::Postgres(pool) => {
                let text =
                    "SELECT idempotency_key FROM apalis.jobs WHERE job_type = $1 AND status = 'Pending'";
                sqlx::query_scalar(text).bind(QUEUE).fetch_all(pool).await.map_err(failed)?
            }
        };
        Ok(keys.into_iter().flatten().collect())
    }

    /// Runs jobs until `stop` is true, or until the database fails.
    pub(super) async fn run_jobs(
        &self,
        name: &str,
        options: &WorkerOptions,
        runner: Arc<JobRunner>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<()> {
        let context = WorkerContext::new(name);
        let strategy = Strategy::new().interval(POLL_INTERVAL);
        // A macro, since the worker's type depends on that of the back end in many parameters.
        macro_rules! events {
            ($backend:expr) => {
                WorkerBuilder::new(&context)
                    .backend($backend)
                    .data(runner)
                    .concurrency(options.concurrency())
                    .build(run_job)
                    .stream()
                    .boxed()
            };
        }
        let mut events = match self {
            Self::Sqlite(pool) => events!(sqlite(pool, options).poll_with_strategy(strategy)),
            Self::Postgres(pool) => {
                let notifications = Pubsub::new(pool.clone(), QUEUE.to_owned());
                events!(postgres(pool, options).poll_with_strategy(strategy.stream(notifications)))
            }
        };
        let (mut result, mut started, mut stopping) = (Ok(()), false, false);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                // A worker can be stopped only after it has started, which its first event shows.
                _ = stop.wait_for(|stop| *stop), if started && !stopping => {
                    stopping = true;
                    // An error means that it has stopped already.
                    let _ = context.stop();
                    continue;
                }
            };
            started = true;
            match event {
                None => return result,
                Some(Ok(Event::Error(error))) => tracing::warn!(%error, "a job failed and will be retried"),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // Running jobs are finished before the stream ends; then the caller starts a new worker.
                    result = Err(failed(error));
                    let _ = context.stop();
                }
            }
        }
    }

    /// Removes old finished jobs, and workers that ended long ago.
    pub(super) async fn remove_old(&self) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                let jobs = "DELETE FROM Jobs WHERE job_type = ?1 AND status IN ('Done', 'Killed', 'Failed')
                            AND done_at < CAST(strftime('%s', 'now') AS INTEGER) - ?2";
                sqlx::query(jobs).bind(QUEUE).bind(RETENTION_SECONDS).execute(pool).await.map_err(failed)?;
                let workers = "DELETE FROM Workers WHERE worker_type = ?1
                               AND last_seen < CAST(strftime('%s', 'now') AS INTEGER) - ?2
                               AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = Workers.id)";
                sqlx::query(workers)
                    .bind(QUEUE)
                    .bind(RETENTION_SECONDS)
                    .execute(pool)
                    .await
                    .map_err(failed)?;
            }
            Self::Postgres(pool) => {
                let jobs =
                    "DELETE FROM apalis.jobs WHERE job_type = $1 AND status IN ('Done', 'Killed', 'Failed')
                            AND done_at < now() - make_interval(secs => $2)";
                #[allow(clippy::cast_precision_loss, reason = "a day")]
                let retention = RETENTION_SECONDS as f64;
                sqlx::query(jobs).bind(QUEUE).bind(retention).execute(pool).await.map_err(failed)?;
                let workers = "DELETE FROM apalis.workers w WHERE worker_type = $1
                               AND last_seen < now() - make_interval(secs => $2)
                               AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE lock_by = w.id)";
                sqlx::query(workers).bind(QUEUE).bind(retention).execute(pool).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Ignores the migrations of the store, which are recorded in the same table.
fn ignoring_others(mut migrations: Migrator) -> Migrator {
    migrations.set_ignore_missing(true);
    migrations
}

/// Jobs are fetched one at a time, so that none waits in a busy process while another process is idle. A
/// job is locked when it is fetched, so `lock_tasks`, which locks it again when it starts, is not needed.
fn sqlite(pool: &SqlitePool, options: &WorkerOptions) -> SqliteStorage<DueBinding> {
    let config = apalis_sqlite::Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(options.heartbeat())
        .missed_heartbeats(options.missed_heartbeats());
    SqliteStorage::new(pool).with_config(config)
}

fn postgres(pool: &PgPool, options: &WorkerOptions) -> PostgresStorage<DueBinding> {
    let config = apalis_postgres::Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(options.heartbeat())
        .missed_heartbeats(options.missed_heartbeats());
    PostgresStorage::new(pool).with_config(config)
}

fn tasks(bindings: &[DueBinding]) -> Result<Vec<Task<DueBinding>>> {
    let mut keys = HashSet::new();
    let mut tasks = Vec::with_capacity(bindings.len());
    for binding in bindings {
        let key = binding.key()?;
        if keys.insert(key.clone()) {
            tasks.push(TaskBuilder::new(binding.clone()).idempotency_key(key).max_attempts(ATTEMPTS).build());
        }
    }
    Ok(tasks)
}

/// Whether the job's key existed before.
fn is_duplicate(error: &TaskSinkError<apalis_postgres::Error>) -> bool {
    matches!(error, TaskSinkError::PushError(apalis_postgres::Error::Database(sqlx::Error::Database(cause)))
        if cause.is_unique_violation())
}

fn failed(cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Transport, "the queue of jobs cannot be used")
        .with_operation("job queue")
        .with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}
