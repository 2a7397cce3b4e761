//! The diagnosis of a connection, cause by cause, against real sockets and real TLS servers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::StepOutcome::{Failed, Passed, Skipped, Warning};
use appsec_core::{Cause, ConnectionStep, StepKind};
use appsec_http::testing::{
    ConnectProxy, ConnectResponse, Fault, FaultProxy, StaticResolver, TestCa, TestCertificate, TlsServer,
    black_hole, http_response,
};
use appsec_http::{
    AuthHeader, Error, ErrorKind, HttpClient, HttpOptions, Request, Resolver, RetryPolicy, Service,
};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const HOST: &str = "api.example.test";
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The connect timeout where a response is expected; long enough for a busy machine.
const AMPLE: Duration = Duration::from_secs(20);
/// The connect timeout where no response is expected.
const SHORT: Duration = Duration::from_millis(400);

fn options() -> HttpOptions {
    let resolver = StaticResolver::new().with_address(HOST, LOCAL).with_no_address("empty.example.test");
    HttpOptions::new()
        .with_resolver(Arc::new(resolver))
        .with_connect_timeout(AMPLE)
        .with_retry(RetryPolicy::none())
}

fn client(base_url: &str, options: HttpOptions) -> HttpClient {
    let service = Service::new("test", "test/0", |response| {
        Error::new(ErrorKind::Unexpected, format!("status {}", response.status()))
    });
    let auth = AuthHeader::new("x-key", "canary-key".to_owned().into()).unwrap();
    HttpClient::new(service, base_url, auth, options).unwrap()
}

async fn probe(base_url: &str, options: HttpOptions) -> Vec<ConnectionStep> {
    let steps = client(base_url, options).probe().await;
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    let order = [StepKind::Configuration, StepKind::Dns, StepKind::Tcp, StepKind::Proxy, StepKind::Tls];
    assert_eq!(kinds, order[..kinds.len()], "in order, none left out");
    for step in &steps {
        assert!(!step.detail.is_empty() && !step.detail.contains('\n'), "{step:?}");
        let wanting = matches!(step.outcome, Failed | Warning);
        assert_eq!(step.remedy.is_some(), wanting, "{step:?}");
        assert!(!format!("{step:?}").contains("canary"), "{step:?}");
    }
    steps
}

/// The last step, which must have failed for this cause.
async fn failure(base_url: &str, options: HttpOptions, kind: StepKind, cause: Cause) -> ConnectionStep {
    let mut steps = probe(base_url, options).await;
    let last = steps.pop().unwrap();
    assert_eq!((last.kind, last.outcome, last.cause), (kind, Failed, Some(cause)), "{last:?}");
    assert!(steps.iter().all(|step| step.outcome != Failed), "{steps:?}");
    last
}

fn remedy(step: &ConnectionStep) -> &str {
    step.remedy.as_deref().unwrap_or_default()
}

fn url(address: SocketAddr) -> String {
    format!("https://{HOST}:{}/v1", address.port())
}

async fn serve(certificate: &TestCertificate) -> TlsServer {
    TlsServer::start(certificate, |_| http_response(200, "application/json", "{}")).await.unwrap()
}

/// Sends the same bytes on each connection.
async fn raw_server(response: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _heard = stream.read_u8().await;
                let _sent = stream.write_all(response).await;
            });
        }
    });
    address
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind((LOCAL, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_working_connection_passes_every_step_and_serves_a_request() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    let options = options().with_root_certificate_pem(ca.pem());
    let steps = probe(&url(server.address()), options.clone()).await;
    let outcomes: Vec<_> = steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Passed, Passed, Passed, Skipped, Passed], "{steps:?}");
    assert!(steps[1].detail.contains("127.0.0.1"), "{steps:?}");
    assert!(steps[4].detail.starts_with("TLS 1.3; certificate issued by CN=Probe Test CA"), "{steps:?}");
    assert_eq!(server.requests(), 0, "nothing was sent to the service");

    client(&url(server.address()), options).send(&Request::get("test: get", "/x")).await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let step = failure("https://nowhere.example.test/", options(), StepKind::Dns, Cause::DnsFailed).await;
    assert!(step.detail.contains("nowhere.example.test does not resolve"), "{step:?}");
    assert!(remedy(&step).contains("with_proxy"), "{step:?}");
    failure("https://empty.example.test/", options(), StepKind::Dns, Cause::DnsFailed).await;
}

