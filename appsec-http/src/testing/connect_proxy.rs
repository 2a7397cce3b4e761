//! An HTTP proxy that opens or refuses tunnels.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};

use crate::testing::http1::{header, listen, read_head};

/// The reaction of the proxy to a request for a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectResponse {
    /// Opens a tunnel to this address, whatever host is requested.
    Tunnel(SocketAddr),
    /// Opens a tunnel to this address if the request has exactly this `Proxy-Authorization`; otherwise
    /// responds 407.
    TunnelFor(SocketAddr, &'static str),
    /// Responds with this status and closes.
    Status(u16),
    /// Sends bytes that are not HTTP and closes.
    Garbage,
    /// Never responds.
    NoResponse,
    /// Closes without a response.
    Close,
}

/// A request for a tunnel, as the proxy received it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The requested destination, as `host:port`.
    pub target: String,
    /// The `Proxy-Authorization` header, if there is one.
    pub authorization: Option<String>,
}

/// A proxy on loopback that supports only `CONNECT`, and records its requests.
#[derive(Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<ConnectRequest>>>,
    task: AbortHandle,
}

impl ConnectProxy {
    /// Starts a proxy that reacts to every request in the same way.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start(response: ConnectResponse) -> io::Result<Self> {
        let listener = listen().await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, response, Arc::clone(&log)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, requests, task: task.abort_handle() })
    }

    /// The address that the proxy listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the proxy, without credentials.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests received so far, in order.
    pub fn requests(&self) -> Vec<ConnectRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    response: ConnectResponse,
    log: Arc<Mutex<Vec<ConnectRequest>>>,
) -> io::Result<()> {
    let Some(head) = read_head(&mut stream).await? else { return Ok(()) };
    let mut request_line = head.split(' ');
    let (Some("CONNECT"), Some(target)) = (request_line.next(), request_line.next()) else {
        return refuse(stream, 405).await;
    };
    let authorization = header(&head, "proxy-authorization").map(str::to_owned);
    let permitted = match response {
        ConnectResponse::TunnelFor(_, wanted) => authorization.as_deref() == Some(wanted),
        _ => true,
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(ConnectRequest { target: target.to_owned(), authorization });

    match response {
        ConnectResponse::TunnelFor(..) if !permitted => refuse(stream, 407).await,
        ConnectResponse::Tunnel(upstream) | ConnectResponse::TunnelFor(upstream, _) => {
            let Ok(mut upstream) = TcpStream::connect(upstream).await else {
                return refuse(stream, 502).await;
            };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            copy_bidirectional(&mut stream, &mut upstream).await?;
            Ok(())
        }
        ConnectResponse::Status(status) => refuse(stream, status).await,
        ConnectResponse::Garbage => {
            stream.write_all(b"220 mail.example.test ready\r\n\r\n").await?;
            stream.shutdown().await
        }
        ConnectResponse::NoResponse => std::future::pending().await,
        ConnectResponse::Close => Ok(()),
    }
}

async fn refuse(mut stream: TcpStream, status: u16) -> io::Result<()> {
    let challenge = if status == 407 { "Proxy-Authenticate: Basic realm=\"test\"\r\n" } else { "" };
    let response =
        format!("HTTP/1.1 {status} Refused\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}
