//! Servers that misbehave, certificates made on the spot, names that resolve as told, and what fakes of services are made of,
//! for test suites.
//!
//! Everything listens on loopback only, on a port that the system picks, and ends when it is dropped.

mod black_hole;
mod certificates;
mod connect_proxy;
pub mod fake;
mod fault_proxy;
mod resolver;
mod tls_server;

pub use black_hole::{BlackHole, black_hole};
pub use certificates::{TestCa, TestCertificate};
pub use connect_proxy::{ConnectAnswer, ConnectProxy, ConnectRequest};
pub use fault_proxy::{Fault, FaultProxy};
pub use resolver::StaticResolver;
pub use tls_server::{TlsServer, http_answer};

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;

/// No request of a test has a longer head; a peer that sends more is not a test.
const MAX_HEAD: usize = 64 * 1024;

async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Reads a request's head, the empty line included, and nothing beyond it. `None` when the peer closed before one.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
        if head.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request head without an end"));
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// The value of a header, by its name in any case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
