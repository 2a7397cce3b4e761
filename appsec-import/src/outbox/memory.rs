//! An outbox in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp, async_trait};

use super::message::{Message, MessageId, MessageState};
use super::outbox_trait::Outbox;

/// An outbox in memory, for tests. Its messages are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    messages: Mutex<BTreeMap<MessageId, Message>>,
}

impl MemoryOutbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// All messages, in the order of their ids.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MessageId, Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn enqueue(&self, messages: &[Message]) -> Result<()> {
        let mut stored = self.lock();
        for message in messages {
            stored.entry(message.id.clone()).or_insert_with(|| message.clone());
        }
        Ok(())
    }

    async fn claim(
        &self,
        endpoint: &str,
        now: Timestamp,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Message>> {
        let mut stored = self.lock();
        let is_due = |message: &&mut Message| {
            message.endpoint == endpoint && message.state == MessageState::Pending && message.due_at <= now
        };
        let mut due: Vec<&mut Message> = stored.values_mut().filter(is_due).collect();
        due.sort_by_key(|message| message.due_at);
        due.truncate(limit);
        let until = now.saturating_add(hold).unwrap_or(Timestamp::MAX);
        Ok(due
            .into_iter()
            .map(|message| {
                (message.attempts, message.due_at) = (message.attempts.saturating_add(1), until);
                message.clone()
            })
            .collect())
    }

    async fn delivered(&self, claimed: &Message) -> Result<()> {
        if let Some(message) = self.lock().get_mut(&claimed.id) {
            (message.state, message.last_error) = (MessageState::Delivered, None);
        }
        Ok(())
    }

    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()> {
        if let Some(message) = self.lock().get_mut(&claimed.id)
            && message.state == MessageState::Pending
            && message.attempts == claimed.attempts
        {
            message.last_error = Some(error.to_owned());
            match retry_at {
                Some(at) => message.due_at = at,
                None => message.state = MessageState::Dead,
            }
        }
        Ok(())
    }

    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>> {
        let stored = self.lock();
        let dead = stored.values().filter(|message| message.state == MessageState::Dead);
        Ok(dead
            .filter(|message| after.is_none_or(|after| message.id > *after))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn message(&self, id: &MessageId) -> Result<Option<Message>> {
        Ok(self.lock().get(id).cloned())
    }

    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()> {
        let mut stored = self.lock();
        let message = stored
            .get_mut(id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no message has the id {id}")))?;
        (message.state, message.attempts, message.due_at) = (MessageState::Pending, 0, now);
        Ok(())
    }

    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut stored = self.lock();
        let is_old = |message: &&Message| message.state == MessageState::Delivered && message.due_at < before;
        let mut old: Vec<_> =
            stored.values().filter(is_old).map(|message| (message.due_at, message.id.clone())).collect();
        old.sort();
        old.truncate(limit);
        for (_, id) in &old {
            stored.remove(id);
        }
        Ok(old.len() as u64)
    }
}
