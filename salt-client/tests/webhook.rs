//! A webhook end to end: Salt posts the filled template, a server verifies it, and the named host is read
//! again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use appsec_core::{ErrorKind, FindingQuery};
use appsec_http::testing::fake::Server;
use bytes::Bytes;
use http::{Request, StatusCode};
use salt_client::testing::{FakeSalt, Tenant, WebhookCall, gap, host};
use salt_client::{Webhook, WebhookEvent};
use support::{import, serve};

const SECRET: &str = "canary-7f3a-canary";

/// A server that passes headers and body to `verify` and derives the status of the response from the kind
/// of the error.
async fn receiver() -> (Server, Arc<Mutex<Vec<WebhookEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&events);
    let webhook = Webhook::new(SECRET);
    let server = Server::start(move |request: Request<Bytes>| {
        let status = match webhook.verify(request.headers(), request.body()) {
            Ok(event) => {
                received.lock().unwrap().push(event);
                StatusCode::NO_CONTENT
            }
            Err(error) if error.kind() == ErrorKind::Auth => StatusCode::UNAUTHORIZED,
            Err(error) if error.kind() == ErrorKind::InvalidRequest => StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => StatusCode::BAD_REQUEST,
        };
        async move { status }
    });
    (server.await.unwrap(), events)
}

#[tokio::test]
async fn a_webhook_call_names_the_host_to_read_again() {
    let (server, events) = receiver().await;
    let call = WebhookCall::new("B.example", "PostureGap").with_header(Webhook::HEADER, SECRET);
    assert_eq!(call.send(&server.base_url()).await.unwrap(), 204);
    let event = events.lock().unwrap().pop().unwrap();
    assert_eq!(event.event().as_deref(), Some("PostureGap"));

    let tenant = Tenant::new().with_host(host("a.example")).with_host(host("b.example")).with_gaps([
        gap("a1", "a.example"),
        gap("b1", "b.example"),
        gap("b2", "b.example"),
    ]);
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    let read = import(&client, FindingQuery::target(event.target().unwrap())).await.unwrap();
    assert_eq!(read.ids(), ["b1", "b2"]);
    assert_eq!(
        (read.inconclusive_reason("b.example"), read.inconclusive_reason("a.example")),
        (None, Some("the partition was not examined"))
    );
}

#[tokio::test]
async fn each_error_has_its_status() {
    let (server, events) = receiver().await;
    let with = |header: &str| WebhookCall::new("a.example", "x").with_header(Webhook::HEADER, header);
    let huge = format!(r#"{{"text": "{}"}}"#, "x".repeat(Webhook::MAX_BODY_BYTES));
    for (call, status) in [
        (with("wrong"), 401),
        (WebhookCall::new("a.example", "x"), 401),
        (with(SECRET).with_template("host={{host}}"), 400),
        (with(SECRET).with_template(huge), 413),
        (WebhookCall::new("a.example", "x").with_template(format!(r#"{{"token": "{SECRET}"}}"#)), 204),
    ] {
        assert_eq!(call.send(&server.base_url()).await.unwrap(), status, "{call:.80?}");
    }
    let events = events.lock().unwrap();
    assert_eq!((events.len(), events[0].target()), (1, None));
}
