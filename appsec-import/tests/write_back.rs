//! Decisions are written to scanners that support them, and refused for others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use appsec_core::testing::{Fault, Fixture, MemoryScanner};
use appsec_core::{
    BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner,
    DastApiScannerExt, Error, ErrorKind, FindingEvent, FindingQuery, FindingStatus, Result, ScannerInfo,
    Severity, StatusChange, Timestamp, async_trait,
};
use appsec_import::decision::{StatusMapping, WriteBackOutcome, WriteBackRequest, write_back};
use appsec_import::reconcile;
use appsec_import::reconcile::{Change, KnownFinding};

/// A scanner that supports few statuses and records the changes it receives.
#[derive(Debug)]
struct FewWords {
    inner: MemoryScanner,
    statuses: Vec<FindingStatus>,
    told: Mutex<Vec<StatusChange>>,
}

impl FewWords {
    fn new(inner: MemoryScanner, statuses: impl Into<Vec<FindingStatus>>) -> Self {
        Self { inner, statuses: statuses.into(), told: Mutex::default() }
    }
}

#[async_trait]
impl DastApiScanner for FewWords {
    fn info(&self) -> &ScannerInfo {
        self.inner.info()
    }
    async fn test_connection(&self) -> ConnectionReport {
        self.inner.test_connection().await
    }
    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.inner.bind_targets(query)
    }
    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.inner.findings(query)
    }
    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        if !self.statuses.contains(&change.status) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("no word for {}", change.status)));
        }
        self.told.lock().unwrap().push(change.clone());
        self.inner.set_finding_status(change).await
    }
}

fn scanner(paths: &[&str]) -> MemoryScanner {
    paths.iter().fold(MemoryScanner::new(), |scanner, path| {
        let url = format!("https://shop.example.com{path}");
        scanner.with_finding(MemoryScanner::finding("app:shop", "SQL injection", Severity::High, &url))
    })
}

async fn read(scanner: &dyn DastApiScanner, known: Vec<KnownFinding>) -> Vec<(KnownFinding, Change)> {
    let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await.unwrap();
    let run = reconcile(known, &findings, &coverage, Timestamp::now());
    run.transitions.into_iter().map(|outcome| (outcome.finding, outcome.change)).collect()
}

async fn known(scanner: &dyn DastApiScanner) -> Vec<KnownFinding> {
    read(scanner, Vec::new()).await.into_iter().map(|(finding, _)| finding).collect()
}

#[tokio::test]
async fn every_decision_is_written_to_a_scanner_with_all_statuses_and_read_back() {
    let scanner: Arc<dyn DastApiScanner> = Arc::new(scanner(&["/a"]));
    for (outcome, status, change) in [
        (WriteBackOutcome::RiskAccepted, FindingStatus::RiskAccepted, Change::Recurrent),
        (WriteBackOutcome::FalsePositive, FindingStatus::FalsePositive, Change::Recurrent),
        (WriteBackOutcome::Ignored, FindingStatus::Ignored, Change::Recurrent),
        (WriteBackOutcome::Reopened, FindingStatus::Open, Change::Recurrent),
        (WriteBackOutcome::Fixed, FindingStatus::Fixed, Change::Closed),
    ] {
        let before = known(&*scanner).await;
        let changes = [WriteBackRequest::new(&before[0], outcome)];
        let written = write_back(&*scanner, &StatusMapping::new(), &changes).await.unwrap();
        assert_eq!((written.len(), written[0].outcome), (1, outcome));
        assert_eq!(written[0].fingerprint, before[0].fingerprint);
        assert_eq!(written[0].result.as_ref().unwrap(), &status);
        let after = read(&*scanner, before).await;
        assert_eq!((after[0].0.status.as_ref(), after[0].1), (Some(&status), change), "{outcome}");
    }
}

#[tokio::test]
async fn a_scanner_without_the_capability_is_sent_nothing() {
    let able = scanner(&["/a"]);
    let changes: Vec<_> = known(&able)
        .await
        .iter()
        .map(|finding| WriteBackRequest::new(finding, WriteBackOutcome::Fixed))
        .collect();
    let unable = able.with_capabilities(Capabilities::none().with_findings_all(true));
    let before = unable.requests().await;
    let error = write_back(&unable, &StatusMapping::new(), &changes).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some("set_finding_status")));
    assert_eq!(unable.requests().await, before);
}

