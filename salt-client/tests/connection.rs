//! Each way in which a connection fails, against a real socket or a real TLS server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{
    Cause, ConnectionReport, ConnectionStep, DastApiScanner, ErrorKind, StepKind, StepOutcome,
};
use appsec_http::testing::{
    ConnectProxy, ConnectResponse, StaticResolver, TestCa, TestCertificate, TlsServer, black_hole,
    http_response,
};
use salt_client::testing::{Access, FakeSalt, Reply, Route, Tenant, When, gap, host};
use salt_client::{GapsQuery, HttpOptions, Region, RetryPolicy, SaltClient};
use serde_json::json;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Checks the form of the report and returns the step that failed.
fn failure(report: &ConnectionReport, kind: StepKind, cause: Cause) -> ConnectionStep {
    let step = report.failure().unwrap_or_else(|| panic!("nothing failed: {report}")).clone();
    assert_eq!((step.kind, step.cause), (kind, Some(cause)), "{report}");
    assert!(step.remedy.as_deref().is_some_and(|remedy| !remedy.is_empty()), "{report}");
    let kinds: Vec<_> = report.steps().iter().map(|step| step.kind).collect();
    assert_eq!(kinds, StepKind::ALL, "every step is listed");
    let later = report.steps().iter().filter(|later| later.kind > kind);
    assert!(later.into_iter().all(|later| later.outcome == StepOutcome::Skipped), "{report}");
    step
}

/// Returns the report of a client with this base URL.
async fn test(base_url: &str, options: HttpOptions) -> ConnectionReport {
    let options = options
        .with_connect_timeout(Duration::from_millis(500))
        .with_resolver(Arc::new(StaticResolver::new().with_address("salt.example.test", LOCAL)))
        .with_retry(RetryPolicy::none());
    let client = SaltClient::builder(base_url, "canary-token").with_http(options).build().unwrap();
    let report = client.test_connection().await;
    assert!(!format!("{report} {report:?}").contains("canary"), "{report:?}");
    report
}

async fn fake() -> FakeSalt {
    let tenant = Tenant::new().with_host(host("a.example")).with_gap(gap("1", "a.example"));
    FakeSalt::builder().with_tenant(tenant).start().await.unwrap()
}

/// Returns the report of a client of a fake that gives this reply to every call.
async fn test_with_reply(reply: Reply) -> ConnectionReport {
    let fake = fake().await;
    fake.script(Route::Any, When::Always, reply);
    let report = fake.client().unwrap().test_connection().await;
    assert_eq!(fake.requests(), 1, "one request, not repeated: {report}");
    report
}

#[tokio::test]
async fn a_working_connection_takes_two_requests() {
    let fake = fake().await;
    let report = fake.client().unwrap().test_connection().await;
    assert!(report.is_ok(), "{report}");
    let skipped: Vec<_> = report
        .steps()
        .iter()
        .filter(|step| step.outcome == StepOutcome::Skipped)
        .map(|step| step.kind)
        .collect();
    assert_eq!(skipped, [StepKind::Dns, StepKind::Proxy, StepKind::Tls, StepKind::Licence], "{report}");
    let calls: Vec<_> =
        fake.calls().iter().map(|call| (call.route, call.query("limit").unwrap().to_owned())).collect();
    assert_eq!(calls, [(Route::ListGaps, "1".to_owned()), (Route::ListHosts, "1".to_owned())]);
}

#[tokio::test]
async fn a_host_name_that_does_not_exist() {
    let report = test("https://wrong.example.test", HttpOptions::new()).await;
    let step = failure(&report, StepKind::Dns, Cause::DnsFailed);
    assert!(step.detail.contains("wrong.example.test"), "{report}");
}

#[tokio::test]
async fn a_closed_port() {
    let address = tokio::net::TcpListener::bind((LOCAL, 0)).await.unwrap().local_addr().unwrap();
    let report = test(&format!("https://{address}"), HttpOptions::new()).await;
    failure(&report, StepKind::Tcp, Cause::ConnectRefused);
}

#[tokio::test]
async fn a_firewall_that_drops_packets() {
    let hole = black_hole().unwrap();
    let report = test(&format!("https://{}", hole.address()), HttpOptions::new()).await;
    failure(&report, StepKind::Tcp, Cause::ConnectTimeout);
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let proxy = ConnectProxy::start(ConnectResponse::Status(403)).await.unwrap();
    let options = HttpOptions::new().with_proxy(format!("http://{}", proxy.address()));
    let report = test("https://salt.example.test", options).await;
    failure(&report, StepKind::Proxy, Cause::ProxyFailed);
}

