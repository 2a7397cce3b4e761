//! DNS resolution, which can be replaced.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Turns a host name into addresses.
///
/// The stack resolves every name that it connects to through it, including that of the proxy; addresses in
/// a URL are not resolved. A test suite injects its own (`StaticResolver`, feature `testing`), so that no
/// query leaves the machine.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of `host`, the preferred one first.
    ///
    /// # Errors
    /// Any failure of the look-up. An empty list counts as a failure.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver (`getaddrinfo`), on the runtime's blocking threads.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SystemResolver;

impl SystemResolver {
    /// The operating system's resolver.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Adapts a resolver for reqwest.
pub(crate) struct ReqwestResolver(pub(crate) Arc<dyn Resolver>);

impl Resolve for ReqwestResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            if addresses.is_empty() {
                return Err(no_address().into());
            }
            // Port 0 means the URL's port to reqwest.
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// The error of a look-up that returns no address.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::StaticResolver;

    #[tokio::test]
    async fn the_system_knows_this_machine() {
        let addresses = SystemResolver::new().resolve("localhost").await.unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_a_failure() {
        let known = StaticResolver::new()
            .with_address("known.test", IpAddr::from([127, 0, 0, 1]))
            .with_no_address("empty.test");
        let adapter = ReqwestResolver(Arc::new(known));
        let addresses = adapter.resolve("known.test".parse().unwrap()).await.unwrap();
        assert_eq!(addresses.collect::<Vec<_>>(), [SocketAddr::from(([127, 0, 0, 1], 0))]);
        for name in ["empty.test", "unknown.test"] {
            assert!(adapter.resolve(name.parse().unwrap()).await.is_err(), "{name}");
        }
    }
}
