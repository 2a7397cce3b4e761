//! A scanner whose code panics, or that never answers, ends its own run and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage,
    DastApiScanner, Error, ErrorKind, Finding, FindingBatch, FindingEvent, FindingQuery, Fingerprint,
    Location, PartitionKey, Progress, Result, ResumePoint, Rule, Scan, ScanId, ScanMode, ScanRequest,
    ScanStatus, ScannerInfo, Severity, StartedScan, async_trait,
};
use appsec_import::decision::{Decision, Retirement};
use appsec_import::outbox::{BindingRef, Event, EventData, EventKind, Message, RunRef, Subscription};
use appsec_import::reconcile::{KnownFinding, Summary};
use appsec_import::store::{
    EndedRun, Explanation, FindingNumber, KnownBinding, KnownPartition, Page, ReportParts, Run, RunRequest,
    Staged, StoredFinding,
};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, Store, reconcile};
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

/// Where a scanner fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BindTargets,
    NextBindTargets,
    StartScan,
    Scan,
    Findings,
    NextFindings,
    Nowhere,
}

/// How it fails there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panics,
    NeverAnswers,
}

/// A scanner of two batches that fails at one place; before the second batch, where that is the place.
#[derive(Debug)]
struct Faulty {
    info: ScannerInfo,
    place: Mutex<Place>,
    fault: Fault,
    /// The pauses and progress of batches without findings that come before the second batch.
    waits: Vec<(Duration, Option<Progress>)>,
    resumed: Mutex<Vec<bool>>,
}

impl Faulty {
    fn new(place: Place, fault: Fault) -> Self {
        let can = Capabilities::none().with_findings_by_target(true).with_start_scan(true);
        Self {
            info: ScannerInfo::new("memory", "Faulty", ScanMode::Active, can),
            place: Mutex::new(place),
            fault,
            waits: Vec::new(),
            resumed: Mutex::default(),
        }
    }

    fn fails_at(&self, place: Place) -> bool {
        *self.place.lock().unwrap() == place
    }

    /// Panics here, if this is the place and the fault.
    fn panic_at(&self, place: Place) {
        assert!(
            !(self.fails_at(place) && self.fault == Fault::Panics),
            "the answer had no items; password=canary-7f3a"
        );
    }

    async fn fail_at(&self, place: Place) {
        self.panic_at(place);
        if self.fails_at(place) {
            std::future::pending::<()>().await;
        }
    }
}

fn finding(path: &str) -> Finding {
    let place = Location::from_url(format!("https://shop.example.com{path}"));
    let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
    let rule = Rule::new("r", "r").into();
    Finding::new("memory".into(), fingerprint, rule, Severity::High, place, PartitionKey::from("p"))
}

fn batch(number: usize, findings: Vec<Finding>) -> FindingBatch {
    FindingBatch::new(findings, ResumePoint::new("memory", &number).unwrap())
}

#[async_trait]
impl DastApiScanner for Faulty {
    fn info(&self) -> &ScannerInfo {
        &self.info
    }

    async fn test_connection(&self) -> ConnectionReport {
        ConnectionReport::new("memory", "memory:")
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.panic_at(Place::BindTargets);
        let (fails, fault) =
            (self.fails_at(Place::NextBindTargets) || self.fails_at(Place::BindTargets), self.fault);
        stream::once(async move {
            if fails {
                assert!(fault != Fault::Panics, "no page");
                std::future::pending::<()>().await;
            }
            Ok(BindTargetBatch::new(vec![BindTarget::new("app:shop", "Shop").with_can_start(true)]))
        })
        .boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.panic_at(Place::Findings);
        self.resumed.lock().unwrap().push(query.resume.is_some());
        let skip = usize::from(query.resume.is_some());
        let (at_once, later) = (self.fails_at(Place::Findings), self.fails_at(Place::NextFindings));
        let (fault, waits) = (self.fault, self.waits.clone());
        let first = stream::once(async move {
            if at_once {
                std::future::pending::<()>().await;
            }
            Ok(FindingEvent::Batch(batch(1, vec![finding("/a")])))
        });
        let waiting = stream::iter(waits).then(|(pause, progress)| async move {
            tokio::time::sleep(pause).await;
            let mut empty = batch(1, Vec::new());
            empty.progress = progress;
            Ok(FindingEvent::Batch(empty))
        });
        let second = stream::once(async move {
            if later {
                assert!(fault != Fault::Panics, "{}", "x".repeat(5_000));
                std::future::pending::<()>().await;
            }
            Ok(FindingEvent::Batch(batch(2, vec![finding("/b")])))
        });
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(PartitionKey::from("p"));
        let end = stream::iter([Ok(FindingEvent::End(coverage))]);
        first.chain(waiting).skip(skip).chain(second).chain(end).boxed()
    }

