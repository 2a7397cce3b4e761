//! What a test can script to go wrong.

use std::time::Duration;

use serde_json::json;
use tenable_was_client::testing::{FakeTenableWas, Reply, Route, When, demo_tenant};

use crate::http::{exchange, get, keys, post};

async fn fake() -> FakeTenableWas {
    FakeTenableWas::builder().with_tenant(demo_tenant()).start().await.unwrap()
}

async fn session_statuses(fake: &FakeTenableWas, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(get(fake, "/session").await.status);
    }
    statuses
}

#[tokio::test]
async fn a_script_fires_when_it_should_and_on_its_route_only() {
    for (when, expected) in [
        (When::After(2), [200, 200, 500, 200, 200]),
        (When::Next(2), [500, 500, 200, 200, 200]),
        (When::Always, [500; 5]),
        (When::AlwaysAfter(3), [200, 200, 200, 500, 500]),
    ] {
        let fake = fake().await;
        fake.script(Route::GetSession, when, Reply::ServerError);
        assert_eq!(get(&fake, "/server/status").await.status, 200, "{when:?}");
        assert_eq!(session_statuses(&fake, 5).await, expected, "{when:?}");
        fake.recover();
        assert_eq!(session_statuses(&fake, 1).await, [200], "{when:?}");
    }
}

#[tokio::test]
async fn scripts_follow_each_other() {
    let fake = fake().await;
    fake.script(Route::GetSession, When::Next(1), Reply::TooManyRequests { retry_after: 2 });
    fake.script(Route::Any, When::After(1), Reply::BadGateway);
    assert_eq!(session_statuses(&fake, 3).await, [429, 502, 200]);
}

#[tokio::test]
async fn each_answer_looks_as_the_service_makes_it() {
    let fake = fake().await;
    let later = Reply::TooManyRequestsUntil(Duration::from_secs(90));
    for (answer, status, content_type) in [
        (Reply::Unauthorized, 401, "application/json"),
        (Reply::Forbidden, 403, "application/json"),
        (Reply::TooManyRequests { retry_after: 2 }, 429, "text/html"),
        (later.clone(), 429, "text/html"),
        (Reply::ServerError, 500, "application/json"),
        (Reply::BadGateway, 502, "text/html"),
        (Reply::Unavailable, 503, "application/json"),
        (Reply::HtmlPage, 200, "text/html"),
        (Reply::Redirect("https://elsewhere.example.com/".into()), 302, "text/html"),
        (Reply::Json(418, json!({"error": "teapot"})), 418, "application/json"),
    ] {
        fake.recover();
        fake.script(Route::Any, When::Always, answer.clone());
        let got = get(&fake, "/session").await;
        assert_eq!(got.status, status, "{answer:?}");
        assert!(got.header("content-type").unwrap().starts_with(content_type), "{answer:?}");
        match answer {
            Reply::TooManyRequests { .. } => assert_eq!(got.header("retry-after"), Some("2")),
            Reply::TooManyRequestsUntil(_) => {
                assert!(got.header("retry-after").unwrap().ends_with(" GMT"), "{got:?}");
            }
            Reply::Redirect(to) => assert_eq!(got.header("location"), Some(&*to)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn truncated_json_has_a_length_that_fits_and_does_not_parse() {
    let fake = fake().await;
    let whole = post(&fake, "/was/v2/configs/search", &json!({})).await;
    fake.script(Route::SearchConfigs, When::Next(1), Reply::TruncatedJson);
    let got = post(&fake, "/was/v2/configs/search", &json!({})).await;
    assert_eq!((got.status, got.body.len()), (200, whole.body.len() / 2));
    assert!(serde_json::from_slice::<serde_json::Value>(&got.body).is_err());
}

#[tokio::test]
async fn a_silent_launch_takes_effect_and_is_never_answered() {
    let fake = fake().await;
    let config = demo_tenant().configs.remove(0);
    let before = fake.scans_of(&config.id).len();
    fake.script(Route::LaunchScan, When::Next(1), Reply::Silence);
    let (path, keys) = (format!("/was/v2/configs/{}/scans", config.id), keys(&fake));
    let headers = [("x-apikeys", &*keys)];
    let call = exchange(&fake, "POST", &path, &headers, "");
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err(), "no answer");
    assert_eq!(fake.scans_of(&config.id).len(), before + 1);
    assert_eq!(fake.calls_to(Route::LaunchScan)[0].status, None);
}

#[tokio::test]
async fn answers_can_be_late() {
    let fake = FakeTenableWas::builder().with_latency(Duration::from_millis(30)).start().await.unwrap();
    fake.script(Route::GetSession, When::Next(1), Reply::Late(Duration::from_millis(120)));
    let begin = std::time::Instant::now();
    assert_eq!(session_statuses(&fake, 1).await, [200]);
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn it_goes_down_after_so_many_requests_of_any_kind() {
    let fake = fake().await;
    fake.down_after(2);
    assert_eq!(get(&fake, "/server/status").await.status, 200);
    assert_eq!(session_statuses(&fake, 3).await, [200, 503, 503]);
    fake.recover();
    assert_eq!(session_statuses(&fake, 1).await, [200]);
}
