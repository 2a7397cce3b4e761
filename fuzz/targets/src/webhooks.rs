//! Incoming webhooks, and our own as a receiver verifies them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp, async_trait};
use appsec_import::outbox::{EventKind, Message, MessageId, Outbox};
use appsec_import::webhook::{DeliveryOptions, Dispatcher, Endpoint};
use axum::http::HeaderMap;
use bytes::Bytes;
use salt_client::Webhook;
use serde_json::Value;

use crate::input::split_at_nul;
use crate::loopback::{Loopback, ReceivedRequest};

/// The secret of Salt's webhook. It has capital letters, so that no lower-cased host name can equal it.
const TOKEN: &str = "canary-7F3A-canary";

/// The secret of our own webhook.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A header as `name: value` in the first line, then the body: accepted with the secret only.
pub fn salt_webhook(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, body) = (&data[..line], data.get(line + 1..).unwrap_or_default());
    let header = String::from_utf8_lossy(header);
    let header = header.split_once(':').map(|(name, value)| (name.trim(), value.trim()));

    let result = Webhook::new(TOKEN).verify(header, body);
    let fields = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    let given = match header.filter(|(name, _)| name.eq_ignore_ascii_case(Webhook::HEADER)) {
        Some((_, value)) => value == TOKEN,
        None => fields.as_ref().is_some_and(|fields| fields[Webhook::FIELD] == TOKEN),
    };
    match result {
        Ok(event) => {
            assert!(given && fields.is_some());
            let output = format!("{event:?} {:?} {:?} {:?}", event.host(), event.event(), event.target());
            assert!(!output.contains(TOKEN), "{output}");
        }
        Err(error) => {
            let expected = match (body.len() > Webhook::MAX_BODY_BYTES, given) {
                (true, _) => ErrorKind::InvalidRequest,
                (_, false) => ErrorKind::Auth,
                (_, true) => ErrorKind::Decode,
            };
            assert_eq!(error.kind(), expected);
            assert!(!format!("{error} {error:?}").contains(TOKEN));
        }
    }
}

/// An outbox of one message, instead of a store.
#[derive(Debug, Default)]
struct Slot(Mutex<Option<Message>>);

impl Slot {
    fn swap(&self, message: Option<Message>) -> Option<Message> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), message)
    }
}

#[async_trait]
impl Outbox for Slot {
    async fn enqueue(&self, messages: &[Message]) -> Result<()> {
        self.swap(messages.first().cloned());
        Ok(())
    }
    async fn claim(&self, _: &str, _: Timestamp, _: Duration, _: usize) -> Result<Vec<Message>> {
        Ok(self.swap(None).into_iter().collect())
    }
    async fn delivered(&self, _: &Message) -> Result<()> {
        Ok(())
    }
    async fn failed(&self, _: &Message, error: &str, _: Option<Timestamp>) -> Result<()> {
        assert!(!error.contains("MfKQ9r8G"), "{error}");
        Ok(())
    }
    async fn dead_letters(&self, _: Option<&MessageId>, _: usize) -> Result<Vec<Message>> {
        Ok(Vec::new())
    }
    async fn message(&self, _: &MessageId) -> Result<Option<Message>> {
        Ok(None)
    }
    async fn redeliver(&self, _: &MessageId, _: Timestamp) -> Result<()> {
        Err(Error::new(ErrorKind::NotFound, "nothing is stored"))
    }
    async fn clear_delivered(&self, _: Timestamp, _: usize) -> Result<u64> {
        Ok(0)
    }
}

struct Delivery {
    service: Loopback,
    outbox: Arc<Slot>,
    dispatcher: Dispatcher,
}

thread_local! {
    static DELIVERY: Delivery = {
        let service = Loopback::start();
        let outbox = Arc::new(Slot::default());
        let endpoint = Endpoint::new("e", service.base_url(), SECRET).expect("an endpoint");
        let dispatcher = Dispatcher::new(Arc::clone(&outbox) as Arc<dyn Outbox>, [endpoint], &DeliveryOptions::new());
        Delivery { service, outbox, dispatcher: dispatcher.expect("a dispatcher") }
    };
}

/// A payload, a message id, a secret, and a header's name and value, separated by NUL: a delivery verifies
/// by the specification's own code, and a changed one does not.
pub fn signed_webhook(data: &[u8]) {
    let [payload, id, secret, name, value] = split_at_nul(data);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Ok(endpoint) = Endpoint::new("e", "https://a.example/", text(secret))
        && let Err(error) = endpoint.with_header(&text(name), text(value))
    {
        assert_eq!(error.kind(), ErrorKind::Config);
        let value = text(value);
        // A short value may occur in the message by chance, and the name is not secret.
        let may_appear = value.len() < 16 || text(name).contains(&value);
        assert!(may_appear || !format!("{error:?}").contains(&value));
    }

    let message =
        Message::from_stored(text(id), "e", EventKind::FindingNew, text(payload), Timestamp::UNIX_EPOCH);
    let call: Arc<Mutex<Option<(HeaderMap, Bytes)>>> = Arc::default();
    let received = Arc::clone(&call);
    let respond = move |request: &ReceivedRequest| {
        *received.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((request.headers.clone(), request.body.clone()));
        (200, Bytes::new())
    };
    let sent = DELIVERY.with(|Delivery { service, outbox, dispatcher }| {
        outbox.swap(Some(message.clone()));
        service.run(respond, dispatcher.deliver_due()).expect("the outbox never fails")
    });
    let call = call.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((headers, body)) = call else {
        assert_eq!(sent.delivered, 0);
        return;
    };
    assert_eq!((sent.delivered, body.as_ref()), (1, message.payload.as_bytes()));
    if message.id.as_str().is_empty() || !message.id.as_str().bytes().all(|byte| byte.is_ascii_graphic()) {
        // Not an id that this crate generates: headers cannot carry such values unchanged.
        return;
    }
    let verifier = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    verifier.verify(&body, &headers).expect("a delivery verifies");
    let mut forged = body.to_vec();
    forged.push(b' ');
    assert!(verifier.verify(&forged, &headers).is_err());
    if let Ok(other) = standardwebhooks::Webhook::from_bytes(secret.to_vec()) {
        assert!(other.verify(&body, &headers).is_err());
    }
}
