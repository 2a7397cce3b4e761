//! Statements, their parameters and their rows.

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row};

use super::dialect::Dialect;
use super::errors::{database_error, unreadable};

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Int(i64),
    OptInt(Option<i64>),
    Text(String),
    OptText(Option<String>),
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Option<i64>> for Arg {
    fn from(number: Option<i64>) -> Self {
        Self::OptInt(number)
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::OptText(text)
    }
}

macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::transaction::Arg::from($value)),*] };
}
pub(super) use args;

type Query = sqlx::query::Query<'static, Any, sqlx::any::AnyArguments>;

/// Builds a query with its parameters.
pub(super) fn query(text: &str, args: Vec<Arg>) -> Query {
    let mut query = sqlx::query(AssertSqlSafe(text.to_owned()));
    for arg in args {
        query = match arg {
            Arg::Int(number) => query.bind(number),
            Arg::OptInt(number) => query.bind(number),
            Arg::Text(text) => query.bind(text),
            Arg::OptText(text) => query.bind(text),
        };
    }
    query
}

/// A transaction that writes.
pub(super) struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    dialect: Dialect,
}

impl Transaction {
    pub(super) fn new(inner: sqlx::Transaction<'static, Any>, dialect: Dialect) -> Self {
        Self { inner, dialect }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs a statement and returns the number of rows that it changed.
    pub(super) async fn execute(&mut self, text: &str, args: Vec<Arg>) -> Result<u64> {
        let done = query(text, args).execute(&mut *self.inner).await.map_err(database_error)?;
        Ok(done.rows_affected())
    }

    pub(super) async fn rows(&mut self, text: &str, args: Vec<Arg>) -> Result<Vec<AnyRow>> {
        query(text, args).fetch_all(&mut *self.inner).await.map_err(database_error)
    }

    pub(super) async fn row(&mut self, text: &str, args: Vec<Arg>) -> Result<Option<AnyRow>> {
        Ok(self.rows(text, args).await?.into_iter().next())
    }

    /// Inserts rows, many by one statement. `into` names the table and its columns; `on_conflict` follows
    /// the values.
    ///
    /// The values are parameters and not one JSON text, since SQLite would parse that again for each
    /// column.
    pub(super) async fn insert(
        &mut self,
        into: &str,
        mut rows: Vec<Vec<Arg>>,
        on_conflict: &str,
    ) -> Result<()> {
        while let Some(width) = rows.first().map(Vec::len) {
            // Only a few row counts, so that a connection prepares each statement once.
            let count = [64, 16, 4, 1].into_iter().find(|count| *count <= rows.len()).unwrap_or(1);
            let mut text = format!("INSERT INTO {into} VALUES ");
            for index in 0..count * width {
                text.push_str(match index {
                    0 => "(",
                    _ if index % width == 0 => "), (",
                    _ => ", ",
                });
                match self.dialect {
                    // Without numbers: the driver searches all parameters for each numbered one.
                    Dialect::Sqlite => text.push('?'),
                    Dialect::Postgres => {
                        text.push('$');
                        text.push_str(&(index + 1).to_string());
                    }
                }
            }
            text.push_str(") ");
            text.push_str(on_conflict);
            let args = rows.drain(..count).flatten().collect();
            self.execute(&text, args).await?;
        }
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(database_error)
    }

    /// Rolls back now. Dropping the transaction rolls back only when its connection is next used.
    pub(super) async fn rollback(self) -> Result<()> {
        self.inner.rollback().await.map_err(database_error)
    }
}

/// Returns the value of a column.
pub(super) fn get<'r, T>(row: &'r AnyRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(column).map_err(database_error)
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| {
        Error::new(ErrorKind::Unexpected, "a value cannot be written as JSON").with_source(cause)
    })
}

/// Parses a stored JSON text. `what` names it in the error.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| unreadable(what).with_source(cause))
}

/// Returns the name of an enum's variant, as it is serialized.
pub(super) fn to_name(value: &impl serde::Serialize) -> Result<String> {
    Ok(to_json(value)?.trim_matches('"').to_owned())
}

/// Returns the variant of an enum from its serialized name.
pub(super) fn from_name<T: serde::de::DeserializeOwned>(name: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::from(name))
        .map_err(|cause| unreadable("a name").with_source(cause))
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|cause| unreadable("a time").with_source(cause))
}

pub(super) fn to_millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn from_millis(at: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(at).map_err(|cause| unreadable("a time").with_source(cause))
}

/// Returns the given time plus a duration, in milliseconds and within the range of a timestamp.
pub(super) fn millis_after(at: Timestamp, wait: std::time::Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    to_millis(at).saturating_add(wait).min(to_millis(Timestamp::MAX))
}
