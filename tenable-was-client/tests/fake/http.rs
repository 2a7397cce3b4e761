//! Requests written by hand: no client of ours between the test and the fake.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tenable_was_client::testing::FakeTenableWas;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The items of a page.
    pub(crate) fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["items"].as_array().unwrap().clone()
    }

    /// The text of one field of every item of a page.
    pub(crate) fn column(&self, field: &str) -> Vec<String> {
        self.items().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
    }

    /// The words of a refusal in the usual shape.
    pub(crate) fn reason(&self) -> (u16, String, String) {
        let reason = &self.json()["reasons"][0];
        let text = |key: &str| reason[key].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("reason"))
    }
}

/// One exchange with these headers and nothing else.
pub(crate) async fn exchange(
    fake: &FakeTenableWas,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: fake\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Got { status, head, body: answer[end + 4..].to_vec() }
}

/// The credentials that the fake takes.
pub(crate) fn keys(fake: &FakeTenableWas) -> String {
    format!("accessKey={};secretKey={}", fake.access_key(), fake.secret_key())
}

async fn signed(fake: &FakeTenableWas, method: &str, path: &str, body: &str) -> Got {
    let headers = [("X-ApiKeys", &*keys(fake)), ("content-type", "application/json")];
    exchange(fake, method, path, &headers, body).await
}

pub(crate) async fn get(fake: &FakeTenableWas, path: &str) -> Got {
    signed(fake, "GET", path, "").await
}

pub(crate) async fn post(fake: &FakeTenableWas, path: &str, body: &Value) -> Got {
    signed(fake, "POST", path, &body.to_string()).await
}

pub(crate) async fn send(fake: &FakeTenableWas, method: &str, path: &str, body: &str) -> Got {
    signed(fake, method, path, body).await
}

/// Launches a scan and gives its id.
pub(crate) async fn launch(fake: &FakeTenableWas, config: &str) -> String {
    let got = send(fake, "POST", &format!("/was/v2/configs/{config}/scans"), "").await;
    assert_eq!(got.status, 202, "{got:?}");
    got.json()["scan_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn scan(fake: &FakeTenableWas, id: &str) -> Value {
    let got = get(fake, &format!("/was/v2/scans/{id}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

/// Requests an export and gives its id.
pub(crate) async fn request_export(fake: &FakeTenableWas, body: &Value) -> String {
    let got = post(fake, "/was/v1/export/vulns", body).await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    got.json()["export_uuid"].as_str().unwrap().to_owned()
}

pub(crate) async fn export_status(fake: &FakeTenableWas, id: &str) -> Value {
    let got = get(fake, &format!("/was/v1/export/vulns/{id}/status")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

pub(crate) async fn chunk(fake: &FakeTenableWas, id: &str, number: u64) -> Got {
    get(fake, &format!("/was/v1/export/vulns/{id}/chunks/{number}")).await
}

/// Runs an export to its end and gives its last status and all records.
pub(crate) async fn export(fake: &FakeTenableWas, body: &Value) -> (Value, Vec<Value>) {
    let id = request_export(fake, body).await;
    for _ in 0..100 {
        let status = export_status(fake, &id).await;
        if ["QUEUED", "PROCESSING"].contains(&status["status"].as_str().unwrap()) {
            continue;
        }
        let mut records = Vec::new();
        for number in status["chunks_available"].as_array().unwrap() {
            let got = chunk(fake, &id, number.as_u64().unwrap()).await;
            records.extend(got.json().as_array().unwrap().clone());
        }
        return (status, records);
    }
    panic!("the export does not end");
}

/// Everything there is, as the importer asks for it.
pub(crate) fn everything() -> Value {
    json!({"include_unlicensed": true,
        "filters": {"state": ["OPEN", "REOPENED", "FIXED"], "since": 1_000_000_000}})
}
