//! Nothing that a webhook prints, logs or writes into the outbox contains a secret. This test has a process
//! of its own, since a subscriber that records one thread misses call sites that another thread reached
//! first.
#![cfg(feature = "webhook")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Timestamp};
use appsec_import::ScanConfiguration;
use appsec_import::outbox::{BindingRef, ConnectionFailed, Event, EventData, MemoryOutbox, Message, Outbox};
use appsec_import::webhook::{DeliveryOptions, Dispatcher, Endpoint};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The secret of the text `canarycanarycanarycanarycanary`.
const SECRET: &str = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";

/// The lines of a log.
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

#[tokio::test]
async fn no_secret_is_printed_logged_or_stored() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _recording = tracing::subscriber::set_default(subscriber);

    let server = MockServer::start().await;
    let mut texts = Vec::new();
    for (number, status) in [200, 302, 401, 410, 429, 503].into_iter().enumerate() {
        let answer = ResponseTemplate::new(status)
            .insert_header("location", "/canary/hook")
            .set_body_string(format!("canary {SECRET}"));
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
        texts.extend(deliver(&format!("{}/canary?sig=canary", server.uri()), number).await);
    }
    // Nothing listens on this port.
    texts.extend(deliver("http://127.0.0.1:1/canary?sig=canary", 100).await);
    texts.push(String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    for text in &texts {
        for marker in ["canary", "Y2FuYXJ5"] {
            let at = text.find(marker).map(|at| &text[at.saturating_sub(200)..text.len().min(at + 50)]);
            assert_eq!(at, None);
        }
    }
    assert!(texts.iter().any(|text| text.contains("a webhook was not delivered")), "something was logged");
    assert_eq!(server.received_requests().await.unwrap().len(), 6);
}

/// Delivers one message, and returns everything about it that can be printed.
async fn deliver(url: &str, number: usize) -> Vec<String> {
    let endpoint = Endpoint::new("e", url, SECRET)
        .unwrap()
        .with_previous_secret(SECRET)
        .unwrap()
        .with_header("x-key", "canary")
        .unwrap();
    let binding = BindingRef::new("shop", "memory", &ScanConfiguration::new("app:shop"));
    let failed =
        ConnectionFailed::from_error(binding, &Error::new(ErrorKind::Auth, format!("number {number}")));
    let message = Message::new("e", &Event::new(Timestamp::now(), EventData::ConnectionFailed(failed)));
    let outbox = Arc::new(MemoryOutbox::new());
    outbox.enqueue(&[message]).await.unwrap();
    let delivery = DeliveryOptions::new().with_timeout(Duration::from_secs(10));
    let shown = format!("{endpoint:?} {delivery:?}");
    let dispatcher = Dispatcher::new(Arc::clone(&outbox) as Arc<dyn Outbox>, [endpoint], &delivery).unwrap();
    let delivered = dispatcher.deliver_due().await.unwrap();
    vec![shown, format!("{dispatcher:?} {delivered:?}"), format!("{outbox:?}")]
}
