//! Messages to the outside world that wait in the same database as the verdict which caused them, so that neither exists
//! without the other.

mod event;
mod memory;

pub use event::{
    BindingRef, ConnectionFailed, Event, EventBatcher, EventData, EventKind, FindingRef, FindingsChanged,
    MAX_FINDINGS_PER_EVENT, RunEnded, RunRef,
};
pub use memory::MemoryOutbox;

use std::fmt;
use std::time::Duration;

use appsec_core::{Result, Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

appsec_core::id_type! {
    /// The identity of a message, the same on every attempt to deliver it: a receiver drops what it has had before.
    pub struct MessageId;
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageState {
    /// To be delivered, now or later.
    Pending,
    /// The endpoint has it.
    Delivered,
    /// Given up after the last attempt. [`Outbox::redeliver`] brings it back.
    Dead,
}

impl MessageState {
    /// The state as a store writes it: `pending`, `delivered` or `dead`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// One event for one endpoint, with what became of it: a row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its identity.
    pub id: MessageId,
    /// The name of the endpoint it is for.
    pub endpoint: String,
    /// What it tells of.
    pub kind: EventKind,
    /// The body, as it is signed and sent on every attempt: an [`Event`] in JSON.
    pub payload: String,
    /// When the event happened.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: MessageState,
    /// How often it was claimed for delivery since it was written or last brought back.
    pub attempts: u32,
    /// When it is due; while it is claimed, when the claim ends. Of no meaning unless it is pending.
    pub due_at: Timestamp,
    /// Why the last attempt failed, in one line without secrets.
    pub last_error: Option<String>,
}

impl Message {
    /// The event as a message to an endpoint, due at once.
    ///
    /// The id is made of endpoint and payload, so that a message that is written twice is one.
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

    /// A message as a store kept it: an untouched one, on which the store sets what became of it.
    pub fn restore(
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

/// Which events an endpoint wants.
///
/// Whoever writes the outbox needs to know this much of an endpoint, and neither its address nor its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The endpoint's name.
    pub endpoint: String,
    /// What it wants; empty means everything, kinds of later versions included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventKind>,
}

impl Subscription {
    /// Everything, for the endpoint of that name.
    pub fn to_all(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), events: Vec::new() }
    }

    /// Only these events.
    pub fn with_events(mut self, events: impl IntoIterator<Item = EventKind>) -> Self {
        self.events = events.into_iter().collect();
        self
    }

    /// True when the endpoint wants events of that kind.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }
}

/// The messages that an event becomes: one for each endpoint that wants it.
pub fn messages_of(event: &Event, subscriptions: &[Subscription]) -> Vec<Message> {
    let wanting = subscriptions.iter().filter(|subscription| subscription.wants(event.kind()));
    wanting.map(|subscription| Message::new(subscription.endpoint.as_str(), event)).collect()
}

/// Where messages wait until they are delivered. A store implements it over its own tables.
///
/// Delivery is at least once: a claim is for a time, and what neither succeeded nor failed within it is due again. Order is not
/// promised. Each endpoint's messages are claimed apart, so that an endpoint which is slow or down holds up its own only.
///
/// The messages of a run are not written through [`enqueue`](Self::enqueue) but by the store itself, in the transaction that
/// keeps the run's verdict.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Writes messages that belong to no verdict, as of a connection that failed. One whose id is known already is left as it is.
    ///
    /// # Errors
    /// Those of the store; then nothing was written.
    async fn enqueue(&self, messages: &[Message]) -> Result<()>;

    /// Claims up to `limit` pending messages of the endpoint that are due at `now`, those due longest first.
    ///
    /// In one step, so that no two callers get the same: `attempts` grows by one and `due_at` becomes `now` + `hold`. The messages come
    /// as they are after that.
    ///
    /// # Errors
    /// Those of the store.
    async fn claim(
        &self,
        endpoint: &str,
        now: Timestamp,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Message>>;

    /// Notes that a claimed message was delivered: whatever became of the claim meanwhile, the endpoint has it.
    ///
    /// # Errors
    /// Those of the store. The message is then delivered once more.
    async fn delivered(&self, claimed: &Message) -> Result<()>;

    /// Notes that an attempt failed: the message is due again at `retry_at`, or dead where that is `None`.
    ///
    /// Nothing happens unless the message is pending and `attempts` is still the claimed one's: who comes late, after another has
    /// claimed it, changes nothing.
    ///
    /// # Errors
    /// Those of the store. The message is then due again when its claim ends.
    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()>;

    /// Up to `limit` dead messages, by id, those after `after` where it is given.
    ///
    /// # Errors
    /// Those of the store.
    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>>;

    /// The message of that id, whatever its state; `None` where there is none.
    ///
    /// # Errors
    /// Those of the store.
    async fn message(&self, id: &MessageId) -> Result<Option<Message>>;

    /// Makes a message due at `now`, whatever its state, with all its attempts before it. Its id stays, so a receiver that had it
    /// drops it.
    ///
    /// # Errors
    /// `NotFound` for an unknown id; those of the store.
    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()>;

    /// Removes up to `limit` delivered messages whose last claim ended before the given time, oldest first, and tells how many. What is
    /// pending or dead stays, however old.
    ///
    /// For whoever keeps the outbox from growing: a call with `now` - 30 days every hour or so, again while it removes `limit`. A message
    /// that is gone cannot be sent again, and one that is written a second time is then new.
    ///
    /// # Errors
    /// Those of the store.
    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64>;
}
