//! A worker: it looks for what is due, and runs it. Any number of them share a store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::options::WorkerOptions;
use super::queue::Queue;
use super::runner::{Connections, Runner};
use crate::metrics;
use crate::store::{ConnectionLimit, SqlStore};

/// How often the figures that are read from the store are read.
const FIGURES: Duration = Duration::from_secs(15);

/// How often old jobs are removed.
const SWEEP: Duration = Duration::from_hours(1);

/// The pause before a worker begins anew whose database failed.
const RESTART: Duration = Duration::from_secs(1);

/// Runs what a store's schedule makes due.
///
/// Any number of workers, on any number of machines, share a store in PostgreSQL; those of one machine may share one in SQLite. Each
/// looks for what is due and makes jobs of it, and each takes jobs; there is no leader.
///
/// * A binding runs when it is due, one run at a time, whatever the number of workers. What it missed while nobody worked, or while it ran,
///   is one run and not many.
/// * A connection has a number of jobs that may be under way over all workers. When its scanner answers 429, refuses the credentials or
///   cannot be reached, all its bindings wait, and it is tried again with one of them. Nothing of it takes a place from others meanwhile.
/// * A worker that dies is found by its silence. Another takes its jobs and goes on where their runs were.
/// * A worker that was taken for dead and wakes up has lost its turns, and writes nothing.
///
/// The clocks of the machines must agree to about a second (NTP).
#[derive(Debug)]
pub struct Worker {
    name: String,
    queue: Queue,
    runner: Arc<Runner>,
    stop: watch::Sender<bool>,
}

impl Worker {
    /// A worker on the store, with scanners from `connections`. Makes the queue's tables where they are missing.
    ///
    /// # Errors
    /// `Transport` when the database cannot be reached, or does not take the tables (PostgreSQL's extensions `pgcrypto` and `hstore` are
    /// needed).
    pub async fn new(
        store: SqlStore,
        connections: impl Connections + 'static,
        options: WorkerOptions,
    ) -> Result<Self> {
        let queue = Queue::open(store.url()).await?;
        let (sender, stop) = watch::channel(false);
        let runner = Runner {
            store,
            options,
            connections: Arc::new(connections),
            scanners: HashMap::new().into(),
            stop,
            ended: Notify::new(),
        };
        // Unique for each start: whoever has a dead worker's name would keep its jobs from being found.
        let began = Timestamp::now().as_nanosecond();
        let name = format!("{}-{}-{began:x}", host(), std::process::id());
        Ok(Self { name, queue, runner: Arc::new(runner), stop: sender })
    }

    /// Its name among the workers of the queue: machine, process, and when it began.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Works until `stop` ends; then takes nothing new, gives what runs the options' grace, and lets the rest go for others to go on with.
    ///
    /// A database that cannot be reached for a while is waited for.
    ///
    /// # Errors
    /// `Unexpected` when the worker itself fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let Self { name, queue, runner, stop: sender } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(tick(queue.clone(), Arc::clone(&runner)));
        tasks.spawn(work(name, queue.clone(), Arc::clone(&runner)));
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop, if !*sender.borrow() => {
                    // Somebody listens: the tasks do.
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

/// Takes jobs and runs them, anew after each failure of the database.
async fn work(name: String, queue: Queue, runner: Arc<Runner>) {
    for number in 0_u64.. {
        // A name that was lost is not used again: its jobs are found by its silence.
        let name = if number == 0 { name.clone() } else { format!("{name}-{number}") };
        let result = queue.work(&name, &runner.options, Arc::clone(&runner), runner.stop.clone()).await;
        if *runner.stop.borrow() {
            return;
        }
        if let Err(error) = result {
            tracing::warn!(%error, "the worker begins anew");
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// Looks for what is due, until told to stop.
async fn tick(queue: Queue, runner: Arc<Runner>) {
    let mut stop = runner.stop.clone();
    let (mut figures, mut sweep, mut recover) =
        (Every::new(FIGURES), Every::new(SWEEP), Every::new(runner.options.heartbeat));
    loop {
        if let Err(error) = look(&queue, &runner).await {
            tracing::warn!(%error, "what is due could not be looked for");
        }
        let kept = async {
            if recover.is_due() {
                runner.recover(&queue).await?;
            }
            if figures.is_due() {
                metrics::record_store(&runner.store).await?;
            }
            if sweep.is_due() {
                queue.sweep().await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "the schedule could not be looked after");
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = runner.ended.notified() => {}
            () = tokio::time::sleep(runner.options.tick) => {}
        }
    }
}

/// Makes jobs of what is due. First the job and then the note, since the job's key keeps it from being two.
async fn look(queue: &Queue, runner: &Runner) -> Result<()> {
    let (store, options) = (&runner.store, &runner.options);
    let limits: Vec<_> =
        options.limits.iter().map(|(name, most)| ConnectionLimit { name, max_jobs: *most }).collect();
    let poll = store.begin_poll().await?;
    let now = Timestamp::now();
    let due = store.due_bindings(now, options.limit, &limits).await?;
    // What this worker lets go as it stops is due again, and is for others.
    if !due.is_empty() && !*runner.stop.borrow() {
        queue.push(&due).await?;
        store.mark_queued(&due, now).await?;
        tracing::debug!(bindings = due.len(), "due");
    }
    store.end_poll(poll).await
}

impl Runner {
    /// Finds jobs that were lost: not taken over by the queue in twice the time that it needs for that. One that waits for a place is
    /// not lost.
    async fn recover(&self, queue: &Queue) -> Result<()> {
        let patience = self.options.dead_after().saturating_mul(2).max(self.options.lease);
        let now = Timestamp::now();
        let before = now.checked_sub(patience).unwrap_or(Timestamp::MIN);
        let lost = self.store.requeue_lost(before, now, &queue.waiting().await?).await?;
        if lost > 0 {
            tracing::warn!(lost, "jobs were lost, and their bindings are due again");
        }
        Ok(())
    }
}

/// Something to do now and then.
#[derive(Debug)]
struct Every {
    period: Duration,
    next: Instant,
}

impl Every {
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

/// The machine's name, for a person who reads the queue's tables.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
