//! A minimal HTTPS server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::testing::certificates::TestCertificate;
use crate::testing::http1::{header, listen, read_head};

/// Makes the raw bytes of a response from the head of a request.
type Responder = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// An HTTP/1.1 server behind TLS on loopback, with the given certificate.
#[derive(Debug)]
pub struct TlsServer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl TlsServer {
    /// Starts a server. `response` receives the head of a request (request line and header lines) and
    /// returns the bytes to send; [`http_response`] makes well-formed ones. The body of a request is
    /// read and discarded.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start(
        certificate: &TestCertificate,
        response: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = listen().await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(certificate.server_config());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let response: Arc<Responder> = Arc::new(response);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serve(acceptor.clone(), stream, Arc::clone(&response), Arc::clone(&counter));
                connections.spawn(serving);
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, requests, task: task.abort_handle() })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of requests received completely.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The bytes of an HTTP/1.1 response with a length, which leaves the connection open.
pub fn http_response(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Test\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Serves one connection, up to the first error: most tests make the handshake fail on purpose.
async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    response: Arc<Responder>,
    requests: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    while let Some(head) = read_head(&mut stream).await? {
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
        requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&response(&head)).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}