#[tokio::test]
async fn a_look_up_without_a_response() {
    #[derive(Debug)]
    struct Silent;
    #[async_trait]
    impl Resolver for Silent {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let options = options().with_resolver(Arc::new(Silent)).with_connect_timeout(SHORT);
    let step = failure("https://api.example.test/", options, StepKind::Dns, Cause::DnsFailed).await;
    assert!(step.detail.contains("timed out after 400ms"), "{step:?}");
    assert!(step.took >= SHORT);
}

#[tokio::test]
async fn a_closed_port() {
    let address = closed_port().await;
    let step = failure(&url(address), options(), StepKind::Tcp, Cause::ConnectRefused).await;
    assert!(step.detail.contains(&address.to_string()), "{step:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_black_hole() {
    let hole = black_hole().unwrap();
    let options = options().with_connect_timeout(SHORT);
    let step = failure(&url(hole.address()), options, StepKind::Tcp, Cause::ConnectTimeout).await;
    assert!(remedy(&step).contains("firewall"), "{step:?}");
    assert!(step.took >= SHORT / 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_responds_is_found_after_one_that_does_not() {
    // The black hole's port on another loopback address is free.
    let hole = black_hole().unwrap();
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let _listener = TcpListener::bind((other, hole.address().port())).await.unwrap();
    let resolver = StaticResolver::new().with_address(HOST, LOCAL).with_address(HOST, other);
    let options = options()
        .with_resolver(Arc::new(resolver))
        .with_allow_plain_http(true)
        .with_connect_timeout(2 * SHORT);
    let steps = probe(&format!("http://{HOST}:{}/", hole.address().port()), options).await;
    assert_eq!(steps[2].outcome, Passed, "{steps:?}");
    assert!(
        steps[2].detail.contains("127.0.0.2") && steps[2].detail.contains("does not respond"),
        "{steps:?}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_refusal_is_reported_before_other_failures() {
    // The port of the black hole is closed on the other loopback address, and there is no route to the third
    // address.
    let hole = black_hole().unwrap();
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let unroutable = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1));
    for addresses in [[LOCAL, other, unroutable], [unroutable, other, LOCAL]] {
        let resolver =
            addresses.iter().fold(StaticResolver::new(), |names, ip| names.with_address(HOST, *ip));
        let options = options().with_resolver(Arc::new(resolver)).with_connect_timeout(2 * SHORT);
        failure(&url(hole.address()), options, StepKind::Tcp, Cause::ConnectRefused).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_without_a_route() {
    // TCP has no multicast: the system refuses at once, and nothing is sent.
    let step = failure("https://224.0.0.1/", options(), StepKind::Tcp, Cause::ConnectFailed).await;
    assert!(step.detail.contains("no connection to 224.0.0.1:443"), "{step:?}");
}

#[tokio::test]
async fn a_self_signed_certificate() {
    for certificate in
        [TestCertificate::self_signed(&[HOST]), TestCertificate::self_signed_authority(&[HOST])]
    {
        let certificate = certificate.unwrap();
        let server = serve(&certificate).await;
        let step = failure(&url(server.address()), options(), StepKind::Tls, Cause::TlsUntrusted).await;
        assert!(step.detail.contains("CN=self-signed server of a test is self-signed"), "{step:?}");
        assert!(remedy(&step).contains("with_root_certificate_pem"), "{step:?}");
        assert!(remedy(&step).contains("with_accept_invalid_certs"), "{step:?}");

        // Both remedies work, for the probe and for a request.
        let added = options().with_root_certificate_pem(certificate.pem());
        let accepted = options().with_accept_invalid_certs(true);
        for options in [added, accepted] {
            let steps = probe(&url(server.address()), options.clone()).await;
            assert!(steps.iter().all(|step| step.outcome != Failed), "{steps:?}");
            client(&url(server.address()), options).send(&Request::get("test: get", "/x")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_added_certificate_of_the_server_is_valid_for_its_name_only() {
    for certificate in [
        TestCertificate::self_signed(&["other.test"]),
        TestCertificate::self_signed_authority(&["other.test"]),
    ] {
        let certificate = certificate.unwrap();
        let server = serve(&certificate).await;
        let options = options().with_root_certificate_pem(certificate.pem());
        failure(&url(server.address()), options, StepKind::Tls, Cause::TlsWrongName).await;
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_trusted() {
    let ca = TestCa::new("Inspecting Proxy CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    let step = failure(&url(server.address()), options(), StepKind::Tls, Cause::TlsUntrusted).await;
    assert!(step.detail.contains("issued by CN=Inspecting Proxy CA"), "{step:?}");
    assert!(remedy(&step).contains("with_root_certificate_pem"), "{step:?}");

    let another = TestCa::new("Inspecting Proxy CA").unwrap();
    let options = options().with_root_certificate_pem(another.pem());
    failure(&url(server.address()), options, StepKind::Tls, Cause::TlsUntrusted).await;
}

#[tokio::test]
async fn an_expired_certificate() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue_expired(&[HOST]).unwrap()).await;
    let options = options().with_root_certificate_pem(ca.pem());
    let step = failure(&url(server.address()), options, StepKind::Tls, Cause::TlsExpired).await;
    assert!(step.detail.contains("expired on 2021-01-01"), "{step:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_yet_valid() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue_not_yet_valid(&[HOST]).unwrap()).await;
    let options = options().with_root_certificate_pem(ca.pem());
    let step = failure(&url(server.address()), options, StepKind::Tls, Cause::TlsExpired).await;
    assert!(step.detail.contains("not valid before 3000-01-01"), "{step:?}");
    assert!(remedy(&step).contains("clock"), "{step:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&["app.example.test", "10.1.2.3"]).unwrap()).await;
    let options = options().with_root_certificate_pem(ca.pem());
    let step = failure(&url(server.address()), options, StepKind::Tls, Cause::TlsWrongName).await;
    assert!(step.detail.contains("is for app.example.test, 10.1.2.3, not for api.example.test"), "{step:?}");
}

#[tokio::test]
async fn accepted_invalid_certificates_cause_a_warning_and_are_described() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue_expired(&["other.test"]).unwrap()).await;
    let steps = probe(&url(server.address()), options().with_accept_invalid_certs(true)).await;
    assert_eq!(steps[0].outcome, Warning);
    assert_eq!(steps[0].cause, Some(Cause::InvalidCertificatesAccepted));
    assert_eq!(steps[4].outcome, Warning, "{steps:?}");
    assert_eq!(steps[4].cause, Some(Cause::TlsExpired), "{steps:?}");
    assert!(steps[4].detail.contains("accepted by option although"), "{steps:?}");
}

#[tokio::test]
async fn a_server_without_tls() {
    for response in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.9\r\n"] {
        let step =
            failure(&url(raw_server(response).await), options(), StepKind::Tls, Cause::TlsHandshake).await;
        assert!(step.detail.contains("responds, but not with TLS"), "{step:?}");
        assert!(remedy(&step).contains("port"), "{step:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_or_gets_no_response() {
    let step = failure(&url(raw_server(b"").await), options(), StepKind::Tls, Cause::TlsHandshake).await;
    assert!(step.detail.contains("closed the connection"), "{step:?}");

    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    proxy.set(Fault::ResetAfter(10));
    failure(&url(proxy.address()), options(), StepKind::Tls, Cause::TlsHandshake).await;
    proxy.set(Fault::StallAfter(10));
    let options = options().with_connect_timeout(SHORT);
    let step = failure(&url(proxy.address()), options, StepKind::Tls, Cause::TlsHandshake).await;
    assert!(step.detail.contains("within 400ms"), "{step:?}");
}

#[tokio::test]
async fn plain_http_has_no_tls_and_causes_a_warning_beyond_loopback() {
    let address = raw_server(b"").await;
    let steps = probe(&format!("http://{address}/"), options()).await;
    let outcomes: Vec<_> = steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Passed, Skipped, Passed, Skipped, Skipped], "{steps:?}");

    let steps =
        probe(&format!("http://{HOST}:{}/", address.port()), options().with_allow_plain_http(true)).await;
    assert_eq!(steps[0].outcome, Warning);
    assert!(steps[0].detail.contains("unencrypted"), "{steps:?}");
}

#[tokio::test]
async fn an_ipv6_address_is_accepted_as_host() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    };
    let address = listener.local_addr().unwrap();
    let ca = TestCa::new("Probe Test CA").unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(ca.issue(&["::1"]).unwrap().server_config());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _closed = stream.read_u8().await;
                }
            });
        }
    });
    let base_url = format!("https://{address}/");
    let trusting = options().with_root_certificate_pem(ca.pem());
    let steps = probe(&base_url, trusting.clone()).await;
    assert_eq!(steps[4].outcome, Passed, "{steps:?}");

    let proxy = ConnectProxy::start(ConnectResponse::Tunnel(address)).await.unwrap();
    let steps = probe(&base_url, trusting.with_proxy(proxy.url())).await;
    assert_eq!(steps[4].outcome, Passed, "{steps:?}");
    assert_eq!(proxy.requests()[0].target, address.to_string());
}

/// Options with a proxy given by name.
fn through(proxy: SocketAddr, credentials: &str) -> HttpOptions {
    let resolver = StaticResolver::new().with_address("proxy.example.test", LOCAL);
    options()
        .with_resolver(Arc::new(resolver))
        .with_proxy(format!("http://{credentials}proxy.example.test:{}", proxy.port()))
}

#[tokio::test]
async fn with_a_proxy_dns_and_tcp_check_the_proxy_and_tls_checks_the_service() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    // `u%40x:canary-pa%3Ass` decoded, then in Base64.
    let authorization = "Basic dUB4OmNhbmFyeS1wYTpzcw==";
    let proxy =
        ConnectProxy::start(ConnectResponse::TunnelFor(server.address(), authorization)).await.unwrap();
    let options = through(proxy.address(), "u%40x:canary-pa%3Ass@").with_root_certificate_pem(ca.pem());
    let steps = probe("https://api.example.test/v1", options.clone()).await;
    assert!(steps.iter().all(|step| step.outcome == Passed), "{steps:?}");
    assert!(steps[1].detail.contains("proxy.example.test resolves"), "{steps:?}");
    assert!(steps[3].detail.contains("opened a tunnel to api.example.test:443"), "{steps:?}");
    assert_eq!(proxy.requests()[0].target, "api.example.test:443");

    client("https://api.example.test/v1", options).send(&Request::get("test: get", "/x")).await.unwrap();
    let requests = proxy.requests();
    assert_eq!(requests[0].authorization, requests[1].authorization, "the same as those of the client");
}

