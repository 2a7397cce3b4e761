//! The fake follows the rules that it documents. These tests use plain HTTP and JSON instead of the client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::ErrorKind;
use salt_client::testing::{
    Access, EndOffset, FakeBuilder, FakeSalt, Quirk, Reply, Route, Tenant, WebhookCall, When, WriteBody,
    WriteResponse, asset, endpoint, gap, host, openapi,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GAPS: &str = "/v1/apigovern/posture/gaps";

/// Sends a request without the client, and returns status and body of the response.
async fn send(fake: &FakeSalt, request: &str, token: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: salt\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let status = response.split(' ').nth(1).unwrap().parse().unwrap();
    let body = response.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn get(fake: &FakeSalt, path: &str, token: &str) -> (u16, Value) {
    send(fake, &format!("GET {path}"), token, "").await
}

async fn started(builder: FakeBuilder) -> FakeSalt {
    let mut closed = gap("2", "b.example");
    closed["status"] = json!("Resolved");
    closed["severity"] = json!("Low");
    let tenant = Tenant::new()
        .with_host(host("a.example"))
        .with_endpoint(endpoint("a.example", "GET", "/x"))
        .with_gaps([gap("1", "a.example"), closed, gap("3", "a.example")]);
    builder.with_tenant(tenant).start().await.unwrap()
}

async fn ids(fake: &FakeSalt, query: &str) -> (Vec<String>, Value) {
    let (status, body) = get(fake, &format!("{GAPS}?{query}"), &fake.token()).await;
    assert_eq!(status, 200, "{body}");
    let ids = body["response"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["postureGapId"].as_str().unwrap().to_owned());
    (ids.collect(), body["endOffset"].clone())
}

#[tokio::test]
async fn lists_are_paged_by_records() {
    let fake = started(FakeSalt::builder()).await;
    for (query, expected, end) in [
        ("limit=2&offset=0", &["1", "2"][..], 2),
        ("limit=2&offset=2", &["3"], 3),
        ("limit=2&offset=3", &[], 3),
        ("limit=2&offset=99", &[], 99),
        ("", &["1", "2", "3"], 3),
    ] {
        assert_eq!(
            ids(&fake, query).await,
            (expected.iter().map(ToString::to_string).collect(), json!(end)),
            "{query}"
        );
    }
    for path in ["/v1/inventory/hosts", "/v1/inventory/endpoints"] {
        let (_, body) = get(&fake, path, &fake.token()).await;
        assert_eq!(
            (body["response"].as_array().unwrap().len(), &body["endOffset"]),
            (1, &json!(1)),
            "{path}"
        );
    }
    for query in ["limit=x", "offset=-1"] {
        assert_eq!(get(&fake, &format!("{GAPS}?{query}"), &fake.token()).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn filters_accept_several_values() {
    let fake = started(FakeSalt::builder()).await;
    for (query, expected) in [
        ("status=Open", &["1", "3"][..]),
        ("status=Open,Resolved", &["1", "2", "3"]),
        ("severity=Low", &["2"]),
        ("severity=Low,High&status=Open", &["1", "3"]),
        ("host=b.example", &["1", "2", "3"]),
    ] {
        assert_eq!(ids(&fake, query).await.0, expected, "{query}");
    }
    let filtering = started(FakeSalt::builder().with_host_parameter(true)).await;
    assert_eq!(ids(&filtering, "host=b.example").await.0, ["2"]);
    let open_only = started(FakeSalt::builder().with_default_statuses(["Open"])).await;
    assert_eq!(ids(&open_only, "").await.0, ["1", "3"]);
    assert_eq!(ids(&open_only, "status=Resolved").await.0, ["2"]);
}

#[tokio::test]
async fn details_are_sent_if_requested() {
    let fake = started(FakeSalt::builder()).await;
    for (query, present) in [("", false), ("?details=false", false), ("?details=true", true)] {
        let (_, body) = get(&fake, &format!("{GAPS}{query}"), &fake.token()).await;
        for field in ["description", "remediationSuggestion", "parameters", "postureGapLink"] {
            assert_eq!(body["response"][0].get(field).is_some(), present, "{field}, {query}");
        }
    }
}

#[tokio::test]
async fn end_offsets_are_as_configured() {
    for (mode, expected) in [
        (EndOffset::Exclusive, json!(3)),
        (EndOffset::Text, json!("3")),
        (EndOffset::Missing, Value::Null),
        (EndOffset::Stuck, json!(1)),
        (EndOffset::Smaller, json!(0)),
        (EndOffset::Ahead(5), json!(8)),
    ] {
        let fake = started(FakeSalt::builder().with_end_offset(mode)).await;
        assert_eq!(ids(&fake, "limit=2&offset=1").await.1, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn tokens_and_scopes_are_checked() {
    let fake = started(FakeSalt::builder().with_token("right")).await;
    assert_eq!(get(&fake, GAPS, "right").await.0, 200);
    assert_eq!(get(&fake, GAPS, "wrong").await, (401, json!({"message": "Unauthorized"})));
    fake.revoke_token();
    assert_eq!(get(&fake, GAPS, "right").await.0, 401);
    fake.recover();
    assert_eq!(get(&fake, "/v1/elsewhere", "right").await.0, 404);
    let authorized: Vec<_> = fake.calls().iter().map(|call| (call.authorized, call.status)).collect();
    assert_eq!(authorized, [(true, Some(200)), (false, Some(401)), (false, Some(401)), (true, Some(404))]);
    assert!(fake.calls().iter().all(|call| call.header("authorization").is_none()), "no token is recorded");

    let refused = started(FakeSalt::builder().with_access(Access::Refused)).await;
    assert_eq!(get(&refused, GAPS, &refused.token()).await.0, 403);
    let hidden = started(FakeSalt::builder().with_access(Access::Hidden)).await;
    assert_eq!(ids(&hidden, "").await.0, Vec::<String>::new());
}

#[tokio::test]
async fn scripts_apply_to_their_calls() {
    let fake = started(FakeSalt::builder()).await;
    fake.script(Route::ListGaps, When::After(2), Reply::TooManyRequests { retry_after: Some(2) });
    fake.script(Route::ListHosts, When::Next(2), Reply::BadGateway);
    let mut statuses = Vec::new();
    for path in [GAPS, GAPS, GAPS, GAPS, "/v1/inventory/hosts", "/v1/inventory/hosts", "/v1/inventory/hosts"]
    {
        statuses.push(get(&fake, path, &fake.token()).await.0);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 502, 502, 200]);
    fake.down_after(1);
    assert_eq!(get(&fake, GAPS, &fake.token()).await.0, 200);
    assert_eq!(get(&fake, GAPS, &fake.token()).await.0, 503);
    fake.recover();
    fake.edit_after(Route::ListGaps, 1, |tenant| tenant.gaps.truncate(1));
    assert_eq!(ids(&fake, "").await.0.len(), 3);
    assert_eq!(ids(&fake, "").await.0.len(), 1);
    assert_eq!(fake.calls_to(Route::ListHosts).len(), 3);
}

#[tokio::test]
async fn a_change_needs_the_scope_the_body_the_gap_and_a_status() {
    let change = |id: &str, status: &str| json!({"postureGapId": id, "status": status}).to_string();
    let fake = started(FakeSalt::builder()).await;
    for (body, status) in [
        (change("1", "Resolved"), 200),
        (change("9", "Resolved"), 404),
        (change("1", "Snoozed"), 400),
        (format!("[{}]", change("1", "Open")), 400),
        (String::new(), 400),
    ] {
        assert_eq!(send(&fake, &format!("POST {GAPS}"), &fake.token(), &body).await.0, status, "{body}");
    }
    assert_eq!(fake.edit(|tenant| tenant.gaps[0]["status"].clone()), "Resolved");
    assert_eq!(send(&fake, &format!("POST {GAPS}"), "wrong", &change("3", "Ignored")).await.0, 401);
    assert_eq!(fake.edit(|tenant| tenant.gaps[2]["status"].clone()), "Open");
    assert_eq!(fake.calls_to(Route::WriteStatus)[0].json()["postureGapId"], "1");

    for (builder, body, status) in [
        (FakeSalt::builder().with_executor(false), change("1", "Resolved"), 403),
        (FakeSalt::builder().with_write_body(WriteBody::List), format!("[{}]", change("1", "Resolved")), 200),
        (
            FakeSalt::builder().with_write_body(WriteBody::Ids).with_write_response(WriteResponse::NoContent),
            json!({"postureGapIds": ["1", "3"], "status": "in process"}).to_string(),
            204,
        ),
    ] {
        let fake = started(builder).await;
        assert_eq!(send(&fake, &format!("POST {GAPS}"), &fake.token(), &body).await.0, status, "{body}");
    }
    let ignoring = started(FakeSalt::builder().with_writes_ignored(true)).await;
    assert_eq!(
        send(&ignoring, &format!("POST {GAPS}"), &ignoring.token(), &change("1", "Ignored")).await.0,
        200
    );
    assert_eq!(ignoring.edit(|tenant| tenant.gaps[0]["status"].clone()), "Open");
}

#[tokio::test]
async fn assets_and_documents_are_served() {
    let fake = started(FakeSalt::builder()).await;
    fake.edit(|tenant| {
        tenant.assets = vec![asset("a1", "orders"), asset("a2", "refunds")];
        tenant.openapi.insert("a.example".to_owned(), openapi("a.example"));
        tenant.documents.insert("/v1/attackers".to_owned(), json!([]));
    });
    let token = fake.token();
    let (_, list) = get(&fake, "/v1/cloud-connect/cloud-assets?limit=1&offset=1", &token).await;
    assert_eq!(list["records"][0]["id"], "a2");
    assert!(list.get("endOffset").is_none() && list["records"][0].get("tags").is_none());
    let (_, one) = get(&fake, "/v1/cloud-connect/cloud-assets/asset/a1", &token).await;
    assert_eq!((&one["accountId"], one.get("cloudAccountId")), (&json!("111122223333"), None));
    let (_, document) = get(&fake, "/v1/unified-inventory/oas-swagger?hostname=a.example", &token).await;
    assert_eq!(document["info"]["title"], "a.example");
    assert_eq!(get(&fake, "/v1/attackers", &token).await, (200, json!([])));
    for path in [
        "/v1/cloud-connect/cloud-assets/asset/a9",
        "/v1/cloud-connect/cloud-assets/asset/",
        "/v1/unified-inventory/oas-swagger?hostname=b.example",
        "/v1/unified-inventory/oas-swagger",
    ] {
        assert_eq!(get(&fake, path, &token).await.0, 404, "{path}");
    }
    assert_eq!(send(&fake, "DELETE /v1/attackers", &token, "").await.0, 404);
}

#[tokio::test]
async fn a_fake_is_reset_at_the_same_address() {
    let fake = started(FakeSalt::builder()).await;
    let address = fake.address();
    fake.script(Route::Any, When::Always, Reply::Unavailable);
    assert_eq!(get(&fake, GAPS, &fake.token()).await.0, 503);
    let other = FakeSalt::builder().with_token("other").with_quirk(Quirk::ListName("data"));
    fake.reset(other.with_tenant(Tenant::new().with_gap(gap("7", "a.example"))));
    let (_, body) = get(&fake, GAPS, "other").await;
    assert_eq!((body["data"][0]["postureGapId"].as_str(), fake.requests()), (Some("7"), 1));
    assert_eq!(fake.address(), address);
}

#[tokio::test]
async fn a_webhook_call_is_the_filled_template_with_the_headers() {
    let webhook_call = WebhookCall::new("a.example", "PostureGap").with_header("x-webhook-token", "s");
    let webhook_call = webhook_call
        .with_template(r#"{"reference": "{{host}}", "event": "{{eventType}}", "other": "{{time}}"}"#);
    // Any server can receive the call; the fake records it.
    let fake = FakeSalt::builder().start().await.unwrap();
    assert_eq!(webhook_call.send(&format!("{}/webhooks/salt", fake.base_url())).await.unwrap(), 401);
    let call = fake.calls().pop().unwrap();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/webhooks/salt"));
    assert_eq!(call.header("x-webhook-token"), Some("s"));
    assert_eq!(call.json(), json!({"reference": "a.example", "event": "PostureGap", "other": "{{time}}"}));
    assert!(webhook_call.send("not a url").await.is_err());
}

#[tokio::test]
async fn responses_are_delayed_as_configured() {
    let fake = started(FakeSalt::builder().with_latency(Duration::from_millis(50))).await;
    fake.script(Route::ListGaps, When::Next(1), Reply::Late(Duration::from_millis(50)));
    let started_at = std::time::Instant::now();
    ids(&fake, "").await;
    assert!(started_at.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_dropped_fake_stops() {
    let fake = started(FakeSalt::builder()).await;
    let (address, client) = (fake.address(), fake.client().unwrap());
    drop(fake);
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = client.list_gaps(&salt_client::GapsQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}
