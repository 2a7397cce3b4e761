//! Downloads of attachments, which are written as they arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use appsec_core::{ErrorKind, Severity};
use appsec_http::HttpOptions;
use futures_util::TryStreamExt;
use tenable_was_client::filter::Filter;
use tenable_was_client::model::AttachmentId;
use tenable_was_client::testing::{
    FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Reply, Route, When,
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{client, client_of};

async fn fake(text: &str) -> (FakeTenableWas, AttachmentId) {
    let plugin = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let finding = FakeFinding::new(&plugin, "https://shop.example.com/search").with_attachment(text);
    let target = FakeTarget::new("https://shop.example.com/").with_finding(finding);
    let fake = FakeTenableWas::builder()
        .with_config(FakeConfig::new("shop").with_target(target))
        .start()
        .await
        .unwrap();
    let detections: Vec<_> = client(&fake).vulnerabilities(Filter::everything()).try_collect().await.unwrap();
    let id = detections[0].attachments[0].attachment_id.unwrap();
    (fake, id)
}

#[tokio::test]
async fn an_attachment_of_any_size_is_written_completely() {
    let text = "GET /search HTTP/1.1\r\n".repeat(100_000);
    let (fake, id) = fake(&text).await;
    // It exceeds the limit of a response in memory.
    let client =
        fake.client_builder().with_http(HttpOptions::new().with_max_body_bytes(1000)).build().unwrap();
    let mut written = Vec::new();
    assert_eq!(client.download_attachment(id, &mut written).await.unwrap(), text.len() as u64);
    assert!(written == text.as_bytes());
}

#[tokio::test]
async fn an_attachment_is_written_before_it_has_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let (mut near, mut far) = tokio::io::duplex(64);
    let service = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n\r\n";
        stream.write_all(format!("{head}first ").as_bytes()).await.unwrap();
        // The rest is sent only after the first part was written.
        let mut written = [0; 12];
        far.read_exact(&mut written[..6]).await.unwrap();
        stream.write_all(b"second").await.unwrap();
        far.read_exact(&mut written[6..]).await.unwrap();
        written
    };
    let client = client_of(base_url, HttpOptions::new());
    let id = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().unwrap();
    let (written, length) = tokio::join!(service, client.download_attachment(id, &mut near));
    assert_eq!((&written, length.unwrap()), (b"first second", 12));
}

#[tokio::test]
async fn an_interrupted_download_is_an_error_after_a_partial_write() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let service = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nfirst ").await.unwrap();
    };
    let client = client_of(base_url, HttpOptions::new());
    let id = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().unwrap();
    let mut written = Vec::new();
    let ((), length) = tokio::join!(service, client.download_attachment(id, &mut written));
    assert_eq!((length.unwrap_err().kind(), written.as_slice()), (ErrorKind::Transport, &b"first "[..]));
}

#[tokio::test]
async fn an_unknown_attachment_and_a_login_page_are_errors() {
    let (fake, id) = fake("text").await;
    let client = client(&fake);
    let mut written = Vec::new();
    let unknown: AttachmentId = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().unwrap();
    let error = client.download_attachment(unknown, &mut written).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::NotFound, Some("tenable: download attachment"))
    );
    fake.script(Route::GetAttachment, When::Next(1), Reply::HtmlPage);
    let error = client.download_attachment(id, &mut written).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(written.is_empty(), "an HTML page is not written");
    // A transient fault before the first byte is retried.
    fake.script(Route::GetAttachment, When::Next(1), Reply::Unavailable);
    assert_eq!(client.download_attachment(id, &mut written).await.unwrap(), 4);
    assert_eq!(written, b"text");
}

/// A writer that always fails.
struct Full;

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::StorageFull.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_failing_writer_ends_the_download_with_its_error() {
    let (fake, id) = fake("text").await;
    let error = client(&fake).download_attachment(id, &mut Full).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unexpected, false));
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fake.calls_to(Route::GetAttachment).len(), 1);
}
