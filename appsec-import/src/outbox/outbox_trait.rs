//! The interface of an outbox.

use std::fmt;
use std::time::Duration;

use appsec_core::{Result, Timestamp, async_trait};

use super::message::{Message, MessageId};

/// Stores messages until they are delivered. A store implements it over its own tables.
///
/// Delivery is at least once: a claim ends after some time, and a message that was neither delivered nor
/// failed by then is due again. No order is guaranteed. The messages of each endpoint are claimed
/// separately, so that an endpoint which is slow or down delays only its own.
///
/// The messages of a run are not written through [`enqueue`](Self::enqueue). The store writes them in the
/// transaction that stores the results of the run.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Writes messages that belong to no run, such as those about a failed connection. A message whose id
    /// exists is not changed.
    ///
    /// # Errors
    /// Those of the store; then nothing was written.
    async fn enqueue(&self, messages: &[Message]) -> Result<()>;

    /// Claims up to `limit` pending messages of the endpoint that are due at `now`, those that have been
    /// due longest first.
    ///
    /// The claim is atomic, so that no two callers get the same message. It increments `attempts` and sets
    /// `due_at` to `now` + `hold`; the messages are returned with these values.
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

    /// Records that a claimed message was delivered, even if its claim has ended: the endpoint has received
    /// it.
    ///
    /// # Errors
    /// Those of the store. The message is then delivered once more.
    async fn delivered(&self, claimed: &Message) -> Result<()>;

    /// Records that an attempt failed: the message is due again at `retry_at`, or dead where that is
    /// `None`.
    ///
    /// Nothing happens unless the message is pending and its `attempts` are those of the claimed one. So a
    /// late caller, whose message another one has claimed since, changes nothing.
    ///
    /// # Errors
    /// Those of the store. The message is then due again when its claim ends.
    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()>;

    /// Returns up to `limit` dead messages in the order of their ids, starting after `after` where it is
    /// given.
    ///
    /// # Errors
    /// Those of the store.
    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>>;

    /// Returns the message with this id, whatever its state; `None` where there is none.
    ///
    /// # Errors
    /// Those of the store.
    async fn message(&self, id: &MessageId) -> Result<Option<Message>>;

    /// Makes a message due at `now`, whatever its state, and resets its attempts. Its id stays the same, so
    /// a receiver that has it already drops it.
    ///
    /// # Errors
    /// `NotFound` for an unknown id; those of the store.
    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()>;

    /// Removes up to `limit` delivered messages whose last claim ended before the given time, oldest first,
    /// and returns their number. Pending and dead messages are never removed.
    ///
    /// To keep the outbox from growing, call it with `now` - 30 days every hour or so, and again while it
    /// removes `limit` messages. A removed message cannot be redelivered, and the same message written
    /// again counts as new.
    ///
    /// # Errors
    /// Those of the store.
    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64>;
}
