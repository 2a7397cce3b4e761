//! What every command works with: the configuration, the output, the way to the store and to the scanners.

use std::sync::Arc;

use appsec_core::DastApiScanner;
use appsec_import::SqlStore;
use tokio::sync::watch;

use crate::cli::Global;
use crate::config::Config;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::scanners::{self, Named};

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) out: Output,
    /// The store that the command line names.
    store: Option<String>,
    /// Whether a person may be asked for a credential.
    may_ask: bool,
    /// True once a signal asked for the end.
    stop: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let config = Config::load(global.config.as_deref())?;
        Ok(Self::of(config, Output::new(global.output), global.store.clone(), !global.no_input))
    }

    pub(crate) fn of(config: Config, out: Output, store: Option<String>, may_ask: bool) -> Self {
        Self { config, out, store, may_ask, stop: watch::Sender::new(false) }
    }

    /// Asks what is under way to end in good order.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until a signal asks for the end.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            if stop.wait_for(|stop| *stop).await.is_err() {
                // The command is at its end anyway.
                std::future::pending::<()>().await;
            }
        }
    }

    /// True once a signal asked for the end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// The scanner at the end of a connection. Nothing is sent.
    pub(crate) fn open(&self, named: &Named) -> Result<Arc<dyn DastApiScanner>> {
        scanners::open(&self.config, named, self.may_ask)
    }

    /// The store, opened and brought up to date.
    pub(crate) async fn store(&self) -> Result<SqlStore> {
        let url = self.config.store_url(self.store.as_deref())?;
        SqlStore::connect(&url).await.map_err(Failure::store)
    }
}
