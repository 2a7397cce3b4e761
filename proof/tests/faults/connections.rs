//! Faults of connections and settings: 1 to 3, 9, 30, 32 to 35.

use std::sync::Arc;
use std::sync::OnceLock;

use appsec_core::ErrorKind::{Config, Decode, Transport};
use appsec_core::{Error, ErrorKind};
use appsec_http::testing::{
    BlackHole, StaticResolver, TestCa, TestCertificate, TlsServer, black_hole, http_response,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use proof::When::{Always, Nth};
use proof::invariants::{CheckResult, Ending, Truth, check};
use proof::secrets::{everything, leak};
use proof::{Gateway, Response, ResponseFault, Seen, ShortTimeouts, TestBed, Vendor, read_all};
use salt_client::{GapsQuery, SaltClient};
use tenable_was_client::TenableWasClient;

use crate::row::{Expect, Row, own, row};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(1, "the host's name does not exist", |_| {})
            .reach(|_| "http://scanner.example.test".to_owned())
            .timeouts(|timeouts| {
                let http =
                    timeouts.http.with_resolver(Arc::new(StaticResolver::new())).with_allow_plain_http(true);
                ShortTimeouts { http, ..timeouts }
            })
            .fails(Transport)
            .check(|_, seen| says(seen, "scanner.example.test")),
        // Nothing listens on the port of the discard service.
        row(2, "connections are refused", |_| {}).reach(|_| "http://127.0.0.1:9".to_owned()).fails(Transport),
        row(2, "packets are swallowed", |_| {}).reach(|_| format!("http://{}", swallow())).fails(Transport),
        own(3, "the certificate's issuer is unknown", |vendor, tag| {
            tls(vendor, tag, |ca| ca.issue(&["127.0.0.1"]), false)
        })
        .fails(Transport),
        own(3, "the certificate has expired", |vendor, tag| {
            tls(vendor, tag, |ca| ca.issue_expired(&["127.0.0.1"]), true)
        })
        .fails(Transport),
        own(3, "the certificate is of another name", |vendor, tag| {
            tls(vendor, tag, |ca| ca.issue(&["other.test"]), true)
        })
        .fails(Transport),
        own(9, "a total outage and a hundred calls", hundred_calls).fails(ErrorKind::Server),
        own(30, "a redirect to another host", |vendor, tag| redirected(vendor, tag, Always)).fails(Decode),
        own(30, "a redirect to another host in the middle", |vendor, tag| redirected(vendor, tag, Nth(9)))
            .fails(Decode),
        row(30, "a redirect to itself", |s| {
            s.inject(Always, ResponseFault::Instead(Response::html(302).with_header("location", "/")));
        })
        .fails(Decode),
        own(32, "line breaks, NUL and umlauts in credentials", |vendor, _| {
            async move { bad_credentials(vendor) }.boxed()
        })
        .fails(Config),
        own(33, "ids that would leave their place in a path", |vendor, tag| odd_ids(vendor, tag).boxed())
            .both(Expect::Complete),
        own(34, "proxies named by the environment", |vendor, tag| crate::child::proxied(vendor, tag).boxed()),
        own(35, "base URLs that would send credentials elsewhere", |vendor, tag| {
            base_urls(vendor, tag).boxed()
        })
        .fails(Config),
    ]
}

fn says(seen: &Seen, word: &str) -> Result<(), String> {
    let error =
        seen.end.as_ref().and_then(|end| end.as_ref().err()).map(ToString::to_string).unwrap_or_default();
    error.contains(word).then_some(()).ok_or_else(|| format!("{error:?} does not name {word}"))
}

/// An address whose connections hang while the process lives.
fn swallow() -> std::net::SocketAddr {
    static HOLE: OnceLock<BlackHole> = OnceLock::new();
    HOLE.get_or_init(|| black_hole().unwrap()).address()
}

type Issue = fn(&TestCa) -> std::io::Result<TestCertificate>;

fn tls(vendor: Vendor, tag: String, issue: Issue, trusted: bool) -> BoxFuture<'static, CheckResult> {
    async move {
        let ca = TestCa::new("Example Test CA").unwrap();
        let bed = TestBed::start(vendor, &tag).await;
        let server = TlsServer::start(&issue(&ca).unwrap(), |_| http_response(200, "application/json", "{}"))
            .await
            .unwrap();
        let mut timeouts = ShortTimeouts::new();
        if trusted {
            timeouts.http = timeouts.http.with_root_certificate_pem(ca.pem());
        }
        let scanner = bed.try_scanner(&format!("https://{}", server.address()), &timeouts).unwrap();
        let seen = read_all(&*scanner).await;
        let mut verdict = check(&Truth::of(&bed), &seen);
        if let Some(Err(error)) = &seen.end
            && (error.attempts() > 1 || error.is_retryable())
        {
            verdict.breaches.push(format!("it was tried {} times", error.attempts()));
        }
        if server.requests() > 0 {
            verdict.breaches.push("the credentials were sent".to_owned());
        }
        verdict
    }
    .boxed()
}

