//! Pushes to GitHub code scanning, and the alerts that result.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{Coverage, ErrorKind, Severity};
use appsec_http::{HttpOptions, RetryPolicy};
use appsec_import::Completeness;
use appsec_import::push::{AbsentFindings, GitHub, GitHubCommit, PushOptions, ReportFile};
use appsec_import::report::{Format, ReportOptions, ReportWriter};
use appsec_import::store::ReportParts;
use appsec_import::testing::{FakeCodeScanning, Reply, Route, When};
use serde_json::{Value, json};

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const COMMIT: &str = "4b6472266afd7b471e86085a6659e8c7f2b119da";

fn options() -> PushOptions {
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_max_attempts(3);
    PushOptions::new()
        .with_http(HttpOptions::new().with_retry(retry))
        .with_polling(Duration::from_millis(1), Duration::from_mins(1))
}

fn github(fake: &FakeCodeScanning) -> GitHub {
    GitHub::with_base_url(&fake.base_url(), TOKEN, &options()).unwrap()
}

fn commit() -> GitHubCommit {
    GitHubCommit::new("octo/shop", COMMIT, "refs/heads/main").unwrap()
}

fn complete() -> Completeness {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive("app:shop".into());
    Completeness::from_coverage(&coverage)
}

/// A report with these findings, from the report writer.
fn sarif_report(names: &[&str]) -> ReportFile {
    sarif_report_with(&ReportOptions::new("memory", "shop"), names.iter().copied()).0
}

fn sarif_report_with<'a>(
    options: &ReportOptions,
    names: impl IntoIterator<Item = &'a str>,
) -> (ReportFile, ReportParts) {
    let mut bytes = Vec::new();
    let mut report = ReportWriter::new(Format::Sarif, options, &mut bytes).unwrap();
    for name in names {
        let finding =
            MemoryScanner::finding("app:shop", name, Severity::High, "https://shop.example.com/cart");
        report.write(&finding.into()).unwrap();
    }
    let parts = report.finish().unwrap().parts;
    (ReportFile::from_bytes(bytes), parts)
}

/// A SARIF document with one run and one result, written by hand.
fn sarif_with_result(id: &str, uri: &str) -> Value {
    json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "memory"}},
        "automationDetails": {"id": id},
        "results": [{
            "ruleId": "r", "partialFingerprints": {"primaryLocationLineHash": "1"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
        }],
    }]})
}

fn to_file(sarif: &Value) -> ReportFile {
    ReportFile::from_bytes(sarif.to_string())
}

fn open(fake: &FakeCodeScanning) -> usize {
    fake.open_alerts()
}

#[tokio::test]
async fn a_complete_report_becomes_alerts_and_fixes_absent_ones() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    fake.finish_after_polls(3);
    let to = commit().with_tool("memory").with_started_at("2026-10-01T02:03:04Z".parse().unwrap());
    let pushed = github(&fake).push(&to, &[sarif_report(&["A", "B"])], &complete()).await.unwrap();
    assert_eq!((pushed.target, pushed.ids.len(), &pushed.absent), ("github", 1, &AbsentFindings::Closed));
    assert_eq!((fake.count(Route::Push), fake.count(Route::Status), open(&fake)), (1, 4, 2));
    let call = fake.calls().remove(0);
    assert_eq!(call.path, "/repos/octo/shop/code-scanning/sarifs");
    assert_eq!(call.header("accept"), Some("application/vnd.github+json"));
    assert_eq!(call.header("x-github-api-version"), Some("2022-11-28"));
    let mut body = call.json();
    body.as_object_mut().unwrap().remove("sarif");
    assert_eq!(
        body,
        json!({
            "commit_sha": COMMIT, "ref": "refs/heads/main", "tool_name": "memory", "started_at": "2026-10-01T02:03:04Z",
        })
    );
    github(&fake).push(&to, &[sarif_report(&["B"])], &complete()).await.unwrap();
    assert_eq!((open(&fake), fake.alerts().len()), (1, 2));
}

