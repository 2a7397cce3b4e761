//! The store's connections.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use appsec_core::Result;
use sqlx::AnyPool;
use sqlx::any::{AnyPoolOptions, AnyRow};

use super::dialect::Dialect;
use super::errors::database_error;
use super::schema::migrate;
use super::transaction::{Arg, Transaction, query};

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
    /// The URL as it was given. It may hold a password.
    #[cfg(feature = "worker")]
    url: Arc<str>,
    /// Digests of rules that the store is known to hold.
    pub(super) known_rules: Arc<Mutex<HashSet<String>>>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("SqlStore").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Opens the store, and creates or migrates its tables.
    ///
    /// `sqlite:path` names a file, which is created if it does not exist, in WAL mode: one machine, many
    /// readers, one writer at a time. Several connections to one path are safe.
    /// `postgres://user:password@host/database` is for several machines.
    ///
    /// # Errors
    /// `Config` for a URL of another kind, or of a database whose feature is not compiled in; `Transport`
    /// when the database cannot be reached; `Unsupported` for a store that a later version wrote, which
    /// is not changed.
    pub async fn connect(url: &str) -> Result<Self> {
        let (dialect, url) = Dialect::from_url(url)?;
        // Fails when the application installed drivers of its own. Then those are used.
        let _ = sqlx::any::install_drivers(&[
            #[cfg(feature = "sqlite")]
            sqlx::sqlite::any::DRIVER,
            #[cfg(feature = "postgres")]
            sqlx::postgres::any::DRIVER,
        ]);
        let options = AnyPoolOptions::new().max_connections(8).after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Postgres {
                    // All statements read pages or look up by an index. Without statistics, as after a
                    // first batch, the planner would scan whole tables for each page. It would also
                    // JIT-compile what it takes for expensive, which takes longer than any statement.
                    //
                    // A process that stalls inside a transaction would otherwise hold its rows from the
                    // process that takes over.
                    let set = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                               SET jit = off; SET idle_in_transaction_session_timeout = 10000";
                    sqlx::raw_sql(set).execute(connection).await?;
                } else {
                    // With WAL, `NORMAL` loses no transaction when the process dies, and corrupts none
                    // when the machine does.
                    let set = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=60000; \
                               PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=8192; PRAGMA journal_size_limit=67108864";
                    sqlx::raw_sql(set).execute(connection).await?;
                }
                Ok(())
            })
        });
        let pool = options.connect(&url).await.map_err(database_error)?;
        let store = Self {
            pool,
            dialect,
            #[cfg(feature = "worker")]
            url: url.into(),
            known_rules: Arc::default(),
        };
        migrate(store.begin().await?).await?;
        Ok(store)
    }

    #[cfg(feature = "worker")]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Closes all connections, and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction> {
        let inner = self.pool.begin_with(self.dialect.begin()).await.map_err(database_error)?;
        Ok(Transaction::new(inner, self.dialect))
    }

    /// Runs a query outside a transaction.
    pub(super) async fn rows(&self, text: &str, args: Vec<Arg>) -> Result<Vec<AnyRow>> {
        query(text, args).fetch_all(&self.pool).await.map_err(database_error)
    }
}
