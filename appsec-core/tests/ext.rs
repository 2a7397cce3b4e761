//! What callers have besides the trait, and the pointers that are scanners themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use appsec_core::testing::{Dataset, Fault, Fixture, MemoryScanner};
use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, ConnectionReport, CoverageGap,
    DastApiScanner, DastApiScannerExt, Error, ErrorKind, FindingBatch, FindingEvent, FindingQuery,
    FindingStatus, GapKind, Result, ResumePoint, Scan, ScanId, ScanRequest, ScannerInfo, Severity,
    StartedScan, StatusChange, async_trait, stream_error,
};
use futures_util::{StreamExt, TryStreamExt, stream};

fn shops() -> MemoryScanner {
    MemoryScanner::new()
        .with_target(BindTarget::new("app:1", "Shop"))
        .with_target(BindTarget::new("app:2", "Twin"))
        .with_target(BindTarget::new("app:3", "Twin"))
        .with_target(BindTarget::new("app:4", "app:1"))
}

#[tokio::test]
async fn a_target_is_found_by_its_id_or_by_its_name() {
    let scanner = shops();
    assert_eq!(scanner.find_target("app:2").await.unwrap().name, "Twin");
    assert_eq!(scanner.find_target("Shop").await.unwrap().id.as_str(), "app:1");
    assert_eq!(scanner.find_target("app:1").await.unwrap().name, "Shop", "an id goes before a name");
}

