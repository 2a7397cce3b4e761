//! The fake keeps the rules that it promises. Asked by plain JSON, as another client would.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_core::ErrorKind;
use salt_client::testing::{
    Access, Answer, EndOffset, FakeBuilder, FakeSalt, Route, Tenant, When, endpoint, gap, host,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GAPS: &str = "/v1/apigovern/posture/gaps";

/// Status and body of a GET, without any client of ours.
async fn get(fake: &FakeSalt, path: &str, token: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: salt\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
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
async fn filters_take_several_words() {
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
    let heeding = started(FakeSalt::builder().with_host_parameter(true)).await;
    assert_eq!(ids(&heeding, "host=b.example").await.0, ["2"]);
    let picky = started(FakeSalt::builder().with_default_statuses(["Open"])).await;
    assert_eq!(ids(&picky, "").await.0, ["1", "3"]);
    assert_eq!(ids(&picky, "status=Resolved").await.0, ["2"]);
}

#[tokio::test]
async fn details_come_when_asked_for() {
    let fake = started(FakeSalt::builder()).await;
    for (query, there) in [("", false), ("?details=false", false), ("?details=true", true)] {
        let (_, body) = get(&fake, &format!("{GAPS}{query}"), &fake.token()).await;
        for field in ["description", "remediationSuggestion", "parameters", "postureGapLink"] {
            assert_eq!(body["response"][0].get(field).is_some(), there, "{field}, {query}");
        }
    }
}

#[tokio::test]
async fn end_offsets_are_as_told() {
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
async fn scripts_strike_when_they_should() {
    let fake = started(FakeSalt::builder()).await;
    fake.script(Route::ListGaps, When::After(2), Answer::TooManyRequests { retry_after: Some(2) });
    fake.script(Route::ListHosts, When::Next(2), Answer::BadGateway);
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
async fn answers_are_delayed_as_told() {
    let fake = started(FakeSalt::builder().with_latency(Duration::from_millis(50))).await;
    fake.script(Route::ListGaps, When::Next(1), Answer::Late(Duration::from_millis(50)));
    let begun = std::time::Instant::now();
    ids(&fake, "").await;
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_dropped_fake_is_gone() {
    let fake = started(FakeSalt::builder()).await;
    let (address, client) = (fake.address(), fake.client().unwrap());
    drop(fake);
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = client.list_gaps(&salt_client::GapsQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}
