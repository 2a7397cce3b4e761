//! Scripted replies.

use std::time::Duration;

use appsec_core::Timestamp;
use appsec_http::testing::fake::Scripts;
pub use appsec_http::testing::fake::When;
use serde_json::{Value, json};

use crate::testing::response::Response;
use crate::testing::route::Route;

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
    /// The usual response after a delay.
    Late(Duration),
    /// The request takes effect, and no response is sent.
    Silence,
    /// For a chunk: 404, as when it has expired.
    Expired,
}

impl Reply {
    /// The response of the reply; `None` where it is derived from the usual response.
    pub(crate) fn reply(&self) -> Option<Response> {
        Some(match self {
            Self::Unauthorized => Response::unauthorized(),
            Self::Forbidden => Response::json(403, &json!({})),
            Self::TooManyRequests { retry_after } => Response::too_many_requests(retry_after.to_string()),
            Self::TooManyRequestsUntil(wait) => {
                let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
                // The wall clock, since the server sets the response's `date` by it.
                let now = Timestamp::now();
                let at = now.as_second().saturating_add(seconds);
                let at = Timestamp::from_second(at).unwrap_or(now);
                Response::too_many_requests(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            Self::ServerError => Response::server_error(),
            Self::BadGateway => Response::page(502, "502 Bad Gateway"),
            Self::Unavailable => Response::unavailable(),
            Self::HtmlPage => Response::page(200, "Sign in"),
            Self::Redirect(location) => Response::page(302, "302 Found").with_header("location", location),
            Self::Json(status, body) => Response::json(*status, body),
            Self::Expired => Response::expired(),
            Self::TruncatedJson | Self::Late(_) | Self::Silence => return None,
        })
    }
}

/// The replies that are scripted so far.
pub(crate) type Faults = Scripts<Route, Reply>;
