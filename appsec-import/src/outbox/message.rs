//! A message: one event for one endpoint.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::event::{Event, EventKind};
use super::subscription::Subscription;

appsec_core::id_type! {
    /// The id of a message. It is the same on each attempt to deliver it, so that a receiver can drop
    /// duplicates.
    pub struct MessageId;
}

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageState {
    /// To be delivered, now or later.
    Pending,
    /// Delivered to the endpoint.
    Delivered,
    /// Given up after the last attempt. [`Outbox::redeliver`](crate::outbox::Outbox::redeliver) makes it
    /// pending again.
    Dead,
}

impl MessageState {
    /// The name of the state in a store: `pending`, `delivered` or `dead`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// One event for one endpoint, and the state of its delivery: a row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// The id of the message.
    pub id: MessageId,
    /// The name of the endpoint that receives it.
    pub endpoint: String,
    /// The kind of the event.
    pub kind: EventKind,
    /// The body that is signed and sent on each attempt: an [`Event`] in JSON.
    pub payload: String,
    /// When the event happened.
    pub created_at: Timestamp,
    /// The state of the message.
    pub state: MessageState,
    /// The number of times it was claimed for delivery since it was written or last redelivered.
    pub attempts: u32,
    /// When it is due, or, while it is claimed, when the claim ends. Without meaning unless the message is
    /// pending.
    pub due_at: Timestamp,
    /// Why the last attempt failed, in one line without secrets.
    pub last_error: Option<String>,
}

impl Message {
    /// An event as a message to an endpoint, due immediately.
    ///
    /// The id is derived from endpoint and payload, so that a message written twice is one message.
    pub fn new(endpoint: impl Into<String>, event: &Event) -> Self {
        let endpoint = endpoint.into();
        let payload = event.to_json();
        let mut hash = Sha256::new();
        for part in [&endpoint, &payload] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let id = hash.finalize()[..16].iter().fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"));
        Self {
            id: MessageId::new(id),
            endpoint,
            kind: event.kind(),
            payload,
            created_at: event.timestamp,
            state: MessageState::Pending,
            attempts: 0,
            due_at: event.timestamp,
            last_error: None,
        }
    }

    /// A message read from a store. It is pending; the store sets state, attempts, due time and error
    /// afterwards.
    pub fn from_stored(
        id: impl Into<MessageId>,
        endpoint: impl Into<String>,
        kind: EventKind,
        payload: impl Into<String>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id: id.into(),
            endpoint: endpoint.into(),
            kind,
            payload: payload.into(),
            created_at,
            state: MessageState::Pending,
            attempts: 0,
            due_at: created_at,
            last_error: None,
        }
    }
}

/// The messages of an event: one for each endpoint that wants it.
pub fn messages_for(event: &Event, subscriptions: &[Subscription]) -> Vec<Message> {
    let matching = subscriptions.iter().filter(|subscription| subscription.wants(event.kind()));
    matching.map(|subscription| Message::new(subscription.endpoint.as_str(), event)).collect()
}
