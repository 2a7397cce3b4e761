//! One job: the turn of a binding, from its start to what becomes of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::data::Data;
use appsec_core::{DastApiScanner, Error, ErrorKind, ErrorOrigin, Result, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::binding::{RunKind, ScheduledBinding};
use super::options::WorkerOptions;
use crate::importer::{Import, ImportOptions, Importer};
use crate::metrics;
use crate::store::ScheduledRun;
use crate::store::{DueBinding, SqlStore, Start, StartedRun};

/// Where scanners come from: a connection's name becomes a client of it.
///
/// A worker asks once for each connection, so that all imports of it share the client and its limits. Any function that takes a name and
/// gives a scanner will do.
pub trait Connections: Send + Sync {
    /// The scanner of the connection with that name.
    ///
    /// # Errors
    /// `Config` when there is none of that name, or its settings cannot work.
    fn scanner(&self, connection: &str) -> Result<Arc<dyn DastApiScanner>>;
}

impl<F> Connections for F
where
    F: Fn(&str) -> Result<Arc<dyn DastApiScanner>> + Send + Sync,
{
    fn scanner(&self, connection: &str) -> Result<Arc<dyn DastApiScanner>> {
        self(connection)
    }
}

/// What the jobs of a process share.
pub(super) struct Runner {
    pub(super) store: SqlStore,
    pub(super) options: WorkerOptions,
    pub(super) connections: Arc<dyn Connections>,
    /// The clients made so far.
    pub(super) scanners: Mutex<HashMap<String, Arc<dyn DastApiScanner>>>,
    /// True when the worker is to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// Told when a job ends: its connection has room again.
    pub(super) ended: Notify,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("store", &self.store)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What apalis calls. The job is a task of its own: jobs of one worker share the process' threads, and a panic is a failed job.
pub(super) async fn handle(job: DueBinding, runner: Data<Arc<Runner>>) -> Result<(), BoxDynError> {
    let runner = Arc::clone(&runner.0);
    let span = tracing::info_span!("job", binding = job.name, attempts = job.attempts);
    let mut task = JoinSet::new(); // aborts it when it is dropped
    task.spawn(
        async move {
            let result = runner.run(&job).await;
            runner.ended.notify_one();
            result
        }
        .instrument(span),
    );
    match task.join_next().await {
        Some(done) => Ok(done??),
        None => Ok(()),
    }
}

/// How far a sync looks back beyond the one before: a scanner tells of what it saw when its scan ends, which may take days, and by
/// its own clock. Findings that come again change nothing.
const OVERLAP: Duration = Duration::from_hours(7 * 24);

impl Runner {
    /// Runs a job. An error is one of the store; the queue tries the job again.
    async fn run(&self, job: &DueBinding) -> Result<()> {
        let started = match self.store.start_scheduled_run(job, Timestamp::now()).await? {
            Start::Run(started) => started,
            Start::Nothing(why) => {
                tracing::debug!(why, "nothing to do");
                return Ok(());
            }
        };
        let StartedRun { binding, watermark, scheduled_run } = *started;
        let asked = Timestamp::now();
        let result = self.import(&binding, watermark, &scheduled_run).await;
        let held = match result {
            Ok(import) => {
                let complete = import.missing().is_empty();
                metrics::record_scheduled_run(
                    binding.connection(),
                    if complete { "complete" } else { "partial" },
                );
                let seen = complete.then_some(&binding);
                self.store.end_scheduled_run(&scheduled_run, import.started_at, asked, seen).await?
            }
            Err(error) if error.origin() == ErrorOrigin::Store && error.kind() != ErrorKind::Conflict => {
                return Err(error);
            }
            Err(error) => self.failed(&binding, &scheduled_run, job, &error).await?,
        };
        if !held {
            tracing::info!("the turn was over: another process took it");
        }
        Ok(())
    }

    async fn import(
        &self,
        binding: &ScheduledBinding,
        watermark: Option<Timestamp>,
        scheduled_run: &ScheduledRun,
    ) -> Result<Import> {
        let scanner = self.scanner(binding.connection())?;
        let options = &self.options;
        let since = watermark.and_then(|at| at.checked_sub(OVERLAP).ok());
        let import = ImportOptions::new()
            .with_lease(options.lease)
            .with_severities(binding.severities.iter().cloned())
            .with_subscriptions(options.subscriptions_of(&binding.webhooks))
            .with_scan_poll_interval(options.scan_poll)
            .with_scan_deadline(options.scan_deadline)
            .with_scan(binding.run == RunKind::Scan)
            .with_since(since.filter(|_| binding.run == RunKind::Sync))
            .with_scheduled_run(scheduled_run.clone());
        let importer =
            Importer::new(scanner, Arc::new(self.store.clone())).with_connection(binding.connection());
        importer.run_until(&binding.binding, &import, self.out_of_time()).await
    }

    /// What becomes of a binding whose import failed. Gives false when its turn was over.
    async fn failed(
        &self,
        binding: &ScheduledBinding,
        scheduled_run: &ScheduledRun,
        job: &DueBinding,
        error: &Error,
    ) -> Result<bool> {
        metrics::record_scheduled_run(binding.connection(), "failed");
        let why = error.to_string();
        let wait = match error.kind() {
            // It goes on where it was let go, here or elsewhere.
            ErrorKind::Deadline if *self.stop.borrow() => Duration::ZERO,
            // Another process holds the binding, or this one lost it.
            ErrorKind::Conflict => self.options.lease / 2,
            // The tenant, not the binding: its other bindings wait as well, and nobody else's.
            ErrorKind::RateLimited | ErrorKind::Auth | ErrorKind::Transport | ErrorKind::Server => {
                tracing::warn!(connection = binding.connection(), %error, "the connection is left in peace");
                let asked = error.retry_after().unwrap_or_default();
                let wait = |failures| self.options.wait(failures).max(asked);
                self.store.trip_breaker(binding.connection(), &why, wait).await?;
                Duration::ZERO
            }
            _ => {
                tracing::warn!(%error, "the binding is put off");
                self.options.wait(u32::try_from(job.attempts).unwrap_or(u32::MAX))
            }
        };
        self.store.back_off_scheduled_run(scheduled_run, wait, &why).await
    }

    fn scanner(&self, connection: &str) -> Result<Arc<dyn DastApiScanner>> {
        let mut scanners = self.scanners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scanner) = scanners.get(connection) {
            return Ok(Arc::clone(scanner));
        }
        let scanner = self.connections.scanner(connection)?;
        scanners.insert(connection.to_owned(), Arc::clone(&scanner));
        Ok(scanner)
    }

    /// Ends when the worker was told to stop, and the time for that is over.
    async fn out_of_time(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_ok() {
            tokio::time::sleep(self.options.grace).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
}
