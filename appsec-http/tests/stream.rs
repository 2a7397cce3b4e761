//! Streams and calls over connections that break: each element is returned exactly once, or an error.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use appsec_http::testing::{Fault, FaultProxy, black_hole};
use appsec_http::{
    ArrayPath, AuthHeader, ElementStream, Error, ErrorKind, HttpClient, HttpOptions, Request, Response,
    RetryPolicy, Service,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Longer than any test takes unless something hangs.
const SOON: Duration = Duration::from_secs(20);

/// Each request has its own connection, so that each has its own fault.
const ONCE: [(&str, &str); 1] = [("connection", "close")];

/// A list of this many things, of about fifty bytes each.
fn list(length: usize) -> String {
    let things: Vec<_> =
        (0..length).map(|id| format!(r#"{{"id":{id},"name":"thing with a name of its own"}}"#)).collect();
    format!(r#"{{"things":[{}],"total":{length}}}"#, things.join(","))
}

/// A server with the list at `/sized` (with its length in the head) and `/chunked` (without), and the
/// number of requests received.
async fn server(list: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = {
        let requests = Arc::clone(&requests);
        move || requests.fetch_add(1, Ordering::SeqCst)
    };
    let (list, count) = (Bytes::from(list), Arc::new(count));
    let sized = {
        let (list, count) = (list.clone(), Arc::clone(&count));
        move || async move {
            count();
            (ONCE, list)
        }
    };
    let chunked = move || async move {
        count();
        let pieces: Vec<_> =
            list.chunks(1000).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        (ONCE, Body::from_stream(stream::iter(pieces)))
    };
    let router =
        Router::new().route("/sized", get(sized.clone()).post(sized)).route("/chunked", get(chunked));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, requests)
}

fn to_error(response: &Response) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the service returned {}", response.status()))
}

fn options() -> HttpOptions {
    HttpOptions::new()
        .with_idle_timeout(Duration::from_millis(600))
        .with_head_timeout(Duration::from_secs(5))
        .with_connect_timeout(Duration::from_secs(2))
        .with_retry(RetryPolicy::new().with_base(Duration::from_millis(1)))
}

fn client(url: &str, options: HttpOptions) -> HttpClient {
    let auth = AuthHeader::new("authorization", "Bearer canary".into()).unwrap();
    HttpClient::new(Service::new("test", "test/1", to_error), url, auth, options).unwrap()
}

fn things(client: &HttpClient, path: &'static str) -> ElementStream {
    client.elements(&Request::get("test: list", path), ArrayPath::Field("things"))
}

/// Returns the number of elements, each checked to be the next one, and the error that ended the stream.
async fn read(mut stream: ElementStream) -> (usize, Option<Error>) {
    let mut count = 0;
    loop {
        match timeout(SOON, stream.next()).await.expect("an end in time") {
            Some(Ok(element)) => {
                let thing: serde_json::Value = element.json("test: list").unwrap();
                assert_eq!(thing["id"], count, "each once, in order");
                count += 1;
            }
            Some(Err(error)) => return (count, Some(error)),
            None => {
                assert_eq!(stream.rest().unwrap().get(), format!(r#"{{"total":{count}}}"#));
                return (count, None);
            }
        }
    }
}

#[tokio::test]
async fn a_response_that_breaks_is_read_to_its_end() {
    let (address, requests) = server(list(2000)).await;
    for path in ["/sized", "/chunked"] {
        for fault in [Fault::ResetAfter(40_000), Fault::TruncateAfter(40_000), Fault::StallAfter(40_000)] {
            let proxy = FaultProxy::start(address).await.unwrap();
            proxy.script([fault, Fault::Refuse, fault]);
            requests.store(0, Ordering::SeqCst);
            let (count, error) = read(things(&client(&proxy.url(), options()), path)).await;
            assert!(error.is_none(), "{path} {fault:?}: {error:?}");
            assert_eq!(count, 2000, "{path} {fault:?}");
            assert_eq!(requests.load(Ordering::SeqCst), 3, "{path} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_response_cut_at_any_byte_is_never_treated_as_complete() {
    let (address, _) = server(list(3)).await;
    for path in ["/sized", "/chunked"] {
        let proxy = FaultProxy::start(address).await.unwrap();
        let client = client(&proxy.url(), options());
        assert_eq!(read(things(&client, path)).await.0, 3);
        let whole = proxy.bytes_to_clients();
        for cut in 0..whole {
            let before = proxy.connections();
            proxy.script([Fault::TruncateAfter(cut)]);
            let (count, error) = read(things(&client, path)).await;
            assert!(count == 3 && error.is_none(), "{path} cut at {cut} of {whole}: {count} {error:?}");
            assert_eq!(proxy.connections() - before, 2, "{path} cut at {cut} of {whole}");
        }
    }
}

#[tokio::test]
async fn a_response_that_turns_into_garbage_is_never_treated_as_complete() {
    let (address, _) = server(list(100)).await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let client = client(&proxy.url(), options());
    // A position in every part of an element.
    for cut in 2000..2055 {
        proxy.script([Fault::GarbageAfter(cut)]);
        let mut stream = things(&client, "/sized");
        let (mut sound, mut spoilt) = (0, 0);
        let error = loop {
            match stream.next().await {
                Some(Ok(element)) if element.json::<serde_json::Value>("test: list").is_ok() => sound += 1,
                Some(Ok(_)) => spoilt += 1,
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        // If garbage ended an element, decoding it failed, and the repeated response has a different digest.
        match error {
            None => assert_eq!((sound, spoilt), (100, 0), "{cut}"),
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Decode, "{cut}: {error}");
                assert!(sound < 100 && spoilt == 1, "{cut}: {sound} {spoilt} {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_always_breaks_ends_in_an_error() {
    let (address, _) = server(list(2000)).await;
    for fault in [Fault::ResetAfter(40_000), Fault::TruncateAfter(40_000), Fault::StallAfter(40_000)] {
        let proxy = FaultProxy::start(address).await.unwrap();
        proxy.set(fault);
        let (count, error) = read(things(&client(&proxy.url(), options()), "/chunked")).await;
        let error = error.unwrap();
        assert!(count > 100 && count < 2000, "the elements before the fault are delivered: {count}");
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4), "{fault:?}: {error}");
        assert!(!error.is_retryable());
        assert_eq!(error.operation(), Some("test: list"));
    }
}

#[tokio::test]
async fn a_trickle_ends_in_an_error() {
    let (address, _) = server(list(2000)).await;
    let proxy = FaultProxy::start(address).await.unwrap();
    proxy.set(Fault::Drip(NonZeroU32::new(2000).unwrap()));
    let options = options().with_min_throughput(20_000).with_retry(RetryPolicy::none());
    let (_, error) = read(things(&client(&proxy.url(), options), "/sized")).await;
    assert!(error.unwrap().to_string().contains("trickles"));
}

#[tokio::test]
async fn a_slow_consumer_is_not_a_stall() {
    let (address, requests) = server(list(20_000)).await;
    let client = client(&format!("http://{address}"), options().with_min_throughput(10_000));
    let mut stream = things(&client, "/chunked");
    let mut count = 0;
    while let Some(element) = stream.next().await {
        element.unwrap();
        if count % 5000 == 0 {
            sleep(Duration::from_secs(1)).await;
        }
        count += 1;
    }
    assert_eq!((count, requests.load(Ordering::SeqCst)), (20_000, 1));
}

#[tokio::test]
async fn a_refused_connection_is_retried_even_for_a_launch() {
    let (address, requests) = server("[]".to_owned()).await;
    let proxy = FaultProxy::start(address).await.unwrap();
    proxy.close_port().await;
    let options = options().with_retry(RetryPolicy::new().with_base(Duration::from_millis(100)));
    let client = client(&proxy.url(), options);
    let launch = Request::post("test: launch", "/sized");
    let (response, ()) = tokio::join!(client.send(&launch), async {
        sleep(Duration::from_millis(50)).await;
        proxy.open_port().await.unwrap();
    });
    response.unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 1);

    proxy.close_port().await;
    // An earlier connection would still be open.
    let client = self::client(&proxy.url(), self::options());
    let error = client.send(&launch).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4));
    assert!(error.message().contains(&proxy.address().to_string()), "{error}");
    assert!(error.message().contains("refused"), "{error}");
    assert!(!error.outcome_unknown() && !error.is_retryable());
}

#[tokio::test]
async fn a_launch_that_breaks_after_it_was_sent_is_not_repeated() {
    let (address, requests) = server(list(3)).await;
    for fault in
        [Fault::ResetAfter(0), Fault::TruncateAfter(0), Fault::StallAfter(0), Fault::TruncateAfter(200)]
    {
        requests.store(0, Ordering::SeqCst);
        let proxy = FaultProxy::start(address).await.unwrap();
        proxy.set(fault);
        let options = options().with_head_timeout(Duration::from_millis(300));
        let error =
            client(&proxy.url(), options).send(&Request::post("test: launch", "/sized")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1), "{fault:?}: {error}");
        assert!(error.outcome_unknown() && !error.is_retryable(), "{fault:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_host_that_drops_packets_fails_after_the_connect_timeout() {
    let hole = black_hole().unwrap();
    let options = options().with_connect_timeout(Duration::from_millis(100));
    let start = Instant::now();
    let error = client(&format!("http://{}", hole.address()), options)
        .send(&Request::post("test: launch", "/"))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 4), "{error}");
    assert!(error.message().contains("in time"), "{error}");
    assert!(!error.outcome_unknown());
    assert!(start.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    let (address, _) = server(list(100_000)).await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let client = client(&proxy.url(), options().with_max_streams(1));
    let mut stream = things(&client, "/chunked");
    stream.next().await.unwrap().unwrap();
    assert_eq!(proxy.open_connections(), 1);
    drop(stream);
    timeout(SOON, async {
        while proxy.open_connections() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the connection to close");
    things(&client, "/chunked").next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panicking_consumer_does_not_harm_the_client() {
    let (address, _) = server(list(100)).await;
    let client = client(&format!("http://{address}"), options().with_max_streams(1));
    let mut stream = things(&client, "/sized");
    let consumer = tokio::spawn(async move {
        stream.next().await.unwrap().unwrap();
        panic!("the consumer's own fault");
    });
    assert!(consumer.await.unwrap_err().is_panic());
    assert_eq!(read(things(&client, "/sized")).await.0, 100);
}
