//! The [`Outbox`] trait for a SQL store.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use async_trait::async_trait;
use serde::Serialize;
use sqlx::any::AnyRow;

use super::dialect::Dialect;
use super::sql_store::SqlStore;
use super::transaction::{
    Transaction, args, from_millis, from_name, get, millis_after, parse_time, to_json, to_millis,
};
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

impl Transaction {
    /// Writes messages. One whose id exists already is not changed.
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
                due_at: to_millis(message.due_at),
            })
            .collect();
        let insert = format!(
            "INSERT INTO outbox (id, endpoint, kind, payload, created_at, state, attempts, due_at)
             SELECT value->>'id', value->>'endpoint', value->>'kind', value->>'payload',
                 value->>'created_at', 'pending', 0, CAST(value->>'due_at' AS BIGINT)
             FROM {} WHERE true ON CONFLICT (id) DO NOTHING",
            self.dialect().json_objects(1),
        );
        self.execute(&insert, args![to_json(&rows)?]).await?;
        Ok(())
    }
}

fn message(row: &AnyRow) -> Result<Message> {
    let text = |column| get::<String>(row, column);
    let created_at = parse_time(&text("created_at")?)?;
    let kind = from_name(&text("kind")?)?;
    let mut message =
        Message::from_stored(text("id")?, text("endpoint")?, kind, text("payload")?, created_at);
    message.state = from_name(&text("state")?)?;
    message.attempts = u32::try_from(get::<i64>(row, "attempts")?).unwrap_or(u32::MAX);
    message.due_at = from_millis(get(row, "due_at")?)?;
    message.last_error = get(row, "last_error")?;
    Ok(message)
}

fn to_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Outbox for SqlStore {
    async fn enqueue(&self, messages: &[Message]) -> Result<()> {
        let mut tx = self.begin().await?;
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
        // In PostgreSQL a process skips messages that another one is claiming. SQLite has one writer at a
        // time anyway.
        let skip = if self.dialect == Dialect::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
        let text = format!(
            "SELECT {COLUMNS} FROM outbox WHERE endpoint = $1 AND state = 'pending' AND due_at <= $2
             ORDER BY due_at, id LIMIT $3 {skip}"
        );
        let mut tx = self.begin().await?;
        let rows = tx.rows(&text, args![endpoint, to_millis(now), to_limit(limit)]).await?;
        let mut messages = rows.iter().map(message).collect::<Result<Vec<_>>>()?;
        let until = millis_after(now, hold);
        let ids: Vec<_> = messages.iter().map(|message| &message.id).collect();
        let update = format!(
            "UPDATE outbox SET attempts = attempts + 1, due_at = $2 WHERE id IN (SELECT value FROM {} AS claimed)",
            self.dialect.json_texts(1),
        );
        tx.execute(&update, args![to_json(&ids)?, until]).await?;
        tx.commit().await?;
        let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
        for message in &mut messages {
            (message.attempts, message.due_at) = (message.attempts.saturating_add(1), until);
        }
        Ok(messages)
    }

    async fn delivered(&self, claimed: &Message) -> Result<()> {
        let mut tx = self.begin().await?;
        let update = "UPDATE outbox SET state = 'delivered', last_error = NULL WHERE id = $1";
        tx.execute(update, args![claimed.id.as_str()]).await?;
        tx.commit().await
    }

    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()> {
        let state = if retry_at.is_some() { MessageState::Pending } else { MessageState::Dead };
        let due = to_millis(retry_at.unwrap_or(claimed.due_at));
        let mut tx = self.begin().await?;
        let update = "UPDATE outbox SET state = $3, due_at = $4, last_error = $5
                   WHERE id = $1 AND attempts = $2 AND state = 'pending'";
        let attempts = i64::from(claimed.attempts);
        tx.execute(update, args![claimed.id.as_str(), attempts, state.as_str(), due, error]).await?;
        tx.commit().await
    }

    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>> {
        let text =
            format!("SELECT {COLUMNS} FROM outbox WHERE state = 'dead' AND id > $1 ORDER BY id LIMIT $2");
        let after = after.map_or("", MessageId::as_str);
        let rows = self.rows(&text, args![after, to_limit(limit)]).await?;
        rows.iter().map(message).collect()
    }

    async fn message(&self, id: &MessageId) -> Result<Option<Message>> {
        let text = format!("SELECT {COLUMNS} FROM outbox WHERE id = $1");
        self.rows(&text, args![id.as_str()]).await?.first().map(message).transpose()
    }

    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let update = "UPDATE outbox SET state = 'pending', attempts = 0, due_at = $2 WHERE id = $1";
        let changed = tx.execute(update, args![id.as_str(), to_millis(now)]).await?;
        tx.commit().await?;
        if changed == 0 {
            return Err(Error::new(ErrorKind::NotFound, format!("no message has the id {id}")));
        }
        Ok(())
    }

    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut tx = self.begin().await?;
        let delete = "DELETE FROM outbox WHERE id IN (
                        SELECT id FROM outbox WHERE state = 'delivered' AND due_at < $1 ORDER BY due_at, id LIMIT $2)";
        let cleared = tx.execute(delete, args![to_millis(before), to_limit(limit)]).await?;
        tx.commit().await?;
        Ok(cleared)
    }
}