fn tls_url(address: SocketAddr) -> String {
    format!("https://salt.example.test:{}", address.port())
}

#[tokio::test]
async fn certificates_that_are_not_trusted() {
    let ca = TestCa::new("Salt Test CA").unwrap();
    let name = ["salt.example.test"];
    for (certificate, root, cause, seen) in [
        (TestCertificate::self_signed(&name).unwrap(), None, Cause::TlsUntrusted, "self-signed"),
        (ca.issue(&name).unwrap(), None, Cause::TlsUntrusted, "Salt Test CA"),
        (ca.issue_expired(&name).unwrap(), Some(ca.pem()), Cause::TlsExpired, "2021"),
        (
            ca.issue(&["other.example.test"]).unwrap(),
            Some(ca.pem()),
            Cause::TlsWrongName,
            "other.example.test",
        ),
    ] {
        let server =
            TlsServer::start(&certificate, |_| http_response(200, "application/json", "{}")).await.unwrap();
        let mut options = HttpOptions::new();
        if let Some(root) = root {
            options = options.with_root_certificate_pem(root);
        }
        let report = test(&tls_url(server.address()), options).await;
        let step = failure(&report, StepKind::Tls, cause);
        assert!(step.detail.contains(seen), "{report}");
        assert_eq!(server.requests(), 0, "the token is not sent");
    }
}

#[tokio::test]
async fn an_added_root_certificate_is_trusted() {
    let ca = TestCa::new("Salt Test CA").unwrap();
    let certificate = ca.issue(&["salt.example.test"]).unwrap();
    let answer = r#"{"response":[{"host":"a.example"}],"endOffset":1}"#;
    let server = TlsServer::start(&certificate, move |_| http_response(200, "application/json", answer))
        .await
        .unwrap();
    let report =
        test(&tls_url(server.address()), HttpOptions::new().with_root_certificate_pem(ca.pem())).await;
    assert!(report.is_ok(), "{report}");
}

#[tokio::test]
async fn a_login_page_with_200() {
    failure(&test_with_reply(Reply::HtmlPage).await, StepKind::Http, Cause::NotTheApi);
}

#[tokio::test]
async fn a_redirect() {
    let report = test_with_reply(Reply::Redirect("https://login.example.test/".into())).await;
    failure(&report, StepKind::Http, Cause::Redirected);
}

