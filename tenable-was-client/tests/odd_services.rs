//! Services with responses that the fake never sends: each response is scripted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::{DastApiScannerExt, ErrorKind, FindingQuery, FindingStatus, GapKind};
use appsec_http::{HttpOptions, RetryPolicy};
use serde_json::{Value, json};
use tenable_was_client::model::{ChunkId, ExportRequest};
use tenable_was_client::{ExportOptions, TenableWasClient, TenableWasClientBuilder, export::ExportEnding};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

const CONFIG: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
const EXPORT: &str = "bf000000-53aa-4e70-9ef3-87cfca1d2be0";
const OTHER: &str = "bf000000-53aa-4e70-9ef3-87cfca1d2be1";

fn body(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn get(place: String) -> MockBuilder {
    Mock::given(method("GET")).and(path(place))
}

fn post(place: &str) -> MockBuilder {
    Mock::given(method("POST")).and(path(place))
}

fn status_of(export: &str) -> MockBuilder {
    get(format!("/was/v1/export/vulns/{export}/status"))
}

fn client(server: &MockServer) -> TenableWasClient {
    builder(server).build().unwrap()
}

fn builder(server: &MockServer) -> TenableWasClientBuilder {
    let short = Duration::from_millis(1);
    TenableWasClient::builder("a", "s")
        .with_base_url(server.uri())
        .with_http(
            HttpOptions::new()
                .with_retry(RetryPolicy::new().with_max_attempts(2).with_base(short).with_cap(short)),
        )
        .with_export(
            ExportOptions::new().with_pauses(short, 5 * short).with_patience(Duration::from_millis(200)),
        )
}

async fn serve(mocks: Vec<Mock>) -> MockServer {
    let server = MockServer::start().await;
    for mock in mocks {
        mock.mount(&server).await;
    }
    server
}

fn filters(since: i64) -> Value {
    json!({"state": ["OPEN", "REOPENED", "FIXED"], "since": since, "first_found": 0, "last_found": 0, "last_fixed": 0, "indexed_at": 0})
}

#[tokio::test]
async fn a_foreign_export_is_waited_for_and_its_chunks_are_not_read() {
    let running = json!({"active_job_id": OTHER, "failure_reason": "conflict with a running export"});
    let server = serve(vec![
        post("/was/v1/export/vulns")
            .respond_with(ResponseTemplate::new(409).set_body_json(running))
            .up_to_n_times(1)
            .named("refused")
            .expect(1),
        post("/was/v1/export/vulns")
            .respond_with(ok(&json!({"export_uuid": EXPORT})))
            .named("accepted")
            .expect(1),
        status_of(OTHER)
            .respond_with(ok(&json!({"status": "PROCESSING", "filters": filters(7)})))
            .up_to_n_times(5)
            .named("the other")
            .expect(5),
        status_of(OTHER)
            .respond_with(ok(&json!({"status": "FINISHED", "filters": filters(7)})))
            .named("the other has ended")
            .expect(1),
        get(format!("/was/v1/export/vulns/{OTHER}/chunks/1"))
            .respond_with(ok(&json!([])))
            .named("its chunk")
            .expect(0),
    ])
    .await;
    let job = client(&server).start_export(&ExportRequest::everything()).await.unwrap();
    assert!(!job.is_adopted());
    assert_eq!(job.id().to_string(), EXPORT);
}

#[tokio::test]
async fn a_foreign_export_that_does_not_end_is_a_conflict() {
    let running = json!({"active_job_id": OTHER, "failure_reason": "conflict with a running export"});
    let server = serve(vec![
        post("/was/v1/export/vulns")
            .respond_with(ResponseTemplate::new(409).set_body_json(running))
            .named("refused")
            .expect(1),
        status_of(OTHER).respond_with(ok(&json!({"status": "PROCESSING"}))),
    ])
    .await;
    let error = client(&server).start_export(&ExportRequest::everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains(OTHER));
}

#[tokio::test]
async fn a_conflict_with_an_export_that_cannot_be_seen_is_not_asked_again_and_again() {
    let running = json!({"active_job_id": OTHER, "failure_reason": "conflict with a running export"});
    let server = serve(vec![
        post("/was/v1/export/vulns")
            .respond_with(ResponseTemplate::new(409).set_body_json(running))
            .named("refused")
            .expect(8),
        status_of(OTHER).respond_with(ResponseTemplate::new(404)).named("not visible").expect(8),
    ])
    .await;
    let began = std::time::Instant::now();
    let options = ExportOptions::new()
        .with_pauses(Duration::from_millis(1), Duration::from_millis(2))
        .with_patience(Duration::from_secs(60));
    let client = builder(&server).with_export(options).build().unwrap();
    let error = client.start_export(&ExportRequest::everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // 1 + 3 + 9 + … + 729 ms: each pause is three times the one before.
    assert!(began.elapsed() >= Duration::from_millis(1_093), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_job_that_is_not_visible_at_once_is_waited_for() {
    let done = json!({"status": "FINISHED", "chunks_available": [], "total_chunks": 0});
    let server = serve(vec![
        post("/was/v1/export/vulns").respond_with(ok(&json!({"export_uuid": EXPORT}))),
        status_of(EXPORT).respond_with(ResponseTemplate::new(404)).up_to_n_times(3).named("hidden").expect(3),
        status_of(EXPORT).respond_with(ok(&done)).named("shown").expect(1),
    ])
    .await;
    let mut job = client(&server).start_export(&ExportRequest::everything()).await.unwrap();
    assert_eq!(job.next_chunks().await.unwrap(), None);
    assert_eq!(job.ending(), Some(&ExportEnding::Finished));
    assert!(job.gaps().is_empty());
}

#[tokio::test]
async fn a_job_that_never_becomes_visible_is_not_found_and_one_that_vanishes_is_a_gap() {
    let hidden = serve(vec![
        post("/was/v1/export/vulns").respond_with(ok(&json!({"export_uuid": EXPORT}))),
        status_of(EXPORT).respond_with(ResponseTemplate::new(404)),
    ])
    .await;
    let mut job = client(&hidden).start_export(&ExportRequest::everything()).await.unwrap();
    assert_eq!(job.next_chunks().await.unwrap_err().kind(), ErrorKind::NotFound);

    let seen = json!({"status": "PROCESSING", "chunks_available": [2], "total_chunks": 3});
    let vanishing = serve(vec![
        post("/was/v1/export/vulns").respond_with(ok(&json!({"export_uuid": EXPORT}))),
        status_of(EXPORT).respond_with(ok(&seen)).up_to_n_times(1),
        status_of(EXPORT).respond_with(ResponseTemplate::new(404)),
    ])
    .await;
    let mut job = client(&vanishing).start_export(&ExportRequest::everything()).await.unwrap();
    assert_eq!(job.next_chunks().await.unwrap(), Some(vec![ChunkId(2)]));
    job.mark_delivered(ChunkId(2));
    assert_eq!(job.next_chunks().await.unwrap(), None);
    assert_eq!(job.ending(), Some(&ExportEnding::Vanished));
    assert_eq!(job.gaps().len(), 2, "the vanished job, and two chunks that are not accounted for");
}

#[tokio::test]
async fn a_resumed_job_that_does_not_exist_has_expired() {
    let server =
        serve(vec![status_of(EXPORT).respond_with(ResponseTemplate::new(404)).named("gone").expect(1)]).await;
    let mut job = client(&server).resume_export(EXPORT.parse().unwrap(), [ChunkId(1)]);
    assert_eq!(job.next_chunks().await.unwrap_err().kind(), ErrorKind::ResumeExpired);
}

#[tokio::test]
async fn a_cancelled_wait_does_not_poll_twice() {
    let slow = ok(&json!({"status": "PROCESSING", "chunks_available": [1], "total_chunks": 2}))
        .set_delay(Duration::from_millis(150));
    let server = serve(vec![
        post("/was/v1/export/vulns").respond_with(ok(&json!({"export_uuid": EXPORT}))),
        status_of(EXPORT).respond_with(slow).named("status").expect(1),
    ])
    .await;
    let mut job = client(&server).start_export(&ExportRequest::everything()).await.unwrap();
    for _ in 0..5 {
        let waited = tokio::time::timeout(Duration::from_millis(10), job.next_chunks()).await;
        assert!(waited.is_err());
    }
    assert_eq!(job.next_chunks().await.unwrap(), Some(vec![ChunkId(1)]));
}

/// A tenant of one configuration, with the report and the export of the fixtures.
async fn composed() -> MockServer {
    let finished = json!({"status": "FINISHED", "chunks_available": [2, 7], "total_chunks": 2, "created": 1_790_086_400_123_i64});
    serve(vec![
        post("/was/v2/configs/search").respond_with(ok(&body("config_search.json"))),
        get(format!("/was/v2/scans/{SCAN}")).respond_with(ok(&body("scan_completed.json"))),
        get(format!("/was/v2/scans/{SCAN}/report")).respond_with(ok(&body("report_contradictions.json"))),
        post("/was/v1/export/vulns").respond_with(ok(&body("export_accepted.json"))),
        status_of(EXPORT).respond_with(ok(&finished)),
        get(format!("/was/v1/export/vulns/{EXPORT}/chunks/2")).respond_with(ok(&body("export_chunk.json"))),
        get(format!("/was/v1/export/vulns/{EXPORT}/chunks/7"))
            .respond_with(ok(&body("export_chunk_contradictions.json"))),
    ])
    .await
}

#[tokio::test]
async fn the_composed_report_becomes_these_findings() {
    let server = composed().await;
    let (findings, coverage) = client(&server).collect_findings(FindingQuery::scan(SCAN)).await.unwrap();
    insta::assert_json_snapshot!("report_findings", findings);
    insta::assert_json_snapshot!("report_coverage", coverage);
}

#[tokio::test]
async fn the_composed_export_becomes_these_findings() {
    let server = composed().await;
    let query = FindingQuery::target(format!("config:{CONFIG}").as_str());
    let (mut findings, coverage) = client(&server).collect_findings(query).await.unwrap();
    // Chunks come in any order.
    findings.sort_by(|a, b| a.aliases.cmp(&b.aliases));
    insta::assert_json_snapshot!("export_findings", findings);
    insta::assert_json_snapshot!("export_coverage", coverage);
    assert!(findings.iter().any(|finding| finding.status == Some(FindingStatus::Unknown("SNOOZED".into()))));
}

#[tokio::test]
async fn records_of_other_assets_are_left_out() {
    let foreign = json!([{"finding_id": "f", "url": "https://b.example.com/", "state": "OPEN", "severity": "LOW", "plugin": {"id": 1},
        "asset": {"uuid": "88887777-9999-4aaa-8bbb-ccccddddeeee"}}]);
    let server = serve(vec![
        post("/was/v2/configs/search").respond_with(ok(&body("config_search.json"))),
        post("/was/v1/export/vulns").respond_with(ok(&body("export_accepted.json"))),
        status_of(EXPORT)
            .respond_with(ok(&json!({"status": "FINISHED", "chunks_available": [1], "total_chunks": 1}))),
        get(format!("/was/v1/export/vulns/{EXPORT}/chunks/1")).respond_with(ok(&foreign)),
    ])
    .await;
    let query = FindingQuery::target(format!("config:{CONFIG}").as_str());
    let (findings, coverage) = client(&server).collect_findings(query).await.unwrap();
    assert!(findings.is_empty() && coverage.is_complete());
    let (findings, _) = client(&server).collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 1, "it belongs to the tenant, although no configuration scans it");
    assert!(findings[0].targets.is_empty());
}

#[tokio::test]
async fn a_record_without_a_plugin_is_a_gap() {
    let chunk = json!([{"finding_id": "f", "url": "https://a.example.com/"}, {"plugin": {"id": 1}, "url": "https://a.example.com/"}]);
    let server = serve(vec![
        post("/was/v2/configs/search").respond_with(ok(&body("config_search.json"))),
        post("/was/v1/export/vulns").respond_with(ok(&body("export_accepted.json"))),
        status_of(EXPORT)
            .respond_with(ok(&json!({"status": "FINISHED", "chunks_available": [1], "total_chunks": 1}))),
        get(format!("/was/v1/export/vulns/{EXPORT}/chunks/1")).respond_with(ok(&chunk)),
    ])
    .await;
    let (findings, coverage) = client(&server).collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 1);
    let gap = &coverage.gaps()[0];
    assert_eq!((gap.kind.clone(), gap.path.as_deref()), (GapKind::Record, Some("[0].plugin")));
}

/// A scan without a report, and further responses.
async fn without_a_report(others: impl IntoIterator<Item = Mock>) -> MockServer {
    let mut mocks = vec![
        post("/was/v2/configs/search").respond_with(ok(&body("config_search.json"))),
        get(format!("/was/v2/scans/{SCAN}")).respond_with(ok(&body("scan_completed.json"))),
        get(format!("/was/v2/scans/{SCAN}/report")).respond_with(ResponseTemplate::new(404)),
        get(format!("/was/v2/scans/{SCAN}/notes"))
            .respond_with(ok(&json!({"pagination": {"total": 0}, "items": []}))),
    ];
    mocks.extend(others);
    serve(mocks).await
}

/// A plugin that the service does not know any more.
fn withdrawn() -> Mock {
    get("/was/v2/plugins/98104".to_owned()).respond_with(ResponseTemplate::new(404))
}

#[tokio::test]
async fn detections_that_do_not_add_up_to_the_total_are_a_gap() {
    let mut page = body("vulnerability_search.json");
    page["pagination"]["total"] = json!(1);
    let second = page["items"][0].clone();
    page["items"].as_array_mut().unwrap().push(second);
    for (total, gaps) in [(1, vec![]), (2, vec![GapKind::Shifted])] {
        let mut page = page.clone();
        page["pagination"]["total"] = json!(total);
        let server = without_a_report([
            withdrawn().named("withdrawn").expect(1),
            post(&format!("/was/v2/scans/{SCAN}/vulnerabilities/search")).respond_with(ok(&page)),
        ])
        .await;
        let (findings, coverage) = client(&server).collect_findings(FindingQuery::scan(SCAN)).await.unwrap();
        assert_eq!(findings.len(), 1, "a detection that is listed twice is one");
        assert!(findings[0].severity.is_unknown(), "the severity was in the plugin that is gone");
        let kinds: Vec<_> = coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
        assert_eq!(kinds, gaps, "{total}");
    }
}

#[tokio::test]
async fn a_total_of_detections_that_decreases_is_a_gap() {
    let mut first = body("vulnerability_search.json");
    first["items"].as_array_mut().unwrap().truncate(1);
    for (announced, at_last, gaps) in [
        (json!(2), json!(1), vec![GapKind::Shifted]),
        (json!(2), Value::Null, vec![GapKind::Shifted]),
        (Value::Null, json!(1), vec![GapKind::Shifted]),
        (json!(1), json!(1), vec![]),
    ] {
        let mut last = first.clone();
        (first["pagination"]["total"], last["pagination"]["total"]) = (announced, at_last);
        last["items"] = json!([]);
        let search = format!("/was/v2/scans/{SCAN}/vulnerabilities/search");
        let server = without_a_report([
            withdrawn(),
            post(&search).respond_with(ok(&first)).up_to_n_times(1),
            post(&search).respond_with(ok(&last)),
        ])
        .await;
        let (findings, coverage) = client(&server).collect_findings(FindingQuery::scan(SCAN)).await.unwrap();
        let kinds: Vec<_> = coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
        assert_eq!((findings.len(), kinds), (1, gaps), "{:?}", coverage.gaps());
    }
}

#[tokio::test]
async fn a_scan_whose_targets_are_not_all_listed_has_a_gap() {
    let mut parent = body("scan_parent.json");
    parent["metadata"]["total_children"] = json!(3);
    let family = body("scan_search_family.json");
    let id = parent["scan_id"].as_str().unwrap().to_owned();
    let config = parent["config_id"].as_str().unwrap().to_owned();
    let no_notes = json!({"pagination": {"total": 0}, "items": []});
    let mut mocks = vec![
        post("/was/v2/configs/search").respond_with(ok(&body("config_search.json"))),
        get(format!("/was/v2/scans/{id}")).respond_with(ok(&parent)),
        get(format!("/was/v2/scans/{id}/notes")).respond_with(ok(&no_notes)),
        post(&format!("/was/v2/scans/{id}/vulnerabilities/by-targets/search"))
            .respond_with(ResponseTemplate::new(500)),
        post(&format!("/was/v2/configs/{config}/scans/search")).respond_with(ok(&family)),
    ];
    for child in ["a1a1a1a1-0000-4000-8000-000000000011", "a1a1a1a1-0000-4000-8000-000000000012"] {
        mocks.push(get(format!("/was/v2/scans/{child}/report")).respond_with(ok(&body("report_empty.json"))));
    }
    let server = serve(mocks).await;
    let (_, coverage) = client(&server).collect_findings(FindingQuery::scan(id.as_str())).await.unwrap();
    let kinds: Vec<_> = coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(
        kinds,
        [GapKind::ResultsUnavailable, GapKind::ScanLimited],
        "one target unseen, one run aborted"
    );
}
