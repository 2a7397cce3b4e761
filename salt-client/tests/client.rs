//! The requests of each call.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::{DastApiScanner, ErrorKind, FindingQuery};
use futures_util::{StreamExt, TryStreamExt};
use salt_client::{
    GapChange, GapSeverity, GapStatus, GapsQuery, HttpOptions, ListQuery, RetryPolicy, SaltClient,
    SaltClientBuilder, SpeculativeBody,
};
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

const GAPS: &str = "/v1/apigovern/posture/gaps";
const HOSTS: &str = "/v1/inventory/hosts";
const ENDPOINTS: &str = "/v1/inventory/endpoints";

fn builder(server: &MockServer) -> SaltClientBuilder {
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_cap(Duration::from_millis(2));
    SaltClient::builder(server.uri(), "canary-token")
        .with_http(HttpOptions::new().with_retry(retry))
        .with_requests_per_second(None)
}

fn client(server: &MockServer) -> SaltClient {
    builder(server).build().unwrap()
}

fn get(at: &str) -> MockBuilder {
    Mock::given(method("GET")).and(path(at)).and(header("authorization", "Bearer canary-token"))
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn page(records: &Value, end: u64) -> ResponseTemplate {
    ok(&json!({"response": records, "endOffset": end}))
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw("<!DOCTYPE html><h1>no</h1>", "text/html")
}

#[tokio::test]
async fn gaps_are_listed_with_every_filter_in_one_call() {
    let server = MockServer::start().await;
    get(GAPS)
        .and(query_param("limit", "2"))
        .and(query_param("offset", "40"))
        .and(query_param("details", "true"))
        .and(query_param("severity", "High,Critical"))
        .and(query_param("status", "Open,InProcess"))
        .and(query_param("host", "billing.example.test"))
        .and(query_param("activeOnly", "false"))
        .respond_with(page(&json!([{"postureGapId": "1", "status": "Open"}, "bad"]), 42))
        .named("the filtered page")
        .expect(1)
        .mount(&server)
        .await;
    let query = GapsQuery::new()
        .with_limit(2)
        .with_offset(40)
        .with_details(true)
        .with_severities([GapSeverity::High, GapSeverity::Critical])
        .with_statuses([GapStatus::Open, GapStatus::InProcess])
        .with_host("billing.example.test")
        .with_parameter("activeOnly", false);
    let page = client(&server).list_gaps(&query).await.unwrap();
    assert_eq!(page.records[0].posture_gap_id.as_deref(), Some("1"));
    assert_eq!((page.bad[0].path.as_str(), page.end_offset), ("response[1]", Some(42)));
}

#[tokio::test]
async fn an_unfiltered_list_sends_limit_and_offset_only() {
    let server = MockServer::start().await;
    get(GAPS)
        .and(query_param("limit", "100"))
        .and(query_param("offset", "0"))
        .and(query_param_is_missing("details"))
        .and(query_param_is_missing("severity"))
        .and(query_param_is_missing("status"))
        .and(query_param_is_missing("host"))
        .respond_with(page(&json!([]), 0))
        .named("the bare page")
        .expect(1)
        .mount(&server)
        .await;
    assert!(client(&server).list_gaps(&GapsQuery::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_inventory_is_listed_by_limit_and_offset() {
    let server = MockServer::start().await;
    for (at, record) in [
        (HOSTS, json!({"hostname": "a.example"})),
        (ENDPOINTS, json!({"fqdn": "a.example", "method": "post", "url": "/x"})),
    ] {
        get(at)
            .and(query_param("limit", "7"))
            .and(query_param("offset", "3"))
            .respond_with(page(&json!([record]), 4))
            .named(at)
            .expect(1)
            .mount(&server)
            .await;
    }
    let client = client(&server);
    let query = ListQuery::new().with_limit(7).with_offset(3);
    let hosts = client.list_hosts(&query).await.unwrap();
    assert_eq!(hosts.records[0].host().as_deref(), Some("a.example"));
    let endpoints = client.list_endpoints(&query).await.unwrap();
    let endpoint = &endpoints.records[0];
    assert_eq!((endpoint.method().as_deref(), endpoint.path().as_deref()), (Some("POST"), Some("/x")));
}

#[tokio::test]
async fn cloud_assets_are_listed_and_read_one_by_one() {
    let server = MockServer::start().await;
    get("/v1/cloud-connect/cloud-assets")
        .and(query_param("limit", "1000"))
        .and(query_param("offset", "3"))
        .respond_with(ok(&json!({"records": [{"id": "68c1", "endpoints": "12"}], "has_more": true})))
        .named("the list")
        .expect(1)
        .mount(&server)
        .await;
    get("/v1/cloud-connect/cloud-assets/asset/68c1")
        .respond_with(ok(&json!({"id": "68c1", "tags": {"team": "orion"}})))
        .named("the asset")
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server);
    let page = client.list_cloud_assets(&ListQuery::new().with_limit(1000).with_offset(3)).await.unwrap();
    assert_eq!(page.records[0].endpoint_count(), Some(12));
    assert_eq!((page.end_offset, page.extra["has_more"].as_bool()), (None, Some(true)));
    let asset = client.get_cloud_asset("68c1").await.unwrap();
    assert_eq!(asset.tag_pairs(), [("team".to_owned(), "orion".to_owned())]);

    for limit in [0, 1001] {
        let query = ListQuery::new().with_limit(limit);
        assert_eq!(client.list_cloud_assets(&query).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
        let first = client.cloud_assets(query).next().await.unwrap();
        assert_eq!(first.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    assert_eq!(client.get_cloud_asset("../gaps").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_document_and_a_custom_path_are_read_verbatim() {
    let server = MockServer::start().await;
    get("/v1/unified-inventory/oas-swagger")
        .and(query_param("hostname", "billing.example.test"))
        .respond_with(ok(&json!({"openapi": "3.0.1", "paths": {}})))
        .named("the document")
        .expect(1)
        .mount(&server)
        .await;
    get("/v1/attackers")
        .and(query_param("from", "a&b"))
        .respond_with(ok(&json!({"anything": [1, null]})))
        .named("the path")
        .expect(1)
        .mount(&server)
        .await;
    get("/v1/empty").respond_with(ResponseTemplate::new(204)).named("nothing").expect(1).mount(&server).await;
    let client = client(&server);
    assert_eq!(client.get_openapi("billing.example.test").await.unwrap()["openapi"], "3.0.1");
    let body = client.get_json("/v1/attackers", &[("from", "a&b")]).await.unwrap();
    assert_eq!(body, json!({"anything": [1, null]}));
    assert_eq!(client.get_json("/v1/empty", &[]).await.unwrap(), Value::Null);
    for path in ["https://evil.example/v1", "/../x", "/v1/x?y=z"] {
        let error = client.get_json(path, &[]).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::InvalidRequest, 0), "{path}");
    }
}

#[tokio::test]
async fn a_status_is_written_by_one_post() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(GAPS))
        .and(header("authorization", "Bearer canary-token"))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({"postureGapId": "6810", "status": "InProcess"})))
        .respond_with(ResponseTemplate::new(204))
        .named("the change")
        .expect(1)
        .mount(&server)
        .await;
    let change = GapChange::new("6810", GapStatus::InProcess);
    let unverified = client(&server).write_gap_status(&change, &SpeculativeBody::Object).await.unwrap();
    assert_eq!((unverified.status(), unverified.body()), (204, &b""[..]));
}

#[tokio::test]
async fn the_user_agent_names_the_client() {
    let server = MockServer::start().await;
    get(GAPS)
        .and(header("user-agent", concat!("salt-client/", env!("CARGO_PKG_VERSION"))))
        .respond_with(page(&json!([]), 0))
        .named("with the agent")
        .expect(1)
        .mount(&server)
        .await;
    client(&server).list_gaps(&GapsQuery::new()).await.unwrap();
}

#[tokio::test]
async fn token_and_base_url_are_normalized() {
    let server = MockServer::start().await;
    get(HOSTS).respond_with(page(&json!([]), 0)).named("the host list").expect(4).mount(&server).await;
    for (end, token) in [
        ("", "canary-token"),
        ("/", "Bearer canary-token"),
        ("/v1", "bearer canary-token"),
        ("/v1/", " canary-token\n"),
    ] {
        let client = SaltClient::builder(format!("{}{end}", server.uri()), token).build().unwrap();
        client.list_hosts(&ListQuery::new()).await.unwrap();
    }
}

#[tokio::test]
async fn refused_requests_are_not_repeated() {
    for (status, kind) in [
        (400, ErrorKind::InvalidRequest),
        (401, ErrorKind::Auth),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
    ] {
        let server = MockServer::start().await;
        let refusal = ResponseTemplate::new(status).set_body_json(json!({"message": "No"}));
        get(GAPS).respond_with(refusal).named("the refusal").expect(1).mount(&server).await;
        let error = client(&server).list_gaps(&GapsQuery::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert_eq!(error.operation(), Some("salt: list posture gaps"));
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_requested_wait_is_kept() {
    let server = MockServer::start().await;
    let wait = ResponseTemplate::new(429)
        .insert_header("retry-after", "1")
        .set_body_json(json!({"message": "Too Many Requests"}));
    get(GAPS).respond_with(wait).up_to_n_times(1).named("the limit").expect(1).mount(&server).await;
    get(GAPS).respond_with(page(&json!([]), 0)).named("the page").expect(1).mount(&server).await;
    let started = std::time::Instant::now();
    client(&server).list_gaps(&GapsQuery::new()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn transient_faults_are_retried_and_lasting_ones_end() {
    for fault in [
        html(502),
        html(200),
        ResponseTemplate::new(503),
        ResponseTemplate::new(200).set_body_string("{\"response\":[{"),
    ] {
        let server = MockServer::start().await;
        get(GAPS)
            .respond_with(fault.clone())
            .up_to_n_times(2)
            .named("the fault")
            .expect(2)
            .mount(&server)
            .await;
        get(GAPS).respond_with(page(&json!([]), 0)).named("the page").expect(1).mount(&server).await;
        client(&server).list_gaps(&GapsQuery::new()).await.unwrap();

        let server = MockServer::start().await;
        get(GAPS).respond_with(fault).named("the lasting fault").expect(4).mount(&server).await;
        let error = client(&server).list_gaps(&GapsQuery::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Server | ErrorKind::Decode), "{error}");
        assert_eq!(error.attempts(), 4);
        assert!(!error.is_retryable(), "an outer loop must not start again: {error:?}");
    }
}

#[tokio::test]
async fn json_of_another_shape_names_operation_and_path_and_is_not_repeated() {
    for (body, path) in [
        (json!({"message": "fine"}), "response"),
        (json!({"response": null}), "response"),
        (json!({"records": "none"}), "records"),
        (json!([]), "response"),
    ] {
        let server = MockServer::start().await;
        get(HOSTS).respond_with(ok(&body)).named("the odd page").expect(1).mount(&server).await;
        let error = client(&server).list_hosts(&ListQuery::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert_eq!((error.operation(), error.path()), (Some("salt: list hosts"), Some(path)), "{body}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let other = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(page(&json!([]), 0))
        .named("where the redirect leads")
        .expect(0)
        .mount(&other)
        .await;
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", format!("{}{GAPS}", other.uri()));
    get(GAPS).respond_with(redirect).named("the redirect").expect(1).mount(&server).await;
    let error = client(&server).list_gaps(&GapsQuery::new()).await.unwrap_err();
    assert_eq!(error.status(), Some(302));
}

#[tokio::test]
async fn each_page_reads_the_last_record_again_until_an_empty_page() {
    let server = MockServer::start().await;
    // Pages with an end offset, without one, and with one that does not advance.
    for (offset, body) in [
        ("0", json!({"response": [{"host": "a"}, {"host": "b"}], "endOffset": 2})),
        ("1", json!({"response": [{"host": "b"}, {"host": "c"}]})),
        ("2", json!({"response": [{"host": "c"}, {"host": "d"}], "endOffset": 2})),
        ("3", json!({"response": [{"host": "d"}], "endOffset": 4})),
        ("4", json!({"response": [], "endOffset": 4})),
    ] {
        get(HOSTS)
            .and(query_param("limit", "2"))
            .and(query_param("offset", offset))
            .respond_with(ok(&body))
            .named(format!("offset {offset}"))
            .expect(1)
            .mount(&server)
            .await;
    }
    let pages: Vec<_> = client(&server).hosts(ListQuery::new().with_limit(2)).try_collect().await.unwrap();
    let hosts: Vec<_> =
        pages.iter().flat_map(|page| &page.records).filter_map(salt_client::Host::host).collect();
    assert_eq!(hosts, ["a", "b", "c", "d"]);
    assert!(pages.iter().all(|page| page.gaps.is_empty()));
}

#[tokio::test]
async fn a_stream_of_pages_sends_nothing_before_it_is_read_and_ends_at_an_error() {
    let server = MockServer::start().await;
    get(ENDPOINTS)
        .and(query_param("offset", "0"))
        .respond_with(page(&json!([{"host": "a"}]), 1))
        .named("the first page, and its only record again")
        .expect(2)
        .mount(&server)
        .await;
    get(ENDPOINTS)
        .and(query_param("offset", "1"))
        .respond_with(ResponseTemplate::new(403))
        .named("the refusal")
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server);
    let mut pages = client.endpoints(ListQuery::new());
    assert!(server.received_requests().await.unwrap().is_empty());
    assert_eq!(pages.next().await.unwrap().unwrap().records.len(), 1);
    assert_eq!(pages.next().await.unwrap().unwrap().records.len(), 0);
    assert_eq!(pages.next().await.unwrap().unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_listing_that_repeats_one_page_forever_is_an_error() {
    let server = MockServer::start().await;
    get(GAPS)
        .respond_with(page(&json!([{"postureGapId": "1"}]), 1))
        .named("the page")
        .expect(3..20)
        .mount(&server)
        .await;
    let results: Vec<_> = client(&server).gaps(GapsQuery::new()).collect().await;
    assert_eq!(results.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Unexpected);
    let records = results.iter().flatten().flat_map(|page| &page.records);
    assert_eq!(records.count(), 1, "the record is delivered once");
}

#[tokio::test]
async fn a_refused_page_size_falls_back_to_a_hundred() {
    let server = MockServer::start().await;
    get(GAPS)
        .and(query_param("limit", "500"))
        .respond_with(ResponseTemplate::new(400))
        .named("too big")
        .expect(1)
        .mount(&server)
        .await;
    for (offset, body, calls) in [("0", json!([{"postureGapId": "1"}]), 2), ("1", json!([]), 1)] {
        get(GAPS)
            .and(query_param("limit", "100"))
            .and(query_param("offset", offset))
            .respond_with(page(&body, 1))
            .named(format!("a hundred from {offset}"))
            .expect(calls)
            .mount(&server)
            .await;
    }
    let pages: Vec<_> = client(&server).gaps(GapsQuery::new().with_limit(500)).try_collect().await.unwrap();
    assert_eq!(pages.len(), 3);
}

#[tokio::test]
async fn requests_are_limited_to_a_rate_by_default() {
    let server = MockServer::start().await;
    get(HOSTS).respond_with(page(&json!([]), 0)).named("the host list").expect(3).mount(&server).await;
    let client = SaltClient::builder(server.uri(), "canary-token").build().unwrap();
    let started = std::time::Instant::now();
    for _ in 0..3 {
        client.list_hosts(&ListQuery::new()).await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(350), "five a second are two gaps of 200 ms");
}

#[tokio::test]
async fn unsupported_calls_send_nothing() {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200))
        .named("nothing")
        .expect(0)
        .mount(&server)
        .await;
    let client = client(&server);
    let error = client.scan(&"1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = client.findings(FindingQuery::scan("1")).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    drop(client.findings(FindingQuery::all()));
}
