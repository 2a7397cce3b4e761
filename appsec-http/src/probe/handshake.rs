//! The TLS handshake, with the service or with a proxy.

use std::sync::Arc;

use appsec_core::Cause;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::probe::settings::TimeLeft;
use crate::tls::{Diagnosis, RecordingVerifier, diagnose};

/// A connection: TCP, or TLS over it.
pub(super) type Stream = Box<dyn Duplex>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The peer of a handshake: the name that its certificate must have, and the host to name in messages.
pub(super) struct Peer<'a> {
    pub(super) name: ServerName<'static>,
    pub(super) host: &'a str,
}

/// Makes the TLS handshake with a peer.
pub(super) async fn handshake(
    stream: Stream,
    config: ClientConfig,
    Peer { name, host }: Peer<'_>,
    verifier: &RecordingVerifier,
    time: TimeLeft,
) -> Result<tokio_rustls::client::TlsStream<Stream>, Diagnosis> {
    let connector = TlsConnector::from(Arc::new(config));
    let failed = |detail: String, remedy| Diagnosis { cause: Cause::TlsHandshake, detail, remedy };
    match timeout(time.left(), connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => diagnose(error, verifier.last().as_ref(), host),
                None => failed(
                    format!("{host} closed the connection during the TLS handshake"),
                    "check the port in the base URL, and whether a firewall in between forbids the connection",
                ),
            })
        }
        Err(_) => Err(failed(
            format!("{host} did not finish the TLS handshake within {:?}", time.whole),
            "check the port in the base URL, and whether a firewall in between holds the connection up",
        )),
    }
}
