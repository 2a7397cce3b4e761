//! A worker: queues what is due, and runs it. Any number of workers share a store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connections::Connections;
use super::job_queue::JobQueue;
use super::job_runner::JobRunner;
use super::worker_options::WorkerOptions;
use crate::metrics;
use crate::store::{ConnectionLimit, SqlStore};

/// How often the metrics that come from the store are read.
const METRICS_INTERVAL: Duration = Duration::from_secs(15);

/// How often old jobs are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_hours(1);

/// The pause before a worker restarts after a failure of the database.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs the scheduled bindings of a store when they are due.
///
/// Any number of workers, on any number of machines, share a store in PostgreSQL; those of one machine may
/// share one in SQLite. Each worker queues jobs for what is due, and each takes jobs from the queue. There
/// is no leader.
///
/// * A binding runs when it is due, one run at a time, whatever the number of workers. The due times that
///   it missed, because no worker ran or the previous run took longer, become one run.
/// * The number of concurrent jobs of a connection is limited over all workers. When its scanner responds
///   with 429, refuses the credentials or cannot be reached, its circuit breaker opens: all its bindings
///   wait, and then one of them tries it again. Meanwhile they take no capacity from other connections.
/// * A worker that dies is detected by its missing heartbeats. Another worker takes its jobs and resumes
///   their runs.
/// * A worker that was considered dead and continues has lost its scheduled runs, and can no longer write
///   anything for them.
///
/// The clocks of the machines must agree to about a second (NTP).
#[derive(Debug)]
pub struct Worker {
    name: String,
    queue: JobQueue,
    runner: Arc<JobRunner>,
    stop: watch::Sender<bool>,
}

impl Worker {
    /// Creates a worker on the store, with scanners from `connections`. Creates the tables of the job queue
    /// where they are missing.
    ///
    /// # Errors
    /// `Transport` when the database cannot be reached, or refuses the tables (they need PostgreSQL's
    /// extensions `pgcrypto` and `hstore`).
    pub async fn new(
        store: SqlStore,
        connections: impl Connections + 'static,
        options: WorkerOptions,
    ) -> Result<Self> {
        let queue = JobQueue::open(store.url()).await?;
        let (sender, stop) = watch::channel(false);
        let runner = JobRunner {
            store,
            options,
            connections: Arc::new(connections),
            open: HashMap::new().into(),
            stop,
            ended: Notify::new(),
        };
        // Unique for each start: under the name of a dead worker it would send heartbeats for the jobs that
        // worker left.
        let started = Timestamp::now().as_nanosecond();
        let name = format!("{}-{}-{started:x}", host_name(), std::process::id());
        Ok(Self { name, queue, runner: Arc::new(runner), stop: sender })
    }

    /// The name of the worker in the job queue: machine, process, and start time.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs jobs until `stop` completes. Then it takes no new jobs, lets running imports continue for the
    /// grace period of its options, and releases the rest, which other workers resume.
    ///
    /// While the database cannot be reached, the worker waits for it.
    ///
    /// # Errors
    /// `Unexpected` when a task of the worker panics.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let Self { name, queue, runner, stop: sender } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(queue_due_jobs(queue.clone(), Arc::clone(&runner)));
        tasks.spawn(run_jobs(name, queue.clone(), Arc::clone(&runner)));
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop, if !*sender.borrow() => {
                    // Cannot fail: the tasks have receivers.
                    let _ = sender.send(true);
                }
                ended = tasks.join_next() => match ended {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(cause)) => {
                        let error = Error::new(ErrorKind::Unexpected, "the worker failed");
                        return Err(error.with_operation("worker").with_source(cause));
                    }
                },
            }
        }
        queue.close().await;
        Ok(())
    }
}

/// Takes jobs and runs them. Restarts after each failure of the database.
async fn run_jobs(name: String, queue: JobQueue, runner: Arc<JobRunner>) {
    for number in 0_u64.. {
        // Each restart has a new name, so that the jobs of the previous one are detected by its missing
        // heartbeats.
        let name = if number == 0 { name.clone() } else { format!("{name}-{number}") };
        let result = queue.run_jobs(&name, &runner.options, Arc::clone(&runner), runner.stop.clone()).await;
        if *runner.stop.borrow() {
            return;
        }
        if let Err(error) = result {
            tracing::warn!(%error, "the worker restarts");
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Queues what is due, again and again until the worker is asked to stop.
async fn queue_due_jobs(queue: JobQueue, runner: Arc<JobRunner>) {
    let mut stop = runner.stop.clone();
    let (mut metrics, mut cleanup, mut recovery) = (
        Interval::new(METRICS_INTERVAL),
        Interval::new(CLEANUP_INTERVAL),
        Interval::new(runner.options.heartbeat()),
    );
    loop {
        if let Err(error) = queue_due(&queue, &runner).await {
            tracing::warn!(%error, "the bindings that are due could not be queued");
        }
        let maintenance = async {
            if recovery.is_due() {
                runner.recover(&queue).await?;
            }
            if metrics.is_due() {
                metrics::record_store(&runner.store).await?;
            }
            if cleanup.is_due() {
                queue.remove_old().await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = maintenance.await {
            tracing::warn!(%error, "the maintenance of the job queue failed");
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = runner.ended.notified() => {}
            () = tokio::time::sleep(runner.options.poll_interval()) => {}
        }
    }
}

/// Queues jobs for what is due. The job is written before the binding is marked as queued: if the process
/// ends in between, the job's key prevents a second job.
async fn queue_due(queue: &JobQueue, runner: &JobRunner) -> Result<()> {
    let (store, options) = (&runner.store, &runner.options);
    let limits = options.connection_limits().iter();
    let limits: Vec<_> = limits.map(|(name, limit)| ConnectionLimit { name, max_jobs: *limit }).collect();
    let poll = store.begin_poll().await?;
    let now = Timestamp::now();
    let due = store.due_bindings(now, options.connection_limit(), &limits).await?;
    // The runs that a stopping worker releases are due again, and other workers take them.
    if !due.is_empty() && !*runner.stop.borrow() {
        queue.push(&due).await?;
        store.mark_queued(&due, now).await?;
        tracing::debug!(bindings = due.len(), "due");
    }
    store.end_poll(poll).await
}

impl JobRunner {
    /// Makes bindings due again whose jobs were lost: the queue has not reassigned them in twice the time
    /// after which a worker counts as dead. A job that waits in the queue is not lost.
    async fn recover(&self, queue: &JobQueue) -> Result<()> {
        let timeout = self.options.dead_after().saturating_mul(2).max(self.options.lease());
        let now = Timestamp::now();
        let before = now.checked_sub(timeout).unwrap_or(Timestamp::MIN);
        let lost = self.store.requeue_lost(before, now, &queue.pending_keys().await?).await?;
        if lost > 0 {
            tracing::warn!(lost, "jobs were lost; their bindings are due again");
        }
        Ok(())
    }
}

/// The next time of a periodic action.
#[derive(Debug)]
struct Interval {
    period: Duration,
    next: Instant,
}

impl Interval {
    fn new(period: Duration) -> Self {
        Self { period, next: Instant::now() }
    }

    fn is_due(&mut self) -> bool {
        let due = Instant::now() >= self.next;
        if due {
            self.next = Instant::now() + self.period;
        }
        due
    }
}

/// The name of the machine, for readers of the tables of the job queue.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