    async fn start_scan(&self, _: &ScanRequest) -> Result<StartedScan> {
        self.fail_at(Place::StartScan).await;
        Ok(StartedScan::Started(Scan::new("s", ScanStatus::Running)))
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        self.fail_at(Place::Scan).await;
        Ok(Scan::new(id.clone(), ScanStatus::Completed))
    }
}

/// A store of one binding in memory, without sockets, so that the clock can be paused.
#[derive(Debug, Default)]
struct MemoryStore(Mutex<Stored>);

#[derive(Debug, Default)]
struct Stored {
    scan: Option<ScanId>,
    query: Option<FindingQuery>,
    resume: Option<ResumePoint>,
    findings: Vec<Finding>,
    known: Vec<KnownFinding>,
    events: Vec<Event>,
}

impl MemoryStore {
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().events.clone()
    }
}

fn unused<T>() -> Result<T> {
    Err(Error::unsupported("this store's method"))
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin_run(&self, binding: &Binding, request: &RunRequest) -> Result<Run> {
        let of = BindingRef::new(binding.project.as_str(), binding.scanner.as_str(), &binding.configuration);
        let mut run = Run::new(1, 1, RunRef::new(of, "1"), 1, request);
        let stored = self.0.lock().unwrap();
        run.scan.clone_from(&stored.scan);
        run.query.clone_from(&stored.query);
        run.resume.clone_from(&stored.resume);
        Ok(run)
    }

    async fn renew_lease(&self, _: &Run) -> Result<()> {
        Ok(())
    }

    async fn set_scan(&self, _: &Run, scan: Option<&ScanId>) -> Result<()> {
        self.0.lock().unwrap().scan = scan.cloned();
        Ok(())
    }

    async fn restart_staging(&self, _: &Run, query: &FindingQuery) -> Result<()> {
        let mut stored = self.0.lock().unwrap();
        (stored.query, stored.resume) = (Some(query.clone()), None);
        stored.findings.clear();
        Ok(())
    }

    async fn stage(&self, _: &Run, batch: &FindingBatch) -> Result<Staged> {
        let mut stored = self.0.lock().unwrap();
        stored.findings.extend(batch.findings.iter().cloned());
        stored.resume = Some(batch.resume.clone());
        Ok(Staged::default())
    }

    async fn preview(&self, run: &Run, coverage: &Coverage) -> Result<Summary> {
        let stored = self.0.lock().unwrap();
        Ok(reconcile(stored.known.clone(), &stored.findings, coverage, run.started_at).summary)
    }

    async fn conclude(&self, run: &Run, coverage: &Coverage, _: &[Subscription]) -> Result<Summary> {
        let mut stored = self.0.lock().unwrap();
        let run = reconcile(std::mem::take(&mut stored.known), &stored.findings, coverage, run.started_at);
        stored.known = run.transitions.into_iter().map(|transition| transition.finding).collect();
        Ok(run.summary)
    }

    async fn enqueue_messages(&self, messages: &[Message]) -> Result<()> {
        let events = messages.iter().map(|message| serde_json::from_str(&message.payload).unwrap());
        self.0.lock().unwrap().events.extend(events);
        Ok(())
    }

    async fn release_run(&self, _: &Run) -> Result<()> {
        Ok(())
    }

    async fn known_findings(&self, _: &Binding, _: Page) -> Result<Vec<(FindingNumber, KnownFinding)>> {
        unused()
    }

    async fn stored_findings(&self, _: &Binding, _: Page) -> Result<Vec<StoredFinding>> {
        unused()
    }

    async fn bindings(&self) -> Result<Vec<KnownBinding>> {
        unused()
    }

    async fn set_target_name(&self, _: &Run, _: &str) -> Result<()> {
        Ok(())
    }

    async fn move_binding(&self, _: &Binding, _: &Binding) -> Result<()> {
        unused()
    }

    async fn last_run(&self, _: &Binding) -> Result<Option<EndedRun>> {
        unused()
    }

    async fn partitions(&self, _: &Binding) -> Result<Vec<KnownPartition>> {
        unused()
    }

    async fn retire(&self, _: &Binding, _: &PartitionKey, _: &Retirement, _: &[Subscription]) -> Result<u64> {
        unused()
    }

    async fn report_parts(&self, _: &Binding) -> Result<ReportParts> {
        unused()
    }

    async fn raise_report_parts(&self, _: &Binding, _: ReportParts) -> Result<()> {
        unused()
    }

    async fn set_decision(&self, _: &Binding, _: &Fingerprint, _: Option<Decision>) -> Result<KnownFinding> {
        unused()
    }

    async fn explain(&self, _: &Binding, _: &Fingerprint) -> Result<Option<Explanation>> {
        unused()
    }
}

const PLACES: [Place; 6] = [
    Place::BindTargets,
    Place::NextBindTargets,
    Place::StartScan,
    Place::Scan,
    Place::Findings,
    Place::NextFindings,
];

