//! Where a worker gets its scanners from.

use std::sync::Arc;

use appsec_core::{DastApiScanner, Result};

/// Opens the connection of a given name, as a client of its scanner.
///
/// A worker opens each connection once, so that all its imports share the client and its limits. Every
/// function from a name to a scanner, or to an [`OpenConnection`], implements this trait.
pub trait Connections: Send + Sync {
    /// Opens the connection with this name.
    ///
    /// # Errors
    /// `Config` when there is no such connection, or its settings are invalid.
    fn open(&self, connection: &str) -> Result<OpenConnection>;
}

/// A scanner, and the tenant that its connection reaches. Both are part of the identity of the bindings that
/// name the connection; its own name is not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenConnection {
    /// The scanner.
    pub scanner: Arc<dyn DastApiScanner>,
    /// What distinguishes the tenants of the scanner; see [`Binding::tenant`](crate::Binding::tenant).
    pub tenant: Option<String>,
}

impl OpenConnection {
    /// A connection to the scanner's only tenant. Two connections to different tenants of one scanner need
    /// [`with_tenant`](Self::with_tenant), or equal bindings of both would share their findings.
    pub fn new(scanner: Arc<dyn DastApiScanner>) -> Self {
        Self { scanner, tenant: None }
    }

    /// Sets what distinguishes the tenants of the scanner.
    pub fn with_tenant(mut self, tenant: impl Into<Option<String>>) -> Self {
        self.tenant = tenant.into();
        self
    }
}

impl From<Arc<dyn DastApiScanner>> for OpenConnection {
    fn from(scanner: Arc<dyn DastApiScanner>) -> Self {
        Self::new(scanner)
    }
}

impl<F, T> Connections for F
where
    F: Fn(&str) -> Result<T> + Send + Sync,
    T: Into<OpenConnection>,
{
    fn open(&self, connection: &str) -> Result<OpenConnection> {
        self(connection).map(Into::into)
    }
}
