//! The store over SQL: the same statements on SQLite and on PostgreSQL.

mod decide;
mod detail;
mod keys;
mod outbox;
mod read;
mod rows;
mod runs;
#[cfg(feature = "schedule")]
mod schedule;
mod schema;
mod stage;
#[cfg(feature = "worker")]
mod turns;
mod verdict;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};

use appsec_core::{
    Coverage, Error, ErrorKind, FindingBatch, FindingQuery, Fingerprint, Result, ScanId, Timestamp,
};
use async_trait::async_trait;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyPool, AssertSqlSafe, Row};

use crate::binding::Binding;
use crate::explain::Explanation;
use crate::judge::Decision;
use crate::outbox::{Message, Outbox, Subscription};
use crate::reconcile::KnownFinding;
use crate::store::{Claim, EndedRun, FindingNumber, Page, Run, Store, StoredFinding};
use crate::summary::Summary;

pub(crate) use detail::Detail;
#[cfg(feature = "worker")]
pub(crate) use turns::{ConnectionLimit, DueBinding, Start, StartedTurn};

/// A store in SQLite (feature `sqlite`) or PostgreSQL (feature `postgres`), told apart by the URL.
///
/// Clones share their connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// # #[cfg(feature = "sqlite")] {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("findings.db");
/// let store = appsec_import::SqlStore::connect(&format!("sqlite:{}", path.display())).await?;
/// # store.close().await;
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqlStore {
    pool: AnyPool,
    dialect: Dialect,
    /// As it was given; may hold a password.
    #[cfg(feature = "worker")]
    url: Arc<str>,
    /// Digests of rules that the store is known to have.
    rules: Arc<Mutex<HashSet<String>>>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("SqlStore").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

/// Where the two databases differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The statement in this database's words.
    ///
    /// * `{rows:n}` are the objects and `{words:n}` the texts of a JSON list in parameter n.
    /// * `{look:table t: condition}` joins the rows of a table that meet a condition on each row before, `{maybe:…}` does where there are
    ///   any. They are looked up by index, whatever the database believes about the size of the table: between two analyses PostgreSQL may
    ///   take one of a million rows for an empty one, and would read it whole for each row before.
    fn sql(self, text: &str) -> String {
        let mut sql = String::with_capacity(text.len() + 128);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            sql.push_str(before);
            let (place, tail) = after.split_once('}').unwrap_or((after, ""));
            let (kind, what) = place.split_once(':').unwrap_or((place, ""));
            let (table, condition) = what.split_once(':').unwrap_or((what, ""));
            let name = table.rsplit(' ').next().unwrap_or_default();
            let found = format!("(SELECT * FROM {table} WHERE{condition} OFFSET 0) {name}");
            let placed = match (self, kind) {
                (Self::Sqlite, "rows" | "words") => format!("json_each(${what})"),
                (Self::Sqlite, "look") => format!("CROSS JOIN {table} ON{condition}"),
                (Self::Sqlite, _) => format!("LEFT JOIN {table} ON{condition}"),
                (Self::Postgres, "rows") => format!("json_array_elements(CAST(${what} AS JSON))"),
                (Self::Postgres, "words") => format!("json_array_elements_text(CAST(${what} AS JSON))"),
                (Self::Postgres, "look") => format!("CROSS JOIN LATERAL {found}"),
                (Self::Postgres, _) => format!("LEFT JOIN LATERAL {found} ON TRUE"),
            };
            sql.push_str(&placed);
            rest = tail;
        }
        sql.push_str(rest);
        sql
    }

    /// How a transaction begins that will write. SQLite takes its one lock at once: a reader that turns writer cannot wait for it.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
}

/// A parameter.
#[derive(Debug, Clone)]
enum Arg {
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
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($value)),*] };
}
use args;

type Query = sqlx::query::Query<'static, Any, sqlx::any::AnyArguments>;

