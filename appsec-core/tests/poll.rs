//! Watching a scan: its ends, the polls that fail, the pauses. On a paused clock, so that hours pass at
//! once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::unnecessary_wraps, reason = "each line of a script is a result")]

use std::error::Error as _;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetQuery, BoxStream, ConnectionReport, DastApiScanner,
    DastApiScannerExt, Error, ErrorKind, ErrorOrigin, FindingEvent, FindingQuery, Result, Scan, ScanId,
    ScanProblem, ScanProblemKind, ScanRequest, ScanStatus, ScannerInfo, Watch, async_trait,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::Instant;

/// A scanner that returns the results of a script for a scan, one per call. The last result is repeated.
#[derive(Debug)]
struct Script {
    lines: Vec<fn() -> Result<Scan>>,
    looks: AtomicUsize,
    memory: MemoryScanner,
}

impl Script {
    fn new(lines: &[fn() -> Result<Scan>]) -> Self {
        Self { lines: lines.to_vec(), looks: AtomicUsize::new(0), memory: MemoryScanner::new() }
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl DastApiScanner for Script {
    fn info(&self) -> &ScannerInfo {
        self.memory.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.memory.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.memory.bind_targets(query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.memory.findings(query)
    }

    async fn scan(&self, _: &ScanId) -> Result<Scan> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        self.lines[look.min(self.lines.len() - 1)]()
    }
}

fn state(status: impl Into<ScanStatus>) -> Scan {
    Scan::new("s", status.into())
}

fn running() -> Result<Scan> {
    Ok(state(ScanStatus::Running))
}

fn completed() -> Result<Scan> {
    Ok(state(ScanStatus::Completed))
}

fn aborted() -> Result<Scan> {
    let problem = ScanProblem::new(ScanProblemKind::TargetUnreachable, "shop.example.com does not answer");
    Ok(state(ScanStatus::Aborted).with_problem(problem))
}

fn down() -> Result<Scan> {
    Err(Error::new(ErrorKind::Server, "503"))
}

fn missing() -> Result<Scan> {
    Err(Error::new(ErrorKind::NotFound, "404"))
}

fn id() -> ScanId {
    ScanId::new("s")
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[tokio::test(start_paused = true)]
async fn a_scan_is_watched_until_it_has_completed() {
    let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop"));
    let started = scanner.start_scan(&ScanRequest::new("app:shop")).await.unwrap().into_scan();
    let began = Instant::now();
    let ended = scanner.watch(&started.id).every(minutes(1)).await.unwrap();
    assert_eq!(ended.status, ScanStatus::Completed);
    assert_eq!(began.elapsed(), minutes(2), "at once, and twice after a pause");
}

#[tokio::test(start_paused = true)]
async fn a_watch_works_through_a_trait_object() {
    let scanner: Arc<dyn DastApiScanner> = Arc::new(Script::new(&[running, completed]));
    assert_eq!(scanner.watch(&id()).await.unwrap().status, ScanStatus::Completed);
    let scanner: &dyn DastApiScanner = &*scanner;
    assert_eq!(scanner.watch(&id()).await.unwrap().status, ScanStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_failed_is_an_error_with_its_last_state_and_the_reason() {
    let scanner = Script::new(&[running, aborted]);
    let error = scanner.watch(&id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ScanFailed);
    assert_eq!(error.scan().unwrap().status, ScanStatus::Aborted);
    assert_eq!(error.message(), "scan s ended as aborted: shop.example.com does not answer");

    let canceled = Script::new(&[|| Ok(state(ScanStatus::Canceled))]);
    let error = canceled.watch(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::ScanFailed, "scan s ended as canceled: no reason given")
    );
}

#[tokio::test(start_paused = true)]
async fn the_reason_may_be_that_of_a_child() {
    let scanner = Script::new(&[|| Ok(state(ScanStatus::Aborted).with_child(aborted()?))]);
    let error = scanner.watch(&id()).await.unwrap_err();
    assert!(error.message().ends_with("shop.example.com does not answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_says_how_long_how_often_and_what_was_seen_last() {
    let scanner = Script::new(&[running]);
    let began = Instant::now();
    let error = scanner.watch(&id()).every(minutes(1)).deadline(Duration::from_secs(150)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.message(), "scan s had not ended after 150 s and 3 polls; it is still running");
    assert_eq!(error.scan().unwrap().status, ScanStatus::Running);
    assert!(error.source().is_none());
    assert_eq!(began.elapsed(), Duration::from_secs(150), "neither earlier nor later");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_under_trouble_names_the_trouble() {
    let scanner = Script::new(&[down]);
    let error = scanner.watch(&id()).every(minutes(1)).deadline(minutes(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.source().unwrap().to_string(), "server fault: 503");
    assert!(error.scan().is_none());
}

/// A scanner whose every look at a scan hangs.
#[derive(Debug)]
struct Hanging(MemoryScanner);

#[async_trait]
impl DastApiScanner for Hanging {
    fn info(&self) -> &ScannerInfo {
        self.0.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.0.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.0.bind_targets(query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.0.findings(query)
    }

    async fn scan(&self, _: &ScanId) -> Result<Scan> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_hangs_meets_the_deadline() {
    let began = Instant::now();
    let error = Hanging(MemoryScanner::new()).watch(&id()).deadline(minutes(5)).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Deadline, minutes(5)));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_hangs_meets_its_own_limit_first() {
    let began = Instant::now();
    let error = Hanging(MemoryScanner::new()).watch(&id()).poll_limit(minutes(10)).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Deadline, minutes(10)));
    assert!(error.message().contains("did not answer for 600 s"), "{error}");
    assert_ne!(error.origin(), ErrorOrigin::Watch, "it says nothing about the scan");
}

#[tokio::test(start_paused = true)]
async fn passing_faults_are_ridden_out_and_a_success_forgives_them() {
    let offline: fn() -> Result<Scan> = || Err(Error::new(ErrorKind::Transport, "connection reset"));
    let limited: fn() -> Result<Scan> = || Err(Error::new(ErrorKind::RateLimited, "429"));
    let scanner = Script::new(&[down, offline, running, limited, down, completed]);
    assert!(scanner.watch(&id()).max_failed_polls(2).await.is_ok());
    assert_eq!(scanner.looks(), 6);
}

#[tokio::test(start_paused = true)]
async fn one_failed_poll_too_many_ends_the_watch() {
    let scanner = Script::new(&[running, down]);
    let error = scanner.watch(&id()).max_failed_polls(2).await.unwrap_err();
    assert_eq!(
        (error.kind(), scanner.looks()),
        (ErrorKind::Server, 4),
        "one good, two tolerated, one too many"
    );

    let scanner = Script::new(&[down, completed]);
    assert_eq!(scanner.watch(&id()).max_failed_polls(0).await.unwrap_err().kind(), ErrorKind::Server);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_ends_the_watch_at_once() {
    let refused: fn() -> Result<Scan> = || Err(Error::new(ErrorKind::Auth, "401"));
    let scanner = Script::new(&[running, refused]);
    assert_eq!(scanner.watch(&id()).await.unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(scanner.looks(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_is_not_visible_yet_is_waited_for_and_one_that_vanishes_is_not() {
    let scanner = Script::new(&[missing, missing, running, completed]);
    assert!(scanner.watch(&id()).await.is_ok());

    let scanner = Script::new(&[running, missing]);
    let error = scanner.watch(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::NotFound, ErrorOrigin::Watch));
    assert_eq!(scanner.looks(), 4, "it was there before, and three in a row say that it is gone");

    let scanner = Script::new(&[missing]);
    let error = scanner.watch(&id()).visible_within(Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::NotFound, ErrorOrigin::Watch));
    assert_eq!(scanner.looks(), 3, "it was there before the watch");

    let scanner = Script::new(&[running, missing, missing, running, missing, completed]);
    assert!(scanner.watch(&id()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_patience_for_a_scan_that_is_not_visible_is_a_time_and_not_a_number_of_polls() {
    for (limit, every, expected) in [
        (None, Duration::from_secs(1), minutes(2)),
        (None, Duration::from_secs(30), minutes(2)),
        (Some(minutes(10)), Duration::from_secs(30), minutes(10)),
    ] {
        let began = Instant::now();
        let scanner = Script::new(&[missing]);
        let watch = scanner.watch(&id()).every(every).max_failed_polls(1);
        let watch = limit.into_iter().fold(watch, Watch::visible_within);
        let error = watch.await.unwrap_err();
        assert_eq!((error.kind(), error.origin()), (ErrorKind::Deadline, ErrorOrigin::Watch));
        assert_eq!((began.elapsed(), error.scan()), (expected, None));
        assert!(error.message().contains("not visible"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_the_server_lengthens_the_pause_and_never_shortens_it() {
    let later: fn() -> Result<Scan> =
        || Err(Error::new(ErrorKind::RateLimited, "429").with_retry_after(Duration::from_secs(600)));
    let began = Instant::now();
    assert!(Script::new(&[later, completed]).watch(&id()).every(minutes(1)).await.is_ok());
    assert_eq!(began.elapsed(), minutes(10));

    let sooner: fn() -> Result<Scan> =
        || Err(Error::new(ErrorKind::RateLimited, "429").with_retry_after(Duration::from_secs(1)));
    let began = Instant::now();
    assert!(Script::new(&[sooner, completed]).watch(&id()).every(minutes(1)).await.is_ok());
    assert_eq!(began.elapsed(), minutes(1));
}

#[tokio::test(start_paused = true)]
async fn an_absurd_hint_ends_in_the_deadline_and_not_in_a_panic() {
    let never: fn() -> Result<Scan> =
        || Err(Error::new(ErrorKind::RateLimited, "429").with_retry_after(Duration::MAX));
    let error = Script::new(&[never]).watch(&id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn no_deadline_and_no_pause_can_be_too_long() {
    let scanner = Script::new(&[running, completed]);
    assert!(scanner.watch(&id()).every(Duration::MAX).deadline(Duration::MAX).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_is_not_an_end() {
    let scanner = Script::new(&[|| Ok(state("HIBERNATING")), || Ok(state("HIBERNATING")), completed]);
    assert_eq!(scanner.watch(&id()).await.unwrap().status, ScanStatus::Completed);

    let scanner = Script::new(&[|| Ok(state("HIBERNATING"))]);
    let error = scanner.watch(&id()).every(minutes(1)).deadline(minutes(10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.scan().unwrap().status, ScanStatus::Unknown("HIBERNATING".into()));
}

#[tokio::test(start_paused = true)]
async fn no_pause_is_shorter_than_a_second() {
    let began = Instant::now();
    assert!(Script::new(&[running, running, completed]).watch(&id()).every(Duration::ZERO).await.is_ok());
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn updates_are_changes_and_nothing_else() {
    let further: fn() -> Result<Scan> = || Ok(running()?.with_percent(80));
    let queued: fn() -> Result<Scan> = || Ok(state(ScanStatus::Queued));
    let scanner = Script::new(&[queued, queued, running, down, running, further, completed]);
    let updates: Vec<_> = scanner.watch(&id()).updates().try_collect().await.unwrap();
    let seen: Vec<_> = updates.iter().map(|scan| (scan.status.as_str(), scan.percent)).collect();
    assert_eq!(seen, [("queued", None), ("running", None), ("running", Some(80)), ("completed", None)]);
    assert_eq!(scanner.looks(), 7);
}

#[tokio::test(start_paused = true)]
async fn updates_end_after_an_error() {
    let scanner = Script::new(&[running, aborted]);
    let mut updates = scanner.watch(&id()).updates();
    assert_eq!(updates.next().await.unwrap().unwrap().status, ScanStatus::Running);
    assert_eq!(updates.next().await.unwrap().unwrap_err().kind(), ErrorKind::ScanFailed);
    assert!(updates.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_dropped_polls_no_more() {
    let scanner = Arc::new(Script::new(&[running]));
    let watched = Arc::clone(&scanner);
    let watch = async move { watched.watch(&id()).every(minutes(1)).await };
    assert!(tokio::time::timeout(Duration::from_secs(90), watch).await.is_err());
    let looks = scanner.looks();
    assert_eq!(looks, 2);
    tokio::time::sleep(minutes(60)).await;
    assert_eq!(scanner.looks(), looks);
    assert_eq!(Arc::strong_count(&scanner), 1, "nothing holds the scanner");

    let updates = scanner.watch(&id()).updates();
    drop(updates);
    assert_eq!(scanner.looks(), looks, "a stream that is not polled sends nothing");
}
