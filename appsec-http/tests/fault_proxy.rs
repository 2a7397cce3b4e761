//! The fault proxy and the other test servers inject exactly the configured faults.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use appsec_http::testing::{
    ConnectProxy, ConnectResponse, Fault, FaultProxy, TestCa, TlsServer, black_hole, http_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The longest wait for an event that must occur.
const SOON: Duration = Duration::from_secs(10);
/// The wait after which an event counts as absent.
const QUIET: Duration = Duration::from_millis(150);
const RESPONSE: &[u8] = b"0123456789";

/// Responds to every byte with the same ten bytes.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while stream.read_u8().await.is_ok() {
                    if stream.write_all(RESPONSE).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn send_request(proxy: &FaultProxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    stream
}

/// Returns the bytes up to the end of the connection, and how it ended.
async fn read_all(stream: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an end");
    (bytes, end.map(drop))
}

async fn read_response(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; RESPONSE.len()];
    timeout(SOON, stream.read_exact(&mut bytes)).await.expect("in time").unwrap();
    bytes
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_is_counted() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    let mut stream = send_request(&proxy).await;
    assert_eq!(read_response(&mut stream).await, RESPONSE);
    stream.write_all(b"??").await.unwrap();
    stream.shutdown().await.unwrap();
    let (rest, end) = read_all(&mut stream).await;
    assert_eq!(rest.len(), 20);
    end.unwrap();
    assert_eq!((proxy.connections(), proxy.bytes_from_clients(), proxy.bytes_to_clients()), (1, 3, 30));
    assert_eq!(proxy.open_connections(), 0);
}

#[tokio::test]
async fn truncation_closes_the_connection_after_the_given_bytes() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    for bytes in [0, 4, 9] {
        proxy.set(Fault::TruncateAfter(bytes));
        let (read, end) = read_all(&mut send_request(&proxy).await).await;
        assert_eq!(read.len() as u64, bytes);
        end.unwrap();
    }
}

#[tokio::test]
async fn reset_resets_the_connection_after_the_given_bytes() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    for bytes in [0, 4] {
        proxy.set(Fault::ResetAfter(bytes));
        let (read, end) = read_all(&mut send_request(&proxy).await).await;
        assert_eq!(read.len() as u64, bytes);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn refusal_resets_before_the_server_gets_a_connection() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.script([Fault::Refuse]);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let end = timeout(SOON, stream.read_u8()).await.expect("an end");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.bytes_from_clients(), 0);
}

#[tokio::test]
async fn a_stall_keeps_the_connection_open_until_it_is_lifted() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.set(Fault::StallAfter(3));
    let mut stream = send_request(&proxy).await;
    let mut start = [0; 3];
    timeout(SOON, stream.read_exact(&mut start)).await.expect("three bytes").unwrap();
    assert!(timeout(QUIET, stream.read_u8()).await.is_err(), "nothing more while stalled");
    assert_eq!(proxy.open_connections(), 1);

    proxy.set(Fault::None);
    let mut rest = [0; 7];
    timeout(SOON, stream.read_exact(&mut rest)).await.expect("the rest").unwrap();
    assert_eq!([&start[..], &rest[..]].concat(), RESPONSE);
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_stall_leaves_nothing_open() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.set(Fault::StallAfter(0));
    let stream = send_request(&proxy).await;
    let bytes_arrived = async {
        while proxy.bytes_from_clients() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, bytes_arrived).await.expect("the request arrived");
    drop(stream);
    let closed = async {
        while proxy.open_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, closed).await.expect("the connection ended");
}

#[tokio::test]
async fn garbage_follows_the_passed_bytes() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.set(Fault::GarbageAfter(2));
    let (read, end) = read_all(&mut send_request(&proxy).await).await;
    end.unwrap();
    assert_eq!(&read[..2], &RESPONSE[..2]);
    assert!(read.len() > 2);
    assert!(String::from_utf8(read).is_err());
}

