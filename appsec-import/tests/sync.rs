//! Polling with a watermark, and hints that make a binding due; by a worker in this process.
#![cfg(feature = "worker")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use appsec_core::{
    BindTargetId, Coverage, CoverageGap, DastApiScanner, Error, ErrorKind, FindingQuery, GapKind, Result,
    Severity, Timestamp,
};
use appsec_import::schedule::{
    RunKind, Schedule, ScheduleEntry, ScheduleState, ScheduledBinding, Worker, WorkerOptions,
};
use appsec_import::{Binding, ScanConfiguration, Store};

use support::{Script, ScriptedScanner, TestStore, all, finding, stores};

fn complete() -> Script {
    Script::conclusive(vec![vec![finding("p", "/1", Some("1"))], vec![finding("p", "/2", Some("2"))]], &["p"])
}

fn broken() -> Script {
    Script { fails_after: Some(1), ..complete() }
}

fn with_gap() -> Script {
    let mut walk = complete();
    if let Some(end) = &mut walk.end {
        end.add_gap(CoverageGap::new(GapKind::Record, "a page is missing"));
    }
    walk
}

fn binding(run: RunKind) -> ScheduledBinding {
    let binding = Binding::new("shop", "memory", ScanConfiguration::new("app:shop"));
    // Once a year, so that every run is one that the test asked for.
    ScheduledBinding::new("shop", binding, Schedule::cron("@yearly", "UTC").unwrap())
        .with_connection("eu")
        .with_run(run)
}

/// A store, and a worker on it that reads from a scanner of this process.
struct Bench {
    test: TestStore,
    queries: Arc<Mutex<Vec<FindingQuery>>>,
    stop: tokio::sync::oneshot::Sender<()>,
    worker: tokio::task::JoinHandle<Result<()>>,
}

impl Bench {
    async fn start(test: TestStore, scripts: Vec<Script>, bindings: &[ScheduledBinding]) -> Self {
        test.store.apply_schedule(bindings, Timestamp::now()).await.unwrap();
        let scanner = ScriptedScanner::new(scripts);
        let queries = Arc::clone(&scanner.queries);
        let scanner: Arc<dyn DastApiScanner> = Arc::new(scanner);
        let connections = move |name: &str| match name {
            "eu" => Ok(Arc::clone(&scanner)),
            _ => Err(Error::new(ErrorKind::Config, format!("no connection has the name {name:?}"))),
        };
        let wait = Duration::from_millis(20);
        let options = WorkerOptions::new().with_poll_interval(wait).with_backoff(wait, wait);
        let worker = Worker::new(test.store.clone(), connections, options).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let worker = tokio::spawn(worker.run(stopped));
        Self { test, queries, stop, worker }
    }

    async fn entry(&self) -> ScheduleEntry {
        self.test.store.schedule(Timestamp::now()).await.unwrap().remove(0)
    }

