//! The importer on each store: bad input, empty lists, filters, resuming, fencing tokens, dry runs and
//! explanations.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "suites/outbox.rs"]
mod outbox_suite;
mod support;

use std::sync::Arc;
use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage,
    CoverageGap, DastApiScanner, ErrorKind, FindingBatch, FindingEvent, FindingQuery, FindingStatus, GapKind,
    Result, ResumePoint, Scan, ScanId, ScanRequest, ScannerInfo, Severity, StartedScan, async_trait,
};
use appsec_import::outbox::{Outbox, Subscription};
use appsec_import::reconcile::{Change, State};
use appsec_import::store::RunRequest;
use appsec_import::{Binding, EmptyReason, ImportOptions, Importer, ScanConfiguration, SqlStore, Store};
use tokio::sync::Notify;

use support::{Script, ScriptedScanner, all, at, binding, finding, stores};

fn importer(scanner: &ScriptedScanner, store: &SqlStore) -> Importer {
    Importer::new(Arc::new(scanner.clone()), Arc::new(store.clone()))
}

fn options(second: i64) -> ImportOptions {
    ImportOptions::new().with_started_at(at(second))
}

#[tokio::test]
async fn a_repeated_page_changes_nothing() {
    for test in stores().await {
        let page = vec![finding("p", "/a", Some("1")), finding("p", "/b", Some("2"))];
        let scanner =
            ScriptedScanner::new([Script::conclusive(vec![page.clone(), page.clone(), page], &["p"])]);
        let import = importer(&scanner, &test.store).run(&binding("x"), &options(0)).await.unwrap();
        assert_eq!((import.summary.new, import.received), (2, 6), "{}", test.name);
        let import = importer(&scanner, &test.store).run(&binding("x"), &options(60)).await.unwrap();
        assert_eq!((import.summary.new, import.summary.recurrent), (0, 2), "{}", test.name);
    }
}

#[tokio::test]
async fn a_finding_with_two_statuses_gets_the_more_open_state() {
    for test in stores().await {
        let open = finding("p", "/a", Some("1"));
        let mut fixed = open.clone();
        fixed.status = Some(FindingStatus::Fixed);
        for (name, pair) in [("open first", [open.clone(), fixed.clone()]), ("fixed first", [fixed, open])] {
            // In two batches, so that the second is merged with the first in the store.
            let batches = pair.into_iter().map(|finding| vec![finding]).collect();
            let scanner = ScriptedScanner::new([Script::conclusive(batches, &["p"])]);
            importer(&scanner, &test.store).run(&binding(name), &options(0)).await.unwrap();
            let known = all(&test.store, &binding(name)).await;
            assert_eq!(known.len(), 1, "{} {name}", test.name);
            assert_eq!(known[0].state, State::Open, "{} {name}", test.name);
        }
    }
}

