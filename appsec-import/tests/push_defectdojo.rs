//! Pushes to `DefectDojo`, and what they close.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{Coverage, CoverageGap, ErrorKind, GapKind, Severity};
use appsec_http::{HttpOptions, RetryPolicy};
use appsec_import::push::{AbsentFindings, DefectDojo, DefectDojoTest, PushOptions, ReportFile};
use appsec_import::report::{Format, ReportOptions, ReportWriter};
use appsec_import::testing::{FakeDefectDojo, Reply, Route, When};
use appsec_import::{Binding, Completeness, Environment, ScanConfiguration};
use serde_json::json;

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

fn options() -> PushOptions {
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_max_attempts(3);
    PushOptions::new().with_http(HttpOptions::new().with_retry(retry))
}

fn dojo(fake: &FakeDefectDojo) -> DefectDojo {
    DefectDojo::new(&fake.base_url(), TOKEN, &options()).unwrap()
}

fn test() -> DefectDojoTest {
    DefectDojoTest::new("shop", "main", "memory app:shop").with_product_type("Web")
}

fn complete() -> Completeness {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive("app:shop".into());
    Completeness::from_coverage(&coverage)
}

/// A report with these findings, from the report writer.
fn report(names: &[&str]) -> ReportFile {
    let mut bytes = Vec::new();
    let mut report =
        ReportWriter::new(Format::DefectDojo, &ReportOptions::new("memory", "shop"), &mut bytes).unwrap();
    for name in names {
        let finding = MemoryScanner::finding("app:shop", name, Severity::High, "https://shop.example.com/");
        report.write(&finding.into()).unwrap();
    }
    report.finish().unwrap();
    ReportFile::from_bytes(bytes)
}

fn open(fake: &FakeDefectDojo) -> Vec<String> {
    let findings = fake.findings("shop", "main", "memory app:shop");
    findings.into_iter().filter(|finding| finding.open).map(|finding| finding.title).collect()
}

fn field(fake: &FakeDefectDojo, name: &str) -> Vec<String> {
    fake.last_form().into_iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_complete_report_is_imported_and_closes_absent_findings() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    let dojo = dojo(&fake);
    let first = dojo.push(&test(), &report(&["A", "B", "C"]), &complete()).await.unwrap();
    assert_eq!((first.target, first.ids.as_slice()), ("defectdojo", ["1".to_owned()].as_slice()));
    assert_eq!(first.link, Some(format!("{}/test/1", fake.base_url())));
    assert_eq!(first.counts.unwrap().created, 3);

    let second = dojo.push(&test(), &report(&["A", "D"]), &complete()).await.unwrap();
    let counts = second.counts.unwrap();
    assert_eq!((counts.created, counts.closed, counts.reactivated, counts.untouched), (1, 2, 0, 1));
    assert_eq!(second.absent, AbsentFindings::Closed);
    assert_eq!(open(&fake).len(), 2);

    let third = dojo.push(&test(), &report(&["A", "B", "D"]), &complete()).await.unwrap();
    assert_eq!(third.counts.unwrap().reactivated, 1);
    assert_eq!(
        third.to_string(),
        "pushed to defectdojo (1): 0 created, 0 closed, 1 reactivated, 2 untouched"
    );
}

#[tokio::test]
async fn the_url_of_the_api_is_that_of_the_instance() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    for suffix in ["", "/", "/api/v2", "/api/v2/"] {
        let dojo = DefectDojo::new(&format!("{}{suffix}", fake.base_url()), TOKEN, &options()).unwrap();
        let pushed = dojo.push(&test(), &report(&["A"]), &complete()).await.unwrap();
        assert_eq!(pushed.link, Some(format!("{}/test/1", fake.base_url())), "{suffix:?}");
    }
    assert_eq!((fake.count(Route::Push), fake.count(Route::Unknown)), (4, 0));
}