/// In a total outage a hundred calls send at most a fifth more than a hundred requests.
fn hundred_calls(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        bed.gateway.inject(vendor.any(), Always, ResponseFault::Instead(Response::html(503)));
        let (url, timeouts) = (bed.gateway.url(), ShortTimeouts::new());
        let errors: Vec<Error> = match vendor {
            Vendor::Salt => {
                let client = bed.salt_client(&url, &timeouts).build().unwrap();
                let query = GapsQuery::new();
                join_all((0..100).map(|_| client.list_gaps(&query)))
                    .await
                    .into_iter()
                    .filter_map(Result::err)
                    .collect()
            }
            Vendor::Tenable => {
                let client = bed.tenable_client(&url, &timeouts).build().unwrap();
                join_all((0..100).map(|_| client.get_server_status()))
                    .await
                    .into_iter()
                    .filter_map(Result::err)
                    .collect()
            }
        };
        let mut breaches = Vec::new();
        let requests = bed.gateway.requests().len();
        if errors.len() != 100 || requests > 120 {
            breaches.push(format!("{} errors, {requests} requests", errors.len()));
        }
        breaches.extend(errors.iter().find_map(|error| leak(&everything(error))));
        let ending = errors.first().map_or(Ending::Complete, |error| Ending::Failed(error.kind()));
        CheckResult { ending, breaches }
    }
    .boxed()
}

fn redirected(vendor: Vendor, tag: String, when: proof::When) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        // Another host that would respond as the service does.
        let other = Gateway::start(bed.gateway.address()).await;
        for status in [301, 302, 303, 307, 308] {
            let to = format!("{}/elsewhere?key={}", other.url(), bed.secrets()[0]);
            bed.gateway.inject(
                vendor.any(),
                when,
                ResponseFault::Instead(Response::html(status).with_header("location", to)),
            );
        }
        let mut verdict = check(&Truth::of(&bed), &read_all(&*bed.scanner(&ShortTimeouts::new())).await);
        if !other.requests().is_empty() {
            verdict.breaches.push(format!("the other host was asked: {:?}", other.requests()));
        }
        verdict
    }
    .boxed()
}

fn bad_credentials(vendor: Vendor) -> CheckResult {
    let mut breaches = Vec::new();
    for bad in
        ["canary\r\nX-Other: 1", "can\nary", "canary\0", "canary\u{e9}", "canary\u{7f}", "ca\tnary\u{200b}"]
    {
        let refused = match vendor {
            Vendor::Salt => vec![SaltClient::builder("http://127.0.0.1:9", bad).build().err()],
            Vendor::Tenable => {
                let build = |access, secret| {
                    TenableWasClient::builder(access, secret)
                        .with_base_url("http://127.0.0.1:9")
                        .build()
                        .err()
                };
                vec![build(bad, "fine"), build("fine", bad)]
            }
        };
        for error in refused {
            match error {
                Some(error) if error.kind() == Config => breaches.extend(leak(&everything(&error))),
                other => breaches.push(format!("{bad:?}: {other:?}")),
            }
        }
    }
    CheckResult { ending: Ending::Failed(Config), breaches }
}

/// Through the trait. The test of secrets covers every method of the clients.
async fn odd_ids(vendor: Vendor, tag: String) -> CheckResult {
    let bed = TestBed::start(vendor, &tag).await;
    let scanner = bed.scanner(&ShortTimeouts::new());
    let mut breaches = Vec::new();
    for id in
        ["../../session", "..", "%2e%2e", "a/b", "a?b=c", "a#b", "a\r\nX-Other: 1", "a\0b", "ä\u{202e}b", ""]
    {
        // A host may be any text: a search for it reads the whole list.
        let prefixes: &[&str] =
            if vendor == Vendor::Salt && id != ".." { &[""] } else { &["", "config:", "host:"] };
        for prefix in prefixes {
            let seen =
                proof::read_query(&*scanner, appsec_core::FindingQuery::target(format!("{prefix}{id}")))
                    .await;
            if seen.end.is_none() {
                breaches.push(format!("{prefix}{id:?} did not end"));
            }
        }
        let _ = scanner.scan(&id.into()).await;
        let _ = scanner.stop_scan(&id.into()).await;
    }
    let known = match vendor {
        Vendor::Salt => ["GET /v1/inventory/hosts?", "GET /v1/apigovern/posture/gaps?"],
        Vendor::Tenable => ["POST /was/v2/configs/search?", "POST /was/v2/scans/"],
    };
    let requests = bed.gateway.requests();
    breaches
        .extend(requests.into_iter().filter(|request| !known.iter().any(|known| request.starts_with(known))));
    CheckResult { ending: Ending::Complete, breaches }
}

async fn base_urls(vendor: Vendor, tag: String) -> CheckResult {
    let bed = TestBed::start(vendor, &tag).await;
    let mut breaches = Vec::new();
    for url in [
        "http://scanner.example.com",
        "http://169.254.169.254",
        "https://user:canary-password@scanner.example.com",
        "https://scanner.example.com/?key=canary-query",
        "https://scanner.example.com/#canary-fragment",
        "ftp://scanner.example.com",
        "file:///etc/passwd",
        "scanner.example.com",
        "//scanner.example.com",
        "https://",
        "",
    ] {
        match bed.try_scanner(url, &ShortTimeouts::new()) {
            Err(error) if error.kind() == Config => breaches.extend(leak(&everything(&error))),
            other => breaches.push(format!("{url:?}: {other:?}")),
        }
    }
    CheckResult { ending: Ending::Failed(Config), breaches }
}