    async fn until(&self, is: impl Fn(&ScheduleEntry) -> bool) -> ScheduleEntry {
        let begun = Instant::now();
        loop {
            let entry = self.entry().await;
            if is(&entry) {
                return entry;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{}: {entry:?}", self.test.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs the binding, and returns when its import started.
    async fn run(&self) -> Timestamp {
        let before = self.entry().await.ended_at;
        self.test.store.run_now("shop", Timestamp::now()).await.unwrap();
        self.until(|entry| entry.state == ScheduleState::Waiting && entry.ended_at != before).await;
        let run = self.test.store.last_run(&binding(RunKind::Sync).binding).await.unwrap().unwrap();
        Timestamp::from_millisecond(run.started_at.as_millisecond()).unwrap()
    }

    /// The watermarks of the queries; each query reaches back a week further.
    fn asked_since(&self) -> Vec<Option<Timestamp>> {
        let week = Duration::from_hours(7 * 24);
        self.queries.lock().unwrap().iter().map(|query| query.seen_since.map(|at| at + week)).collect()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.worker.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_advances_only_over_complete_and_concluded_imports() {
    for test in stores().await {
        let scripts = vec![complete(), complete(), broken(), complete(), with_gap(), complete()];
        let bench = Bench::start(test, scripts, &[binding(RunKind::Sync)]).await;
        // Everything, then what changed since.
        let first = bench.run().await;
        let second = bench.run().await;
        assert_eq!(bench.asked_since(), [None, Some(first)]);
        // A failed import is resumed, and asks for the same time.
        let third = bench.run().await;
        assert_eq!(bench.asked_since()[2..], [Some(second), Some(second)]);
        // A partial import does not move the watermark.
        bench.run().await;
        bench.run().await;
        assert_eq!(bench.asked_since()[4..], [Some(third), Some(third)]);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_asks_for_everything_every_time() {
    for test in stores().await {
        let bench = Bench::start(test, vec![complete()], &[binding(RunKind::Import)]).await;
        bench.run().await;
        bench.run().await;
        assert_eq!(bench.asked_since(), [None, None]);
        assert_eq!(all(&bench.test.store, &binding(RunKind::Import).binding).await.len(), 2);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_examined_nothing_is_not_complete() {
    for test in stores().await {
        let nothing = Script { end: Some(Coverage::new()), ..Script::default() };
        let bench = Bench::start(test, vec![nothing, complete()], &[binding(RunKind::Sync)]).await;
        bench.run().await;
        assert_eq!(bench.entry().await.complete_at, None, "{}", bench.test.name);
        bench.run().await;
        assert!(bench.entry().await.complete_at.is_some(), "{}", bench.test.name);
        assert_eq!(bench.asked_since(), [None, None], "{}", bench.test.name);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_filter_resets_the_watermark() {
    for test in stores().await {
        let bench = Bench::start(test, vec![complete()], &[binding(RunKind::Sync)]).await;
        bench.run().await;
        let narrow = binding(RunKind::Sync).with_severities([Severity::High]);
        let changes = bench.test.store.apply_schedule(&[narrow], Timestamp::now()).await.unwrap();
        assert_eq!(changes.changed, ["shop"]);
        bench.run().await;
        assert_eq!(bench.asked_since(), [None, None]);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_makes_only_the_bindings_due_that_poll_the_target() {
    for test in stores().await {
        let mut import = binding(RunKind::Import);
        import.name = "import".to_owned();
        let bench = Bench::start(test, vec![complete()], &[binding(RunKind::Sync), import]).await;
        let store = &bench.test.store;
        let hint = |connection: &'static str, target: &'static str| async move {
            store.hint(connection, &BindTargetId::from(target), Timestamp::now()).await.unwrap()
        };
        assert_eq!(hint("us", "app:shop").await, 0);
        assert_eq!(hint("eu", "app:mail").await, 0);
        assert_eq!(bench.asked_since(), []);
        assert_eq!(hint("eu", "app:shop").await, 1);
        let schedule = loop {
            let schedule = store.schedule(Timestamp::now()).await.unwrap();
            if schedule[1].complete_at.is_some() {
                break schedule;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(schedule[0].binding.name, "import");
        assert_eq!(schedule[0].ended_at, None, "the import waits for its own time");
        assert!(schedule[1].due_at.unwrap() > Timestamp::now());
        assert_eq!(bench.asked_since(), [None]);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_connection_delays_the_binding() {
    for test in stores().await {
        let mut strange = binding(RunKind::Import);
        strange.connection = "mars".to_owned();
        let bench = Bench::start(test, vec![complete()], &[strange]).await;
        bench.test.store.run_now("shop", Timestamp::now()).await.unwrap();
        let entry = bench.until(|entry| entry.failed_attempts > 1).await;
        assert!(entry.last_error.unwrap().contains("mars"));
        bench.end().await;
    }
}
