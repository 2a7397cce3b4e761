//! No secret is printed, logged or kept in an error. This test has its own process, since a subscriber that
//! records one thread misses call sites that another thread reached first.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_http::testing::StaticResolver;
use appsec_http::{
    ArrayPath, AuthHeader, Error, ErrorKind, HttpClient, HttpOptions, Request, Response, RetryPolicy,
    RetrySafety, Service,
};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn to_error(response: &Response) -> Error {
    Error::new(ErrorKind::Unexpected, response.redacted(&String::from_utf8_lossy(response.body())))
}

fn client(url: &str, options: HttpOptions) -> HttpClient {
    let auth = AuthHeader::new("authorization", "Bearer canary-canary".into()).unwrap();
    let service = Service::new("test", "test/1", to_error).with_request_id_header("x-request-id");
    HttpClient::new(service, url, auth, options).unwrap()
}

fn options() -> HttpOptions {
    HttpOptions::new()
        .with_resolver(Arc::new(StaticResolver::new()))
        .with_retry(RetryPolicy::new().with_base(Duration::from_millis(1)))
}

fn request() -> Request {
    Request::get("test: get", "/v1").with_query("token", "canary-canary")
}

/// The error and all its causes, in both forms.
fn everything(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(|error| format!("{error:?} {error}")).collect::<Vec<_>>().join("\n")
}

/// Lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Records this thread's events at every level.
    fn record(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

#[tokio::test]
async fn no_secret_is_printed_logged_or_kept_in_an_error() {
    let log = Log::default();
    let _recording = log.record();
    let echo = r#"{"message":"no key canary-canary","secret_key":"canary"}"#;
    let mut texts = Vec::new();
    for (status, body) in
        [(200, "[1]"), (401, echo), (429, echo), (503, echo), (200, echo), (200, "<html>canary-canary")]
    {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(
                ResponseTemplate::new(status)
                    .insert_header("set-cookie", "session=canary")
                    .insert_header("x-request-id", "of canary-canary")
                    .insert_header("location", "/x?t=canary")
                    .set_body_string(body),
            )
            .mount(&server)
            .await;
        let client = client(&server.uri(), options());
        let request = request().with_header("x-other", "canary").with_json(&"canary").unwrap();
        texts.push(format!("{client:?} {request:?} {:?}", client.options()));
        match client.send(&request).await {
            Ok(response) => texts.push(format!("{response:?}")),
            Err(error) => texts.push(everything(&error)),
        }
        match client.json::<Vec<u32>>(&request).await {
            Ok(_) => {}
            Err(error) => texts.push(everything(&error)),
        }
        let mut elements = client.elements(&request, ArrayPath::Root);
        texts.push(format!("{elements:?}"));
        match elements.next().await {
            Some(Err(error)) => texts.push(everything(&error)),
            element => texts.push(format!("{element:?}")),
        }
        texts.push(format!("{elements:?}"));
        match client.open(&request).await {
            Ok(body) => texts.push(format!("{body:?}")),
            Err(error) => texts.push(everything(&error)),
        }
    }
    // A proxy with a password, whose port is closed.
    let options = options().with_proxy("http://canary:canary@127.0.0.1:1").with_accept_invalid_certs(true);
    let client = client("https://api.scanner.test", options);
    texts.push(format!("{client:?}"));
    assert!(format!("{client:?}").contains("accept_invalid_certs: true"));
    assert!(format!("{client:?}").contains("http://127.0.0.1:1"));
    texts.push(everything(
        &client.send(&request().with_retry_safety(RetrySafety::IfUnsent)).await.unwrap_err(),
    ));
    for text in &texts {
        assert!(!text.contains("canary"), "{text}");
    }
    let log = log.text();
    // Libraries log at this level too; only the targets of this crate are checked.
    let ours: Vec<_> = log.lines().filter(|line| line.contains("appsec_http")).collect();
    assert!(ours.iter().all(|line| !line.contains("canary")), "{ours:#?}");
    assert!(ours.iter().any(|line| line.contains("request") && line.contains("status=503")), "{log}");
    assert!(
        ours.iter().any(|line| line.contains("WARN") && line.contains("certificates are not verified")),
        "{log}"
    );
    assert!(!log.contains("Bearer"), "{log}");
}
