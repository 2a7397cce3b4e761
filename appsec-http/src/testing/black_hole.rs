//! An address that neither accepts nor refuses connections.

use std::io;
use std::net::SocketAddr;

/// An address on loopback where a connection is neither opened nor refused, as behind a firewall that drops
/// packets.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _sockets: Vec<socket2::Socket>,
}

impl BlackHole {
    /// The address that does not respond.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Makes an address where every connection request hangs until the [`BlackHole`] is dropped.
///
/// It is a listener whose queue is full and whose connections are never accepted. Linux ignores further
/// requests to it; other systems refuse them, and this function fails there.
///
/// # Errors
/// `Unsupported` if the system does not ignore further requests; otherwise errors of the sockets.
pub fn black_hole() -> io::Result<BlackHole> {
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const NO_RESPONSE: Duration = Duration::from_millis(200);
    // The queue of a backlog of 0 holds one connection; more attempts allow for systems that round it up.
    const MAX_ATTEMPTS: usize = 8;

    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
    listener.listen(0)?;
    let address = listener.local_addr()?;
    let mut sockets = vec![listener];
    for _ in 0..MAX_ATTEMPTS {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let connected = filler.connect_timeout(&address, NO_RESPONSE);
        sockets.push(filler);
        match connected {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let address = address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
                return Ok(BlackHole { address, _sockets: sockets });
            }
            Err(_) => break,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system does not ignore connections beyond the backlog",
    ))
}