#[tokio::test]
async fn a_refused_token() {
    let report = test_with_reply(Reply::Unauthorized).await;
    let step = failure(&report, StepKind::Credentials, Cause::InvalidCredentials);
    assert_eq!(report.step(StepKind::Http).unwrap().outcome, StepOutcome::Passed);
    let text = format!("{} {}", step.detail, step.remedy.unwrap());
    for word in ["wrong", "expired", "region", "new token"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_according_to_the_service() {
    let report = test_with_reply(Reply::Expired).await;
    failure(&report, StepKind::Credentials, Cause::ExpiredCredentials);
}

#[tokio::test]
async fn a_refused_token_is_reported_with_the_region_that_was_used() {
    let ca = TestCa::new("Salt Test CA").unwrap();
    let certificate = ca.issue(&["api.secured-api.com", "api.secured-api-eu.com"]).unwrap();
    let refusal = |_: &str| http_response(401, "application/json", r#"{"message":"Unauthorized"}"#);
    let server = TlsServer::start(&certificate, refusal).await.unwrap();
    let proxy = ConnectProxy::start(ConnectResponse::Tunnel(server.address())).await.unwrap();
    for (region, name, other) in [(Region::Us, "US", Region::Eu), (Region::Eu, "EU", Region::Us)] {
        let options = HttpOptions::new()
            .with_proxy(format!("http://{}", proxy.address()))
            .with_root_certificate_pem(ca.pem());
        let report = test(region.url(), options.clone()).await;
        let step = failure(&report, StepKind::Credentials, Cause::InvalidCredentials);
        assert!(step.detail.contains(&format!("{name} one used")), "{report}");
        assert!(step.remedy.unwrap().contains(other.url()), "{report}");
        // The error of an ordinary call names it as well.
        let client = SaltClient::builder(region, "canary-token").with_http(options).build().unwrap();
        let error = client.list_gaps(&GapsQuery::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.message().contains(&format!("{name} one used")), "{error}");
    }
}

#[tokio::test]
async fn a_token_without_the_scope() {
    let fake = FakeSalt::builder().with_access(Access::Refused).start().await.unwrap();
    let report = fake.client().unwrap().test_connection().await;
    let step = failure(&report, StepKind::Permission, Cause::PermissionDenied);
    assert!(step.remedy.unwrap().contains("perm-viewer"));
    assert_eq!(report.step(StepKind::Credentials).unwrap().outcome, StepOutcome::Passed);
}

#[tokio::test]
async fn a_base_url_with_a_wrong_path() {
    let fake = fake().await;
    let base = format!("{}/acme-prod", fake.base_url());
    let client = SaltClient::builder(base, fake.token()).build().unwrap();
    let report = client.test_connection().await;
    let step = failure(&report, StepKind::BasePath, Cause::WrongBaseUrl);
    let remedy = step.remedy.unwrap();
    assert!(remedy.contains(Region::Us.url()) && remedy.contains(Region::Eu.url()), "{report}");
    assert_eq!(report.step(StepKind::Credentials).unwrap().outcome, StepOutcome::Skipped);
}

#[tokio::test]
async fn a_service_that_fails() {
    for (reply, cause) in [
        (Reply::Unavailable, Cause::ServerFault),
        (Reply::BadGateway, Cause::ServerFault),
        (Reply::Json(200, json!({"hello": "world"})), Cause::UnexpectedResponse),
        (Reply::Json(200, json!(3)), Cause::UnexpectedResponse),
        (Reply::TruncatedJson, Cause::UnexpectedResponse),
        (Reply::Json(400, json!({"message": "no"})), Cause::UnexpectedResponse),
    ] {
        failure(&test_with_reply(reply).await, StepKind::Http, cause);
    }
}

#[tokio::test]
async fn a_service_that_asks_for_a_long_wait() {
    let fake = fake().await;
    fake.script(Route::Any, When::Always, Reply::TooManyRequests { retry_after: Some(86_400) });
    let report = fake.client().unwrap().test_connection().await;
    failure(&report, StepKind::Http, Cause::RateLimited);
}

#[tokio::test]
async fn a_service_that_does_not_respond() {
    let fake = fake().await;
    fake.script(Route::Any, When::Always, Reply::Silence);
    let options = HttpOptions::new().with_head_timeout(Duration::from_millis(200));
    let report = test(&fake.base_url(), options).await;
    failure(&report, StepKind::Http, Cause::NoResponse);
}

#[tokio::test]
async fn an_inventory_without_hosts() {
    for builder in [
        FakeSalt::builder(),
        FakeSalt::builder().with_tenant(Tenant::new().with_gap(gap("1", "a.example"))),
        FakeSalt::builder().with_access(Access::Hidden),
    ] {
        let fake = builder.start().await.unwrap();
        let report = fake.client().unwrap().test_connection().await;
        let step = failure(&report, StepKind::BindTargets, Cause::NoBindTargets);
        assert!(step.remedy.unwrap().contains("perm-viewer"));
    }
}

#[tokio::test]
async fn an_inventory_that_cannot_be_read() {
    for (reply, cause) in [
        (Reply::Forbidden, Cause::PermissionDenied),
        (Reply::HtmlPage, Cause::NotTheApi),
        (Reply::Unavailable, Cause::ServerFault),
        (Reply::NotFound, Cause::UnexpectedResponse),
    ] {
        let fake = fake().await;
        fake.script(Route::ListHosts, When::Always, reply);
        failure(&fake.client().unwrap().test_connection().await, StepKind::BindTargets, cause);
    }
}

#[tokio::test]
async fn invalid_certificates_are_accepted_if_enabled_and_the_report_warns() {
    let certificate = TestCertificate::self_signed(&["salt.example.test"]).unwrap();
    let answer = r#"{"response":[{"host":"a.example"}]}"#;
    let server = TlsServer::start(&certificate, move |_| http_response(200, "application/json", answer))
        .await
        .unwrap();
    let report = test(&tls_url(server.address()), HttpOptions::new().with_accept_invalid_certs(true)).await;
    assert!(report.is_ok(), "{report}");
    assert!(report.warnings().any(|step| step.cause == Some(Cause::InvalidCertificatesAccepted)), "{report}");
}
