//! The store's connections.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use appsec_core::{ErrorKind, Result};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _};

use super::dialect::Dialect;
use super::errors::{at_place, database_error, no_answer, no_store};
use super::ownership::{Found, claim, create_file, look_at_file};
use super::place::Place;
use super::transaction::{Arg, Transaction, query};
use super::wait::saying_what_for;

/// How long opening a database may take, apart from locks that other processes hold.
const CONNECT_SECONDS: u64 = 30;

/// A store in SQLite (feature `sqlite`) or PostgreSQL (feature `postgres`), chosen by the URL.
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
    pub(super) dialect: Dialect,
    place: Place,
    /// Digests of rules that the store is known to hold.
    pub(super) known_rules: Arc<Mutex<HashSet<String>>>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Opens the store, and creates it where there is nothing: no file or an empty one, or a database without a
    /// schema `appsec`.
    ///
    /// `sqlite:path` names a file of its own, in WAL mode: one machine, many readers, one writer at a time. Several
    /// connections to one path are safe. `postgres://user:password@host/database` is for several machines; the
    /// store is the schema `appsec` of the database.
    ///
    /// What belongs to another program is refused, and nothing in it is changed: a file is recognized by the
    /// application id in its header, a schema by its marker row.
    ///
    /// # Errors
    /// `Config` for a URL of another kind, of a database whose feature is not compiled in, or of a place that
    /// belongs to another program; `Transport` when the database cannot be reached; `Unsupported` for a store
    /// of another version, which is not changed. The message names the path, or the URL without its password.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::open(Place::new(url)?, true).await
    }

    /// Opens a store that exists. Creates and changes nothing.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect); `NotFound` where there is no store.
    pub async fn connect_existing(url: &str) -> Result<Self> {
        Self::open(Place::new(url)?, false).await
    }

    async fn open(mut place: Place, create: bool) -> Result<Self> {
        // Fails when the application installed drivers of its own. Then those are used.
        let _ = sqlx::any::install_drivers(&[
            #[cfg(feature = "sqlite")]
            sqlx::sqlite::any::DRIVER,
            #[cfg(feature = "postgres")]
            sqlx::postgres::any::DRIVER,
        ]);
        let found = look_at_file(&place)?;
        if found == Found::Nothing && place.path().is_some() {
            if !create {
                return Err(no_store(&place));
            }
            create_file(&place)?;
        }
        // Without the pool, which would try again for half a minute and then hide the cause.
        let limit = std::time::Duration::from_secs(CONNECT_SECONDS);
        let connection = tokio::time::timeout(limit, AnyConnection::connect(&place.url)).await;
        let connection = connection.map_err(|_| no_answer(&place, CONNECT_SECONDS))?;
        let mut connection = connection.map_err(|cause| at_place(&place, cause))?;
        if place.dialect == Dialect::Sqlite {
            set(&mut connection, "PRAGMA busy_timeout=60000")
                .await
                .map_err(|cause| at_place(&place, cause))?;
        }
        let what = format!("another process that has locked the store {place}");
        let claimed = async {
            let now = create && found == Found::Nothing && place.path().is_some();
            match claim(&mut connection, &place, now).await {
                // PostgreSQL has no store yet, or the process that created the file died.
                Err(error) if create && error.kind() == ErrorKind::NotFound => {
                    claim(&mut connection, &place, true).await
                }
                claimed => claimed,
            }
        };
        let claimed = saying_what_for(claimed, what).await;
        // Also of a refused store, so that no file is left beside it.
        let closed = connection.close().await.map_err(database_error);
        claimed.and(closed)?;
        place.expect_existing();
        let dialect = place.dialect;
        let options = AnyPoolOptions::new().max_connections(8).after_connect(move |connection, _| {
            Box::pin(async move { set(connection, settings(dialect)).await })
        });
        let pool = options.connect(&place.url).await.map_err(|cause| at_place(&place, cause))?;
        Ok(Self { pool, dialect, place, known_rules: Arc::default() })
    }

    /// Copies a store in SQLite into a new file, and opens the copy: for a dry run, which then changes nothing in
    /// the store. `None` for PostgreSQL, where a dry run removes what it wrote.
    ///
    /// # Errors
    /// Those of the database, for instance when the file exists.
    pub async fn copy_to(&self, path: &Path) -> Result<Option<Self>> {
        if self.dialect == Dialect::Postgres {
            return Ok(None);
        }
        let path = path.display().to_string();
        self.rows("VACUUM INTO $1", vec![path.as_str().into()]).await?;
        Self::connect_existing(&format!("sqlite:{path}")).await.map(Some)
    }

    #[cfg(feature = "worker")]
    pub(crate) fn url(&self) -> &str {
        &self.place.url
    }

    /// Closes all connections, and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction> {
        let what = format!("another process that writes to the store {}", self.place);
        let begun = saying_what_for(self.pool.begin_with(self.dialect.begin()), what).await;
        let inner = begun.map_err(database_error)?;
        Ok(Transaction::new(inner, self.dialect))
    }

    /// Runs a query outside a transaction.
    pub(super) async fn rows(&self, text: &str, args: Vec<Arg>) -> Result<Vec<AnyRow>> {
        query(text, args).fetch_all(&self.pool).await.map_err(database_error)
    }
}

async fn set(connection: &mut AnyConnection, settings: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(settings.to_owned())).execute(connection).await.map(drop)
}

/// The settings of each connection. Those of SQLite are set only on a file that is known to be ours.
fn settings(dialect: Dialect) -> &'static str {
    match dialect {
        // All statements read pages or look up by an index. Without statistics, as after a first batch, the
        // planner would scan whole tables for each page. It would also JIT-compile what it takes for
        // expensive, which takes longer than any statement.
        //
        // A process that stalls inside a transaction would otherwise hold its rows from the process that takes
        // over.
        Dialect::Postgres => {
            "SET search_path TO appsec; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
             SET jit = off; SET idle_in_transaction_session_timeout = 10000; SET lock_timeout = 60000"
        }
        // With WAL, `NORMAL` loses no transaction when the process dies, and corrupts none when the machine
        // does.
        Dialect::Sqlite => {
            "PRAGMA trusted_schema=OFF; PRAGMA busy_timeout=60000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; \
             PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=8192; PRAGMA journal_size_limit=67108864"
        }
    }
}
