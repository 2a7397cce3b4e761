//! An address that swallows connection requests.

use std::io;
use std::net::SocketAddr;

/// An address on loopback where a connection is neither opened nor refused, as behind a firewall that drops.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _sockets: Vec<socket2::Socket>,
}

impl BlackHole {
    /// Where to connect in vain.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Makes an address where every connection request hangs until it is dropped.
///
/// It is a listener with a full queue that nobody accepts from. Linux then ignores further requests; other systems
/// refuse them, and there this function fails.
///
/// # Errors
/// `Unsupported` where the system does not behave so, and errors of the sockets.
pub fn black_hole() -> io::Result<BlackHole> {
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const UNANSWERED: Duration = Duration::from_millis(200);
    // The queue of a backlog of 0 holds one connection; a few more tries leave room for other rounding.
    const MOST_TRIES: usize = 8;

    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
    listener.listen(0)?;
    let address = listener.local_addr()?;
    let mut sockets = vec![listener];
    for _ in 0..MOST_TRIES {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let connected = filler.connect_timeout(&address, UNANSWERED);
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
