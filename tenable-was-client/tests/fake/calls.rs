//! What is recorded.

use serde_json::json;
use tenable_was_client::testing::{FakeTenableWas, Route};

use crate::http::{exchange, get, post};

#[tokio::test]
async fn calls_are_recorded_in_order_with_query_body_and_headers() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    get(&fake, "/was/v2/plugins?limit=5&sort=name%3Adesc").await;
    post(&fake, "/was/v2/configs/search?offset=7", &json!({"AND": []})).await;
    let calls = fake.calls();
    assert_eq!(
        calls.iter().map(|call| call.route).collect::<Vec<_>>(),
        [Route::ListPlugins, Route::SearchConfigs]
    );
    assert_eq!(fake.requests(), 2);
    assert_eq!((calls[0].query("limit"), calls[0].query("sort")), (Some("5"), Some("name:desc")));
    assert_eq!((&*calls[1].method, &*calls[1].path), ("POST", "/was/v2/configs/search"));
    assert_eq!(calls[1].json(), json!({"AND": []}));
    assert_eq!(calls[1].header("content-type"), Some("application/json"));
    assert_eq!((calls[1].authorized, calls[1].status), (true, Some(200)));
    assert_eq!(fake.calls_to(Route::ListPlugins).len(), 1);
}

#[tokio::test]
async fn credentials_are_not_recorded() {
    let fake = FakeTenableWas::builder().with_keys("canary-a", "canary-s").start().await.unwrap();
    get(&fake, "/session").await;
    let header = [("x-apikeys", "accessKey=canary-x;secretKey=canary-y"), ("cookie", "s=canary-z")];
    exchange(&fake, "GET", "/session", &header, "").await;
    let shown = format!("{:?}", fake.calls());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!fake.calls()[1].authorized);
}

#[tokio::test]
async fn every_answer_carries_a_request_id_of_its_own() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let first = get(&fake, "/session").await;
    let second = exchange(&fake, "GET", "/session", &[], "").await;
    let id = |got: &crate::http::Got| got.header("x-request-uuid").unwrap().to_owned();
    assert_ne!(id(&first), id(&second));
}

#[tokio::test]
async fn it_stops_when_dropped() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let address = fake.address();
    drop(fake);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it still listens");
}
