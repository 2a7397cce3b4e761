//! What may happen to one answer on its way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// An answer: what a service sent, or what is sent in its place.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, without those that frame the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::status(status).with_header("content-type", "application/json").with_body(body.to_string())
    }

    /// A page for people.
    pub fn html(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>";
        Self::status(status).with_header("content-type", "text/html").with_body(page)
    }

    /// 429 with that `Retry-After`.
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

type Change = Arc<dyn Fn(&mut Reply) + Send + Sync>;
type Compute = Arc<dyn Fn(&str) -> Reply + Send + Sync>;
type Pieces = Arc<dyn Fn(u64) -> Option<Vec<u8>> + Send + Sync>;

/// What happens to one answer, or to one request. Parts of a body are in percent.
#[derive(Clone)]
pub enum Twist {
    /// Another answer; the service never hears of the request.
    Instead(Reply),
    /// An answer made from method and target of the request; the service never hears of it.
    Computed(Compute),
    /// An answer of 200 in pieces, made one by one while they are read; the service never hears of the request.
    Pieces(Pieces),
    /// The service's answer, changed.
    Change(Change),
    /// The service's answer, so much later.
    Late(Duration),
    /// The connection is closed before the service hears of the request.
    Unheard,
    /// The service does as it is asked, and the connection is closed without an answer.
    Unanswered,
    /// The connection is reset after that part of the body.
    Reset(u64),
    /// The connection is closed in the orderly way after that part of the body, whose length was announced.
    Cut(u64),
    /// The body comes in chunks, and the chunk that would end it does not.
    Unended,
    /// That part of the body, with a length that fits.
    Short(u64),
    /// Nothing more comes after that part of the body, and the connection stays open.
    Stall(u64),
    /// A byte at a time, some fifty a second.
    Drip,
    /// After that part of the body come bytes that are neither HTTP nor JSON nor UTF-8.
    Garbage(u64),
    /// Bytes that are not HTTP, for an answer.
    Noise,
    /// The first bytes, and then the others again and again for as long as anybody reads.
    Endless(Vec<u8>, Vec<u8>),
}

impl Twist {
    /// Changes the answer.
    pub fn change(change: impl Fn(&mut Reply) + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }

    /// Changes the answer's JSON; other answers stay as they are.
    pub fn json(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::change(move |reply| {
            if let Ok(mut value) = serde_json::from_slice(&reply.body) {
                change(&mut value);
                reply.body = value.to_string().into_bytes();
            }
        })
    }

    /// Replaces text in the answer, wherever it stands.
    pub fn replace(from: &'static str, to: &'static str) -> Self {
        Self::replace_bytes(from, to.as_bytes())
    }

    /// Replaces text in the answer by bytes of any kind.
    pub fn replace_bytes(from: &'static str, to: &'static [u8]) -> Self {
        Self::change(move |reply| {
            let mut body = Vec::with_capacity(reply.body.len());
            let mut rest = reply.body.as_slice();
            while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
                body.extend_from_slice(&rest[..at]);
                body.extend_from_slice(to);
                rest = &rest[at + from.len()..];
            }
            body.extend_from_slice(rest);
            reply.body = body;
        })
    }

    /// True where the service hears of the request.
    pub(crate) fn is_heard(&self) -> bool {
        !matches!(
            self,
            Self::Instead(_)
                | Self::Computed(_)
                | Self::Pieces(_)
                | Self::Unheard
                | Self::Noise
                | Self::Endless(..)
        )
    }
}

impl fmt::Debug for Twist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instead(reply) => write!(f, "Instead({})", reply.status),
            Self::Computed(_) => f.write_str("Computed"),
            Self::Pieces(_) => f.write_str("Pieces"),
            Self::Change(_) => f.write_str("Change"),
            Self::Late(by) => write!(f, "Late({by:?})"),
            Self::Unheard => f.write_str("Unheard"),
            Self::Unanswered => f.write_str("Unanswered"),
            Self::Reset(part) => write!(f, "Reset({part}%)"),
            Self::Cut(part) => write!(f, "Cut({part}%)"),
            Self::Unended => f.write_str("Unended"),
            Self::Short(part) => write!(f, "Short({part}%)"),
            Self::Stall(part) => write!(f, "Stall({part}%)"),
            Self::Drip => f.write_str("Drip"),
            Self::Garbage(part) => write!(f, "Garbage({part}%)"),
            Self::Noise => f.write_str("Noise"),
            Self::Endless(..) => f.write_str("Endless"),
        }
    }
}
