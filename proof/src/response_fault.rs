//! Faults of a single response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// A response of the service, or its replacement.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, without those for the length of the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON response.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::status(status).with_header("content-type", "application/json").with_body(body.to_string())
    }

    /// An HTML page.
    pub fn html(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>";
        Self::status(status).with_header("content-type", "text/html").with_body(page)
    }

    /// A 429 with that `Retry-After`.
    pub fn throttled(retry_after: &str) -> Self {
        Self::html(429).with_header("retry-after", retry_after)
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

type Change = Arc<dyn Fn(&mut Response) + Send + Sync>;
type Compute = Arc<dyn Fn(&str) -> Response + Send + Sync>;
type Generate = Arc<dyn Fn(u64) -> Option<Vec<u8>> + Send + Sync>;

/// A fault of one response or request. Positions in a body are in percent.
#[derive(Clone)]
pub enum ResponseFault {
    /// Another response; the service does not receive the request.
    Replace(Response),
    /// A response computed from the request's method and target; the service does not receive the request.
    Compute(Compute),
    /// A 200 whose body is produced piece by piece while it is read; the service does not receive the
    /// request.
    Generate(Generate),
    /// The response of the service, changed.
    Change(Change),
    /// The response of the service after a delay.
    Delay(Duration),
    /// The connection is closed before the service receives the request.
    CloseBeforeRequest,
    /// The service handles the request, and the connection is closed without a response.
    CloseBeforeResponse,
    /// The connection is reset after that percentage of the body.
    Reset(u64),
    /// The connection is closed normally after that percentage of the body, whose full length was announced.
    CloseEarly(u64),
    /// The body is chunked, and its last chunk is missing.
    MissingLastChunk,
    /// Only that percentage of the body, with a matching length.
    Truncate(u64),
    /// The response stalls after that percentage of the body; the connection stays open.
    Stall(u64),
    /// One byte at a time, about fifty a second.
    ByteByByte,
    /// That percentage of the body is followed by bytes that are neither HTTP nor JSON nor UTF-8.
    Garbage(u64),
    /// A response of bytes that are not HTTP.
    NotHttp,
    /// A body that does not end.
    EndlessBody {
        /// The bytes at the start.
        first: Vec<u8>,
        /// The bytes that are repeated while the client reads.
        then: Vec<u8>,
    },
}

impl ResponseFault {
    /// Changes the response.
    pub fn change(change: impl Fn(&mut Response) + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }

    /// Changes the response's JSON. Other responses stay unchanged.
    pub fn json(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::change(move |response| {
            if let Ok(mut value) = serde_json::from_slice(&response.body) {
                change(&mut value);
                response.body = value.to_string().into_bytes();
            }
        })
    }

    /// Replaces every occurrence of a text in the response.
    pub fn replace_text(from: &'static str, to: &'static str) -> Self {
        Self::replace_bytes(from, to.as_bytes())
    }

    /// Replaces every occurrence of a text in the response by bytes.
    pub fn replace_bytes(from: &'static str, to: &'static [u8]) -> Self {
        Self::change(move |response| {
            let mut body = Vec::with_capacity(response.body.len());
            let mut rest = response.body.as_slice();
            while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
                body.extend_from_slice(&rest[..at]);
                body.extend_from_slice(to);
                rest = &rest[at + from.len()..];
            }
            body.extend_from_slice(rest);
            response.body = body;
        })
    }

    /// Whether the service receives the request.
    pub(crate) fn reaches_service(&self) -> bool {
        !matches!(
            self,
            Self::Replace(_)
                | Self::Compute(_)
                | Self::Generate(_)
                | Self::CloseBeforeRequest
                | Self::NotHttp
                | Self::EndlessBody { .. }
        )
    }
}

impl fmt::Debug for ResponseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace(response) => write!(f, "Replace({})", response.status),
            Self::Compute(_) => f.write_str("Compute"),
            Self::Generate(_) => f.write_str("Generate"),
            Self::Change(_) => f.write_str("Change"),
            Self::Delay(by) => write!(f, "Delay({by:?})"),
            Self::CloseBeforeRequest => f.write_str("CloseBeforeRequest"),
            Self::CloseBeforeResponse => f.write_str("CloseBeforeResponse"),
            Self::Reset(percent) => write!(f, "Reset({percent}%)"),
            Self::CloseEarly(percent) => write!(f, "CloseEarly({percent}%)"),
            Self::MissingLastChunk => f.write_str("MissingLastChunk"),
            Self::Truncate(percent) => write!(f, "Truncate({percent}%)"),
            Self::Stall(percent) => write!(f, "Stall({percent}%)"),
            Self::ByteByByte => f.write_str("ByteByByte"),
            Self::Garbage(percent) => write!(f, "Garbage({percent}%)"),
            Self::NotHttp => f.write_str("NotHttp"),
            Self::EndlessBody { .. } => f.write_str("EndlessBody"),
        }
    }
}
