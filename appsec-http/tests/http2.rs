//! Calls and streams over HTTP/2, which the services offer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use appsec_http::testing::{TestCa, TestCertificate};
use appsec_http::{
    ArrayPath, AuthHeader, Error, ErrorKind, HttpClient, HttpOptions, Request, Response, RetryPolicy, Service,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Version;
use axum::routing::get;
use axum::serve::Listener;
use futures_util::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// TLS that offers HTTP/2 first.
struct TlsListener(TcpListener, TlsAcceptor);

impl TlsListener {
    async fn bind(certificate: &TestCertificate) -> Self {
        let mut config = (*certificate.server_config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn to_error(response: &Response) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the service returned {}", response.status()))
}

async fn client(router: Router, options: impl FnOnce(HttpOptions) -> HttpOptions) -> HttpClient {
    let ca = TestCa::new("Test Root").unwrap();
    let listener = TlsListener::bind(&ca.issue(&["localhost"]).unwrap()).await;
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let auth = AuthHeader::new("authorization", "Bearer canary".into()).unwrap();
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1));
    let options = options(HttpOptions::new().with_root_certificate_pem(ca.pem()).with_retry(retry));
    HttpClient::new(Service::new("test", "test/1", to_error), &url, auth, options).unwrap()
}

#[tokio::test]
async fn http2_is_used_unless_it_is_switched_off() {
    let version = |version: Version| async move { format!("\"{version:?}\"") };
    let router = Router::new().route("/version", get(version));
    let request = Request::get("test: version", "/version");
    let both = client(router.clone(), |options| options).await;
    assert_eq!(both.json::<String>(&request).await.unwrap(), "HTTP/2.0");
    let old = client(router, |options| options.with_http1_only(true)).await;
    assert_eq!(old.json::<String>(&request).await.unwrap(), "HTTP/1.1");
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_read_to_its_end() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let list = move || async move {
        let end = match count.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("the stream is reset")),
            _ => Ok(Bytes::from_static(b"3]")),
        };
        Body::from_stream(stream::iter([Ok(Bytes::from_static(b"[1,2,")), end]))
    };
    let client = client(Router::new().route("/list", get(list)), |options| options).await;
    let mut elements = client.elements(&Request::get("test: list", "/list"), ArrayPath::Root);
    for expected in 1..=3_u32 {
        let element = elements.next().await.unwrap().unwrap();
        assert_eq!(element.json::<u32>("test: list").unwrap(), expected);
    }
    assert!(elements.next().await.is_none());
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}
