//! Scripted replies.

use std::time::Duration;

use appsec_http::testing::fake::{Effect, FakeResponse};
use serde_json::Value;

use super::response::{error, html};

/// A scripted reply, which replaces or changes the usual response.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// 401, as for a wrong token.
    Unauthorized,
    /// 401 with the message that the token has expired.
    Expired,
    /// 403, as for a token without the scope.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, with `Retry-After` if given.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: Option<u64>,
    },
    /// 502 in HTML.
    BadGateway,
    /// 503 in JSON.
    Unavailable,
    /// A login page with status 200.
    HtmlPage,
    /// The usual response, cut in the middle, with the length of the part.
    TruncatedJson,
    /// 302 to this location.
    Redirect(String),
    /// This status and this JSON.
    Json(u16, Value),
    /// The usual response after this delay.
    Late(Duration),
    /// No response. A change takes effect nevertheless.
    Silence,
}

impl From<Reply> for Effect {
    fn from(reply: Reply) -> Self {
        Self::Replace(match reply {
            Reply::Unauthorized => error(401, "Unauthorized"),
            Reply::Expired => error(401, "Token has expired"),
            Reply::Forbidden => error(403, "Forbidden"),
            Reply::NotFound => error(404, "Not Found"),
            Reply::TooManyRequests { retry_after } => {
                let response = error(429, "Too Many Requests");
                match retry_after {
                    Some(seconds) => response.with_header("retry-after", seconds.to_string()),
                    None => response,
                }
            }
            Reply::BadGateway => html(502, "502 Bad Gateway"),
            Reply::Unavailable => error(503, "Service Unavailable"),
            Reply::HtmlPage => html(200, "Sign in"),
            Reply::Redirect(location) => html(302, "Found").with_header("location", location),
            Reply::Json(status, body) => FakeResponse::json(status, &body),
            Reply::TruncatedJson => return Self::Truncate,
            Reply::Late(delay) => return Self::Delay(delay),
            Reply::Silence => return Self::Silence,
        })
    }
}
