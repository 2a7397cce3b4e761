//! Scripted replies.

use std::time::Duration;

use appsec_core::Timestamp;
use appsec_http::testing::fake::Effect;
use serde_json::{Value, json};

use crate::testing::response::Response;

/// A scripted reply: what the fake does instead of, or in addition to, its usual response.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// 401, as for wrong keys.
    Unauthorized,
    /// 403 with an empty object.
    Forbidden,
    /// 429: an HTML page, with so many seconds in `retry-after`.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// 429: an HTML page, with a date so far in the future in `retry-after`.
    TooManyRequestsUntil(Duration),
    /// 500 in JSON.
    ServerError,
    /// 502 in HTML.
    BadGateway,
    /// 503 in JSON.
    Unavailable,
    /// A login page with status 200.
    HtmlPage,
    /// The first half of the usual response, with a matching `Content-Length`.
    TruncatedJson,
    /// 302 to another location.
    Redirect(String),
    /// This status and this JSON.
    Json(u16, Value),
    /// 200 with this body, which may be anything.
    Body(String),
    /// The usual response after a delay.
    Late(Duration),
    /// The request takes effect, and no response is sent.
    Silence,
    /// For a chunk: 404, as when it has expired.
    Expired,
}

impl From<Reply> for Effect {
    fn from(reply: Reply) -> Self {
        let response = match reply {
            Reply::Unauthorized => Response::unauthorized(),
            Reply::Forbidden => Response::json(403, &json!({})),
            Reply::TooManyRequests { retry_after } => Response::too_many_requests(retry_after.to_string()),
            Reply::TooManyRequestsUntil(wait) => {
                let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
                // The wall clock, since the server sets the response's `date` by it.
                let now = Timestamp::now();
                let at = now.as_second().saturating_add(seconds);
                let at = Timestamp::from_second(at).unwrap_or(now);
                Response::too_many_requests(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            Reply::ServerError => Response::server_error(),
            Reply::BadGateway => Response::page(502, "502 Bad Gateway"),
            Reply::Unavailable => Response::unavailable(),
            Reply::HtmlPage => Response::page(200, "Sign in"),
            Reply::Redirect(location) => Response::page(302, "302 Found").with_header("location", location),
            Reply::Json(status, body) => Response::json(status, &body),
            Reply::Body(body) => Response::raw(200, "application/octet-stream", body),
            Reply::Expired => Response::expired(),
            Reply::TruncatedJson => return Self::Truncate,
            Reply::Late(delay) => return Self::Delay(delay),
            Reply::Silence => return Self::Silence,
        };
        Self::Replace(response.0)
    }
}
