//! Calls through TLS, proxies and host names: which certificates are trusted, and what an error states.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use appsec_http::testing::{
    ConnectProxy, ConnectResponse, StaticResolver, TestCa, TestCertificate, TlsServer, http_response,
};
use appsec_http::{
    AuthHeader, Error, ErrorKind, HttpClient, HttpOptions, Request, Response, RetryPolicy, Service,
};

const HOST: &str = "api.scanner.test";

fn to_error(response: &Response) -> Error {
    Error::new(ErrorKind::Unexpected, response.redacted(&String::from_utf8_lossy(response.body())))
}

fn client(url: &str, options: HttpOptions) -> HttpClient {
    let auth = AuthHeader::new("authorization", "Bearer canary-canary".into()).unwrap();
    HttpClient::new(Service::new("test", "test/1", to_error), url, auth, options).unwrap()
}

fn resolver() -> StaticResolver {
    StaticResolver::new().with_address(HOST, IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn options() -> HttpOptions {
    HttpOptions::new()
        .with_resolver(Arc::new(resolver()))
        .with_retry(RetryPolicy::new().with_base(Duration::from_millis(1)))
}

fn request() -> Request {
    Request::get("test: get", "/v1").with_query("token", "canary-canary")
}

async fn server(certificate: &TestCertificate) -> (TlsServer, String) {
    let server =
        TlsServer::start(certificate, |_| http_response(200, "application/json", "[1]")).await.unwrap();
    let url = format!("https://{HOST}:{}", server.address().port());
    (server, url)
}

/// The error and all its causes, in both forms.
fn everything(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(|error| format!("{error:?} {error}")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_once_and_explained() {
    let ca = TestCa::new("Corporate Root").unwrap();
    let trusting = options().with_root_certificate_pem(ca.pem());
    for (certificate, options, says) in [
        (ca.issue(&[HOST]).unwrap(), options(), "Corporate Root"),
        (ca.issue_expired(&[HOST]).unwrap(), trusting.clone(), "expired"),
        (ca.issue(&["other.test"]).unwrap(), trusting.clone(), "other.test"),
        (TestCertificate::self_signed(&[HOST]).unwrap(), options(), HOST),
    ] {
        let (server, url) = server(&certificate).await;
        let error = client(&url, options).send(&request()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1), "{error}");
        assert!(error.message().contains(says), "{error}");
        assert!(!error.is_retryable() && !error.outcome_unknown());
        assert_eq!(server.requests(), 0);
        assert!(!everything(&error).contains("canary"), "{}", everything(&error));
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_root_or_by_option() {
    let ca = TestCa::new("Corporate Root").unwrap();
    let self_signed = TestCertificate::self_signed(&["other.test"]).unwrap();
    for (certificate, options) in [
        (ca.issue(&[HOST]).unwrap(), options().with_root_certificate_pem(ca.pem())),
        (self_signed, options().with_accept_invalid_certs(true)),
    ] {
        let (server, url) = server(&certificate).await;
        let response: Vec<u32> = client(&url, options).json(&request()).await.unwrap();
        assert_eq!((response, server.requests()), (vec![1], 1));
    }
}

#[tokio::test]
async fn a_proxy_receives_only_the_request_for_a_tunnel() {
    let ca = TestCa::new("Corporate Root").unwrap();
    let (server, url) = server(&ca.issue(&[HOST]).unwrap()).await;
    // "user:pass word", encoded as in RFC 7617.
    let proxy =
        ConnectProxy::start(ConnectResponse::TunnelFor(server.address(), "Basic dXNlcjpwYXNzIHdvcmQ=")).await;
    let proxy = proxy.unwrap();
    let nowhere = StaticResolver::new();
    let options = options().with_root_certificate_pem(ca.pem()).with_resolver(Arc::new(nowhere.clone()));
    let with = format!("http://user:pass%20word@{}", proxy.address());
    let response: Vec<u32> = client(&url, options.clone().with_proxy(with)).json(&request()).await.unwrap();
    assert_eq!(response, [1]);
    assert_eq!(proxy.requests()[0].target, url.trim_start_matches("https://"));
    assert!(nowhere.lookups().is_empty(), "the proxy resolves the name of the service");

    let without = client(&url, options.with_proxy(proxy.url()));
    let error = without.send(&Request::post("test: launch", "/v1")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4), "{error}");
    assert!(error.message().contains(&format!("through the proxy {}", proxy.address())), "{error}");
    assert!(!error.outcome_unknown(), "the service was never reached");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn an_error_states_the_name_that_does_not_resolve() {
    let options = options().with_resolver(Arc::new(StaticResolver::new()));
    let error = client("https://nowhere.test", options)
        .send(&Request::post("test: launch", "/v1"))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4));
    assert!(error.message().contains("cannot resolve the host of nowhere.test:443"), "{error}");
    assert!(!error.outcome_unknown());
}
