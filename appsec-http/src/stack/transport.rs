//! Sends a prepared request and returns the head of its response: reqwest behind a trait, so that
//! everything above is tested without sockets.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::options::HttpOptions;
use crate::request_body::RequestBody;
use crate::resolve::ReqwestResolver;
use crate::tls::{RecordingVerifier, diagnose, recording_config};

/// Makes one attempt at a request.
#[async_trait]
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    async fn execute(&self, outgoing: Outgoing) -> Result<Incoming, TransportError>;
}

/// A request to be sent, including the credentials; hence it has no `Debug`.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<RequestBody>,
}

/// The head of a response, and its body to come, decompressed.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ByteStream,
}

/// A body as it arrives.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Why no complete response came.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) message: String,
    /// The request certainly did not reach the service.
    pub(crate) unsent: bool,
    /// A retry would fail in the same way, such as for a certificate that is not trusted.
    pub(crate) permanent: bool,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// An interruption after the request may have been sent.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self { message: message.into(), unsent: false, permanent: false, source: None }
    }
}

/// The transport over reqwest.
pub(crate) struct ReqwestTransport {
    client: reqwest::Client,
    verifier: Arc<RecordingVerifier>,
    host: String,
    /// Host and port of the service and, if set, of the proxy.
    destination: String,
}

impl ReqwestTransport {
    pub(crate) fn new(options: &HttpOptions, base_url: &Url, user_agent: &str) -> Result<Self> {
        let agent = HeaderValue::from_str(user_agent)
            .map_err(|_| Error::new(ErrorKind::Config, "the user agent is not a header value"))?;
        let (tls, verifier) = recording_config(options)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(ReqwestResolver(Arc::clone(&options.resolver)))
            // A redirect would carry the credentials to another host: reqwest strips `authorization` only.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(options.connect_timeout)
            // Shorter than the idle timeout of load balancers, commonly 60 s: a launch on a connection that
            // they close at that moment has an unknown outcome.
            .pool_idle_timeout(Duration::from_secs(30))
            // Otherwise a dead HTTP/2 connection would be given to the next attempt as well, until the
            // system notices.
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .user_agent(agent)
            .gzip(true)
            .brotli(true)
            .zstd(true)
            .no_proxy();
        if options.http1_only {
            builder = builder.http1_only();
        }
        let mut destination = authority(base_url);
        if let Some(proxy) = options.proxy_url()? {
            destination = format!("{destination} through the proxy {}", authority(&proxy));
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| unusable("the proxy"))?;
            builder = builder.proxy(proxy);
        }
        // The cause may quote the proxy's URL.
        let client =
            builder.build().map_err(|error| unusable("the transport").with_source(error.without_url()))?;
        let host = base_url.host_str().unwrap_or_default().to_owned();
        Ok(Self { client, verifier, host, destination })
    }

    /// Classifies a failed attempt. The URL of the error is removed: its query may hold secrets.
    fn broken(&self, error: reqwest::Error) -> TransportError {
        let error = error.without_url();
        let unsent = error.is_connect() || error.is_builder();
        let tls = find::<rustls::Error>(&error).filter(|_| unsent);
        let to = &self.destination;
        let message = match tls {
            Some(tls) => {
                let diagnosis = diagnose(tls, self.verifier.last().as_ref(), &self.host);
                format!("no trusted connection to {to}: {}; {}", diagnosis.detail, diagnosis.remedy)
            }
            None if error.is_dns() => format!("cannot resolve the host of {to}"),
            None if unsent && error.is_timeout() => format!("no connection to {to} in time"),
            None if unsent => format!("no connection to {to}{}", because(&error)),
            None => format!("the connection to {to} broke before a response came"),
        };
        let permanent = tls.is_some();
        TransportError { message, unsent, permanent, source: Some(Box::new(error)) }
    }
}

/// Omits reqwest's client, which holds the proxy's password.
impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").field("destination", &self.destination).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn execute(&self, outgoing: Outgoing) -> Result<Incoming, TransportError> {
        let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
        *request.headers_mut() = outgoing.headers;
        *request.body_mut() = outgoing.body.map(RequestBody::into_reqwest);
        let response = self.client.execute(request).await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes_stream().map(|chunk| {
            chunk.map_err(|error| {
                let error = error.without_url();
                TransportError {
                    source: Some(Box::new(error)),
                    ..TransportError::interrupted("the response's body broke off")
                }
            })
        });
        Ok(Incoming { status, headers, body: Box::pin(body) })
    }
}

/// Host and port, without user, path and query.
fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn unusable(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what} cannot be set up"))
}

/// The last cause of an error, as in `: Connection refused (os error 111)`.
fn because(error: &(dyn StdError + 'static)) -> String {
    let mut last = None;
    let mut next = error.source();
    while let Some(cause) = next {
        last = Some(cause);
        next = cause.source();
    }
    last.map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// The first cause of this type, including what an `io::Error` wraps: its `source` skips it.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}
