//! The server and the scanners of the platform.

use appsec_core::ErrorKind;
use serde_json::json;
use tenable_was_client::model::ServerState;
use tenable_was_client::testing::{FakeTenableWas, Reply, Route, When};

use crate::client;

#[tokio::test]
async fn the_server_status_is_read() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let client = client(&fake);
    assert_eq!(*client.get_server_status().await.unwrap().status.unwrap().value(), ServerState::Ready);
    fake.script(
        Route::GetServerStatus,
        When::Next(1),
        Reply::Json(200, json!({"code": 200, "status": "feed-expired"})),
    );
    assert_eq!(*client.get_server_status().await.unwrap().status.unwrap().value(), ServerState::FeedExpired);
    fake.recover();
    fake.script(Route::GetServerStatus, When::Always, Reply::Unavailable);
    assert_eq!(client.get_server_status().await.unwrap_err().kind(), ErrorKind::Server);
}

#[tokio::test]
async fn scanners_for_web_applications_are_selected() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let list = client(&fake).list_scanners().await.unwrap();
    assert_eq!(list.scanners.len(), 3);
    let names: Vec<_> = list.for_web_applications().map(|scanner| scanner.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["EU Cloud Scanner", "Data centre"]);
    assert!(list.scanners.iter().all(|scanner| scanner.extra.get("key").is_none()), "a secret is not kept");
}
