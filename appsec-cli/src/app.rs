//! What every command works with: the configuration, the output, the store, the scanners, and the stop
//! signal.

use std::sync::Arc;
use std::time::Duration;

use appsec_core::DastApiScanner;
use appsec_import::store::KnownBinding;
use appsec_import::{SqlStore, Store as _};
use tokio::sync::watch;

use crate::config::Config;
use crate::connection::NamedConnection;
use crate::exit::{Failure, Result};
use crate::global_args::GlobalArgs;
use crate::output::Output;

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

    /// The bindings of the store.
    pub(crate) async fn known_bindings(&self) -> Result<Vec<KnownBinding>> {
        self.store().await?.bindings().await.map_err(Failure::store)
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

    /// Opens the store and migrates its schema.
    pub(crate) async fn store(&self) -> Result<SqlStore> {
        let url = self.config.store_url(self.store_url.as_deref())?;
        SqlStore::connect(&url).await.map_err(Failure::store)
    }
}