#[tokio::test]
async fn an_incomplete_report_is_sent_only_when_the_caller_allows_it() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let unproven = Completeness::unproven("host:a: the partition was not examined");
    let error = github(&fake).push(&commit(), &[sarif_report(&["A"])], &unproven).await.unwrap_err();
    assert_eq!((error.kind(), fake.calls().len()), (ErrorKind::Unsupported, 0));
    assert!(error.message().ends_with("host:a: the partition was not examined"), "{error}");
    let to = commit().with_partial_data(true);
    // Incomplete data in the category of complete ones would close alerts there.
    let error = github(&fake).push(&to, &[sarif_report(&["A"])], &unproven).await.unwrap_err();
    assert_eq!((error.kind(), fake.calls().len()), (ErrorKind::InvalidRequest, 0));
    assert!(error.message().contains("\"appsec/memory/shop\""), "{error}");
}

#[tokio::test]
async fn partial_data_close_nothing_and_the_next_whole_report_closes_them() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let github = github(&fake);
    let to = commit().with_partial_data(true);
    github.push(&to, &[sarif_report(&["A", "B"])], &complete()).await.unwrap();

    let unproven = Completeness::unproven("chunk 2 failed");
    let partial = ReportOptions::new("memory", "shop").with_completeness(&unproven);
    let (report, parts) = sarif_report_with(&partial, ["B", "C"]);
    assert_eq!((parts.whole, parts.partial), (0, 1));
    let pushed = github.push(&to, &[report], &unproven).await.unwrap();
    assert_eq!(pushed.absent, AbsentFindings::Kept("chunk 2 failed".to_owned()));
    assert_eq!(open(&fake), 3, "A stays open, and C is added");

    let whole = ReportOptions::new("memory", "shop").with_earlier_parts(parts);
    let (report, parts) = sarif_report_with(&whole, ["B"]);
    assert_eq!((parts.whole, parts.partial), (1, 1));
    github.push(&to, &[report], &complete()).await.unwrap();
    assert_eq!(open(&fake), 1, "{:?}", fake.alerts());
}

#[tokio::test]
async fn a_part_that_a_smaller_report_does_not_need_is_emptied() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let names: Vec<_> = (0..5_002).map(|number| format!("rule {number}")).collect();
    let options = ReportOptions::new("memory", "shop");
    let (report, parts) = sarif_report_with(&options, names.iter().map(String::as_str));
    assert_eq!((parts.whole, parts.partial), (2, 0));
    github(&fake).push(&commit(), &[report], &complete()).await.unwrap();
    assert_eq!(open(&fake), 5_002);
    let options = options.with_earlier_parts(parts);
    let (report, parts) = sarif_report_with(&options, names.iter().take(3).map(String::as_str));
    assert_eq!((parts.whole, parts.partial), (2, 0), "later reports have the part too");
    github(&fake).push(&commit(), &[report], &complete()).await.unwrap();
    assert_eq!(open(&fake), 3);
}

#[tokio::test]
async fn several_files_are_separate_analyses_that_do_not_replace_each_other() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let parts = ["shop/1/run", "shop/2/run"].map(|id| to_file(&sarif_with_result(id, "dast/a/x")));
    let pushed = github(&fake).push(&commit(), &parts, &complete()).await.unwrap();
    let all = fake.alerts();
    assert_eq!((pushed.ids.len(), all.iter().filter(|alert| alert.open).count()), (2, 2));
    assert_eq!(open(&fake), 1, "a person sees one alert");

    let same = ["shop/1/today", "shop/1/tomorrow"].map(|id| to_file(&sarif_with_result(id, "dast/a/x")));
    let error = github(&fake).push(&commit(), &same, &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("the category \"shop/1\""), "{error}");
    assert_eq!(fake.count(Route::Push), 2, "neither was sent");
}

