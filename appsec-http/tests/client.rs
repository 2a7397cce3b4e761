//! The requests of a client and its handling of responses, against a real HTTP server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use appsec_http::{
    ArrayPath, AuthHeader, BodySource, Error, ErrorKind, HttpClient, HttpOptions, Path, Request, Response,
    RetryPolicy, RetrySafety, Service,
};
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use wiremock::matchers::{any, body_bytes, body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn to_error(response: &Response) -> Error {
    let kind = match response.status() {
        401 => ErrorKind::Auth,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        _ => ErrorKind::InvalidRequest,
    };
    Error::new(kind, format!("the service returned {}", response.status()))
}

/// Short waits, since the clock is real.
fn options() -> HttpOptions {
    HttpOptions::new().with_retry(RetryPolicy::new().with_base(Duration::from_millis(1)))
}

fn client(server: &MockServer, options: HttpOptions) -> HttpClient {
    let service = Service::new("test", "test-agent/1.0", to_error).with_request_id_header("x-request-id");
    let auth = AuthHeader::new("X-ApiKeys", "accessKey=canary;secretKey=canary".into()).unwrap();
    HttpClient::new(service, &format!("{}/base", server.uri()), auth, options).unwrap()
}

#[derive(Debug, PartialEq, Deserialize)]
struct Page {
    items: Vec<u32>,
}

#[tokio::test]
async fn a_request_is_sent_as_built() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/base/v2/scans/a%2Fb/search"))
        .and(query_param("limit", "200"))
        .and(query_param("sort", "a&b +c"))
        .and(header("x-apikeys", "accessKey=canary;secretKey=canary"))
        .and(header("user-agent", "test-agent/1.0"))
        .and(header("content-type", "application/json"))
        .and(header("accept", "application/json"))
        .and(body_json(json!({"and": []})))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": [1, 2]})))
        .expect(1)
        .named("the search")
        .mount(&server)
        .await;
    let path = Path::new("/v2/scans").join("a/b").unwrap().join("search").unwrap();
    let request = Request::post("test: search", path)
        .with_query("limit", 200)
        .with_query("sort", "a&b +c")
        .with_header("accept", "application/json")
        .with_json(&json!({"and": []}))
        .unwrap()
        .with_retry_safety(RetrySafety::Always);
    let page: Page = client(&server, options()).json(&request).await.unwrap();
    assert_eq!(page, Page { items: vec![1, 2] });
    let requests = server.received_requests().await.unwrap();
    let encodings: Vec<_> =
        requests[0].headers["accept-encoding"].to_str().unwrap().split(',').map(str::trim).collect();
    assert!(["gzip", "br", "zstd"].iter().all(|encoding| encodings.contains(encoding)), "{encodings:?}");
    assert_eq!(requests[0].headers.get("cookie"), None);
    assert_eq!(requests[0].headers.get("referer"), None);
}

#[tokio::test]
async fn a_body_other_than_json_is_sent_with_its_content_type() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("content-type", "multipart/form-data; boundary=x"))
        .and(body_bytes(b"--x\r\n\0\xff".to_vec()))
        .respond_with(ResponseTemplate::new(202))
        .expect(1)
        .named("the upload")
        .mount(&server)
        .await;
    let request = Request::post("test: upload", "/v2/import")
        .with_body("multipart/form-data; boundary=x", b"--x\r\n\0\xff".to_vec());
    assert_eq!(client(&server, options()).send(&request).await.unwrap().status(), 202);
    let unsendable = Request::post("test: upload", "/v2/import").with_body("text/plain\r\nx: y", "");
    let error = client(&server, options()).send(&unsendable).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

/// A body of three pieces.
#[derive(Debug)]
struct Pieces {
    announced: u64,
    opened: Arc<AtomicU32>,
}

impl BodySource for Pieces {
    fn length(&self) -> u64 {
        self.announced
    }

    fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        stream::iter(["one ", "two ", "three"]).map(|piece| Ok(Bytes::from(piece))).boxed()
    }
}

