//! Test servers that misbehave, certificates made on the spot, a scripted resolver, and the parts of fake
//! services.
//!
//! Everything listens on loopback only, on a port that the system picks, and stops when it is dropped.

mod black_hole;
mod certificates;
mod connect_proxy;
pub mod fake;
mod fault_proxy;
mod http1;
mod resolver;
mod tls_server;

pub use black_hole::{BlackHole, black_hole};
pub use certificates::{TestCa, TestCertificate};
pub use connect_proxy::{ConnectProxy, ConnectRequest, ConnectResponse};
pub use fault_proxy::{Fault, FaultProxy};
pub use resolver::StaticResolver;
pub use tls_server::{TlsServer, http_response};
