//! A resolver with fixed addresses.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::resolve::Resolver;

/// A resolver that knows only the names added to it, and records the look-ups.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use appsec_http::testing::StaticResolver;
///
/// let resolver = StaticResolver::new().with_address("api.example.test", IpAddr::V4(Ipv4Addr::LOCALHOST));
/// ```
#[derive(Debug, Clone, Default)]
pub struct StaticResolver {
    names: HashMap<String, Vec<IpAddr>>,
    lookups: Arc<Mutex<Vec<String>>>,
}

impl StaticResolver {
    /// Returns a resolver without names: every look-up fails as for a name that does not exist.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address of a name. A name may have several; they keep this order.
    pub fn with_address(mut self, host: impl Into<String>, address: IpAddr) -> Self {
        self.names.entry(host.into()).or_default().push(address);
        self
    }

    /// Adds a name that exists and has no address.
    pub fn with_no_address(mut self, host: impl Into<String>) -> Self {
        self.names.entry(host.into()).or_default();
        self
    }

    /// The names that were looked up, in order. Clones share them.
    pub fn lookups(&self) -> Vec<String> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Resolver for StaticResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).push(host.to_owned());
        self.names
            .get(host)
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name in this test"))
    }
}
