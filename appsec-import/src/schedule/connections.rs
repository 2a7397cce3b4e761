//! Where a worker gets its scanners from.

use std::sync::Arc;

use appsec_core::{DastApiScanner, Result};

/// Opens the connection of a given name, as a client of its scanner.
///
/// A worker opens each connection once, so that all its imports share the client and its limits. Every
/// function from a name to a scanner implements this trait.
pub trait Connections: Send + Sync {
    /// Returns the scanner of the connection with this name.
    ///
    /// # Errors
    /// `Config` when there is no such connection, or its settings are invalid.
    fn scanner(&self, connection: &str) -> Result<Arc<dyn DastApiScanner>>;
}

impl<F> Connections for F
where
    F: Fn(&str) -> Result<Arc<dyn DastApiScanner>> + Send + Sync,
{
    fn scanner(&self, connection: &str) -> Result<Arc<dyn DastApiScanner>> {
        self(connection)
    }
}
