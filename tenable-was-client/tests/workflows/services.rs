//! Services with responses that the fake never sends.

use std::time::Duration;

use appsec_core::ErrorKind;
use appsec_http::{HttpOptions, RetryPolicy};
use serde_json::json;
use tenable_was_client::model::{ReportFormat, ScanConfig, TenableScanId};
use tenable_was_client::{TenableWasClient, WaitOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wiremock::matchers::{any, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CONFIG: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
const TRACKING: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

fn client(base_url: String) -> TenableWasClient {
    let short = Duration::from_millis(1);
    let retry = RetryPolicy::new().with_max_attempts(2).with_base(short).with_cap(short);
    TenableWasClient::builder("a", "s")
        .with_base_url(base_url)
        .with_http(HttpOptions::new().with_retry(retry))
        .with_waits(WaitOptions::new().with_pauses(short, short).with_patience(Duration::from_millis(200)))
        .build()
        .unwrap()
}

fn shop() -> ScanConfig {
    ScanConfig::for_url("https://shop.example.com").with_owner("me").with_template_id(CONFIG.parse().unwrap())
}

fn scan() -> TenableScanId {
    SCAN.parse().unwrap()
}

#[tokio::test]
async fn a_location_on_another_host_is_parsed_and_not_followed() {
    let server = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&elsewhere).await;
    let place = format!("{}/configs/{CONFIG}/status/{TRACKING}", elsewhere.uri());
    Mock::given(method("POST"))
        .and(path("/was/v2/configs"))
        .respond_with(ResponseTemplate::new(202).insert_header("Location", place).set_body_json(json!({})))
        .named("created")
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("/was/v2/configs/{CONFIG}/status/{TRACKING}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"tracking_status": "completed"})))
        .named("asked here")
        .expect(1)
        .mount(&server)
        .await;
    let id = client(server.uri()).create_scan_config(shop()).await.unwrap();
    assert_eq!(id.to_string(), CONFIG, "the id is in the location");
}

#[tokio::test]
async fn without_a_location_the_configuration_itself_is_polled() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(202).set_body_json(json!({"config_id": CONFIG})))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404))
        .up_to_n_times(2)
        .named("not there yet")
        .expect(2)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("/was/v2/configs/{CONFIG}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"config_id": CONFIG})))
        .named("there")
        .expect(1)
        .mount(&server)
        .await;
    let id = client(server.uri()).create_scan_config(shop()).await.unwrap();
    assert_eq!(id.to_string(), CONFIG);
}

#[tokio::test]
async fn a_response_without_an_id_has_an_unknown_outcome() {
    for body in ["", "{}", "<html>"] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(202).set_body_raw(body, "application/json"))
            .named("created once")
            .expect(1)
            .mount(&server)
            .await;
        let error = client(server.uri()).create_scan_config(shop()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert!(error.outcome_unknown(), "{body}");
    }
}

#[tokio::test]
async fn an_empty_report_is_an_error() {
    let server = MockServer::start().await;
    Mock::given(path_regex("/report$")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let error =
        client(server.uri()).save_report(scan(), ReportFormat::Pdf, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

/// Answers one request with the head and the first part of a body, and after a signal with the rest.
async fn in_two_parts(rest: Option<&'static [u8]>) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (send_rest, signal) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: 10\r\n\r\nfirst";
        stream.write_all(head).await.unwrap();
        let _ = signal.await;
        if let Some(rest) = rest {
            stream.write_all(rest).await.unwrap();
        }
    });
    (format!("http://{address}"), send_rest)
}

#[tokio::test]
async fn a_report_is_written_while_it_arrives() {
    let (base_url, send_rest) = in_two_parts(Some(b"later")).await;
    let (mut writer, mut reader) = duplex(64);
    let client = client(base_url);
    let download =
        tokio::spawn(async move { client.download_report(scan(), ReportFormat::Csv, &mut writer).await });
    let mut first = [0; 5];
    reader.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"first", "before the server has sent the rest");
    send_rest.send(()).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    assert_eq!((rest.as_slice(), download.await.unwrap().unwrap()), (b"later".as_slice(), 10));
}

#[tokio::test]
async fn a_truncated_report_is_an_error() {
    let (base_url, send_rest) = in_two_parts(None).await;
    send_rest.send(()).unwrap();
    let mut file = Vec::new();
    let error = client(base_url).download_report(scan(), ReportFormat::Csv, &mut file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(file, b"first", "the caller discards it");
}

#[tokio::test]
async fn a_writer_that_fails_ends_the_download() {
    let (base_url, send_rest) = in_two_parts(Some(b"later")).await;
    send_rest.send(()).unwrap();
    let (mut writer, reader) = duplex(1);
    drop(reader);
    let error = client(base_url).download_report(scan(), ReportFormat::Csv, &mut writer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(std::error::Error::source(&error).is_some());
}
