//! Runs one job: a scheduled run of a binding, from its start to its recorded end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::data::Data;
use appsec_core::{Error, ErrorKind, ErrorOrigin, Result, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::connections::{Connections, OpenConnection};
use super::scheduled_binding::{RunKind, ScheduledBinding};
use super::worker_options::WorkerOptions;
use crate::binding::Binding;
use crate::importer::{Import, ImportOptions, Importer, catch_panic_of};
use crate::metrics;
use crate::outbox::{BindingRef, Event, EventData, ImportFailed, messages_for};
use crate::store::{DueBinding, ScheduledRun, SqlStore, Start, StartedRun, Store as _};
use crate::target::{known_target, resolve_target};

/// What all jobs of a process share.
pub(super) struct JobRunner {
    pub(super) store: SqlStore,
    pub(super) options: WorkerOptions,
    pub(super) connections: Arc<dyn Connections>,
    /// The connections opened so far, by name.
    pub(super) open: Mutex<HashMap<String, OpenConnection>>,
    /// Whether the worker was asked to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// Notified when a job ends, since its connection then allows another.
    pub(super) ended: Notify,
}

impl fmt::Debug for JobRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobRunner")
            .field("store", &self.store)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The function that apalis calls for a job. The job is spawned as a task, so that the jobs of one worker
/// run on all threads, and a panic fails the job only.
pub(super) async fn run_job(job: DueBinding, runner: Data<Arc<JobRunner>>) -> Result<(), BoxDynError> {
    let runner = Arc::clone(&runner.0);
    let span = tracing::info_span!("job", binding = job.name, attempts = job.attempts);
    let mut task = JoinSet::new(); // aborts the task when dropped
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

/// How far a sync reads back before the previous one. A scanner may publish findings only when its scan
/// ends, which may take days, and with the time of its own clock. Findings that are read again change
/// nothing.
const OVERLAP: Duration = Duration::from_hours(7 * 24);

impl JobRunner {
    /// Runs a job. An error comes from the store, and the queue retries the job.
    async fn run(&self, job: &DueBinding) -> Result<()> {
        let started = match self.store.start_scheduled_run(job, Timestamp::now()).await? {
            Start::Run(started) => started,
            Start::Nothing(reason) => {
                tracing::debug!(reason, "nothing to do");
                return Ok(());
            }
        };
        let StartedRun { binding, watermark, scheduled_run } = *started;
        let requested_at = Timestamp::now();
        // The importer tells the endpoints of its own failures, and catches the panics of the scanner. Any other
        // panic is a failed run too, and not a job that the queue repeats at once.
        let result = match catch_panic_of(self.prepare(&binding, &scheduled_run)).await {
            Ok((connection, identified)) => {
                let import = self.import(connection, &identified, &binding, watermark, &scheduled_run);
                catch_panic_of(import).await
            }
            Err(error) => {
                self.notify_failure(&binding, job, &error).await;
                Err(error)
            }
        };
        let is_current = match result {
            Ok(import) => {
                let complete = import.missing().is_empty();
                metrics::record_scheduled_run(
                    binding.connection(),
                    if complete { "complete" } else { "partial" },
                );
                let complete_binding = complete.then_some(&binding);
                let remark = (!import.remarks.is_empty()).then(|| import.remarks.join("; "));
                let (started_at, remark) = (import.started_at, remark.as_deref());
                self.store
                    .end_scheduled_run(&scheduled_run, started_at, requested_at, complete_binding, remark)
                    .await?
            }
            Err(error) if error.origin() == ErrorOrigin::Store && error.kind() != ErrorKind::Conflict => {
                return Err(error);
            }
            Err(error) => self.record_failure(&binding, &scheduled_run, job, &error).await?,
        };
        if !is_current {
            tracing::info!("another process has taken over the scheduled run");
        }
        Ok(())
    }

    /// Opens the connection of a scheduled binding, and returns the binding with its identity.
    async fn prepare(
        &self,
        binding: &ScheduledBinding,
        scheduled_run: &ScheduledRun,
    ) -> Result<(OpenConnection, Binding)> {
        let connection = self.open(binding.connection())?;
        let limit = self.options.stall_limit();
        let given_up = |message: String| Error::new(ErrorKind::Deadline, message).with_operation("import");
        let identified = tokio::select! {
            biased;
            identified = self.identify(binding, &connection) => identified?,
            () = self.shutdown_deadline() => return Err(given_up("the import was stopped".to_owned())),
            () = tokio::time::sleep(limit) => {
                let minutes = limit.as_secs().div_ceil(60);
                let message = format!("the scanner did not list its bind targets within {minutes} min");
                return Err(given_up(message));
            }
        };
        self.store.set_scheduled_identity(scheduled_run, &identified).await?;
        Ok((connection, identified))
    }

    async fn import(
        &self,
        connection: OpenConnection,
        identified: &Binding,
        binding: &ScheduledBinding,
        watermark: Option<Timestamp>,
        scheduled_run: &ScheduledRun,
    ) -> Result<Import> {
        let options = &self.options;
        let since = watermark.and_then(|at| at.checked_sub(OVERLAP).ok());
        let import = ImportOptions::new()
            .with_lease(options.lease())
            .with_severities(binding.severities.iter().cloned())
            .with_subscriptions(options.subscriptions_for(&binding.webhooks))
            .with_scan_poll_interval(options.scan_poll_interval())
            .with_scan_deadline(options.scan_deadline())
            .with_stall_limit(options.stall_limit())
            .with_scan(binding.run == RunKind::Scan)
            .with_since(since.filter(|_| binding.run == RunKind::Sync))
            .with_scheduled_run(scheduled_run.clone());
        let importer = Importer::new(connection.scanner, Arc::new(self.store.clone()))
            .with_connection(binding.connection());
        importer.run_until(identified, &import, self.shutdown_deadline()).await
    }

    /// Returns the scheduled binding with its identity: the scanner's key and the tenant of its connection,
    /// and the id of its bind target.
    async fn identify(&self, scheduled: &ScheduledBinding, connection: &OpenConnection) -> Result<Binding> {
        let mut binding = scheduled.binding.clone();
        connection.scanner.info().key.clone_into(&mut binding.scanner);
        binding.tenant.clone_from(&connection.tenant);
        let known = self.store.bindings().await?;
        binding.configuration.bind_target = match known_target(&binding, &known)? {
            Some(id) => id,
            // A target that is not listed is a gap of the import, not an error.
            None => match resolve_target(&*connection.scanner, &binding, &known).await {
                Err(error) if error.kind() == ErrorKind::NotFound || error.gap().is_some() => {
                    binding.configuration.bind_target
                }
                resolved => resolved?,
            },
        };
        Ok(binding)
    }

    /// Tells the endpoints of a failure before the import began: one message for each due time and error.
    /// Nothing is told where the worker stops, where another process has the run, or where the store fails.
    async fn notify_failure(&self, binding: &ScheduledBinding, job: &DueBinding, error: &Error) {
        let is_stopped = error.kind() == ErrorKind::Deadline && *self.stop.borrow();
        if is_stopped || error.kind() == ErrorKind::Conflict || error.origin() == ErrorOrigin::Store {
            return;
        }
        let at = Timestamp::from_millisecond(job.due).unwrap_or_default();
        let Binding { project, scanner, configuration, .. } = &binding.binding;
        let of = BindingRef::new(project.as_str(), scanner.as_str(), configuration);
        let event = Event::new(at, EventData::ImportFailed(ImportFailed::from_error(of, error)));
        let messages = messages_for(&event, &self.options.subscriptions_for(&binding.webhooks));
        if let Err(error) = self.store.enqueue_messages(&messages).await {
            tracing::warn!(%error, "the endpoints were not notified of the failure");
        }
    }

    /// Records the failure of an import, and when it is retried. Returns false when another process has
    /// taken over the scheduled run.
    async fn record_failure(
        &self,
        binding: &ScheduledBinding,
        scheduled_run: &ScheduledRun,
        job: &DueBinding,
        error: &Error,
    ) -> Result<bool> {
        metrics::record_scheduled_run(binding.connection(), "failed");
        let reason = error.to_string();
        let wait = match error.kind() {
            // The worker stops. Any process can resume the run immediately.
            ErrorKind::Deadline if *self.stop.borrow() => Duration::ZERO,
            // Another process has the lease on the binding.
            ErrorKind::Conflict => self.options.lease() / 2,
            // The failure concerns the connection, so all its bindings wait, and no others.
            ErrorKind::RateLimited | ErrorKind::Auth | ErrorKind::Transport | ErrorKind::Server => {
                tracing::warn!(connection = binding.connection(), %error, "the circuit breaker of the connection opens");
                let retry_after = error.retry_after().unwrap_or_default();
                let wait = |failures| self.options.backoff(failures).max(retry_after);
                self.store.trip_breaker(binding.connection(), &reason, wait).await?;
                Duration::ZERO
            }
            _ => {
                tracing::warn!(%error, "the run failed and will be retried");
                self.options.backoff(u32::try_from(job.attempts).unwrap_or(u32::MAX))
            }
        };
        self.store.back_off_scheduled_run(scheduled_run, wait, &reason).await
    }

    fn open(&self, name: &str) -> Result<OpenConnection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = open.get(name) {
            return Ok(connection.clone());
        }
        let connection = self.connections.open(name)?;
        open.insert(name.to_owned(), connection.clone());
        Ok(connection)
    }

    /// Completes when the worker was asked to stop and its grace period is over.
    async fn shutdown_deadline(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_ok() {
            tokio::time::sleep(self.options.shutdown_grace()).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
}
