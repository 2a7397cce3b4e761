//! Posts messages to a URL that a user chose, such as a webhook. It is separate from the client of a
//! service: there is no API behind the URL, the URL itself may be a secret, and the caller repeats a failed
//! message.

use std::fmt;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use crate::base_url;
use crate::options::HttpOptions;
use crate::request_body::RequestBody;
use crate::service::AuthHeader;
use crate::stack::retry::Failure;
use crate::stack::retry_after;
use crate::stack::transport::{ByteStream, Incoming, Outgoing, ReqwestTransport, Transport};

/// The largest part of a receiver's response that is read, and the longest time, so that the connection can
/// be reused.
const RESPONSE_BYTES: usize = 64 * 1024;
const RESPONSE_TIME: Duration = Duration::from_secs(2);

/// Posts JSON to one URL: one attempt per call, no redirect followed, nothing kept of the response except
/// its status.
///
/// ```no_run
/// # async fn run() -> appsec_http::Result<()> {
/// use appsec_http::{HttpOptions, WebhookSender};
///
/// let url = "https://hooks.example/services/T0/hush".into();
/// let sender = WebhookSender::new(&url, "example/1.0", Vec::new(), &HttpOptions::new())?;
/// assert!(!format!("{sender:?}").contains("hush"));
/// sender.post("example: notify", &[("webhook-id", "msg_1".to_owned())], r#"{"type":"ping"}"#).await?;
/// # Ok(())
/// # }
/// ```
pub struct WebhookSender {
    url: Url,
    headers: Vec<AuthHeader>,
    head_timeout: Duration,
    transport: Box<dyn Transport>,
}

impl WebhookSender {
    /// Returns a sender for the URL: https, or plain http to loopback, whatever the options allow; without
    /// user and fragment. Its path and query are sent as they are and never printed.
    ///
    /// The headers are sent with every message and never printed. Of the options, those for proxy, trust,
    /// resolver, user agent, connect timeout and head timeout apply; limits and retries are for clients of
    /// a service.
    ///
    /// # Errors
    /// `Config` for a URL or an option that cannot work.
    pub fn new(
        url: &SecretString,
        user_agent: &str,
        headers: Vec<AuthHeader>,
        options: &HttpOptions,
    ) -> Result<Self> {
        options.check()?;
        let url = base_url::parse_whole(url.expose_secret())?;
        let user_agent = options.user_agent.as_deref().unwrap_or(user_agent);
        let transport = Box::new(ReqwestTransport::new(options, &url, user_agent)?);
        Ok(Self { url, headers, head_timeout: options.head_timeout, transport })
    }

    /// Posts the body as JSON, with these headers in addition to the fixed ones. Any 2xx is success,
    /// whatever its body.
    ///
    /// # Errors
    /// * `Transport` if no response came; `Deadline` if its head did not come within the head timeout.
    /// * By status: `RateLimited` for 429, `Server` for 5xx, `Auth`, `PermissionDenied`, `NotFound` (also
    ///   for 410), `Decode` for a redirect, otherwise `InvalidRequest`; with [`status`](Error::status), and
    ///   [`retry_after`](Error::retry_after) if the receiver asks for a wait.
    /// * `InvalidRequest` for a header that cannot be sent.
    pub async fn post(
        &self,
        operation: &'static str,
        headers: &[(&'static str, String)],
        body: impl Into<Bytes>,
    ) -> Result<()> {
        let result = self.attempt(headers, body.into()).await;
        let status = result.as_ref().err().and_then(Error::status);
        tracing::debug!(operation, to = %self, status, delivered = result.is_ok(), "post");
        result.map_err(|error| error.with_operation(operation).with_attempts(1))
    }

    async fn attempt(&self, headers: &[(&'static str, String)], body: Bytes) -> Result<()> {
        let outgoing = self.outgoing(headers, body)?;
        let response = timeout(self.head_timeout, self.transport.execute(outgoing)).await;
        let response = response.map_err(|_| {
            let message = format!("no response began within {:?}", self.head_timeout);
            Error::new(ErrorKind::Deadline, message).with_retryable(true)
        })?;
        let Incoming { status, headers, body } = response.map_err(|broken| Failure::from(broken).error)?;
        // The body does not matter, nor how slowly it arrives.
        let _ = timeout(RESPONSE_TIME, drain(body)).await;
        if (200..300).contains(&status) { Ok(()) } else { Err(refusal(status, &headers)) }
    }

    fn outgoing(&self, own: &[(&'static str, String)], body: Bytes) -> Result<Outgoing> {
        let mut headers = HeaderMap::new();
        for fixed in &self.headers {
            let (name, value) = fixed.to_header()?;
            headers.append(name, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in own {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = header else {
                let message = format!("the header {name:?} cannot be sent");
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            };
            headers.insert(name, value);
        }
        Ok(Outgoing {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Some(RequestBody::Held(body)),
        })
    }
}

/// Shows scheme, host and port only: path and query may be the secret of the URL.
impl fmt::Display for WebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSender")
            .field("to", &self.to_string())
            .field("headers", &self.headers)
            .field("head_timeout", &self.head_timeout)
            .finish_non_exhaustive()
    }
}

async fn drain(mut body: ByteStream) {
    let mut read = 0;
    while let Some(Ok(chunk)) = body.next().await {
        read += chunk.len();
        if read > RESPONSE_BYTES {
            return;
        }
    }
}

/// The error of a response other than 2xx, without any text of it.
fn refusal(status: u16, headers: &HeaderMap) -> Error {
    let (kind, message) = match status {
        300..=399 => (
            ErrorKind::Decode,
            format!("the receiver returned a redirect ({status}); redirects are not followed"),
        ),
        401 => (ErrorKind::Auth, "the receiver returned 401".to_owned()),
        403 => (ErrorKind::PermissionDenied, "the receiver returned 403".to_owned()),
        404 | 410 => (ErrorKind::NotFound, format!("the receiver returned {status}")),
        429 => (ErrorKind::RateLimited, "the receiver returned 429".to_owned()),
        500.. => (ErrorKind::Server, format!("the receiver returned {status}")),
        _ => (ErrorKind::InvalidRequest, format!("the receiver returned {status}")),
    };
    let error = Error::new(kind, message).with_status(status);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match text("retry-after")
        .and_then(|requested| retry_after::parse(requested, text("date"), Timestamp::now()))
    {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}