#[tokio::test]
async fn a_delay_is_added_once_before_the_response() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.set(Fault::Delay(QUIET));
    let begun = Instant::now();
    let mut stream = send_request(&proxy).await;
    assert_eq!(read_response(&mut stream).await, RESPONSE);
    assert!(begun.elapsed() >= QUIET);
}

#[tokio::test]
async fn a_drip_passes_everything_at_its_rate() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.set(Fault::Drip(NonZeroU32::new(20).unwrap()));
    let begun = Instant::now();
    let mut stream = send_request(&proxy).await;
    assert_eq!(read_response(&mut stream).await, RESPONSE);
    // Ten bytes are five writes of two bytes; the first is immediate, the others follow a tenth of a second
    // apart.
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn the_script_is_used_connection_by_connection_and_then_the_standing_fault() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.script([Fault::None, Fault::TruncateAfter(1)]);
    proxy.set(Fault::TruncateAfter(2));
    let mut sound = send_request(&proxy).await;
    assert_eq!(read_response(&mut sound).await, RESPONSE);
    for bytes in [1, 2, 2] {
        let (read, _) = read_all(&mut send_request(&proxy).await).await;
        assert_eq!(read.len(), bytes);
    }
    assert_eq!(proxy.connections(), 4);
}

#[tokio::test]
async fn a_standing_fault_changes_on_open_connections_and_a_scripted_fault_does_not() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    proxy.script([Fault::None]);
    let mut scripted = send_request(&proxy).await;
    assert_eq!(read_response(&mut scripted).await, RESPONSE);
    let mut following = send_request(&proxy).await;
    assert_eq!(read_response(&mut following).await, RESPONSE);

    proxy.set(Fault::TruncateAfter(5));
    scripted.write_all(b"?").await.unwrap();
    assert_eq!(read_response(&mut scripted).await, RESPONSE);
    following.write_all(b"?").await.unwrap();
    let (read, _) = read_all(&mut following).await;
    assert_eq!(read.len(), 5, "counted from the moment when the fault was set");
}

#[tokio::test]
async fn a_closed_port_refuses_until_it_is_opened_again() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    let mut open = send_request(&proxy).await;
    assert_eq!(read_response(&mut open).await, RESPONSE);
    proxy.close_port().await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    open.write_all(b"?").await.unwrap();
    assert_eq!(read_response(&mut open).await, RESPONSE, "open connections continue");
    proxy.open_port().await.unwrap();
    assert_eq!(read_response(&mut send_request(&proxy).await).await, RESPONSE);
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections_and_its_port() {
    let proxy = FaultProxy::start(server().await).await.unwrap();
    let address = proxy.address();
    let mut stream = send_request(&proxy).await;
    assert_eq!(read_response(&mut stream).await, RESPONSE);
    drop(proxy);
    let (read, _) = read_all(&mut stream).await;
    assert!(read.is_empty());
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, refused).await.expect("the port closed");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_black_hole_neither_accepts_nor_refuses() {
    let hole = black_hole().unwrap();
    assert!(timeout(QUIET, TcpStream::connect(hole.address())).await.is_err());
}

#[tokio::test]
async fn a_tls_server_and_a_proxy_serve_an_ordinary_client() {
    let ca = TestCa::new("Fault Proxy Test CA").unwrap();
    let certificate = ca.issue(&["api.example.test"]).unwrap();
    let server = TlsServer::start(&certificate, |head| {
        http_response(200, "text/plain", head.lines().next().unwrap_or_default())
    })
    .await
    .unwrap();
    let proxy = ConnectProxy::start(ConnectResponse::Tunnel(server.address())).await.unwrap();
    let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .proxy(reqwest::Proxy::all(proxy.url()).unwrap())
        .tls_certs_only([root])
        .build()
        .unwrap();
    for path in ["/a", "/b"] {
        let response = client.get(format!("https://api.example.test{path}")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), format!("GET {path} HTTP/1.1"));
    }
    assert_eq!(server.requests(), 2);
    let targets: Vec<_> = proxy.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["api.example.test:443"], "one tunnel, kept alive");
}