#[tokio::test]
async fn a_certificate_is_verified_through_the_proxy_too() {
    let server = serve(&TestCertificate::self_signed(&[HOST]).unwrap()).await;
    let proxy = ConnectProxy::start(ConnectResponse::Tunnel(server.address())).await.unwrap();
    failure("https://api.example.test/", through(proxy.address(), ""), StepKind::Tls, Cause::TlsUntrusted)
        .await;
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    for (response, credentials, saw, what_to_do) in [
        (ConnectResponse::Status(403), "", "returned 403", "allow this host"),
        (
            ConnectResponse::Status(407),
            "",
            "407 for a tunnel to api.example.test:443: it requires credentials",
            "add the user",
        ),
        (ConnectResponse::Status(407), "u:canary@", "does not accept the credentials", "correct the user"),
        (ConnectResponse::Status(405), "", "returned 405", "supports CONNECT"),
        (ConnectResponse::Status(502), "", "returned 502", "cannot reach the service"),
        (ConnectResponse::Status(302), "", "returned 302", "operator"),
        (ConnectResponse::Garbage, "", "is not HTTP", "HTTP proxy"),
        (ConnectResponse::Close, "", "closed the connection", "scheme and port"),
    ] {
        let proxy = ConnectProxy::start(response).await.unwrap();
        let options = through(proxy.address(), credentials);
        let step = failure("https://api.example.test/", options, StepKind::Proxy, Cause::ProxyFailed).await;
        assert!(step.detail.contains(saw), "{step:?}");
        assert!(remedy(&step).contains(what_to_do), "{step:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_never_responds() {
    let proxy = ConnectProxy::start(ConnectResponse::NoResponse).await.unwrap();
    let options = through(proxy.address(), "u:canary@").with_connect_timeout(SHORT);
    let step = failure("https://api.example.test/", options, StepKind::Proxy, Cause::ProxyFailed).await;
    assert!(step.detail.contains("did not respond within 400ms"), "{step:?}");
}

#[tokio::test]
async fn a_proxy_that_is_unreachable() {
    let options = through(closed_port().await, "u:canary@");
    failure("https://api.example.test/", options, StepKind::Tcp, Cause::ConnectRefused).await;
    let options = options_with_lost_proxy();
    let step = failure("https://api.example.test/", options, StepKind::Dns, Cause::DnsFailed).await;
    assert!(remedy(&step).contains("proxy's host name"), "{step:?}");
}

fn options_with_lost_proxy() -> HttpOptions {
    options().with_proxy("http://u:canary@lost.example.test:3128")
}

#[tokio::test]
async fn a_proxy_behind_tls_whose_certificate_is_not_trusted() {
    let proxy = serve(&TestCertificate::self_signed(&["proxy.example.test"]).unwrap()).await;
    let resolver = StaticResolver::new().with_address("proxy.example.test", LOCAL);
    let options = options()
        .with_resolver(Arc::new(resolver))
        .with_proxy(format!("https://proxy.example.test:{}", proxy.address().port()));
    let step = failure("https://api.example.test/", options, StepKind::Proxy, Cause::ProxyFailed).await;
    assert!(step.detail.contains("TLS to the proxy") && step.detail.contains("self-signed"), "{step:?}");
}

#[tokio::test]
async fn a_proxy_behind_tls_is_used_with_http_1() {
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    let inner = ConnectProxy::start(ConnectResponse::Tunnel(server.address())).await.unwrap();
    let mut config = (*ca.issue(&["proxy.example.test"]).unwrap().server_config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let front = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let mut proxy = TcpStream::connect(inner.address()).await.unwrap();
        let _closed = copy_bidirectional(&mut stream, &mut proxy).await;
        protocol
    });
    let resolver = StaticResolver::new().with_address("proxy.example.test", LOCAL);
    let options = options()
        .with_resolver(Arc::new(resolver))
        .with_root_certificate_pem(ca.pem())
        .with_proxy(format!("https://proxy.example.test:{port}"));
    let steps = probe("https://api.example.test/", options).await;
    assert!(steps.iter().all(|step| step.outcome == Passed), "{steps:?}");
    assert_eq!(front.await.unwrap(), None);
}

#[tokio::test]
async fn plain_http_through_a_proxy_needs_no_tunnel() {
    let proxy = ConnectProxy::start(ConnectResponse::Status(500)).await.unwrap();
    let options = through(proxy.address(), "").with_allow_plain_http(true);
    let steps = probe("http://api.example.test/", options).await;
    assert_eq!(steps[3].outcome, Skipped, "{steps:?}");
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_machine_without_roots_is_reported_and_an_added_root_is_enough() {
    // The environment belongs to the process, so a child process stands for the machine without roots.
    const CHILD: &str = "APPSEC_TEST_WITHOUT_ROOTS";
    if std::env::var_os(CHILD).is_none() {
        let empty = std::env::temp_dir().join(format!("appsec-no-roots-{}", std::process::id()));
        std::fs::create_dir_all(&empty).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_machine_without_roots_is_reported_and_an_added_root_is_enough"])
            .env(CHILD, "1")
            .env("SSL_CERT_FILE", empty.join("none.pem"))
            .env("SSL_CERT_DIR", &empty)
            .output()
            .unwrap();
        std::fs::remove_dir_all(&empty).unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let ca = TestCa::new("Probe Test CA").unwrap();
    let server = serve(&ca.issue(&[HOST]).unwrap()).await;
    let base_url = url(server.address());
    if cfg!(target_os = "linux") {
        let step = failure(&base_url, options(), StepKind::Tls, Cause::TlsUntrusted).await;
        assert!(step.detail.contains("this machine has no root certificates"), "{step:?}");
    }
    let steps = probe(&base_url, options().with_root_certificate_pem(ca.pem())).await;
    assert_eq!(steps[4].outcome, Passed, "{steps:?}");
}

#[test]
fn an_invalid_root_certificate_is_refused_when_the_client_is_built() {
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for pem in ["", "no certificate", garbage, broken] {
        let service = Service::new("test", "test/0", |_| Error::new(ErrorKind::Unexpected, "unexpected"));
        let auth = AuthHeader::new("x-key", "key".to_owned().into()).unwrap();
        let options = HttpOptions::new().with_root_certificate_pem(pem);
        let error = HttpClient::new(service, "https://api.example.test/", auth, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{pem}");
    }
}