#[tokio::test]
async fn a_total_that_changes_while_reading_changes_no_transition() {
    for test in stores().await {
        let batches = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
        let mut script = Script::conclusive(batches, &["p"]);
        script.totals = vec![40, 1];
        let scanner = ScriptedScanner::new([script, Script::conclusive(vec![vec![]], &["p"])]);
        let import = importer(&scanner, &test.store).run(&binding("x"), &options(0)).await.unwrap();
        assert_eq!(import.summary.new, 2, "{}: the end counts, not the total", test.name);
        let import = importer(&scanner, &test.store).run(&binding("x"), &options(60)).await.unwrap();
        assert_eq!(import.summary.closed, 2, "{}", test.name);
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_its_end_changes_nothing_and_is_resumed() {
    for test in stores().await {
        let whole = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
        let mut dies = Script::conclusive(whole.clone(), &["p"]);
        dies.end = None;
        let mut breaks = Script::conclusive(whole.clone(), &["p"]);
        breaks.fails_after = Some(1);
        for (name, broken, kind) in
            [("dies", dies, ErrorKind::Unexpected), ("breaks", breaks, ErrorKind::Server)]
        {
            let scanner = ScriptedScanner::new([broken, Script::conclusive(whole.clone(), &["p"])]);
            let importer = importer(&scanner, &test.store);
            let error = importer.run(&binding(name), &options(0)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{} {name}", test.name);
            assert!(
                all(&test.store, &binding(name)).await.is_empty(),
                "{} {name}: nothing is decided",
                test.name
            );
            let import = importer.run(&binding(name), &options(60)).await.unwrap();
            assert_eq!((import.run, import.summary.new), (1, 2), "{} {name}", test.name);
            assert!(import.resumed, "{} {name}", test.name);
            assert!(scanner.queries.lock().unwrap()[1].resume.is_some(), "{} {name}", test.name);
            assert_eq!(
                all(&test.store, &binding(name)).await[0].last_seen,
                at(0),
                "the run is of its beginning"
            );
        }
    }
}

#[tokio::test]
async fn a_resumed_run_closes_what_an_undisturbed_one_would() {
    for test in stores().await {
        let first = vec![vec![finding("p", "/a", None)], vec![finding("p", "/gone", None)]];
        let then = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
        let mut broken = Script::conclusive(then.clone(), &["p"]);
        broken.fails_after = Some(1);
        let scripts = [Script::conclusive(first, &["p"]), broken, Script::conclusive(then, &["p"])];
        let scanner = ScriptedScanner::new(scripts);
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &options(0)).await.unwrap();
        importer.run(&binding("x"), &options(60)).await.unwrap_err();
        let import = importer.run(&binding("x"), &options(120)).await.unwrap();
        assert_eq!((import.summary.closed, import.summary.kept_open_count()), (1, 0), "{}", test.name);
        let resumes: Vec<_> =
            scanner.queries.lock().unwrap().iter().map(|query| query.resume.is_some()).collect();
        assert_eq!(
            resumes,
            [false, false, true, false],
            "{}: resumed, then read from the beginning because of the absence",
            test.name
        );
    }
}

#[tokio::test]
async fn a_resumed_run_reads_again_what_the_dead_process_missed() {
    for test in stores().await {
        let whole =
            Script::conclusive(vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]], &["p"]);
        let gap = CoverageGap::new(GapKind::Record, "a record cannot be read");
        let breaks = Script { fails_after: Some(1), gaps: vec![gap.clone()], ..whole.clone() };
        let mut still = whole.clone();
        if let Some(end) = &mut still.end {
            end.add_gap(gap);
        }
        for (name, last, gaps) in [("mended", whole.clone(), 0), ("still", still, 1)] {
            // The second process fails as well, and reports no gap of its own.
            let again = Script { fails_after: Some(1), ..whole.clone() };
            let scanner = ScriptedScanner::new([breaks.clone(), again, whole.clone(), last]);
            let importer = importer(&scanner, &test.store);
            for _ in 0..2 {
                importer.run(&binding(name), &options(0)).await.unwrap_err();
            }
            let import = importer.run(&binding(name), &options(60)).await.unwrap();
            assert_eq!((import.resumed, import.gaps.len()), (false, gaps), "{} {name}", test.name);
            assert_eq!(import.completeness.is_complete(), gaps == 0, "{} {name}", test.name);
            let resumes: Vec<_> =
                scanner.queries.lock().unwrap().iter().map(|query| query.resume.is_some()).collect();
            assert_eq!(resumes, [false, true, true, false], "{} {name}", test.name);
        }
    }
}

#[tokio::test]
async fn a_deleted_scan_fails_one_run_and_not_the_binding() {
    for test in stores().await {
        let can = Capabilities::none().with_findings_by_scan(true).with_findings_by_target(true);
        let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop")).with_finding(
            MemoryScanner::finding("app:shop", "SQL injection", Severity::High, "https://shop.example.com/"),
        );
        let run = test.store.begin_run(&binding("x"), &RunRequest::new(at(0))).await.unwrap();
        test.store.set_scan(&run, Some(&"deleted".into())).await.unwrap();
        test.store.release_run(&run).await.unwrap();
        let importer = Importer::new(Arc::new(scanner.with_capabilities(can)), Arc::new(test.store.clone()));
        let error = importer.run(&binding("x"), &options(60)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", test.name);
        let import = importer.run(&binding("x"), &options(120)).await.unwrap();
        assert_eq!((import.summary.new, import.scan), (1, None), "{}", test.name);
    }
}

#[tokio::test]
async fn an_expired_resume_point_starts_over() {
    for test in stores().await {
        let mut broken = Script::conclusive(vec![vec![finding("p", "/old", None)], vec![]], &["p"]);
        broken.fails_after = Some(1);
        let whole = Script::conclusive(vec![vec![finding("p", "/new", None)]], &["p"]);
        let mut scanner = ScriptedScanner::new([broken, whole]);
        scanner.resume_expires = true;
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &options(0)).await.unwrap_err();
        let import = importer.run(&binding("x"), &options(60)).await.unwrap();
        assert_eq!((import.summary.new, import.resumed), (1, false), "{}", test.name);
        assert!(
            all(&test.store, &binding("x")).await[0].place.contains("/new"),
            "two snapshots are never mixed"
        );
    }
}

