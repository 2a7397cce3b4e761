//! Messages of one's own to a URL that a person chose, as a webhook's. Apart from the client of a service: there is no API behind the
//! URL, the URL itself may be a secret, and who repeats a message is whoever keeps it.

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
use crate::retry::Failure;
use crate::retry_after;
use crate::service::AuthHeader;
use crate::transport::{Chunks, Incoming, Outgoing, ReqwestTransport, Transport};

/// How much of a receiver's answer is read, and for how long, so that the connection can be used again.
const ANSWER_BYTES: usize = 64 * 1024;
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Posts JSON to one URL: one attempt a call, no redirect followed, no word of the answer kept but its status.
///
/// ```no_run
/// # async fn run() -> appsec_http::Result<()> {
/// use appsec_http::{HttpOptions, WebhookSender};
///
/// let url = "https://hooks.example/services/T0/hush".into();
/// let webhook_sender = WebhookSender::new(&url, "example/1.0", Vec::new(), &HttpOptions::new())?;
/// assert!(!format!("{webhook_sender:?}").contains("hush"));
/// webhook_sender.post("example: notify", &[("webhook-id", "msg_1".to_owned())], r#"{"type":"ping"}"#).await?;
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
    /// A webhook_sender for the URL: https, or plain http to loopback, whatever the options say; without user and fragment. Its path and query
    /// are sent as they are and never printed.
    ///
    /// The headers go along with every message and are never printed. Of the options those about proxy, trust, resolver, user agent,
    /// connect and head timeout count; limits and retries are for clients of a service.
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

    /// Posts the body as JSON, with these headers besides the fixed ones. Any 2xx is success, whatever comes after its head.
    ///
    /// # Errors
    /// * `Transport` where no answer came; `Deadline` where its head did not come within the head timeout.
    /// * By the answer's status: `RateLimited` for 429, `Server` for 5xx, `Auth`, `PermissionDenied`, `NotFound` (also for 410),
    ///   `Decode` for a redirect, else `InvalidRequest`; with [`status`](Error::status), and
    ///   [`retry_after`](Error::retry_after) where the receiver asks for a wait.
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
        let answer = timeout(self.head_timeout, self.transport.execute(outgoing)).await;
        let answer = answer.map_err(|_| {
            let message = format!("no answer began within {:?}", self.head_timeout);
            Error::new(ErrorKind::Deadline, message).with_retryable(true)
        })?;
        let Incoming { status, headers, body } = answer.map_err(|broken| Failure::from(broken).error)?;
        // What the receiver says is of no use, and how slowly it says it changes nothing.
        let _ = timeout(ANSWER_TIME, drain(body)).await;
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

/// Scheme, host and port: path and query may be the secret of the URL.
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

async fn drain(mut body: Chunks) {
    let mut read = 0;
    while let Some(Ok(chunk)) = body.next().await {
        read += chunk.len();
        if read > ANSWER_BYTES {
            return;
        }
    }
}

/// What an answer that is not 2xx means, without a word of it.
fn refusal(status: u16, headers: &HeaderMap) -> Error {
    let (kind, message) = match status {
        300..=399 => (ErrorKind::Decode, format!("a redirect ({status}) came, and none is followed")),
        401 => (ErrorKind::Auth, "the receiver answered 401".to_owned()),
        403 => (ErrorKind::PermissionDenied, "the receiver answered 403".to_owned()),
        404 | 410 => (ErrorKind::NotFound, format!("the receiver answered {status}")),
        429 => (ErrorKind::RateLimited, "the receiver answered 429".to_owned()),
        500.. => (ErrorKind::Server, format!("the receiver answered {status}")),
        _ => (ErrorKind::InvalidRequest, format!("the receiver answered {status}")),
    };
    let error = Error::new(kind, message).with_status(status);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match text("retry-after").and_then(|asked| retry_after::parse(asked, text("date"), Timestamp::now())) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}