#[tokio::test]
async fn an_incomplete_report_closes_nothing() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    let dojo = dojo(&fake);
    dojo.push(&test(), &report(&["A", "B"]), &complete()).await.unwrap();

    let mut silent = Coverage::new();
    silent.mark_conclusive("app:shop".into());
    silent.mark_inconclusive("app:api".into(), "an export does not say");
    let mut gap = Coverage::new();
    gap.mark_conclusive("app:shop".into());
    gap.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit"));
    for (unproven, why) in [
        (Completeness::from_coverage(&silent), "app:api: an export does not say"),
        (Completeness::from_coverage(&gap), "the scan hit its time limit"),
        (Completeness::from_coverage(&Coverage::new()), "the scanner examined nothing"),
        (Completeness::unproven("a file of yesterday's"), "a file of yesterday's"),
        (Completeness::default(), "the run does not say what it examined"),
    ] {
        for names in [["A"].as_slice(), &[]] {
            let pushed = dojo.push(&test(), &report(names), &unproven).await.unwrap();
            assert_eq!(pushed.absent, AbsentFindings::Kept(why.to_owned()));
            assert_eq!(field(&fake, "close_old_findings"), ["false"], "it is said, since missing means true");
            assert_eq!((pushed.counts.unwrap().closed, open(&fake).len()), (0, 2), "{why}");
        }
    }
    // The report has no findings below the minimum severity, so their absence proves nothing.
    let above = test().with_minimum_severity(Severity::Critical);
    let pushed = dojo.push(&above, &report(&["A", "B"]), &complete()).await.unwrap();
    assert_eq!(
        pushed.absent,
        AbsentFindings::Kept("only severity critical and above is imported".to_owned())
    );
    assert_eq!(open(&fake).len(), 2);
    // The same report, from a complete run.
    dojo.push(&test(), &report(&[]), &complete()).await.unwrap();
    assert_eq!(open(&fake).len(), 0);
}

#[tokio::test]
async fn every_option_of_an_import_is_sent() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    let to = test()
        .with_branch("main")
        .with_commit("4b6472266afd7b471e86085a6659e8c7f2b119da")
        .with_build("17")
        .with_environment("Staging")
        .with_service("cart")
        .with_tags(["nightly", "pci, dss"])
        .with_minimum_severity(Severity::Low);
    dojo(&fake).push(&to, &report(&["Ä \r\n--x"]), &complete()).await.unwrap();
    for (name, value) in [
        ("scan_type", "Generic Findings Import"),
        ("product_name", "shop"),
        ("product_type_name", "Web"),
        ("engagement_name", "main"),
        ("test_title", "memory app:shop"),
        ("auto_create_context", "true"),
        ("minimum_severity", "Low"),
        ("branch_tag", "main"),
        ("commit_hash", "4b6472266afd7b471e86085a6659e8c7f2b119da"),
        ("build_id", "17"),
        ("environment", "Staging"),
        ("service", "cart"),
    ] {
        assert_eq!(field(&fake, name), [value], "{name}");
    }
    assert_eq!(field(&fake, "tags"), ["nightly", "pci, dss"]);
    let call = fake.calls().pop().unwrap();
    assert_eq!(call.header("content-length"), Some(call.body.len().to_string().as_str()));
    assert!(call.header("user-agent").unwrap().starts_with("appsec-import/"));
}

#[test]
fn no_two_bindings_share_a_test() {
    let set = |target: &str| ScanConfiguration::new(target);
    let bindings = [
        set("app:shop"),
        set("app:api"),
        set("app:shop").with_branch("main"),
        set("app:shop").with_branch("dev"),
        set("app:shop").with_meta_data("cart"),
        set("app:shop").with_environment(Environment::Staging),
        set("app:shop").with_environment(Environment::Production),
    ];
    let tests: Vec<_> = bindings
        .into_iter()
        .flat_map(|set| ["memory", "other"].map(|scanner| Binding::new("shop", scanner, set.clone())))
        .map(|binding| DefectDojoTest::for_binding(&binding))
        .map(|test| (test.product().to_owned(), test.engagement().to_owned(), test.title().to_owned()))
        .collect();
    let distinct: std::collections::HashSet<_> = tests.iter().collect();
    assert_eq!(distinct.len(), 14, "{tests:?}");
    let tagged = Binding::new("shop", "memory", set("app:shop").with_scan_tag("rc1").with_branch("main"));
    let test = DefectDojoTest::for_binding(&tagged);
    assert_eq!((test.tags(), test.branch()), (["rc1".to_owned()].as_slice(), Some("main")));
    assert_eq!(test.title(), "memory app:shop");
}

