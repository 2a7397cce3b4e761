//! Schedules that several processes run on one database: runs do not overlap, and none is lost or repeated
//! when a process dies or stalls.
#![cfg(feature = "worker")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it counted")]

mod support;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{
    BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner, Error,
    ErrorKind, FindingEvent, FindingQuery, Result, ScanMode, ScannerInfo, Timestamp, async_trait,
};
use appsec_import::outbox::{EventKind, Outbox as _};
use appsec_import::schedule::{
    RunKind, Schedule, ScheduleEntry, ScheduleState, ScheduledBinding, Worker, WorkerOptions,
};
use appsec_import::{Binding, ScanConfiguration, SqlStore, Store};

use support::tenant::{PER_PAGE, Process, Setup, Tenant, connections, ended, noted, overlaps};
use support::{TestStore, all, stores};

/// Not a test, but the process of a worker. It runs until its standard input ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(setup) = Setup::of_environment() else { return };
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    }
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let options = WorkerOptions::new()
        .with_concurrency(6)
        .with_connection_limit(4)
        .with_poll_interval(Duration::from_millis(50))
        // Long enough for a busy machine, and short enough for a test.
        .with_lease(Duration::from_secs(4))
        .with_heartbeat(Duration::from_secs(1), 4)
        .with_shutdown_grace(setup.grace);
    let Setup { log, pages, pause, .. } = setup;
    let worker = Worker::new(store.clone(), connections(log, pages, pause), options).await.unwrap();
    let input_ends = async {
        // The thread that reads may outlive the runtime, so it is not one of its threads.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = sender.send(());
        });
        let _ = receiver.await;
    };
    worker.run(input_ends).await.unwrap();
    store.close().await;
}

/// A database with a schedule, and the log of its workers.
struct TestBed {
    test: TestStore,
    setup: Setup,
    _folder: tempfile::TempDir,
}

impl TestBed {
    fn new(test: TestStore, pages: usize, pause: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log: PathBuf = folder.path().join("log");
        let setup = Setup {
            url: test.url.clone(),
            log,
            pages,
            pause: Duration::from_millis(pause),
            grace: Duration::ZERO,
        };
        Self { test, setup, _folder: folder }
    }

    /// One test bed for each database.
    async fn all(pages: usize, pause: u64) -> Vec<Self> {
        stores().await.into_iter().map(|test| Self::new(test, pages, pause)).collect()
    }