fn query(dialect: Dialect, text: &str, args: Vec<Arg>) -> Query {
    let mut query = sqlx::query(AssertSqlSafe(dialect.sql(text)));
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
struct Tx {
    inner: sqlx::Transaction<'static, Any>,
    dialect: Dialect,
}

impl Tx {
    /// Runs a statement, and tells how many rows it changed.
    async fn run(&mut self, text: &str, args: Vec<Arg>) -> Result<u64> {
        let done = query(self.dialect, text, args).execute(&mut *self.inner).await.map_err(db)?;
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, text: &str, args: Vec<Arg>) -> Result<Vec<AnyRow>> {
        query(self.dialect, text, args).fetch_all(&mut *self.inner).await.map_err(db)
    }

    /// Inserts rows, many by one statement: `into` names the table and its columns, `conflict` is what follows the values.
    ///
    /// Values as parameters and not as one JSON text: SQLite would read that anew for each column.
    async fn insert(&mut self, into: &str, mut rows: Vec<Vec<Arg>>, conflict: &str) -> Result<()> {
        while let Some(width) = rows.first().map(Vec::len) {
            // Few different lengths, so that a connection prepares each statement once.
            let count = [64, 16, 4, 1].into_iter().find(|count| *count <= rows.len()).unwrap_or(1);
            let mut text = format!("INSERT INTO {into} VALUES ");
            for place in 0..count * width {
                text.push_str(match place {
                    0 => "(",
                    _ if place % width == 0 => "), (",
                    _ => ", ",
                });
                match self.dialect {
                    // Without numbers: a driver looks each numbered one up among all of them.
                    Dialect::Sqlite => text.push('?'),
                    Dialect::Postgres => {
                        text.push('$');
                        text.push_str(&(place + 1).to_string());
                    }
                }
            }
            text.push_str(") ");
            text.push_str(conflict);
            let args = rows.drain(..count).flatten().collect();
            self.run(&text, args).await?;
        }
        Ok(())
    }

    async fn row(&mut self, text: &str, args: Vec<Arg>) -> Result<Option<AnyRow>> {
        Ok(self.rows(text, args).await?.into_iter().next())
    }

    async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(db)
    }

    /// Undoes it. Dropping would too, when the connection is next used.
    async fn rollback(self) -> Result<()> {
        self.inner.rollback().await.map_err(db)
    }
}

impl SqlStore {
    /// Opens the store, creates or migrates its tables.
    ///
    /// `sqlite:path` names a file, made when it is missing, in WAL mode: one machine, many readers, one writer at a time.
    /// `postgres://user:password@host/database` is for several machines. `sqlite:` with a path of several connections is safe.
    ///
    /// # Errors
    /// `Config` for a URL of another kind, or of a database whose feature is not compiled in; `Transport` when the database cannot be
    /// reached; `Unsupported` for a store of a later version, which is left as it is.
    pub async fn connect(url: &str) -> Result<Self> {
        let (dialect, url) = dialect_of(url)?;
        // Fails when the application installed its own set: then that set decides.
        let _ = sqlx::any::install_drivers(&[
            #[cfg(feature = "sqlite")]
            sqlx::sqlite::any::DRIVER,
            #[cfg(feature = "postgres")]
            sqlx::postgres::any::DRIVER,
        ]);
        let options = AnyPoolOptions::new().max_connections(8).after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Postgres {
                    // All statements are pages and look-ups by an index. Without statistics, as after a first batch, the planner
                    // would rather read tables whole for each page; and what it thinks dear it would compile, which takes longer
                    // than any of them.
                    // A process that stalls inside a transaction would hold its rows from whoever takes over.
                    let set = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                               SET jit = off; SET idle_in_transaction_session_timeout = 10000";
                    sqlx::raw_sql(set).execute(connection).await?;
                } else {
                    // With WAL, `NORMAL` loses no transaction when the process dies, and none half when the machine does.
                    let set = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=60000; \
                               PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=8192; PRAGMA journal_size_limit=67108864";
                    sqlx::raw_sql(set).execute(connection).await?;
                }
                Ok(())
            })
        });
        let pool = options.connect(&url).await.map_err(db)?;
        let store = Self {
            pool,
            dialect,
            #[cfg(feature = "worker")]
            url: url.into(),
            rules: Arc::default(),
        };
        store.migrate().await?;
        Ok(store)
    }

    #[cfg(feature = "worker")]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Closes all connections, and waits for it.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn transaction(&self) -> Result<Tx> {
        let inner = self.pool.begin_with(self.dialect.begin()).await.map_err(db)?;
        Ok(Tx { inner, dialect: self.dialect })
    }

    async fn rows(&self, text: &str, args: Vec<Arg>) -> Result<Vec<AnyRow>> {
        query(self.dialect, text, args).fetch_all(&self.pool).await.map_err(db)
    }
}

