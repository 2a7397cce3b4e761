//! What every command works with: the configuration, the output, the store, the scanners, and the stop
//! signal.

use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, ErrorKind};
use appsec_import::store::KnownBinding;
use appsec_import::{SqlStore, Store as _};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::config::Config;
use crate::connection::NamedConnection;
use crate::exit::{Failure, Result};
use crate::global_args::GlobalArgs;
use crate::output::Output;

/// The store of a dry run. Its files are removed with it.
#[derive(Debug)]
pub(crate) struct DryRunStore {
    pub(crate) store: SqlStore,
    _folder: TempDir,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) out: Output,
    /// The URL of the store on the command line.
    store_url: Option<String>,
    /// Whether the user may be asked for a credential.
    may_prompt: bool,
    /// True once a signal was received.
    stop: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(global: &GlobalArgs) -> Result<Self> {
        let config = Config::load(global.config.as_deref())?;
        let (store_url, may_prompt) = (global.store.clone(), !global.no_input);
        Ok(Self { store_url, may_prompt, ..Self::with_config(config, Output::new(global.output)) })
    }

    /// With the store that the configuration names, and without questions to the user.
    pub(crate) fn with_config(config: Config, out: Output) -> Self {
        Self { config, out, store_url: None, may_prompt: false, stop: watch::Sender::new(false) }
    }

    /// Asks the command to end as soon as it can do so cleanly.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until [`stop`](Self::stop) is called.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            if stop.wait_for(|stop| *stop).await.is_err() {
                // The sender is gone, so the command ends anyway.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether [`stop`](Self::stop) was called.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Builds the scanner of a connection. Sends nothing.
    pub(crate) fn open(&self, named: &NamedConnection) -> Result<Arc<dyn DastApiScanner>> {
        named.open(self.may_prompt)
    }

    /// The bindings of the store; none where there is no store yet.
    pub(crate) async fn known_bindings(&self) -> Result<Vec<KnownBinding>> {
        match self.store_if_any().await? {
            Some(store) => store.bindings().await.map_err(Failure::store),
            None => Ok(Vec::new()),
        }
    }

    /// Builds the scanner of a connection for an import. `patience` is how long the user wants to wait for
    /// work of the scanner that makes no progress.
    pub(crate) fn open_for_run(
        &self,
        named: &NamedConnection,
        patience: Option<Duration>,
    ) -> Result<Arc<dyn DastApiScanner>> {
        named.open_with_patience(self.may_prompt, patience)
    }

    /// Opens the store, and creates it where there is none: for commands that write.
    pub(crate) async fn store(&self) -> Result<SqlStore> {
        SqlStore::connect(&self.store_url()?).await.map_err(Failure::store)
    }

    /// Opens the store: for commands that need what it has. Creates nothing.
    pub(crate) async fn existing_store(&self) -> Result<SqlStore> {
        SqlStore::connect_existing(&self.store_url()?).await.map_err(Failure::store)
    }

    /// Opens the store where there is one. Creates nothing.
    pub(crate) async fn store_if_any(&self) -> Result<Option<SqlStore>> {
        match SqlStore::connect_existing(&self.store_url()?).await {
            Ok(store) => Ok(Some(store)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::store(error)),
        }
    }

    /// A store for a dry run: a copy of the store in SQLite, or an empty store where there is none. In PostgreSQL
    /// it is the store itself, from which a dry run removes what it wrote.
    pub(crate) async fn dry_run_store(&self) -> Result<DryRunStore> {
        let folder =
            tempfile::tempdir().map_err(|error| Failure::output("a folder for the dry run", &error))?;
        let path = folder.path().join("copy.db");
        let store = if let Some(store) = self.store_if_any().await? {
            match store.copy_to(&path).await.map_err(Failure::store)? {
                Some(copy) => copy,
                None => store,
            }
        } else {
            let url = format!("sqlite:{}", path.display());
            SqlStore::connect(&url).await.map_err(Failure::store)?
        };
        Ok(DryRunStore { store, _folder: folder })
    }

    fn store_url(&self) -> Result<String> {
        self.config.store_url(self.store_url.as_deref())
    }
}