#[tokio::test]
async fn a_run_that_was_left_long_ago_starts_over() {
    for test in stores().await {
        for (name, later, resumed) in [("soon", 6 * 3_600, true), ("late", 6 * 3_600 + 1, false)] {
            let batches = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
            let whole = Script::conclusive(batches, &["p"]);
            let scanner = ScriptedScanner::new([Script { fails_after: Some(1), ..whole.clone() }, whole]);
            let importer = importer(&scanner, &test.store);
            importer.run(&binding(name), &options(0)).await.unwrap_err();
            let import = importer.run(&binding(name), &options(later)).await.unwrap();
            assert_eq!((import.resumed, import.summary.new), (resumed, 2), "{} {name}", test.name);
        }
    }
}

#[tokio::test]
async fn another_query_does_not_resume_what_was_staged() {
    for test in stores().await {
        let batches = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
        let mut broken = Script::conclusive(batches.clone(), &["p"]);
        broken.fails_after = Some(1);
        let scanner = ScriptedScanner::new([broken, Script::conclusive(batches, &["p"])]);
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &options(0)).await.unwrap_err();
        let filtered = options(60).with_severities([Severity::Critical]);
        let import = importer.run(&binding("x"), &filtered).await.unwrap();
        assert_eq!((import.summary.new, import.empty), (0, Some(EmptyReason::Filtered)), "{}", test.name);
    }
}

#[tokio::test]
async fn a_severity_filter_closes_nothing_by_absence() {
    for test in stores().await {
        let scanner =
            ScriptedScanner::new([Script::conclusive(vec![vec![finding("p", "/a", None)]], &["p"])]);
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &options(0)).await.unwrap();
        let filtered = options(60).with_severities([Severity::Critical]);
        let import = importer.run(&binding("x"), &filtered).await.unwrap();
        assert_eq!((import.summary.closed, import.summary.kept_open_count()), (0, 1), "{}", test.name);
        assert_eq!(import.summary.kept_open[0].reason, "the query was filtered by severity");
    }
}

#[tokio::test]
async fn an_empty_import_says_why() {
    let gap = |kind, message: &str| {
        let mut coverage = Coverage::new();
        coverage.add_gap(CoverageGap::new(kind, message));
        coverage
    };
    let vouching = Script::conclusive(vec![], &["p"]).end.unwrap();
    let cases = [
        (vouching, EmptyReason::NothingFound),
        (Coverage::new(), EmptyReason::NothingExamined),
        (gap(GapKind::NeverScanned, "never"), EmptyReason::NeverScanned),
        (gap(GapKind::NotInInventory, "not listed"), EmptyReason::NotInInventory),
        (gap(GapKind::Chunk, "chunk 2 failed"), EmptyReason::Incomplete("chunk 2 failed".to_owned())),
    ];
    for test in stores().await {
        for (coverage, reason) in &cases {
            let scanner = ScriptedScanner::new([Script { end: Some(coverage.clone()), ..Script::default() }]);
            let import = importer(&scanner, &test.store).run(&binding("x"), &options(0)).await.unwrap();
            assert_eq!(import.empty.as_ref(), Some(reason), "{}", test.name);
            assert!(import.to_string().contains(&reason.to_string()));
        }
    }
}

#[tokio::test]
async fn a_target_that_is_not_listed_closes_nothing() {
    for test in stores().await {
        let scanner = ScriptedScanner::new([Script::conclusive(vec![], &["p"])]);
        let binding = Binding::new("x", "memory", ScanConfiguration::new("app:gone"));
        let import = importer(&scanner, &test.store).run(&binding, &options(0)).await.unwrap();
        assert_eq!(import.empty, Some(EmptyReason::TargetMissing), "{}", test.name);
        assert_eq!(import.gaps.len(), 1, "{}", test.name);
    }
}

#[tokio::test]
async fn a_dry_run_of_a_partial_import_says_what_would_happen() {
    for test in stores().await {
        let first = (0..40).map(|number| finding("p", &format!("/{number}"), None)).collect();
        let mut limited = Script::conclusive(vec![vec![finding("q", "/new", None)]], &["p", "q"]);
        let gap = CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit").with_partition("p");
        limited.end.as_mut().unwrap().add_gap(gap);
        let scanner = ScriptedScanner::new([Script::conclusive(vec![first], &["p"]), limited]);
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &options(0)).await.unwrap();
        let dry = importer.run(&binding("x"), &options(60).with_dry_run(true)).await.unwrap();
        let said = "would open 1, close 0, reopen 0, find 0 again\n\
                    would not close 40 of shop.example.com: the scan hit its time limit; nothing heard since 2026-09-21";
        assert_eq!(dry.to_string(), said, "{}", test.name);
        assert_eq!(all(&test.store, &binding("x")).await.len(), 40, "{}", test.name);
    }
}