#[tokio::test]
async fn a_name_that_several_targets_have_is_refused_with_their_ids() {
    let error = shops().find_target("Twin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("app:2, app:3"), "{error}");
}

#[tokio::test]
async fn a_name_that_no_target_has_is_not_found() {
    for name in ["Sho", "shop", "app:9", ""] {
        assert_eq!(shops().find_target(name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name:?}");
    }
}

#[tokio::test]
async fn a_listing_that_breaks_is_neither_found_nor_not_found() {
    let scanner = shops();
    scanner.break_with(Fault::Down).await;
    assert_eq!(scanner.find_target("Shop").await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(
        scanner.list_bind_targets(BindTargetQuery::new()).await.unwrap_err().kind(),
        ErrorKind::Server
    );
}

#[tokio::test]
async fn a_listing_is_collected_over_its_pages() {
    let scanner = MemoryScanner::new();
    scanner.seed(&Dataset::new(250, 0)).await.unwrap();
    let collected = scanner.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!((collected.targets.len(), collected.gaps.len()), (250, 0));
    let mut items = scanner.bind_target_items(BindTargetQuery::new());
    let mut targets = Vec::new();
    while let Some(target) = items.try_next().await.unwrap() {
        targets.push(target);
    }
    assert!(items.try_next().await.unwrap().is_none(), "it stays ended");
    assert_eq!((targets, items.into_gaps().unwrap()), (collected.targets, Vec::new()));
}

#[tokio::test]
async fn gaps_of_a_listing_are_told_only_after_its_end() {
    let gappy = Gappy(shops());
    let collected = gappy.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!((collected.targets.len(), collected.gaps.len()), (4, 1));
    let mut items = gappy.bind_target_items(BindTargetQuery::new());
    while items.try_next().await.unwrap().is_some() {}
    assert_eq!(items.into_gaps().unwrap(), collected.gaps);

    let unread = gappy.bind_target_items(BindTargetQuery::new());
    assert_eq!(unread.into_gaps().unwrap_err().kind(), ErrorKind::Unexpected);
    gappy.0.break_with(Fault::Down).await;
    let mut broken = gappy.bind_target_items(BindTargetQuery::new());
    assert_eq!(broken.try_next().await.unwrap_err().kind(), ErrorKind::Server);
    assert!(broken.try_next().await.unwrap().is_none());
    assert_eq!(broken.into_gaps().unwrap_err().kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_target_missing_from_a_list_with_a_gap_is_not_called_gone() {
    let gappy = Gappy(shops());
    assert_eq!(gappy.find_target("Shop").await.unwrap().id.as_str(), "app:1", "what is listed is found");
    let error = gappy.find_target("app:9").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(error.gap().unwrap().kind, GapKind::Shifted);
    assert!(error.message().contains("the list moved"), "{error}");
}

#[tokio::test]
async fn findings_come_one_by_one_or_collected() {
    let scanner = MemoryScanner::new();
    scanner.seed(&Dataset::new(1, 600)).await.unwrap();
    let items: Vec<_> = scanner.finding_items(FindingQuery::all()).try_collect().await.unwrap();
    let (collected, coverage) = scanner.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(items.len(), 600);
    assert_eq!(items, collected);
    assert!(coverage.is_complete());
}

#[tokio::test]
async fn the_coverage_is_there_once_the_items_have_ended() {
    let scanner = MemoryScanner::new();
    scanner.seed(&Dataset::new(1, 300)).await.unwrap();
    let (_, expected) = scanner.collect_findings(FindingQuery::all()).await.unwrap();
    let mut items = scanner.finding_items(FindingQuery::all());
    let mut count = 0;
    while items.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert!(items.try_next().await.unwrap().is_none(), "it stays ended");
    assert_eq!((count, items.into_coverage().unwrap()), (300, expected));

    let unread = scanner.finding_items(FindingQuery::all());
    assert_eq!(unread.into_coverage().unwrap_err().kind(), ErrorKind::Unexpected);
    scanner.break_with(Fault::Down).await;
    let mut broken = scanner.finding_items(FindingQuery::all());
    assert_eq!(broken.try_next().await.unwrap_err().kind(), ErrorKind::Server);
    assert!(broken.try_next().await.unwrap().is_none());
    assert_eq!(broken.into_coverage().unwrap_err().kind(), ErrorKind::Unexpected);
}

/// A scanner whose streams are those given; it notes which of its methods were called.
#[derive(Debug)]
struct Spy {
    memory: MemoryScanner,
    calls: Mutex<Vec<&'static str>>,
    ends: bool,
}

impl Spy {
    fn new(ends: bool) -> Self {
        Self { memory: shops(), calls: Mutex::default(), ends }
    }

    fn note(&self, method: &'static str) {
        self.calls.lock().unwrap().push(method);
    }
}

#[async_trait]
impl DastApiScanner for Spy {
    fn info(&self) -> &ScannerInfo {
        self.note("info");
        self.memory.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.note("test_connection");
        self.memory.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.note("bind_targets");
        self.memory.bind_targets(query)
    }

    fn findings(&self, _: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.note("findings");
        let finding = MemoryScanner::finding("app:1", "XSS", Severity::High, "https://shop.example.com/");
        let batch = FindingBatch::new(vec![finding], ResumePoint::new("memory", &0).unwrap());
        let after = if self.ends { Err(Error::new(ErrorKind::Server, "503")) } else { Ok(batch.clone()) };
        stream::iter([Ok(batch), after]).map_ok(FindingEvent::Batch).boxed()
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        self.note("start_scan");
        self.memory.start_scan(request).await
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        self.note("scan");
        self.memory.scan(id).await
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        self.note("stop_scan");
        self.memory.stop_scan(id).await
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        self.note("scans");
        self.memory.scans(target)
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        self.note("set_finding_status");
        self.memory.set_finding_status(change).await
    }
}

#[tokio::test]
async fn a_stream_that_stops_without_an_end_is_an_error() {
    let scanner = Spy::new(false);
    let items: Vec<_> = scanner.finding_items(FindingQuery::all()).collect().await;
    assert_eq!(items.len(), 3, "what came is not lost");
    assert_eq!(items[2].as_ref().unwrap_err().kind(), ErrorKind::Unexpected);
    assert_eq!(
        scanner.collect_findings(FindingQuery::all()).await.unwrap_err().kind(),
        ErrorKind::Unexpected
    );
}

#[tokio::test]
async fn an_error_of_the_stream_is_handed_on_once() {
    let scanner = Spy::new(true);
    let items: Vec<_> = scanner.finding_items(FindingQuery::all()).collect().await;
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].as_ref().unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(scanner.collect_findings(FindingQuery::all()).await.unwrap_err().kind(), ErrorKind::Server);
}

const METHODS: [&str; 9] = [
    "info",
    "test_connection",
    "bind_targets",
    "findings",
    "start_scan",
    "scan",
    "stop_scan",
    "scans",
    "set_finding_status",
];

/// Calls every method through a pointer to a spy.
async fn call_all(scanner: impl DastApiScanner) {
    let _ = scanner.info();
    let _ = scanner.test_connection().await;
    let _ = scanner.bind_targets(BindTargetQuery::new());
    let _ = scanner.findings(FindingQuery::all());
    let scan = scanner.start_scan(&ScanRequest::new("app:1")).await.unwrap().into_scan();
    let _ = scanner.scan(&scan.id).await;
    let _ = scanner.stop_scan(&scan.id).await;
    let _ = scanner.scans(&"app:1".into());
    let _ = scanner.set_finding_status(&StatusChange::new("f", FindingStatus::Fixed)).await;
}

#[tokio::test]
async fn pointers_forward_every_method() {
    let spy = Arc::new(Spy::new(false));
    let calls = || std::mem::take(&mut *spy.calls.lock().unwrap());
    call_all(Arc::clone(&spy)).await;
    assert_eq!(calls(), METHODS, "Arc<T>");
    call_all(Arc::clone(&spy) as Arc<dyn DastApiScanner>).await;
    assert_eq!(calls(), METHODS, "Arc<dyn DastApiScanner>");
    call_all(Box::new(Arc::clone(&spy))).await;
    assert_eq!(calls(), METHODS, "Box<T>");
    call_all(Box::new(Arc::clone(&spy)) as Box<dyn DastApiScanner>).await;
    assert_eq!(calls(), METHODS, "Box<dyn DastApiScanner>");
}

/// A scanner whose listing of targets has a gap.
#[derive(Debug)]
struct Gappy(MemoryScanner);

#[async_trait]
impl DastApiScanner for Gappy {
    fn info(&self) -> &ScannerInfo {
        self.0.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.0.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        let gap = CoverageGap::new(GapKind::Shifted, "the list moved");
        self.0.bind_targets(query).map_ok(move |batch| batch.with_gap(gap.clone())).boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.0.findings(query)
    }
}

/// A scanner that implements what it must and no more.
#[derive(Debug)]
struct Least(MemoryScanner);

#[async_trait]
impl DastApiScanner for Least {
    fn info(&self) -> &ScannerInfo {
        self.0.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.0.test_connection().await
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        stream_error(Error::new(ErrorKind::Server, "503"))
    }

    fn findings(&self, _: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        stream_error(Error::new(ErrorKind::Server, "503"))
    }
}

#[tokio::test]
async fn what_is_not_implemented_is_unsupported() {
    let scanner = Least(MemoryScanner::new());
    let id = ScanId::new("s");
    let change = StatusChange::new("f", FindingStatus::Fixed);
    let errors = [
        ("start_scan", scanner.start_scan(&ScanRequest::new("t")).await.map(drop)),
        ("scan", scanner.scan(&id).await.map(drop)),
        ("stop_scan", scanner.stop_scan(&id).await),
        ("scans", scanner.scans(&"t".into()).try_collect::<Vec<_>>().await.map(drop)),
        ("set_finding_status", scanner.set_finding_status(&change).await),
    ];
    for (method, result) in errors {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some(method)));
    }
}