#[tokio::test]
async fn a_streamed_body_is_opened_for_each_attempt_and_its_length_is_sent() {
    let server = MockServer::start().await;
    let upload = || {
        Mock::given(method("POST"))
            .and(header("content-type", "text/plain"))
            .and(header("content-length", "13"))
            .and(body_bytes("one two three"))
    };
    upload().respond_with(ResponseTemplate::new(429)).up_to_n_times(1).expect(1).mount(&server).await;
    upload().respond_with(ResponseTemplate::new(202)).expect(1).mount(&server).await;
    let opened = Arc::new(AtomicU32::new(0));
    let request = |announced| {
        let source = Pieces { announced, opened: Arc::clone(&opened) };
        Request::post("test: upload", "/v2/import").with_body_source("text/plain", source)
    };
    assert_eq!(client(&server, options()).send(&request(13)).await.unwrap().status(), 202);
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    assert!(format!("{:?}", request(13)).contains("body_bytes: Some(13)"));
    // As a file that became shorter after its length was read.
    let error = client(&server, options()).send(&request(14)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
}

#[tokio::test]
async fn the_user_agent_of_the_options_replaces_that_of_the_service() {
    let server = MockServer::start().await;
    Mock::given(header("user-agent", "mine/2"))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, options().with_user_agent("mine/2"));
    client.send(&Request::delete("test: delete", "/v1/thing")).await.unwrap();
}

#[tokio::test]
async fn a_read_is_retried_and_a_launch_is_not() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .expect(2)
        .named("busy")
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": []})))
        .expect(1)
        .named("at last")
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(504).insert_header("x-request-id", "abc"))
        .expect(1)
        .named("the launch, once")
        .mount(&server)
        .await;
    let client = client(&server, options());
    client.json::<Page>(&Request::get("test: list", "/v1")).await.unwrap();
    let error = client.send(&Request::post("test: launch", "/v1")).await.unwrap_err();
    assert_eq!((error.status(), error.request_id(), error.attempts()), (Some(504), Some("abc"), 1));
    assert!(error.outcome_unknown());
}

#[tokio::test]
async fn credentials_are_not_sent_along_a_redirect() {
    let elsewhere = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": [666]})))
        .expect(0)
        .named("another host")
        .mount(&elsewhere)
        .await;
    let server = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        server.reset().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).insert_header("location", elsewhere.uri()))
            .expect(1)
            .mount(&server)
            .await;
        let error =
            client(&server, options()).json::<Page>(&Request::get("test: list", "/v1")).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(status)));
        assert!(error.to_string().contains(&elsewhere.uri()), "{error}");
    }
}

#[tokio::test]
async fn compressed_responses_are_read() {
    for (encoding, bytes) in [
        ("gzip", include_bytes!("data/list.gz").as_slice()),
        ("br", include_bytes!("data/list.br")),
        ("zstd", include_bytes!("data/list.zst")),
    ] {
        let server = MockServer::start().await;
        let response =
            ResponseTemplate::new(200).insert_header("content-encoding", encoding).set_body_bytes(bytes);
        Mock::given(any()).respond_with(response).expect(2).mount(&server).await;
        let client = client(&server, options());
        let request = Request::get("test: list", "/v1");
        assert_eq!(client.json::<Vec<u32>>(&request).await.unwrap(), [1, 2, 3], "{encoding}");
        let mut elements = client.elements(&request, ArrayPath::Root);
        for expected in 1..=3_u32 {
            let element = elements.next().await.unwrap().unwrap();
            assert_eq!(element.json::<u32>("test: list").unwrap(), expected, "{encoding}");
        }
        assert!(elements.next().await.is_none());
    }
}

#[tokio::test]
async fn a_decompression_bomb_is_stopped_at_the_limit() {
    const CAP: u64 = 4 << 20;
    for (encoding, bytes) in [
        ("gzip", include_bytes!("data/zeros-16MiB.gz").as_slice()),
        ("br", include_bytes!("data/zeros-1GiB.br")),
        ("zstd", include_bytes!("data/zeros-64MiB.zst")),
    ] {
        let server = MockServer::start().await;
        let response =
            ResponseTemplate::new(200).insert_header("content-encoding", encoding).set_body_bytes(bytes);
        Mock::given(any()).respond_with(response).expect(3).mount(&server).await;
        let options =
            options().with_max_body_bytes(CAP).with_max_stream_bytes(CAP).with_max_element_bytes(1 << 20);
        let client = client(&server, options);
        let request = Request::get("test: download", "/v1");
        let error = client.send(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1), "{encoding}: {error}");

        let mut body = client.open(&request).await.unwrap();
        let mut read = 0;
        let error = loop {
            match body.chunk().await {
                Ok(Some(chunk)) => read += chunk.len() as u64,
                Ok(None) => panic!("{encoding}: the bomb went through"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Decode, "{encoding}");
        assert!(read <= CAP, "{encoding}: {read}");

        let error = client.elements(&request, ArrayPath::Root).next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1), "{encoding}");
    }
}