fn binding() -> Binding {
    Binding::new("shop", "memory", ScanConfiguration::new("app:shop"))
}

fn options() -> ImportOptions {
    ImportOptions::new().with_scan(true).with_subscriptions([Subscription::all_events("chat")])
}

/// Runs a binding whose scanner fails at a place, and then again after the scanner was repaired.
async fn fails_and_is_resumed(place: Place, fault: Fault) -> (Error, Vec<Event>, Duration) {
    let (scanner, store) = (Arc::new(Faulty::new(place, fault)), Arc::new(MemoryStore::default()));
    let importer = Importer::new(scanner.clone(), store.clone());
    let begun = Instant::now();
    let error = importer.run(&binding(), &options()).await.unwrap_err();
    let (waited, events) = (begun.elapsed(), store.events());
    *scanner.place.lock().unwrap() = Place::Nowhere;
    let import = importer.run(&binding(), &options()).await.unwrap();
    assert_eq!(import.summary.new, 2, "{place:?}: {import}");
    // What was staged before the failure is kept.
    assert_eq!(import.resumed, place == Place::NextFindings, "{place:?}");
    assert_eq!(import.scan, Some(ScanId::new("s")), "{place:?}");
    (error, events, waited)
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_in_a_scanner_is_a_failed_run_that_is_told() {
    for place in PLACES {
        let (error, events, _) = fails_and_is_resumed(place, Fault::Panics).await;
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{place:?}: {error}");
        assert!(error.message().contains("panicked"), "{place:?}: {error}");
        assert!(!error.message().contains("canary"), "{place:?}: {error}");
        assert!(error.message().len() < 700, "{place:?}: {} bytes", error.message().len());
        let [Event { data: EventData::ImportFailed(failed), .. }] = events.as_slice() else {
            panic!("{place:?}: {events:?}")
        };
        assert!(failed.problem.contains("panicked"), "{failed:?}");
        assert_eq!((failed.run.as_deref(), failed.binding.project.as_str()), (Some("1"), "shop"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_never_answers_is_given_up_after_the_stall_limit() {
    for place in PLACES {
        let (error, events, waited) = fails_and_is_resumed(place, Fault::NeverAnswers).await;
        assert_eq!(error.kind(), ErrorKind::Deadline, "{place:?}: {error}");
        assert!(
            waited >= Duration::from_mins(30) && waited < Duration::from_mins(32),
            "{place:?}: {waited:?}"
        );
        let kinds: Vec<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds, [EventKind::ImportFailed, EventKind::ConnectionFailed], "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_progress_is_a_sign_of_life_and_one_with_nothing_is_not() {
    let pause = Duration::from_mins(20);
    for (progress, alive) in [(Some(Progress::new(1, None)), true), (None, false)] {
        let mut scanner = Faulty::new(Place::Nowhere, Fault::NeverAnswers);
        scanner.waits = vec![(pause, progress); 5];
        let importer = Importer::new(Arc::new(scanner), Arc::new(MemoryStore::default()));
        let result = importer.run(&binding(), &options()).await;
        assert_eq!(result.as_ref().map_err(Error::kind).err(), (!alive).then_some(ErrorKind::Deadline));
        if let Ok(import) = result {
            assert_eq!(import.summary.new, 2);
        }
    }
    // The limit is an option.
    let mut scanner = Faulty::new(Place::Nowhere, Fault::NeverAnswers);
    scanner.waits = vec![(pause, Some(Progress::new(1, None)))];
    let importer = Importer::new(Arc::new(scanner), Arc::new(MemoryStore::default()));
    let short = options().with_stall_limit(Duration::from_mins(10));
    assert_eq!(importer.run(&binding(), &short).await.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_its_user_stops_is_not_told_as_failed() {
    let scanner = Faulty::new(Place::NextFindings, Fault::NeverAnswers);
    let store = Arc::new(MemoryStore::default());
    let importer = Importer::new(Arc::new(scanner), store.clone());
    let stop = tokio::time::sleep(Duration::from_mins(1));
    let error = importer.run_until(&binding(), &options(), stop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(store.events(), []);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_the_scanner_cannot_start_is_a_remark() {
    let mut scanner = Faulty::new(Place::Nowhere, Fault::Panics);
    let can = Capabilities::none().with_findings_by_target(true);
    scanner.info = ScannerInfo::new("memory", "Observer", ScanMode::Passive, can);
    let importer = Importer::new(Arc::new(scanner), Arc::new(MemoryStore::default()));
    let import = importer.run(&binding(), &options()).await.unwrap();
    let remark = "no scan was started: Observer cannot start scans; its findings were imported";
    assert_eq!(import.remarks, [remark]);
    assert!(import.to_string().ends_with(remark), "{import}");
    let import = importer.run(&binding(), &options().with_scan(false)).await.unwrap();
    assert!(import.remarks.is_empty(), "no scan was asked for");
}