#[tokio::test]
async fn a_fallback_status_is_written_and_the_comment_names_the_decision() {
    let scanner = FewWords::new(scanner(&["/a", "/b"]), [FindingStatus::Open, FindingStatus::Ignored]);
    let known = known(&scanner).await;
    let changes = [
        WriteBackRequest::new(&known[0], WriteBackOutcome::RiskAccepted).with_comment("behind a proxy"),
        WriteBackRequest::new(&known[1], WriteBackOutcome::FalsePositive),
        WriteBackRequest::new(&known[0], WriteBackOutcome::Reopened).with_comment("the proxy is gone"),
    ];
    let written = write_back(&scanner, &StatusMapping::new(), &changes).await.unwrap();
    let statuses: Vec<_> = written.into_iter().map(|written| written.result.unwrap()).collect();
    assert_eq!(statuses, [FindingStatus::Ignored, FindingStatus::Ignored, FindingStatus::Open]);
    let told = scanner.told.lock().unwrap();
    let comments: Vec<_> = told.iter().map(|change| change.comment.as_deref()).collect();
    assert_eq!(
        comments,
        [Some("risk accepted: behind a proxy"), Some("false positive"), Some("the proxy is gone")]
    );
}

#[tokio::test]
async fn a_decision_without_a_status_is_refused_and_nothing_is_sent() {
    let scanner = FewWords::new(scanner(&["/a"]), [FindingStatus::Ignored]);
    let known = known(&scanner).await;
    let strict =
        StatusMapping::new().with_statuses(WriteBackOutcome::RiskAccepted, [FindingStatus::RiskAccepted]);
    let before = scanner.inner.requests().await;
    for outcome in [WriteBackOutcome::Fixed, WriteBackOutcome::RiskAccepted] {
        let written =
            write_back(&scanner, &strict, &[WriteBackRequest::new(&known[0], outcome)]).await.unwrap();
        let error = written[0].result.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains(&format!("no status for {outcome}")), "{error}");
    }
    assert_eq!(scanner.inner.requests().await, before);
}

#[tokio::test]
async fn each_finding_has_its_own_result() {
    let scanner = scanner(&["/a", "/b", "/c"]);
    let mut known = known(&scanner).await;
    known[0].aliases = vec!["gone".into()];
    known[1].aliases.clear();
    let changes: Vec<_> =
        known.iter().map(|finding| WriteBackRequest::new(finding, WriteBackOutcome::Ignored)).collect();
    let written = write_back(&scanner, &StatusMapping::new(), &changes).await.unwrap();
    let kinds: Vec<_> =
        written.iter().map(|written| written.result.as_ref().map_err(Error::kind).cloned()).collect();
    assert_eq!(kinds, [Err(ErrorKind::NotFound), Err(ErrorKind::InvalidRequest), Ok(FindingStatus::Ignored)]);
}

#[tokio::test]
async fn every_occurrence_of_a_finding_is_written() {
    // Two records of the scanner with the same fingerprint, and the id of a record that no longer exists.
    let mut first = MemoryScanner::finding("app:shop", "XSS", Severity::High, "https://shop.example.com/a");
    let mut second = first.clone();
    (first.aliases, second.aliases) = (vec!["1".into()], vec!["2".into()]);
    let scanner = MemoryScanner::new().with_finding(first).with_finding(second);
    let mut before = known(&scanner).await;
    assert_eq!(before[0].aliases, ["1", "2"]);
    before[0].aliases.insert(0, "0".into());
    let changes = [WriteBackRequest::new(&before[0], WriteBackOutcome::Fixed)];
    let written = write_back(&scanner, &StatusMapping::new(), &changes).await.unwrap();
    assert_eq!(written[0].result.as_ref().unwrap(), &FindingStatus::Fixed);
    assert_eq!(read(&scanner, before).await[0].1, Change::Closed);
}

#[tokio::test]
async fn no_further_requests_are_sent_to_a_scanner_that_is_down() {
    let scanner = scanner(&["/a", "/b", "/c"]);
    let known = known(&scanner).await;
    scanner.break_with(Fault::Down).await;
    let before = scanner.requests().await;
    let changes: Vec<_> =
        known.iter().map(|finding| WriteBackRequest::new(finding, WriteBackOutcome::Fixed)).collect();
    let written = write_back(&scanner, &StatusMapping::new(), &changes).await.unwrap();
    let errors: Vec<_> = written.into_iter().map(|written| written.result.unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Server), "{errors:?}");
    assert!(errors[2].message().starts_with("not sent"), "{}", errors[2]);
    assert_eq!(scanner.requests().await, before.map(|requests| requests + 1));
}

#[test]
fn the_mapping_can_be_printed_and_serialized() {
    let mapping = StatusMapping::new();
    assert_eq!(
        mapping.to_string(),
        "fixed: fixed\n\
         risk accepted: risk_accepted, else ignored\n\
         false positive: false_positive, else ignored\n\
         ignored: ignored\n\
         reopened: open, else reopened"
    );
    let json = serde_json::to_string(&mapping).unwrap();
    assert_eq!(serde_json::from_str::<StatusMapping>(&json).unwrap(), mapping);
    assert_eq!(
        mapping.with_statuses(WriteBackOutcome::Fixed, []).to_string().lines().next(),
        Some("fixed: never written")
    );
}
