//! Messages to a configured URL, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use appsec_http::testing::{Fault, FaultProxy};
use appsec_http::{AuthHeader, ErrorKind, HttpOptions, WebhookSender};
use wiremock::matchers::{body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn webhook_sender(url: &str) -> WebhookSender {
    let fixed = AuthHeader::new("X-Route-Key", "canary-header".into()).unwrap();
    let options = HttpOptions::new().with_head_timeout(Duration::from_millis(300));
    WebhookSender::new(&url.into(), "test/1.0", vec![fixed], &options).unwrap()
}

#[tokio::test]
async fn path_query_headers_and_body_arrive_as_given() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/hook"))
        .and(query_param("sig", "a/b"))
        .and(header("x-route-key", "canary-header"))
        .and(header("webhook-id", "msg_1"))
        .and(header("content-type", "application/json"))
        .and(body_string("{}"))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let webhook_sender = webhook_sender(&format!("{}/hook?sig=a%2Fb", server.uri()));
    webhook_sender.post("test: post", &[("webhook-id", "msg_1".into())], "{}").await.unwrap();
}

#[tokio::test]
async fn a_response_other_than_2xx_is_an_error_without_its_body_and_is_not_retried() {
    for (status, kind) in [
        (302, ErrorKind::Decode),
        (400, ErrorKind::InvalidRequest),
        (401, ErrorKind::Auth),
        (410, ErrorKind::NotFound),
        (429, ErrorKind::RateLimited),
        (503, ErrorKind::Server),
    ] {
        let server = MockServer::start().await;
        let response = ResponseTemplate::new(status)
            .insert_header("location", format!("{}/canary-elsewhere", server.uri()))
            .insert_header("retry-after", "7")
            .set_body_string("canary-body");
        Mock::given(path("/canary-path")).respond_with(response).expect(1).mount(&server).await;
        let elsewhere = Mock::given(path("/canary-elsewhere")).respond_with(ResponseTemplate::new(200));
        elsewhere.expect(0).mount(&server).await;
        let webhook_sender = webhook_sender(&format!("{}/canary-path?canary-query", server.uri()));
        let error = webhook_sender.post("test: post", &[], "{}").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(
            !format!("{error:?} {error} {webhook_sender:?} {webhook_sender}").contains("canary"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_respond_ends_in_an_error() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    Mock::given(method("POST")).respond_with(slow).mount(&server).await;
    let error = webhook_sender(&server.uri()).post("test: post", &[], "{}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
}

#[tokio::test]
async fn a_message_is_delivered_once_a_head_with_2xx_arrives() {
    let server = MockServer::start().await;
    let long = ResponseTemplate::new(200).set_body_string("x".repeat(1 << 20));
    Mock::given(method("POST")).respond_with(long).mount(&server).await;
    webhook_sender(&server.uri()).post("test: post", &[], "{}").await.unwrap();

    let proxy = FaultProxy::start(*server.address()).await.unwrap();
    proxy.script([Fault::StallAfter(1000)]);
    webhook_sender(&proxy.url()).post("test: post", &[], "{}").await.unwrap();
}

#[tokio::test]
async fn the_error_of_an_unreachable_receiver_names_it_without_its_path() {
    // Nothing listens on port 1.
    let error =
        webhook_sender("http://127.0.0.1:1/canary?canary").post("test: post", &[], "{}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    let chain = format!("{error:?} {error} {:?}", std::error::Error::source(&error));
    assert!(error.to_string().contains("127.0.0.1:1") && !chain.contains("canary"), "{chain}");
}

#[test]
fn plain_http_is_refused_beyond_loopback_whatever_the_options_are() {
    let options = HttpOptions::new().with_allow_plain_http(true);
    for url in
        ["http://hooks.canary.example/x", "https://canary:canary@hooks.example/", "https://169.254.169.254/"]
    {
        let error = WebhookSender::new(&url.into(), "test/1.0", Vec::new(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
