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
use proof::invariants::{CheckResult, Ending, ExpectedFindings, check};
use proof::secrets::{find_leak, format_error_chain};
use proof::{Gateway, Reading, Response, ResponseFault, TestBed, Timeouts, Vendor, read_all};
use salt_client::{GapsQuery, SaltClient};
use tenable_was_client::TenableWasClient;

use crate::case::{Case, Expect, case, custom_case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(1, "the host name does not exist", |_| {})
            .url(|_| "http://scanner.example.test".to_owned())
            .timeouts(|timeouts| {
                let http =
                    timeouts.http.with_resolver(Arc::new(StaticResolver::new())).with_allow_plain_http(true);
                Timeouts { http, ..timeouts }
            })
            .fails(Transport)
            .check(|_, reading| error_contains(reading, "scanner.example.test")),
        // Nothing listens on the port of the discard service.
        case(2, "connections are refused", |_| {}).url(|_| "http://127.0.0.1:9".to_owned()).fails(Transport),
        case(2, "packets are dropped", |_| {})
            .url(|_| format!("http://{}", black_hole_address()))
            .fails(Transport),
        custom_case(3, "the certificate's issuer is unknown", |vendor, tag| {
            connect_with_certificate(vendor, tag, |ca| ca.issue(&["127.0.0.1"]), false)
        })
        .fails(Transport),
        custom_case(3, "the certificate has expired", |vendor, tag| {
            connect_with_certificate(vendor, tag, |ca| ca.issue_expired(&["127.0.0.1"]), true)
        })
        .fails(Transport),
        custom_case(3, "the certificate is for another name", |vendor, tag| {
            connect_with_certificate(vendor, tag, |ca| ca.issue(&["other.test"]), true)
        })
        .fails(Transport),
        custom_case(9, "a total outage with a hundred calls", hundred_calls_during_outage)
            .fails(ErrorKind::Server),
        custom_case(30, "a redirect to another host", |vendor, tag| {
            redirect_to_other_host(vendor, tag, Always)
        })
        .fails(Decode),
        custom_case(30, "a redirect to another host in the middle", |vendor, tag| {
            redirect_to_other_host(vendor, tag, Nth(9))
        })
        .salt(Expect::Fails(Decode))
        .tenable(Expect::Gap("chunk")),
        case(30, "a redirect to itself", |bed| {
            bed.inject(Always, ResponseFault::Replace(Response::html(302).with_header("location", "/")));
        })
        .salt(Expect::Fails(Decode))
        .tenable(Expect::Gap("chunk")),
        custom_case(32, "line breaks, NUL and umlauts in credentials", |vendor, _| {
            async move { bad_credentials(vendor) }.boxed()
        })
        .fails(Config),
        custom_case(33, "ids that would leave their path segment", |vendor, tag| {
            malformed_ids(vendor, tag).boxed()
        })
        .both(Expect::Complete),
        custom_case(34, "proxies named by the environment", |vendor, tag| {
            crate::child_process::proxy_environment(vendor, tag).boxed()
        }),
        custom_case(35, "base URLs that would send credentials elsewhere", |vendor, tag| {
            unsafe_base_urls(vendor, tag).boxed()
        })
        .fails(Config),
    ]
}

fn error_contains(reading: &Reading, text: &str) -> Result<(), String> {
    let error = reading.error().map(ToString::to_string).unwrap_or_default();
    error.contains(text).then_some(()).ok_or_else(|| format!("{error:?} does not contain {text}"))
}

/// An address whose connections hang while the process lives.
fn black_hole_address() -> std::net::SocketAddr {
    static ADDRESS: OnceLock<BlackHole> = OnceLock::new();
    ADDRESS.get_or_init(|| black_hole().unwrap()).address()
}

type Issue = fn(&TestCa) -> std::io::Result<TestCertificate>;