#[tokio::test]
async fn a_finding_is_explained_run_by_run() {
    for test in stores().await {
        let seen = vec![vec![finding("p", "/a", None)]];
        let inconclusive = Script { end: Some(Coverage::new()), ..Script::default() };
        let scanner = ScriptedScanner::new([
            Script::conclusive(seen.clone(), &["p"]),
            Script::conclusive(seen.clone(), &["p"]),
            inconclusive.clone(),
            inconclusive,
            Script::conclusive(vec![], &["p"]),
            Script::conclusive(vec![], &["p"]),
            Script::conclusive(seen, &["p"]),
        ]);
        for run in 0..7 {
            importer(&scanner, &test.store).run(&binding("x"), &options(run * 60)).await.unwrap();
        }
        let known = all(&test.store, &binding("x")).await;
        let explanation = test.store.explain(&binding("x"), &known[0].fingerprint).await.unwrap().unwrap();
        let changes: Vec<_> = explanation.history.iter().map(|entry| entry.change).collect();
        let expected = [
            Change::New,
            Change::Recurrent,
            Change::KeptOpen,
            Change::KeptOpen,
            Change::Closed,
            Change::Unchanged,
            Change::Reopened,
        ];
        assert_eq!(changes, expected, "{}", test.name);
        let text = explanation.to_string();
        assert!(
            text.contains(
                "run 4 at 2026-09-21T14:16:20Z: not closed, open: not examined: p was not part of this run"
            ),
            "{text}"
        );
        assert!(text.ends_with("now open"), "{text}");
        assert!(test.store.explain(&binding("y"), &known[0].fingerprint).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_binding_is_imported_by_one_process_at_a_time_and_a_stale_one_writes_nothing() {
    for test in stores().await {
        let store = &test.store;
        let stale = store.begin_run(&binding("x"), &RunRequest::new(at(0))).await.unwrap();
        let error = store.begin_run(&binding("x"), &RunRequest::new(at(1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}", test.name);
        let request = RunRequest::new(at(1)).with_take_over(true);
        let run = store.begin_run(&binding("x"), &request).await.unwrap();
        assert_eq!((run.number, run.started_at), (stale.number, at(0)), "{}", test.name);

        let batch =
            FindingBatch::new(vec![finding("p", "/a", None)], ResumePoint::new("memory", &1).unwrap());
        let query = FindingQuery::all();
        for error in [
            store.renew_lease(&stale).await.unwrap_err(),
            store.restart_staging(&stale, &query).await.unwrap_err(),
            store.stage(&stale, &batch).await.unwrap_err(),
            store.preview(&stale, &Coverage::new()).await.unwrap_err(),
            store.conclude(&stale, &Coverage::new(), &[]).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{}", test.name);
        }
        store.restart_staging(&run, &query).await.unwrap();
        store.stage(&run, &batch).await.unwrap();
        store.release_run(&stale).await.unwrap();
        store.conclude(&run, &Coverage::new(), &[]).await.unwrap();
        assert_eq!(all(store, &binding("x")).await.len(), 1, "{}", test.name);
        let error = store.conclude(&run, &Coverage::new(), &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}: it has ended", test.name);
    }
}

#[tokio::test]
async fn a_slow_scanner_does_not_lose_its_lease() {
    for test in stores().await {
        let batches = vec![vec![finding("p", "/a", None)], vec![finding("p", "/b", None)]];
        let mut scanner = ScriptedScanner::new([Script::conclusive(batches, &["p"])]);
        scanner.pause = Duration::from_millis(1_500);
        let importer = importer(&scanner, &test.store);
        let slow = options(0).with_lease(Duration::from_secs(1));
        let (slow_binding, other_binding) = (binding("x"), binding("x"));
        let slow_run = importer.run(&slow_binding, &slow);
        let late = async {
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            test.store.begin_run(&other_binding, &RunRequest::new(at(1))).await
        };
        let (import, late) = tokio::join!(slow_run, late);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict, "{}", test.name);
        assert_eq!(import.unwrap().summary.new, 2, "{}", test.name);
    }
}

#[tokio::test]
async fn a_scan_is_started_watched_and_read() {
    for test in stores().await {
        let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop")).with_finding(
            MemoryScanner::finding("app:shop", "SQL injection", Severity::High, "https://shop.example.com/"),
        );
        let importer = Importer::new(Arc::new(scanner.clone()), Arc::new(test.store.clone()));
        let scan = options(0)
            .with_scan(true)
            .with_scan_poll_interval(Duration::from_secs(1))
            .with_scan_deadline(Duration::from_mins(1));
        let import = importer.run(&binding("x"), &scan).await.unwrap();
        assert_eq!((import.summary.new, import.scan.is_some()), (1, true), "{}", test.name);

        // From a scanner that cannot scan: the existing findings are read.
        let passive = scanner.with_capabilities(Capabilities::none().with_findings_by_target(true));
        let importer = Importer::new(Arc::new(passive), Arc::new(test.store.clone()));
        let import = importer.run(&binding("y"), &scan).await.unwrap();
        assert_eq!((import.summary.new, import.scan), (1, None), "{}", test.name);
    }
}

/// Responds late to a launch: the scan is running already, and its id is not known yet.
#[derive(Debug)]
struct LateAnswer {
    scanner: MemoryScanner,
    launched: Notify,
}

#[async_trait]
impl DastApiScanner for LateAnswer {
    fn info(&self) -> &ScannerInfo {
        self.scanner.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.scanner.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.scanner.bind_targets(query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.scanner.findings(query)
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let started = self.scanner.start_scan(request).await;
        self.launched.notify_one();
        tokio::time::sleep(Duration::from_millis(100)).await;
        started
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        self.scanner.scan(id).await
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_while_its_scan_is_launched_keeps_the_scan() {
    for test in stores().await {
        let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop"));
        let late = Arc::new(LateAnswer { scanner, launched: Notify::new() });
        let importer = Importer::new(Arc::clone(&late) as _, Arc::new(test.store.clone()));
        let error =
            importer.run_until(&binding("x"), &options(0).with_scan(true), late.launched.notified()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Deadline, "{}", test.name);
        let run = test.store.begin_run(&binding("x"), &RunRequest::new(at(60))).await.unwrap();
        assert!(run.scan.is_some(), "{}", test.name);
    }
}

#[tokio::test]
async fn messages_are_written_in_the_transaction_that_concludes_the_run() {
    for test in stores().await {
        let findings = (0..250).map(|number| finding("p", &format!("/{number}"), None)).collect();
        let scanner = ScriptedScanner::new([Script::conclusive(vec![findings], &["p"])]);
        let to = [Subscription::all_events("chat")];
        let dry = options(0).with_subscriptions(to.clone()).with_dry_run(true);
        importer(&scanner, &test.store).run(&binding("x"), &dry).await.unwrap();
        let now = at(100_000);
        let hold = Duration::from_mins(1);
        let waiting = Outbox::claim(&test.store, "chat", now, hold, 100).await;
        assert!(waiting.unwrap().is_empty(), "{}: a dry run tells nobody", test.name);
        importer(&scanner, &test.store).run(&binding("x"), &options(0).with_subscriptions(to)).await.unwrap();
        let messages = Outbox::claim(&test.store, "chat", now, hold, 100).await.unwrap();
        let mut kinds: Vec<_> = messages.iter().map(|message| message.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["finding.new", "finding.new", "finding.new", "scan.completed"], "{}", test.name);
    }
}

#[tokio::test]
async fn a_store_is_an_outbox() {
    for test in stores().await {
        outbox_suite::check(&test.store).await;
    }
}

#[tokio::test]
async fn texts_that_a_database_rejects_are_replaced_or_escaped() {
    for test in stores().await {
        let mut odd = finding("p\0'\"\\", "/ü?'--;\u{1F980}", Some("id\0\\u0000"));
        odd.severity = Severity::from("bad\0");
        let scanner = ScriptedScanner::new([Script::conclusive(vec![vec![odd]], &["p"])]);
        for run in 0..2 {
            let import =
                importer(&scanner, &test.store).run(&binding("it's \\"), &options(run)).await.unwrap();
            assert_eq!(import.summary.new + import.summary.recurrent, 1, "{}", test.name);
        }
        assert_eq!(all(&test.store, &binding("it's \\")).await.len(), 1, "{}", test.name);
    }
}

#[tokio::test]
async fn a_store_opens_twice_and_refuses_other_urls() {
    for test in stores().await {
        let (one, two) = tokio::join!(SqlStore::connect(&test.url), SqlStore::connect(&test.url));
        assert!(one.is_ok() && two.is_ok(), "{}", test.name);
    }
    let error = SqlStore::connect("mysql://root@localhost/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
