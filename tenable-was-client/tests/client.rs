//! Each operation by its request and response, and the calls that must not happen.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::{BindTargetQuery, DastApiScannerExt, ErrorKind};
use appsec_http::{HttpOptions, RetryPolicy};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tenable_was_client::filter::{ConfigField, Filter, LastScanStatusValue};
use tenable_was_client::model::{ConfigId, ExportRequest, PluginId, RequestedAction, TenableScanId};
use tenable_was_client::{PageQuery, TenableWasClient};
use wiremock::matchers::{any, body_json, body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CONFIG: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
const EXPORT: &str = "bf000000-53aa-4e70-9ef3-87cfca1d2be0";

fn config() -> ConfigId {
    CONFIG.parse().unwrap()
}

fn scan() -> TenableScanId {
    SCAN.parse().unwrap()
}

fn fixture(name: &str) -> ResponseTemplate {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    ResponseTemplate::new(200).set_body_raw(std::fs::read(path).unwrap(), "application/json")
}

fn client(server: &MockServer) -> TenableWasClient {
    let retry = RetryPolicy::new()
        .with_max_attempts(3)
        .with_base(Duration::from_millis(1))
        .with_cap(Duration::from_millis(5));
    TenableWasClient::builder("access-marker", "secret-marker")
        .with_base_url(server.uri())
        .with_http(HttpOptions::new().with_retry(retry))
        .with_integration("Example Corp", "Importer", "1.2")
        .build()
        .unwrap()
}

/// A server with these mocks only; any other request is an error.
async fn server(mocks: Vec<Mock>) -> MockServer {
    let server = MockServer::start().await;
    for mock in mocks {
        mock.mount(&server).await;
    }
    Mock::given(any())
        .respond_with(ResponseTemplate::new(500))
        .with_priority(200)
        .named("anything else")
        .expect(0)
        .mount(&server)
        .await;
    server
}

fn at(verb: &str, place: String) -> wiremock::MockBuilder {
    Mock::given(method(verb)).and(path(place))
}

#[tokio::test]
async fn every_request_has_the_keys_and_the_integration() {
    let server = server(vec![
        at("GET", "/session".to_owned())
            .and(header("x-apikeys", "accessKey=access-marker;secretKey=secret-marker"))
            .and(header("user-agent", "Integration/1.0 (Example Corp; Importer; Build/1.2)"))
            .respond_with(fixture("session.json"))
            .named("session")
            .expect(1),
    ])
    .await;
    let session = client(&server).get_session().await.unwrap();
    assert_eq!(session.permissions, Some(64));
}

#[tokio::test]
async fn server_properties_plugins_and_templates_are_read() {
    let server = server(vec![
        at("GET", "/server/properties".to_owned())
            .respond_with(fixture("server_properties.json"))
            .named("properties")
            .expect(1),
        at("GET", "/was/v2/plugins/98074".to_owned())
            .respond_with(fixture("plugin.json"))
            .named("plugin")
            .expect(1),
        at("GET", "/was/v2/templates".to_owned())
            .and(query_param("limit", "200"))
            .and(query_param("offset", "0"))
            .respond_with(fixture("templates.json"))
            .named("templates")
            .expect(1),
    ])
    .await;
    let client = client(&server);
    assert_eq!(client.get_server_properties().await.unwrap().region.as_deref(), Some("EU"));
    assert_eq!(client.get_plugin(PluginId(98074)).await.unwrap().cwe, ["530"]);
    let templates = client.list_templates(&PageQuery::new()).await.unwrap();
    assert_eq!(templates.items[0].scanner_types.len(), 3);
}

#[tokio::test]
async fn a_listing_is_read_to_its_total_page_by_page() {
    let page = |first: usize, count: usize| {
        let items: Vec<Value> = (first..first + count)
            .map(|n| json!({"config_id": format!("00000000-0000-4000-8000-{n:012}"), "name": n}))
            .collect();
        ResponseTemplate::new(200).set_body_json(json!({"pagination": {"total": 5}, "items": items}))
    };
    let search = |offset: &'static str| {
        at("POST", "/was/v2/configs/search".to_owned())
            .and(query_param("offset", offset))
            .and(body_json(json!({})))
    };
    let server = server(vec![
        search("0").respond_with(page(0, 3)).named("first page").expect(1),
        search("2").respond_with(page(2, 3)).named("last page, from the last item of the first").expect(1),
    ])
    .await;
    let configs: Vec<_> = client(&server).configs(Filter::everything()).try_concat().await.unwrap().records;
    let names: Vec<_> = configs.iter().map(|config| config.name.clone().unwrap()).collect();
    assert_eq!(names, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_filter_is_sent_unchanged() {
    let sent = json!({"AND": [{"field": "scans_status", "operator": "contains", "value": ["completed"]}]});
    let server = server(vec![
        at("POST", "/was/v2/configs/search".to_owned())
            .and(body_json(&sent))
            .respond_with(fixture("config_search.json"))
            .named("search")
            .expect(1),
    ])
    .await;
    let filter = Filter::all([ConfigField::SCANS_STATUS.any_of([LastScanStatusValue::Completed])]);
    let page = client(&server).search_configs(&filter, &PageQuery::new()).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

#[tokio::test]
async fn scans_are_launched_read_stopped_and_listed() {
    let server = server(vec![
        at("POST", format!("/was/v2/configs/{CONFIG}/scans"))
            .and(body_string(""))
            .respond_with(ResponseTemplate::new(202).set_body_json(json!({"scan_id": SCAN})))
            .named("launch")
            .expect(1),
        at("GET", format!("/was/v2/scans/{SCAN}"))
            .respond_with(fixture("scan_queued.json"))
            .named("details")
            .expect(1),
        at("PATCH", format!("/was/v2/scans/{SCAN}"))
            .and(body_json(json!({"requested_action": "stop"})))
            .respond_with(ResponseTemplate::new(202).set_body_json(json!({})))
            .named("stop")
            .expect(1),
        at("POST", format!("/was/v2/configs/{CONFIG}/scans/search"))
            .respond_with(fixture("scan_search_family.json"))
            .named("scans")
            .expect(1),
        at("GET", format!("/was/v2/scans/{SCAN}/notes"))
            .respond_with(fixture("notes.json"))
            .named("notes")
            .expect(1),
        at("POST", format!("/was/v2/scans/{SCAN}/vulnerabilities/by-targets/search"))
            .respond_with(fixture("by_targets.json"))
            .named("targets")
            .expect(1),
        at("GET", format!("/was/v2/configs/{CONFIG}"))
            .respond_with(fixture("config_scanner_text.json"))
            .named("config")
            .expect(1),
    ])
    .await;
    let client = client(&server);
    assert_eq!(client.launch_scan(config()).await.unwrap(), scan());
    assert!(!client.get_scan(scan()).await.unwrap().has_ended());
    client.update_scan(scan(), &RequestedAction::Stop).await.unwrap();
    let listed: Vec<_> =
        client.scans_of_config(config(), Filter::everything()).try_concat().await.unwrap().records;
    assert_eq!(listed.len(), 3);
    let notes: Vec<_> = client.scan_notes(scan()).try_concat().await.unwrap().records;
    assert_eq!(notes[0].title.as_deref(), Some("Scan Time Limit Reached"));
    let targets: Vec<_> = client.scan_targets(scan()).try_concat().await.unwrap().records;
    assert_eq!(targets[0].findings.as_ref().unwrap().finding_count, Some(4));
    assert_eq!(client.get_config(config()).await.unwrap().targets, ["https://shop.example.com/"]);
}

#[tokio::test]
async fn a_launch_is_sent_once_whatever_its_result() {
    for (answer, times) in [
        (ResponseTemplate::new(500), 1),
        (ResponseTemplate::new(503), 1),
        // A 429 means that nothing was done: the request is retried, and then fails.
        (ResponseTemplate::new(429).insert_header("retry-after", "0"), 3),
    ] {
        let server = server(vec![
            at("POST", format!("/was/v2/configs/{CONFIG}/scans"))
                .respond_with(answer)
                .named("launch")
                .expect(times),
        ])
        .await;
        client(&server).launch_scan(config()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_conflict_has_the_id_of_the_running_scan_or_export() {
    let refusal = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        ResponseTemplate::new(409)
            .set_body_raw(std::fs::read(path).unwrap(), "application/json")
            .insert_header("x-request-uuid", "r-1")
    };
    let server = server(vec![
        at("POST", format!("/was/v2/configs/{CONFIG}/scans"))
            .respond_with(refusal("error_running_scan.json"))
            .named("launch")
            .expect(1),
        at("POST", "/was/v1/export/vulns".to_owned())
            .respond_with(refusal("error_running_export.json"))
            .named("export")
            .expect(1),
    ])
    .await;
    let client = client(&server);
    let error = client.launch_scan(config()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.request_id()),
        (ErrorKind::Conflict, Some("NOT_ALLOWED"), Some("r-1"))
    );
    assert_eq!(error.conflicting_id(), Some(SCAN));
    assert!(error.message().contains(SCAN));
    let error = client.request_export(&ExportRequest::everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.conflicting_id(), Some(EXPORT));
    assert!(error.message().contains(EXPORT));
}

#[tokio::test]
async fn a_report_is_read_finding_by_finding_and_then_the_rest() {
    let server = server(vec![
        at("GET", format!("/was/v2/scans/{SCAN}/report"))
            .and(header("content-type", "application/json"))
            .respond_with(fixture("report_contradictions.json"))
            .named("report")
            .expect(1),
    ])
    .await;
    let mut report = client(&server).scan_report(scan()).unwrap();
    assert_eq!(report.rest().unwrap_err().kind(), ErrorKind::Unexpected, "not before the end");
    let finding = report.next().await.unwrap().unwrap();
    assert_eq!(finding.cwe, ["79", "CWE-80"]);
    assert!(report.next().await.is_none());
    let rest = report.rest().unwrap();
    assert_eq!(rest.notes.len(), 2);
    assert_eq!(rest.config.unwrap().config_id, Some(config()));
    assert!(rest.extra.get("supplement").is_some());
}

#[tokio::test]
async fn an_undecodable_finding_of_a_report_is_an_error_item_with_its_path() {
    let body = json!({"findings": [{"plugin_id": 1}, {"plugin_id": {}}, {"plugin_id": 3}], "notes": []});
    let server = server(vec![
        at("GET", format!("/was/v2/scans/{SCAN}/report"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .named("report")
            .expect(1),
    ])
    .await;
    let mut report = client(&server).scan_report(scan()).unwrap();
    report.next().await.unwrap().unwrap();
    let error = report.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Decode, Some("[1].plugin_id")));
    assert_eq!(error.operation(), Some("tenable: download report"));
    assert_eq!(report.next().await.unwrap().unwrap().plugin_id, PluginId(3));
    assert!(report.next().await.is_none());
}

#[tokio::test]
async fn detections_are_read_one_by_one_with_the_position_of_their_page() {
    let server = server(vec![
        at("POST", format!("/was/v2/scans/{SCAN}/vulnerabilities/search"))
            .and(query_param("limit", "200"))
            .and(body_json(json!({})))
            .respond_with(fixture("vulnerability_search.json"))
            .named("detections")
            .expect(1),
    ])
    .await;
    let mut page = client(&server)
        .search_scan_vulnerabilities(scan(), &Filter::everything(), &PageQuery::new())
        .unwrap();
    assert_eq!(page.next().await.unwrap().unwrap().plugin_id, PluginId(98104));
    assert!(page.next().await.is_none());
    assert_eq!(page.pagination().unwrap().total, Some(1));
}

#[tokio::test]
async fn an_undecodable_item_is_a_gap_with_its_path_and_does_not_hide_the_others() {
    let items = json!([{"config_id": CONFIG, "target_count": {}}, {"config_id": CONFIG}]);
    let page = json!({"pagination": {"total": 2}, "items": items});
    let server = server(vec![
        at("POST", "/was/v2/configs/search".to_owned())
            .respond_with(ResponseTemplate::new(200).set_body_json(page))
            .named("search")
            .expect(2),
    ])
    .await;
    let page = client(&server).search_configs(&Filter::everything(), &PageQuery::new()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.gaps[0].path.as_deref(), Some("items[0].target_count"));
    let listed = client(&server).list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!(listed.targets.len(), 1, "a bad configuration hides no other one");
    assert_eq!(listed.gaps, page.gaps);
}

#[tokio::test]
async fn a_search_is_retried_after_a_transient_fault_and_an_html_page_is_an_error() {
    let search = || at("POST", "/was/v2/configs/search".to_owned());
    let server = server(vec![
        search().respond_with(ResponseTemplate::new(503)).up_to_n_times(1).named("fault").expect(1),
        search()
            .respond_with(ResponseTemplate::new(200).set_body_raw("<html>sign in</html>", "text/html"))
            .named("page")
            .expect(2),
    ])
    .await;
    let error = client(&server).search_configs(&Filter::everything(), &PageQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.is_html(), "{error}");
    assert!(error.message().contains("HTML"), "{error}");
    assert_eq!(error.attempts(), 3);
}

#[tokio::test]
async fn no_error_contains_the_keys_even_if_the_service_echoes_them() {
    let echo = json!({"reasons": [{"code": "NOT_ALLOWED secret-marker", "reason": "X-ApiKeys accessKey=access-marker;secretKey=secret-marker is unknown"}]});
    let server = server(vec![
        Mock::given(any())
            .respond_with(ResponseTemplate::new(401).set_body_json(echo))
            .named("echo")
            .expect(3),
    ])
    .await;
    let client = client(&server);
    let mut shown = vec![format!("{client:?}")];
    for error in [
        client.get_session().await.unwrap_err(),
        client.launch_scan(config()).await.unwrap_err(),
        client.scan_report(scan()).unwrap().next().await.unwrap().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Auth);
        shown.push(format!("{error} {error:?} {:?}", std::error::Error::source(&error)));
    }
    assert!(shown.iter().all(|text| !text.contains("-marker")), "{shown:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = server(vec![]).await;
    let server = server(vec![
        at("GET", "/session".to_owned())
            .respond_with(ResponseTemplate::new(302).insert_header("location", other.uri()))
            .named("redirect")
            .expect(1),
    ])
    .await;
    let error = client(&server).get_session().await.unwrap_err();
    assert_eq!(error.status(), Some(302));
}