#[tokio::test]
async fn content_refused_during_processing_is_an_error_with_githubs_message() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    fake.finish_after_polls(1);
    for (uri, words) in [
        ("https://shop.example.com/cart", "did not match the checkout URI scheme"),
        ("", "expected artifact location"),
        ("dast/a/failed", "unsuccessful execution"),
    ] {
        let mut report = sarif_with_result("shop/run", uri);
        report["runs"][0]["invocations"] = json!([{"executionSuccessful": !uri.ends_with("failed")}]);
        let report = to_file(&report);
        let error = github(&fake).push(&commit(), &[report], &complete()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::InvalidRequest, false));
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(open(&fake), 0);
}

#[tokio::test]
async fn invalid_reports_are_refused_before_anything_is_sent() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.sarif");
    // Incompressible bytes, from a xorshift generator.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    std::fs::write(&path, noise.take(13_000).flatten().collect::<Vec<_>>()).unwrap();
    let small = commit().with_max_compressed_bytes(100_000);
    assert_eq!(commit().max_compressed_bytes(), 10_000_000);
    for (report, words) in [
        (ReportFile::from_path(&path), "bytes when compressed"),
        (ReportFile::from_path(folder.path().join("none")), "cannot be read"),
        (ReportFile::from_bytes("<xml/>"), "is not SARIF"),
    ] {
        let reports = [sarif_report(&["A"]), report];
        let error = github(&fake).push(&small, &reports, &complete()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(fake.calls().len(), 0);
    for (repository, sha, reference) in [
        ("shop", COMMIT, "refs/heads/main"),
        ("octo/", COMMIT, "refs/heads/main"),
        ("a/b/c", COMMIT, "refs/heads/main"),
        ("octo/shop", "main", "refs/heads/main"),
        ("octo/shop", COMMIT, "main"),
    ] {
        let error = GitHubCommit::new(repository, sha, reference).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{repository} {sha} {reference}");
    }
}

#[tokio::test]
async fn errors_have_the_message_of_the_service() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    let wrong = GitHub::with_base_url(&fake.base_url(), "another", &options()).unwrap();
    let error = wrong.push(&commit(), &[sarif_report(&["A"])], &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().ends_with("(401: Bad credentials)"), "{error}");
    let unlicensed = "Advanced Security must be enabled for this repository to use code scanning.";
    for (reply, kind, words) in [
        (Reply::Json(403, json!({"message": unlicensed})), ErrorKind::PermissionDenied, unlicensed),
        (Reply::Json(404, json!({"message": "Not Found"})), ErrorKind::NotFound, "Not Found"),
        (
            Reply::Json(422, json!({"message": "No commit found for SHA"})),
            ErrorKind::InvalidRequest,
            "No commit found",
        ),
        (Reply::Html(413), ErrorKind::InvalidRequest, "too large"),
        (Reply::RetryAfter(403, 60), ErrorKind::RateLimited, "fewer requests (403)"),
    ] {
        fake.recover();
        fake.script(Route::Push, When::Always, reply);
        let error = github(&fake).push(&commit(), &[sarif_report(&["A"])], &complete()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(fake.alerts().len(), 0);
}

#[tokio::test]
async fn an_upload_is_retried_since_it_replaces_itself() {
    let fake = FakeCodeScanning::start(TOKEN).await.unwrap();
    fake.script(Route::Push, When::Next(1), Reply::Html(502));
    fake.script(Route::Push, When::After(1), Reply::RetryAfter(429, 0));
    // A new upload is not always visible immediately.
    fake.script(Route::Status, When::Next(1), Reply::Json(404, json!({"message": "Not Found"})));
    github(&fake).push(&commit(), &[sarif_report(&["A"])], &complete()).await.unwrap();
    assert_eq!((fake.count(Route::Push), open(&fake)), (3, 1));

    fake.recover();
    fake.finish_after_polls(u32::MAX);
    let hurried = options().with_polling(Duration::from_millis(5), Duration::from_millis(50));
    let github = GitHub::with_base_url(&fake.base_url(), TOKEN, &hurried).unwrap();
    let error = github.push(&commit(), &[sarif_report(&["A"])], &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Deadline, true));
    assert!(error.message().contains("6c81cd8e-b078-4ac3-a3be-000000000001"), "{error}");
}