    fn workers(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.setup.spawn()).collect()
    }

    async fn apply(&self, bindings: &[ScheduledBinding], now: &str) {
        self.test.store.apply_schedule(bindings, now.parse().unwrap()).await.unwrap();
    }

    async fn schedule(&self) -> Vec<ScheduleEntry> {
        self.test.store.schedule(Timestamp::now()).await.unwrap()
    }

    /// Waits until the schedule fulfils a condition.
    async fn until(&self, what: &str, is: impl Fn(&[ScheduleEntry]) -> bool) -> Vec<ScheduleEntry> {
        let begun = Instant::now();
        loop {
            let schedule = self.schedule().await;
            if is(&schedule) {
                return schedule;
            }
            let short: Vec<_> =
                schedule.iter().map(|entry| (&entry.binding.name, &entry.state, &entry.last_error)).collect();
            assert!(begun.elapsed() < Duration::from_mins(5), "{}: not {what}: {short:#?}", self.test.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the log has a text so many times.
    async fn until_logged(&self, what: &str, times: usize) {
        let begun = Instant::now();
        while noted(&self.setup.log).iter().filter(|noted| noted.what == what).count() < times {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}: never {what}", self.test.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn findings(&self, binding: &ScheduledBinding) -> usize {
        all(&self.test.store, &binding.binding).await.len()
    }
}

/// The time at which the bindings of a test became due: half a year of daily runs was missed.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

fn binding(connection: &str, number: usize) -> ScheduledBinding {
    let set = ScanConfiguration::new(format!("app:{number}"));
    let binding = Binding::new(format!("project {number}"), "tenant", set).with_tenant(connection.to_owned());
    ScheduledBinding::new(
        format!("{connection} {number}"),
        binding,
        Schedule::cron("0 3 * * *", "UTC").unwrap(),
    )
    .with_connection(connection)
}

fn bindings(connection: &str, count: usize) -> Vec<ScheduledBinding> {
    (0..count).map(|number| binding(connection, number)).collect()
}

fn is_done(entry: &ScheduleEntry) -> bool {
    entry.state == ScheduleState::Waiting && entry.complete_at.is_some()
}

/// Runs a test with two and with four processes.
async fn with_workers<F: Future<Output = ()>>(test: impl Fn(usize) -> F) {
    for count in [2, 4] {
        test(count).await;
    }
}

#[tokio::test]
async fn bindings_that_missed_many_due_times_run_once_and_do_not_overlap() {
    with_workers(|count| async move {
        for bed in TestBed::all(3, 5).await {
            let mut scheduled = bindings("one", 12);
            scheduled.extend(bindings("two", 12));
            bed.apply(&scheduled, LONG_AGO).await;
            let workers = bed.workers(count);
            let schedule = bed.until("done", |schedule| schedule.iter().all(is_done)).await;
            // After a restart there is nothing to do.
            workers.into_iter().for_each(Process::stop);
            let again = bed.workers(count);
            let fresh = binding("three", 0);
            scheduled.push(fresh.clone());
            bed.apply(&scheduled, LONG_AGO).await;
            bed.until("done", |schedule| schedule.iter().all(is_done)).await;
            again.into_iter().for_each(Process::stop);

            let log = noted(&bed.setup.log);
            assert_eq!(overlaps(&log, &[]), 0, "{}", bed.test.name);
            for binding in &scheduled {
                let whose = format!("{}/{}", binding.connection(), binding.binding.configuration.bind_target);
                assert_eq!(ended(&log, &whose), 1, "{} {whose}", bed.test.name);
                assert_eq!(bed.findings(binding).await, 3 * PER_PAGE, "{} {whose}", bed.test.name);
            }
            let now = Timestamp::now();
            assert!(schedule.iter().all(|entry| entry.due_at.unwrap() > now), "{schedule:?}");
            println!(
                "{}, {count} workers: {} bindings, each once, no overlap",
                bed.test.name,
                scheduled.len()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_binding_made_due_while_it_runs_runs_again_afterwards() {
    with_workers(|count| async move {
        for bed in TestBed::all(4, 10).await {
            let scheduled = bindings("one", 4);
            bed.apply(&scheduled, LONG_AGO).await;
            let workers = bed.workers(count);
            // At any moment: before, during and after a run.
            for round in 1..=10 {
                for binding in &scheduled {
                    bed.test.store.run_now(&binding.name, Timestamp::now()).await.unwrap();
                }
                bed.until_logged("page", round * 2).await;
            }
            bed.until("done", |schedule| schedule.iter().all(is_done)).await;
            workers.into_iter().for_each(Process::stop);
            let log = noted(&bed.setup.log);
            assert_eq!(overlaps(&log, &[]), 0, "{}", bed.test.name);
            for binding in &scheduled {
                let whose = format!("one/{}", binding.binding.configuration.bind_target);
                assert!(ended(&log, &whose) >= 2, "{} {whose}: {}", bed.test.name, ended(&log, &whose));
            }
            let ends = log.iter().filter(|noted| noted.what == "end").count();
            println!("{}, {count} workers: {ends} runs of 4 bindings, no overlap", bed.test.name);
        }
    })
    .await;
}

#[tokio::test]
async fn the_job_of_a_killed_worker_is_finished_by_another() {
    with_workers(|count| async move {
        for bed in TestBed::all(40, 25).await {
            let scheduled = bindings("one", 3);
            bed.apply(&scheduled, LONG_AGO).await;
            let mut workers = bed.workers(count);
            bed.until_logged("page", 12).await;
            let holder = noted(&bed.setup.log).last().unwrap().process;
            let at = workers.iter().position(|worker| worker.id() == holder).unwrap();
            let mut victim = workers.remove(at);
            victim.kill();
            assert!(ended(&noted(&bed.setup.log), "one/app:0") == 0, "killed too late to prove anything");
            bed.until("done", |schedule| schedule.iter().all(is_done)).await;
            workers.into_iter().for_each(Process::stop);
            let log = noted(&bed.setup.log);
            assert_eq!(overlaps(&log, &[holder]), 0, "{}", bed.test.name);
            let mut finished = 0;
            for binding in &scheduled {
                let whose = format!("one/{}", binding.binding.configuration.bind_target);
                assert_eq!(bed.findings(binding).await, 40 * PER_PAGE, "{} {whose}", bed.test.name);
                let begun_by = |process: u32| {
                    log.iter().any(|noted| {
                        noted.what == "begin" && noted.whose == whose && noted.process == process
                    })
                };
                finished += usize::from(begun_by(holder));
            }
            assert!(finished > 0, "the killed worker had no job");
            println!(
                "{}, {count} workers: {finished} jobs of the killed one finished by others",
                bed.test.name
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusing_connection_trips_its_breaker_and_others_run() {
    with_workers(|count| async move {
        for bed in TestBed::all(2, 2).await {
            let mut scheduled = bindings("busy", 20);
            scheduled.extend(bindings("locked", 20));
            scheduled.extend(bindings("good", 20));
            bed.apply(&scheduled, LONG_AGO).await;
            let workers = bed.workers(count);
            let of = |entry: &ScheduleEntry, connection: &str| entry.binding.connection() == connection;
            let is_closed = |entry: &ScheduleEntry| matches!(entry.state, ScheduleState::BreakerOpen { .. });
            let schedule = bed
                .until("good ones done, bad ones closed", |schedule| {
                    schedule
                        .iter()
                        .all(|entry| if of(entry, "good") { is_done(entry) } else { is_closed(entry) })
                })
                .await;
            workers.into_iter().for_each(Process::stop);
            let log = noted(&bed.setup.log);
            for connection in ["busy", "locked"] {
                // The requests in flight at the first refusal, and none after it.
                let asked =
                    log.iter().filter(|noted| noted.what == "refuse" && noted.whose == connection).count();
                assert!((1..=4).contains(&asked), "{} {connection}: asked {asked} times", bed.test.name);
            }
            let until = schedule.iter().find_map(|entry| match &entry.state {
                ScheduleState::BreakerOpen { until, .. } if of(entry, "busy") => Some(*until),
                _ => None,
            });
            let least = Timestamp::now().checked_add(Duration::from_mins(8)).unwrap();
            assert!(until.unwrap() > least, "Retry-After was ten minutes");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stalled_worker_that_continues_writes_nothing() {
    for mut bed in TestBed::all(30, 20).await {
        if bed.test.name == "sqlite" {
            // A process that is stopped while it writes to SQLite locks the file for all others.
            continue;
        }
        bed.setup.grace = Duration::from_secs(50);
        let scheduled = binding("one", 0).with_webhooks(["tickets"]);
        bed.apply(std::slice::from_ref(&scheduled), LONG_AGO).await;
        let stalled = bed.setup.spawn();
        bed.until_logged("page", 3).await;
        stalled.signal("STOP");
        assert_eq!(ended(&noted(&bed.setup.log), "one/app:0"), 0, "stopped too late to prove anything");

        let other = bed.setup.spawn();
        bed.until("done", |schedule| schedule.iter().all(is_done)).await;
        other.stop();
        let book = || async {
            let store = &bed.test.store;
            let findings = all(store, &scheduled.binding).await;
            (
                findings,
                store.last_run(&scheduled.binding).await.unwrap(),
                bed.schedule().await,
                count_messages(store).await,
            )
        };
        let before = book().await;
        assert_eq!(before.0.len(), 30 * PER_PAGE);

        // The stalled process continues, detects that its scheduled run was taken over, and then ends.
        stalled.signal("CONT");
        stalled.stop();
        assert_eq!(book().await, before, "{}", bed.test.name);
    }
}

/// The number of messages for the endpoint of the test above.
async fn count_messages(store: &SqlStore) -> usize {
    store.claim("tickets", Timestamp::now(), Duration::ZERO, 1000).await.unwrap().len()
}

#[tokio::test]
async fn a_stopped_import_is_resumed() {
    for bed in TestBed::all(30, 20).await {
        let scheduled = binding("one", 0).with_run(RunKind::Import);
        bed.apply(std::slice::from_ref(&scheduled), LONG_AGO).await;
        let first = bed.setup.spawn();
        bed.until_logged("page", 3).await;
        first.stop();
        assert_eq!(ended(&noted(&bed.setup.log), "one/app:0"), 0, "stopped too late to prove anything");
        let schedule = bed.schedule().await;
        assert_eq!(schedule[0].state, ScheduleState::Due, "let go at once");
        let second = bed.setup.spawn();
        bed.until("done", |schedule| schedule.iter().all(is_done)).await;
        second.stop();
        assert_eq!(bed.findings(&scheduled).await, 30 * PER_PAGE);
        let run = bed.test.store.last_run(&scheduled.binding).await.unwrap().unwrap();
        assert_eq!(run.number, 1, "one run, by two processes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_stopped_before_it_has_started_ends() {
    for bed in TestBed::all(1, 1).await {
        // Either of the two may come first.
        for _ in 0..16 {
            let Setup { log, pages, pause, .. } = bed.setup.clone();
            let connections = connections(log, pages, pause);
            let worker =
                Worker::new(bed.test.store.clone(), connections, WorkerOptions::new()).await.unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(20), worker.run(async {})).await;
            ended.expect("it goes on though it was told to stop").unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waiting_in_the_queue_is_not_lost() {
    let waits = |bed: TestBed| async move {
        let bindings = ["one", "two"].map(|name| {
            let binding = Binding::new(name, name, ScanConfiguration::new("app:0"));
            ScheduledBinding::new(name, binding, Schedule::cron("@yearly", "UTC").unwrap())
        });
        bed.apply(&bindings, "2026-01-01T00:00:00Z").await;
        for binding in &bindings {
            bed.test.store.run_now(&binding.name, Timestamp::now()).await.unwrap();
        }
        let Setup { log, pages, pause, .. } = bed.setup.clone();
        // A job counts as lost after four seconds without a heartbeat; the first job takes longer.
        let options = WorkerOptions::new()
            .with_concurrency(1)
            .with_poll_interval(Duration::from_millis(50))
            .with_lease(Duration::from_secs(2))
            .with_heartbeat(Duration::from_secs(1), 2);
        let worker =
            Worker::new(bed.test.store.clone(), connections(log, pages, pause), options).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(worker.run(async {
            let _ = stopped.await;
        }));
        bed.until("done", |schedule| {
            // A job that runs may lose its lease on a busy machine. One that only waits must not.
            let log = noted(&bed.setup.log);
            let has_begun = |entry: &ScheduleEntry| {
                let whose = format!("{}/app:0", entry.binding.connection());
                log.iter().any(|noted| noted.what == "begin" && noted.whose == whose)
            };
            let is_lost = |entry: &&ScheduleEntry| entry.failed_attempts > 0 && !has_begun(entry);
            assert_eq!(schedule.iter().find(is_lost), None, "{}", bed.test.name);
            schedule.iter().all(is_done)
        })
        .await;
        stop.send(()).unwrap();
        worker.await.unwrap().unwrap();
    };
    let beds = TestBed::all(7, 1_000).await;
    futures_util::future::join_all(beds.into_iter().map(waits)).await;
}

/// A scanner whose code panics when its findings are read.
#[derive(Debug)]
struct Panicking(ScannerInfo);

#[async_trait]
impl DastApiScanner for Panicking {
    fn info(&self) -> &ScannerInfo {
        &self.0
    }

    async fn test_connection(&self) -> ConnectionReport {
        ConnectionReport::new("tenant", "tenant:")
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        panic!("the listing had no pages")
    }

    fn findings(&self, _: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        panic!("the export had no chunks")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_backs_off_and_is_told_and_a_scan_that_cannot_be_started_is_a_remark() {
    for bed in TestBed::all(2, 1).await {
        let scheduled = [
            binding("panics", 1).with_webhooks(["tickets"]),
            binding("unopened", 2).with_webhooks(["tickets"]),
            binding("good", 0).with_run(RunKind::Scan).with_webhooks(["tickets"]),
        ];
        bed.apply(&scheduled, LONG_AGO).await;
        let Setup { log, pages, pause, .. } = bed.setup.clone();
        let scanners = move |name: &str| -> Result<Arc<dyn DastApiScanner>> {
            let can = Capabilities::none().with_findings_by_target(true);
            let info = ScannerInfo::new("tenant", "Tenant", ScanMode::Passive, can);
            match name {
                "panics" => Ok(Arc::new(Panicking(info))),
                "unopened" => Err(Error::new(ErrorKind::Config, "the token file is missing")),
                _ => Ok(Arc::new(Tenant::new(name, &log, pages, pause))),
            }
        };
        let worker = Worker::new(bed.test.store.clone(), scanners, WorkerOptions::new()).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(worker.run(async {
            let _ = stopped.await;
        }));
        let backs_off = |entry: &ScheduleEntry| matches!(entry.state, ScheduleState::BackingOff { .. });
        let schedule = bed
            .until("one done, one backing off", |schedule| {
                schedule.iter().all(|entry| backs_off(entry) || is_done(entry))
            })
            .await;
        stop.send(()).unwrap();
        worker.await.unwrap().unwrap();
        for entry in &schedule {
            if entry.binding.connection() == "good" {
                assert_eq!((entry.failed_attempts, &entry.last_error), (0, &None), "{}", bed.test.name);
                let remark = entry.remark.as_deref().unwrap();
                assert!(remark.starts_with("no scan was started: Tenant cannot start scans"), "{remark}");
            } else {
                assert_eq!(entry.failed_attempts, 1, "{}: one attempt, then a pause", bed.test.name);
                let error = entry.last_error.as_deref().unwrap();
                let opened = entry.binding.connection() == "panics";
                let why = if opened { "the listing had no pages" } else { "the token file is missing" };
                assert!(error.contains("panicked") == opened && error.contains(why), "{error}");
            }
        }
        let events = bed.test.store.claim("tickets", Timestamp::now(), Duration::ZERO, 1000).await.unwrap();
        let of = |kind: EventKind, text: &str| {
            events.iter().filter(|message| message.kind == kind && message.payload.contains(text)).count()
        };
        assert_eq!(of(EventKind::ImportFailed, "the listing had no pages"), 1, "{events:?}");
        assert_eq!(of(EventKind::ImportFailed, "the token file is missing"), 1, "{events:?}");
        assert_eq!(of(EventKind::ImportFailed, ""), 2, "{events:?}");
        assert_eq!(of(EventKind::ScanCompleted, "\"remarks\":[\"no scan was started"), 1, "{events:?}");
    }
}