#[tokio::test]
async fn an_element_that_is_skipped_is_not_read_beyond_the_limit_of_the_response() {
    const CAP: u64 = 1 << 20;
    let server = MockServer::start().await;
    let body = format!("[1,\"{}", "x".repeat(2 << 20));
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string(body)).mount(&server).await;
    let options = options().with_max_stream_bytes(CAP).with_max_element_bytes(1 << 10);
    let client = client(&server, options);
    let mut elements = client.elements(&Request::get("test: download", "/v1"), ArrayPath::Root);
    assert_eq!(elements.next().await.unwrap().unwrap().json::<u32>("test").unwrap(), 1);
    let error = elements.next().await.unwrap().unwrap_err();
    assert!(error.message().contains("1048576"), "{error}");
    assert!(elements.next().await.is_none());
}

#[tokio::test]
async fn a_body_that_cannot_be_decompressed_is_a_broken_body() {
    let server = MockServer::start().await;
    let response =
        ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_string("[1]");
    Mock::given(any()).respond_with(response).expect(4).mount(&server).await;
    let error =
        client(&server, options()).json::<Vec<u32>>(&Request::get("test: list", "/v1")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4), "{error}");
}

#[tokio::test]
async fn a_login_page_is_distinguished_from_json() {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw("<title>Sign in</title>", "text/html; charset=utf-8");
    Mock::given(any()).respond_with(page).expect(4).mount(&server).await;
    let error =
        client(&server, options()).json::<Page>(&Request::get("test: list", "/v1")).await.unwrap_err();
    assert_eq!(error.to_string(), "test: list: undecodable response: an HTML page came instead of JSON");
    assert_eq!(error.body_excerpt(), Some("<title>Sign in</title>"));
}

#[tokio::test]
async fn a_429_without_retry_after_is_retried_for_a_launch_too() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(429))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
    client(&server, options()).send(&Request::post("test: launch", "/v1")).await.unwrap();
}

#[test]
fn invalid_options_are_refused_without_echoing_them() {
    for options in [
        HttpOptions::new().with_proxy("http://user:canary@"),
        HttpOptions::new().with_proxy("canary"),
        HttpOptions::new().with_proxy("ftp://canary/"),
        HttpOptions::new().with_proxy("http://proxy/canary"),
        HttpOptions::new().with_user_agent("can\nary"),
        HttpOptions::new().with_root_certificate_pem("canary"),
        HttpOptions::new().with_max_in_flight(0),
        HttpOptions::new().with_max_streams(0),
        HttpOptions::new().with_max_body_bytes(0),
        HttpOptions::new().with_call_timeout(Duration::ZERO),
        HttpOptions::new().with_requests_per_second(0.0),
        HttpOptions::new().with_requests_per_second(f64::NAN),
        HttpOptions::new().with_requests_per_second(-1.0),
        HttpOptions::new().with_retry(RetryPolicy::new().with_max_attempts(0)),
    ] {
        let service = Service::new("test", "test/1", to_error);
        let auth = AuthHeader::new("authorization", "Bearer canary".into()).unwrap();
        let error = HttpClient::new(service, "https://api.example", auth, options.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{options:?}");
        assert!(!format!("{error:?}").contains("ary"), "{error:?}");
    }
}

#[test]
fn a_client_is_built_without_a_runtime() {
    let service = Service::new("test", "test/1", to_error);
    let auth = AuthHeader::new("authorization", "Bearer canary".into()).unwrap();
    let client = HttpClient::new(service, "https://api.example/v1", auth, HttpOptions::new()).unwrap();
    assert_eq!(client.base_url().as_str(), "https://api.example/v1/");
}

#[test]
fn the_longest_durations_do_not_overflow() {
    let longest = Duration::MAX;
    let options = HttpOptions::new()
        .with_call_timeout(longest)
        .with_head_timeout(longest)
        .with_idle_timeout(longest)
        .with_connect_timeout(longest);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
        client(&server, options).send(&Request::get("test: get", "/v1")).await.unwrap();
    });
}

/// Runs itself as a child process whose environment names proxies that refuse every connection.
#[test]
fn proxies_of_the_environment_have_no_effect() {
    const NAME: &str = "proxies_of_the_environment_have_no_effect";
    if std::env::var_os("ALL_PROXY").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
            client(&server, options()).send(&Request::get("test: get", "/v1")).await.unwrap();
        });
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([NAME, "--exact"]).stdout(std::process::Stdio::null());
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, "http://127.0.0.1:1");
    }
    assert!(child.status().unwrap().success());
}