fn dialect_of(url: &str) -> Result<(Dialect, String)> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "sqlite" if cfg!(feature = "sqlite") => {
            let mode = match url.split_once('?') {
                None => "?mode=rwc",
                Some((_, options)) if options.contains("mode=") => "",
                Some(_) => "&mode=rwc",
            };
            Ok((Dialect::Sqlite, format!("{url}{mode}")))
        }
        "postgres" | "postgresql" if cfg!(feature = "postgres") => Ok((Dialect::Postgres, url.to_owned())),
        "sqlite" | "postgres" | "postgresql" => {
            Err(Error::new(ErrorKind::Config, format!("this program was built without its {scheme} store")))
        }
        _ => Err(Error::new(ErrorKind::Config, "the store's URL begins with sqlite: or postgres:")),
    }
}

/// The error of a database call. The text of a database's own error may quote values, none of which is a secret here.
fn db(cause: sqlx::Error) -> Error {
    let (kind, message) = match &cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
            (ErrorKind::Transport, "the store cannot be reached")
        }
        sqlx::Error::Configuration(_) => (ErrorKind::Config, "the store's URL cannot be used"),
        _ => (ErrorKind::Unexpected, "the store failed"),
    };
    Error::new(kind, message)
        .with_operation("import store")
        .with_source(Box::new(cause) as Box<dyn StdError + Send + Sync>)
}

/// A column of a row.
fn get<'r, T>(row: &'r AnyRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(column).map_err(db)
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the store holds {what} that cannot be read"))
        .with_operation("import store")
}

fn lost() -> Error {
    Error::new(ErrorKind::Conflict, "another process has taken this run over, or it has ended")
        .with_operation("import store")
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| {
        Error::new(ErrorKind::Unexpected, "a value cannot be written as JSON").with_source(cause)
    })
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| unreadable(what).with_source(cause))
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self, binding: &Binding, claim: &Claim) -> Result<Run> {
        self.begin_run(binding, claim).await
    }

    async fn renew(&self, run: &Run) -> Result<()> {
        let mut tx = self.transaction().await?;
        tx.hold(run).await?;
        tx.commit().await
    }

    async fn keep_scan(&self, run: &Run, scan: Option<&ScanId>) -> Result<()> {
        let mut tx = self.transaction().await?;
        tx.hold(run).await?;
        let set = "UPDATE run SET scan = $3 WHERE binding = $1 AND number = $2";
        tx.run(set, args![run.binding, run.number, scan.map(ScanId::to_string)]).await?;
        tx.commit().await
    }

    async fn start_over(&self, run: &Run, query: &FindingQuery) -> Result<()> {
        self.start_over_run(run, query).await
    }

    async fn stage(&self, run: &Run, batch: &FindingBatch) -> Result<()> {
        self.stage_batch(run, batch).await
    }

    async fn preview(&self, run: &Run, coverage: &Coverage) -> Result<Summary> {
        self.judge_run(run, coverage, None).await
    }

    async fn conclude(&self, run: &Run, coverage: &Coverage, to: &[Subscription]) -> Result<Summary> {
        self.judge_run(run, coverage, Some(to)).await
    }

    async fn tell(&self, messages: &[Message]) -> Result<()> {
        Outbox::enqueue(self, messages).await
    }

    async fn release(&self, run: &Run) -> Result<()> {
        self.release_run(run).await
    }

    async fn findings(&self, binding: &Binding, page: Page) -> Result<Vec<(FindingNumber, KnownFinding)>> {
        self.read_findings(binding, page).await
    }

    async fn stored_findings(&self, binding: &Binding, page: Page) -> Result<Vec<StoredFinding>> {
        self.read_stored_findings(binding, page).await
    }

    async fn bindings(&self) -> Result<Vec<Binding>> {
        self.read_lines().await
    }

    async fn last_run(&self, binding: &Binding) -> Result<Option<EndedRun>> {
        self.read_last_run(binding).await
    }

    async fn decide(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding> {
        self.keep_decision(binding, finding, decision).await
    }

    async fn explain(&self, binding: &Binding, finding: &Fingerprint) -> Result<Option<Explanation>> {
        self.read_explanation(binding, finding).await
    }
}
