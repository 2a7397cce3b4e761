//! A server on loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use tokio::sync::oneshot;

/// The largest body that a test sends.
pub(crate) const MAX_BODY: usize = 4 << 20;

/// A server that passes each request to one function, over HTTP/1.1 on a free port of loopback. It stops
/// when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Dropped with the server, which stops it.
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// A free port of loopback.
    pub const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// Starts a server that passes on each request with its whole body. A body of more than 4 MiB is
    /// answered with 413.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        Self::start_at(Self::ANYWHERE, handler).await
    }

    /// As [`start`](Self::start), at the given address.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start_at<H, F>(address: SocketAddr, handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(move |request: axum::extract::Request| {
            let handler = handler.clone();
            async move {
                let (parts, body) = request.into_parts();
                match axum::body::to_bytes(body, MAX_BODY).await {
                    Ok(body) => handler(Request::from_parts(parts, body)).await.into_response(),
                    Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
                }
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = async {
                // An error means that the sender was dropped, which is the signal to stop.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(ended).await {
                tracing::warn!(%error, "a server of a test ended");
            }
        });
        Ok(Self { address, _stop: stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}
