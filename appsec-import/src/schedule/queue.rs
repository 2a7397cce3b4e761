//! The queue of jobs: apalis' tables in the store's own database.
//!
//! A connection pool of its own, since apalis is typed by the database and the store is not.

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

use super::options::WorkerOptions;
use super::runner::{Runner, handle};
use crate::store::DueBinding;

/// The queue's name among those of the database.
const QUEUE: &str = "appsec-import";

/// How often a job is tried when it is the store that fails. Failures of a scanner are no failures of a job.
const ATTEMPTS: usize = 5;

/// How often a worker asks for jobs of which it was not told.
const POLL: Duration = Duration::from_millis(500);

/// For how many seconds jobs that are done are kept, and with them the memory of their keys. A binding's due time moves on with its job, so
/// a key is of no use for longer than two processes may look at the same schedule.
const KEPT: i64 = 24 * 60 * 60;

/// The queue.
#[derive(Clone)]
pub(super) enum Queue {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool's options may hold a password.
        f.write_str(match self {
            Self::Sqlite(_) => "Queue(sqlite)",
            Self::Postgres(_) => "Queue(postgres)",
        })
    }
}

impl Queue {
    /// Opens the queue of the store with that URL, and makes or migrates its tables.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let queue = if url.starts_with("sqlite:") {
            // As the store sets it, and not as apalis' own set-up does: without `synchronous` a power cut could cost the findings.
            let options = SqliteConnectOptions::from_str(url).map_err(failed)?;
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_mins(1));
            Self::Sqlite(
                SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?,
            )
        } else {
            // As the store does: what stalls inside a transaction holds nothing up.
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
        let mut tries = 0;
        loop {
            let done = match self {
                Self::Sqlite(pool) => ignoring_others(SqliteStorage::migrations()).run(pool).await,
                Self::Postgres(pool) => ignoring_others(PostgresStorage::migrations()).run(pool).await,
            };
            match done {
                Ok(()) => return Ok(()),
                // SQLite has no lock for migrations: a process that starts at the same moment may be ahead.
                Err(error) if tries < 5 && matches!(self, Self::Sqlite(_)) => {
                    tracing::debug!(%error, "the queue's tables are being made");
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Writes a job for each binding. One whose key was there before is left as it is.
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
                // One that is there fails them all: then one by one.
                for task in tasks(bindings)? {
                    match postgres(pool, &WorkerOptions::default()).push_task(task).await {
                        Err(error) if !is_known(&error) => return Err(failed(error)),
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    }

    /// The keys of the jobs that nobody has taken yet.
    pub(super) async fn waiting(&self) -> Result<HashSet<String>> {
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

    /// Works on jobs until told to stop, or until the database fails.
    pub(super) async fn work(
        &self,
        name: &str,
        options: &WorkerOptions,
        runner: Arc<Runner>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<()> {
        let context = WorkerContext::new(name);
        let strategy = Strategy::new().interval(POLL);
        // The two back ends are of two types, and a worker is of many.
        macro_rules! events {
            ($backend:expr) => {
                WorkerBuilder::new(&context)
                    .backend($backend)
                    .data(runner)
                    .concurrency(options.slots)
                    .build(handle)
                    .stream()
                    .boxed()
            };
        }
        let mut events = match self {
            Self::Sqlite(pool) => events!(sqlite(pool, options).poll_with_strategy(strategy)),
            Self::Postgres(pool) => {
                let told = Pubsub::new(pool.clone(), QUEUE.to_owned());
                events!(postgres(pool, options).poll_with_strategy(strategy.stream(told)))
            }
        };
        let (mut result, mut started, mut told) = (Ok(()), false, false);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                // One that has not started cannot be stopped; its first event says that it has.
                _ = stop.wait_for(|stop| *stop), if started && !told => {
                    told = true;
                    // An error says that it has stopped by itself.
                    let _ = context.stop();
                    continue;
                }
            };
            started = true;
            match event {
                None => return result,
                Some(Ok(Event::Error(error))) => tracing::warn!(%error, "a job failed, and is tried again"),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // What runs comes to its end; then a new worker begins.
                    result = Err(failed(error));
                    let _ = context.stop();
                }
            }
        }
    }

    /// Removes what is of no use any more: old jobs that are done, and workers that are long gone.
    pub(super) async fn sweep(&self) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                let jobs = "DELETE FROM Jobs WHERE job_type = ?1 AND status IN ('Done', 'Killed', 'Failed')
                            AND done_at < CAST(strftime('%s', 'now') AS INTEGER) - ?2";
                sqlx::query(jobs).bind(QUEUE).bind(KEPT).execute(pool).await.map_err(failed)?;
                let workers = "DELETE FROM Workers WHERE worker_type = ?1
                               AND last_seen < CAST(strftime('%s', 'now') AS INTEGER) - ?2
                               AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = Workers.id)";
                sqlx::query(workers).bind(QUEUE).bind(KEPT).execute(pool).await.map_err(failed)?;
            }
            Self::Postgres(pool) => {
                let jobs =
                    "DELETE FROM apalis.jobs WHERE job_type = $1 AND status IN ('Done', 'Killed', 'Failed')
                            AND done_at < now() - make_interval(secs => $2)";
                #[allow(clippy::cast_precision_loss, reason = "a day")]
                let kept = KEPT as f64;
                sqlx::query(jobs).bind(QUEUE).bind(kept).execute(pool).await.map_err(failed)?;
                let workers = "DELETE FROM apalis.workers w WHERE worker_type = $1
                               AND last_seen < now() - make_interval(secs => $2)
                               AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE lock_by = w.id)";
                sqlx::query(workers).bind(QUEUE).bind(kept).execute(pool).await.map_err(failed)?;
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

/// Another's migrations in the same database are none of ours.
fn ignoring_others(mut migrations: Migrator) -> Migrator {
    migrations.set_ignore_missing(true);
    migrations
}

/// One job is fetched at a time, so that none waits in a busy process while another is idle. The queue marks a job as taken when it is
/// fetched; a second mark when it starts would say nothing more.
fn sqlite(pool: &SqlitePool, options: &WorkerOptions) -> SqliteStorage<DueBinding> {
    let config = apalis_sqlite::Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(options.heartbeat)
        .missed_heartbeats(options.missed_heartbeats);
    SqliteStorage::new(pool).with_config(config)
}

fn postgres(pool: &PgPool, options: &WorkerOptions) -> PostgresStorage<DueBinding> {
    let config = apalis_postgres::Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(options.heartbeat)
        .missed_heartbeats(options.missed_heartbeats);
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

/// True when the job's key was there before.
fn is_known(error: &TaskSinkError<apalis_postgres::Error>) -> bool {
    matches!(error, TaskSinkError::PushError(apalis_postgres::Error::Database(sqlx::Error::Database(cause)))
        if cause.is_unique_violation())
}

fn failed(cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Transport, "the queue of jobs cannot be used")
        .with_operation("job queue")
        .with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}
