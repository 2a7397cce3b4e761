//! The step that opens a TCP connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use appsec_core::{Cause, ConnectionStep, StepKind};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::probe::handshake::Stream;
use crate::probe::settings::{Endpoint, TimeLeft};

/// Connects to one of the addresses.
pub(super) async fn connect(
    endpoint: &Endpoint,
    addresses: &[IpAddr],
    time: TimeLeft,
    steps: &mut Vec<ConnectionStep>,
) -> Result<Stream, ConnectionStep> {
    let begun = Instant::now();
    let mut worst: Option<ConnectFailure> = None;
    for (tried, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, endpoint.port);
        // Each address gets its share, so that one that does not respond leaves time for the others.
        let share = time.left() / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let mut detail = format!("{address} accepts connections");
                if let Some(failure) = worst {
                    detail = format!("{detail}, though {}", failure.detail);
                }
                steps.push(ConnectionStep::passed(StepKind::Tcp, begun.elapsed(), detail));
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => ConnectFailure::new(address, &error),
            Err(_) => ConnectFailure::timed_out(address, time.whole),
        };
        if worst.as_ref().is_none_or(|worst| failure.weight < worst.weight) {
            worst = Some(failure);
        }
    }
    let failure = worst.unwrap_or_else(ConnectFailure::no_address);
    Err(ConnectionStep::failed(StepKind::Tcp, failure.cause, begun.elapsed(), failure.detail, failure.remedy))
}

/// Why an address cannot be connected to. Of several failures the most informative is reported, the one of
/// lowest weight: a refusal comes from the machine itself, a timeout often from a firewall in between, and
/// any other failure often means only that this machine has no IPv6.
struct ConnectFailure {
    weight: u8,
    cause: Cause,
    detail: String,
    remedy: &'static str,
}

impl ConnectFailure {
    fn new(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self {
                weight: 0,
                cause: Cause::ConnectRefused,
                detail: format!("{address} refuses connections"),
                remedy: "check the port, and that the service runs",
            },
            io::ErrorKind::TimedOut => Self::no_response(format!("{address} does not respond")),
            _ => Self {
                weight: 2,
                cause: Cause::ConnectFailed,
                detail: format!("no connection to {address}: {error}"),
                remedy: "check this machine's network and routes",
            },
        }
    }

    fn timed_out(address: SocketAddr, within: Duration) -> Self {
        Self::no_response(format!("{address} does not respond within {within:?}"))
    }

    fn no_response(detail: String) -> Self {
        Self {
            weight: 1,
            cause: Cause::ConnectTimeout,
            detail,
            remedy: "ask whether a firewall drops the connection; if only a proxy reaches the service, set \
                     `with_proxy`",
        }
    }

    fn no_address() -> Self {
        Self {
            weight: 2,
            cause: Cause::ConnectFailed,
            detail: "there is no address to connect to".to_owned(),
            remedy: "check the host in the base URL",
        }
    }
}
