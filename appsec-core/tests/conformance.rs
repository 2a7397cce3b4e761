//! The suite has a check for each contract line, `MemoryScanner` passes it, and the report lists what was
//! skipped.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the tables are there to be read")]

use std::collections::BTreeSet;
use std::sync::Arc;

use appsec_core::testing::conformance::{self, CheckStatus};
use appsec_core::testing::{Dataset, Fault, Fixture, MemoryScanner, Seeded};
use appsec_core::{
    BindTarget, Capabilities, DastApiScanner, DastApiScannerExt, Error, ErrorKind, FindingEvent,
    FindingQuery, Result, Severity, async_trait,
};
use futures_util::StreamExt;

#[test]
fn every_contract_line_is_a_check_and_every_check_a_line() {
    let source = include_str!("../src/scanner.rs");
    let line = regex::Regex::new(r"\[([a-z]+/[a-z-]+)\]`$").unwrap();
    let named: Vec<_> =
        source.lines().filter_map(|text| line.captures(text)).map(|found| found[1].to_owned()).collect();
    let ids: Vec<_> = conformance::ids().collect();
    assert_eq!(named, ids, "in the order of the contract lists");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let lines = source.lines().filter(|text| text.trim_start().starts_with("/// * ")).count();
    assert_eq!(lines, ids.len(), "each line of a contract list has a name");
}

#[tokio::test(start_paused = true)]
async fn the_memory_scanner_keeps_every_line() {
    let report = conformance::run(|| async { Box::new(MemoryScanner::new()) as Box<dyn Fixture> }).await;
    println!("{report}");
    report.assert_passed();
    // Only what it would have to lack.
    report.assert_skipped(&LACKING);
}

const LACKING: [&str; 6] = [
    "findings/unsupported-scope",
    "start/unsupported",
    "scan/unsupported",
    "stop/unsupported",
    "scans/unsupported",
    "status/unsupported",
];

#[tokio::test(start_paused = true)]
#[should_panic(
    expected = r#"unexpectedly skipped: ["findings/unsupported-scope"]; expected to be skipped, but ran: ["findings/lazy"]"#
)]
async fn an_unexpected_list_of_skipped_checks_panics() {
    let report = conformance::run(|| async { Box::new(MemoryScanner::new()) as Box<dyn Fixture> }).await;
    report.assert_skipped(&[
        "status/unsupported",
        "findings/lazy",
        "scans/unsupported",
        "stop/unsupported",
        "scan/unsupported",
        "start/unsupported",
    ]);
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_can_do_little_passes_what_concerns_it() {
    let passive =
        || MemoryScanner::new().with_capabilities(Capabilities::none().with_findings_by_target(true));
    let report = conformance::run(|| async { Box::new(passive()) as Box<dyn Fixture> }).await;
    println!("{report}");
    report.assert_passed();
    let passed: BTreeSet<_> = report.ids(CheckStatus::Passed).collect();
    for id in ["findings/unsupported-scope", "start/unsupported", "scans/unsupported", "status/unsupported"] {
        assert!(passed.contains(id), "{id}");
    }
}

/// A scanner whose service can be neither filled, nor broken, nor counted.
struct Bare(MemoryScanner);

#[async_trait]
impl Fixture for Bare {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::new(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn over_a_service_that_is_not_ours_it_reads_and_changes_nothing() {
    let url = "https://shop.example.com/search";
    let scanner = MemoryScanner::new()
        .with_target(BindTarget::new("app:shop", "Shop"))
        .with_finding(MemoryScanner::finding("app:shop", "SQL injection", Severity::High, url));
    let before = format!("{scanner:?}");
    let report = conformance::run(|| async { Box::new(Bare(scanner.clone())) as Box<dyn Fixture> }).await;
    println!("{report}");
    report.assert_passed();
    assert_eq!(format!("{scanner:?}"), before, "no scan was started");
    let passed: BTreeSet<_> = report.ids(CheckStatus::Passed).collect();
    for id in ["connection/ok", "findings/end-last", "findings/filter", "findings/resume", "scan/unknown"] {
        assert!(passed.contains(id), "{id}");
    }
    for outcome in report.outcomes().iter().filter(|outcome| outcome.status == CheckStatus::Skipped) {
        assert!(!outcome.detail.is_empty(), "{} is skipped without a reason", outcome.id);
    }
}

/// A service that cannot be filled although it says that it can.
struct Refusing;

#[async_trait]
impl Fixture for Refusing {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::new(MemoryScanner::new())
    }

    async fn seed(&self, _: &Dataset) -> Result<Option<Seeded>> {
        Err(Error::new(ErrorKind::Server, "no room"))
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "an error: server fault: no room")]
async fn a_failed_check_panics_with_the_table() {
    conformance::run(|| async { Box::new(Refusing) as Box<dyn Fixture> }).await.assert_passed();
}

#[tokio::test]
async fn the_memory_scanner_can_be_mended_and_edited() {
    let scanner = MemoryScanner::new();
    scanner.seed(&Dataset::new(1, 300)).await.unwrap();
    scanner.break_with(Fault::Unauthorized).await;
    assert_eq!(scanner.collect_findings(FindingQuery::all()).await.unwrap_err().kind(), ErrorKind::Auth);
    scanner.clear_faults();
    let mut events = scanner.findings(FindingQuery::all());
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(first, FindingEvent::Batch(batch) if batch.findings.len() == 256));
    scanner.edit_findings(|findings| findings.truncate(10));
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResumeExpired, "a read never mixes two lists");
    assert_eq!(scanner.collect_findings(FindingQuery::all()).await.unwrap().0.len(), 10);
}