fn connect_with_certificate(
    vendor: Vendor,
    tag: String,
    issue: Issue,
    trusted: bool,
) -> BoxFuture<'static, CheckResult> {
    async move {
        let ca = TestCa::new("Example Test CA").unwrap();
        let bed = TestBed::start(vendor, &tag).await;
        let server = TlsServer::start(&issue(&ca).unwrap(), |_| http_response(200, "application/json", "{}"))
            .await
            .unwrap();
        let mut timeouts = Timeouts::short();
        if trusted {
            timeouts.http = timeouts.http.with_root_certificate_pem(ca.pem());
        }
        let scanner = bed.try_scanner(&format!("https://{}", server.address()), &timeouts).unwrap();
        let reading = read_all(&*scanner).await;
        let mut result = check(&ExpectedFindings::new(&bed), &reading);
        if let Some(Err(error)) = &reading.end
            && (error.attempts() > 1 || error.is_retryable())
        {
            result.violations.push(format!("the request was tried {} times", error.attempts()));
        }
        if server.requests() > 0 {
            result.violations.push("the credentials were sent".to_owned());
        }
        result
    }
    .boxed()
}

/// In a total outage a hundred calls send at most a fifth more than a hundred requests.
fn hundred_calls_during_outage(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        bed.gateway.inject(vendor.all_requests(), Always, ResponseFault::Replace(Response::html(503)));
        let (url, timeouts) = (bed.gateway.url(), Timeouts::short());
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
        let mut violations = Vec::new();
        let requests = bed.gateway.requests().len();
        if errors.len() != 100 || requests > 120 {
            violations.push(format!("{} errors, {requests} requests", errors.len()));
        }
        violations.extend(errors.iter().find_map(|error| find_leak(&format_error_chain(error))));
        let ending = errors.first().map_or(Ending::Complete, |error| Ending::Failed(error.kind()));
        CheckResult { ending, violations }
    }
    .boxed()
}

fn redirect_to_other_host(vendor: Vendor, tag: String, when: proof::When) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        // Another host that would respond as the service does.
        let other = Gateway::start(bed.gateway.address()).await;
        for status in [301, 302, 303, 307, 308] {
            let to = format!("{}/elsewhere?key={}", other.url(), bed.secrets()[0]);
            bed.gateway.inject(
                vendor.all_requests(),
                when,
                ResponseFault::Replace(Response::html(status).with_header("location", to)),
            );
        }
        let mut result =
            check(&ExpectedFindings::new(&bed), &read_all(&*bed.scanner(&Timeouts::short())).await);
        if !other.requests().is_empty() {
            result.violations.push(format!("the other host received requests: {:?}", other.requests()));
        }
        result
    }
    .boxed()
}

fn bad_credentials(vendor: Vendor) -> CheckResult {
    let mut violations = Vec::new();
    for bad in
        ["canary\r\nX-Other: 1", "can\nary", "canary\0", "canary\u{e9}", "canary\u{7f}", "ca\tnary\u{200b}"]
    {
        let errors = match vendor {
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
        for error in errors {
            match error {
                Some(error) if error.kind() == Config => {
                    violations.extend(find_leak(&format_error_chain(&error)));
                }
                other => violations.push(format!("{bad:?}: {other:?}")),
            }
        }
    }
    CheckResult { ending: Ending::Failed(Config), violations }
}

/// Through the trait. The test of secrets covers every method of the clients.
async fn malformed_ids(vendor: Vendor, tag: String) -> CheckResult {
    let bed = TestBed::start(vendor, &tag).await;
    let scanner = bed.scanner(&Timeouts::short());
    let mut violations = Vec::new();
    for id in
        ["../../session", "..", "%2e%2e", "a/b", "a?b=c", "a#b", "a\r\nX-Other: 1", "a\0b", "ä\u{202e}b", ""]
    {
        // A host may be any text: a search for it reads the whole list.
        let prefixes: &[&str] =
            if vendor == Vendor::Salt && id != ".." { &[""] } else { &["", "config:", "host:"] };
        for prefix in prefixes {
            let reading =
                proof::read_query(&*scanner, appsec_core::FindingQuery::target(format!("{prefix}{id}")))
                    .await;
            if reading.end.is_none() {
                violations.push(format!("{prefix}{id:?} did not end"));
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
    violations
        .extend(requests.into_iter().filter(|request| !known.iter().any(|known| request.starts_with(known))));
    CheckResult { ending: Ending::Complete, violations }
}

async fn unsafe_base_urls(vendor: Vendor, tag: String) -> CheckResult {
    let bed = TestBed::start(vendor, &tag).await;
    let mut violations = Vec::new();
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
        match bed.try_scanner(url, &Timeouts::short()) {
            Err(error) if error.kind() == Config => violations.extend(find_leak(&format_error_chain(&error))),
            other => violations.push(format!("{url:?}: {other:?}")),
        }
    }
    CheckResult { ending: Ending::Failed(Config), violations }
}