#[tokio::test]
async fn a_large_report_is_streamed_from_its_file_and_one_over_the_limit_is_refused() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let finding = json!({"title": "A", "description": "x".repeat(1_000_000), "severity": "Low"});
    std::fs::write(&path, json!({"findings": [finding]}).to_string()).unwrap();
    let report = ReportFile::from_path(&path);
    dojo(&fake).push(&test(), &report, &complete()).await.unwrap();
    assert_eq!(open(&fake), ["A"]);

    let to = test().with_max_report_bytes(1_000_000);
    let error = dojo(&fake).push(&to, &report, &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(
        error.to_string().starts_with("defectdojo: reimport: invalid request: the report has 1000"),
        "{error}"
    );
    let missing = ReportFile::from_path(folder.path().join("none.json"));
    let error = dojo(&fake).push(&test(), &missing, &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(fake.count(Route::Push), 1, "neither was sent");
}

#[tokio::test]
async fn errors_have_the_message_of_the_service() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    let wrong = DefectDojo::new(&fake.base_url(), "another", &options()).unwrap();
    let error = wrong.push(&test(), &report(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
    assert!(error.message().ends_with("(401: Invalid token.)"), "{error}");

    let dojo = dojo(&fake);
    let absent = test().with_create(false);
    let error = dojo.push(&absent, &report(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().ends_with("(404: A test could not be found!)"), "{error}");
    let error = dojo.push(&test().with_scan_type("ZAP"), &report(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("scan_type: This is not a valid choice."), "{error}");
    let broken = ReportFile::from_bytes(r#"{"findings":[{"title":"A"}]}"#);
    let error = dojo.push(&test(), &broken, &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.message().contains("a required field is missing"), "{error}");
    assert!(open(&fake).is_empty());

    for (status, kind) in [
        (403, ErrorKind::PermissionDenied),
        (413, ErrorKind::InvalidRequest),
        (502, ErrorKind::Server),
        (200, ErrorKind::Decode),
    ] {
        fake.recover();
        fake.script(Route::Push, When::Next(1), Reply::Html(status));
        let error = dojo.push(&test(), &report(&["A"]), &complete()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains("HTML page"), "{error}");
        // After a gateway timeout, or a web page in place of a response, it is unknown whether the report was
        // imported.
        assert_eq!(error.outcome_unknown(), matches!(status, 200 | 502), "{status}");
    }
}

#[tokio::test]
async fn a_report_that_may_have_arrived_is_not_resent_and_a_rate_limited_one_is() {
    let fake = FakeDefectDojo::start(TOKEN).await.unwrap();
    fake.script(Route::Push, When::Next(1), Reply::RetryAfter(429, 0));
    dojo(&fake).push(&test(), &report(&["A"]), &complete()).await.unwrap();
    assert_eq!(fake.count(Route::Push), 2);

    for reply in [Reply::Html(504), Reply::Json(503, json!({"message": "busy"}))] {
        fake.recover();
        fake.script(Route::Push, When::Always, reply);
        let before = fake.count(Route::Push);
        let error = dojo(&fake).push(&test(), &report(&["A"]), &complete()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(fake.count(Route::Push), before + 1);
    }
    fake.recover();
    fake.script(Route::Push, When::Always, Reply::Never);
    let before = fake.count(Route::Push);
    let http = HttpOptions::new().with_head_timeout(Duration::from_millis(100));
    let slow = DefectDojo::new(&fake.base_url(), TOKEN, &PushOptions::new().with_http(http)).unwrap();
    let error = slow.push(&test(), &report(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.outcome_unknown() && !error.is_retryable());
    assert_eq!(fake.count(Route::Push), before + 1);
}
