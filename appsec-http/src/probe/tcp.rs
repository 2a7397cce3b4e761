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
        // Each address gets its share, so that one that does not answer leaves time for the others.
        let share = time.left() / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let mut saw = format!("{address} accepts connections");
                if let Some(failure) = worst {
                    saw = format!("{saw}, though {}", failure.saw);
                }
                steps.push(ConnectionStep::passed(StepKind::Tcp, begun.elapsed(), saw));
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
    Err(ConnectionStep::failed(StepKind::Tcp, failure.cause, begun.elapsed(), failure.saw, failure.remedy))
}

/// Why an address cannot be connected to. Of several failures the most informative is reported, the one of lowest weight: a
/// refusal comes from the machine itself, a timeout from something between, and another failure often means only that there
/// is no IPv6 here.
struct ConnectFailure {
    weight: u8,
    cause: Cause,
    saw: String,
    remedy: &'static str,
}

impl ConnectFailure {
    fn new(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self {
                weight: 0,
                cause: Cause::ConnectRefused,
                saw: format!("{address} refuses connections"),
                remedy: "check the port, and that the service runs",
            },
            io::ErrorKind::TimedOut => Self::no_response(format!("{address} does not answer")),
            _ => Self {
                weight: 2,
                cause: Cause::ConnectFailed,
                saw: format!("no connection to {address}: {error}"),
                remedy: "check this machine's network and routes",
            },
        }
    }

    fn timed_out(address: SocketAddr, within: Duration) -> Self {
        Self::no_response(format!("{address} does not answer within {within:?}"))
    }

    fn no_response(saw: String) -> Self {
        Self {
            weight: 1,
            cause: Cause::ConnectTimeout,
            saw,
            remedy: "ask whether a firewall drops the connection; where only a proxy knows the way out, set \
                     `with_proxy`",
        }
    }

    fn no_address() -> Self {
        Self {
            weight: 2,
            cause: Cause::ConnectFailed,
            saw: "there is no address to connect to".to_owned(),
            remedy: "check the host in the base URL",
        }
    }
}
