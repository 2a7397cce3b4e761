//! The outbox over SQL.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use async_trait::async_trait;
use serde::Serialize;
use sqlx::any::AnyRow;

use super::rows::{of_word, time};
use super::{Dialect, SqlStore, Tx, args, get, json, millis, unreadable};
use crate::outbox::{EventKind, Message, MessageId, MessageState, Outbox};

const COLUMNS: &str = "id, endpoint, kind, payload, created_at, state, attempts, due_at, last_error";

#[derive(Debug, Serialize)]
struct MessageRow<'a> {
    id: &'a MessageId,
    endpoint: &'a str,
    kind: EventKind,
    payload: &'a str,
    created_at: Timestamp,
    due_at: i64,
}

impl Tx {
    /// Writes messages; one that is there is left as it is.
    pub(super) async fn write_messages(&mut self, messages: &[Message]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = messages
            .iter()
            .map(|message| MessageRow {
                id: &message.id,
                endpoint: &message.endpoint,
                kind: message.kind,
                payload: &message.payload,
                created_at: message.created_at,
                due_at: millis(message.due_at),
            })
            .collect();
        let write = "INSERT INTO outbox (id, endpoint, kind, payload, created_at, state, attempts, due_at)
                     SELECT value->>'id', value->>'endpoint', value->>'kind', value->>'payload',
                         value->>'created_at', 'pending', 0, CAST(value->>'due_at' AS BIGINT)
                     FROM {rows:1} WHERE true ON CONFLICT (id) DO NOTHING";
        self.run(write, args![json(&rows)?]).await?;
        Ok(())
    }
}

fn message(row: &AnyRow) -> Result<Message> {
    let text = |column| get::<String>(row, column);
    let created_at = time(&text("created_at")?)?;
    let kind = of_word(&text("kind")?)?;
    let mut message = Message::restore(text("id")?, text("endpoint")?, kind, text("payload")?, created_at);
    message.state = of_word(&text("state")?)?;
    message.attempts = u32::try_from(get::<i64>(row, "attempts")?).unwrap_or(u32::MAX);
    let due = Timestamp::from_millisecond(get(row, "due_at")?);
    message.due_at = due.map_err(|cause| unreadable("a time").with_source(cause))?;
    message.last_error = get(row, "last_error")?;
    Ok(message)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Outbox for SqlStore {
    async fn enqueue(&self, messages: &[Message]) -> Result<()> {
        let mut tx = self.transaction().await?;
        tx.write_messages(messages).await?;
        tx.commit().await
    }

    async fn claim(
        &self,
        endpoint: &str,
        now: Timestamp,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Message>> {
        // PostgreSQL lets others pass by what is being claimed; SQLite has one writer at a time anyway.
        let skip = if self.dialect == Dialect::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
        let text = format!(
            "SELECT {COLUMNS} FROM outbox WHERE endpoint = $1 AND state = 'pending' AND due_at <= $2
             ORDER BY due_at, id LIMIT $3 {skip}"
        );
        let mut tx = self.transaction().await?;
        let rows = tx.rows(&text, args![endpoint, millis(now), limit_of(limit)]).await?;
        let mut messages = rows.iter().map(message).collect::<Result<Vec<_>>>()?;
        let hold = i64::try_from(hold.as_millis()).unwrap_or(i64::MAX);
        let until = millis(now).saturating_add(hold).min(millis(Timestamp::MAX));
        let ids: Vec<_> = messages.iter().map(|message| &message.id).collect();
        let set = "UPDATE outbox SET attempts = attempts + 1, due_at = $2
                   WHERE id IN (SELECT value FROM {words:1} AS claimed)";
        tx.run(set, args![json(&ids)?, until]).await?;
        tx.commit().await?;
        let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
        for message in &mut messages {
            (message.attempts, message.due_at) = (message.attempts.saturating_add(1), until);
        }
        Ok(messages)
    }

    async fn delivered(&self, claimed: &Message) -> Result<()> {
        let mut tx = self.transaction().await?;
        let set = "UPDATE outbox SET state = 'delivered', last_error = NULL WHERE id = $1";
        tx.run(set, args![claimed.id.as_str()]).await?;
        tx.commit().await
    }

    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()> {
        let state = if retry_at.is_some() { MessageState::Pending } else { MessageState::Dead };
        let due = millis(retry_at.unwrap_or(claimed.due_at));
        let mut tx = self.transaction().await?;
        let set = "UPDATE outbox SET state = $3, due_at = $4, last_error = $5
                   WHERE id = $1 AND attempts = $2 AND state = 'pending'";
        let attempts = i64::from(claimed.attempts);
        tx.run(set, args![claimed.id.as_str(), attempts, state.as_str(), due, error]).await?;
        tx.commit().await
    }

    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>> {
        let text =
            format!("SELECT {COLUMNS} FROM outbox WHERE state = 'dead' AND id > $1 ORDER BY id LIMIT $2");
        let after = after.map_or("", MessageId::as_str);
        let rows = self.rows(&text, args![after, limit_of(limit)]).await?;
        rows.iter().map(message).collect()
    }

    async fn message(&self, id: &MessageId) -> Result<Option<Message>> {
        let text = format!("SELECT {COLUMNS} FROM outbox WHERE id = $1");
        self.rows(&text, args![id.as_str()]).await?.first().map(message).transpose()
    }

    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()> {
        let mut tx = self.transaction().await?;
        let set = "UPDATE outbox SET state = 'pending', attempts = 0, due_at = $2 WHERE id = $1";
        let changed = tx.run(set, args![id.as_str(), millis(now)]).await?;
        tx.commit().await?;
        if changed == 0 {
            return Err(Error::new(ErrorKind::NotFound, format!("no message has the id {id}")));
        }
        Ok(())
    }

    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut tx = self.transaction().await?;
        let gone = "DELETE FROM outbox WHERE id IN (
                        SELECT id FROM outbox WHERE state = 'delivered' AND due_at < $1 ORDER BY due_at, id LIMIT $2)";
        let cleared = tx.run(gone, args![millis(before), limit_of(limit)]).await?;
        tx.commit().await?;
        Ok(cleared)
    }
}
