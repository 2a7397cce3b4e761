//! The options that select a known binding, in every command that reads or changes what the store has.

use appsec_import::store::KnownBinding;
use appsec_import::{Binding, Store as _};
use clap::Args;

use crate::app::App;
use crate::binding_parts::{self, BindingParts, not_empty};
use crate::exit::{Failure, Result};
use crate::vendors;

/// The options that are given have to match exactly one binding of the store.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    #[command(flatten)]
    pub(crate) parts: BindingParts,
    /// The connection, or the scanner's key
    #[arg(short, long, value_parser = not_empty, help_heading = "Binding")]
    pub(crate) tool: Option<String>,
}

impl SelectionArgs {
    /// The only binding of the store that matches the options. Asks no scanner.
    pub(crate) async fn select(&self, app: &App) -> Result<Binding> {
        Ok(self.select_known(app).await?.binding)
    }

    /// As [`select`](Self::select), with the aliases of the binding.
    pub(crate) async fn select_known(&self, app: &App) -> Result<KnownBinding> {
        let store = app.existing_store().await?;
        let known = store.bindings().await.map_err(Failure::store)?;
        let mut matching = Vec::new();
        for binding in known.iter().filter(|known| self.parts.matches(known)) {
            if self.is_of_tool(app, binding)? {
                matching.push(binding.clone());
            }
        }
        self.prefer_configured(app, &mut matching)?;
        match matching.len() {
            1 => Ok(matching.swap_remove(0)),
            0 => {
                self.check_tool(app, &known)?;
                Err(self.parts.unknown(app, known, "no known binding matches these options"))
            }
            _ => Err(Failure::usage(format!(
                "several bindings match; add options to select one of them:\n{}",
                binding_parts::list(app, &matching)
            ))),
        }
    }

    /// Whether the binding belongs to the connection or scanner of `-t`.
    fn is_of_tool(&self, app: &App, known: &KnownBinding) -> Result<bool> {
        let Some(tool) = &self.tool else { return Ok(true) };
        let binding = &known.binding;
        if let Some(named) = app.config.connections.by_name(tool) {
            let is_of_scanner = binding.scanner == named.connection.vendor.key;
            return Ok(is_of_scanner && binding.tenant == Some(named.tenant()?));
        }
        Ok(match vendors::by_key(tool) {
            Some(vendor) => binding.scanner == vendor.key,
            // The connection may have left the configuration since.
            None => known.connection.as_ref() == Some(tool),
        })
    }

    /// Of several bindings of the scanner of `-t`, keeps those of the tenant that its connection reaches now.
    fn prefer_configured(&self, app: &App, matching: &mut Vec<KnownBinding>) -> Result<()> {
        let Some(tool) = &self.tool else { return Ok(()) };
        if matching.len() < 2 {
            return Ok(());
        }
        if let Ok(named) = app.config.connections.find(tool) {
            let tenant = Some(named.tenant()?);
            if matching.iter().any(|known| known.binding.tenant == tenant) {
                matching.retain(|known| known.binding.tenant == tenant);
            }
        }
        Ok(())
    }

    /// Refuses a value of `-t` that neither the configuration nor the store knows.
    fn check_tool(&self, app: &App, known: &[KnownBinding]) -> Result<()> {
        let Some(tool) = &self.tool else { return Ok(()) };
        let is_known = app.config.connections.by_name(tool).is_some()
            || vendors::by_key(tool).is_some()
            || known.iter().any(|known| known.connection.as_ref() == Some(tool));
        if is_known { Ok(()) } else { app.config.connections.find(tool).map(drop) }
    }
}
