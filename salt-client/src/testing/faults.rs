//! Scripted replies and scripted changes of the tenant.

use std::fmt;
use std::time::Duration;

use appsec_http::testing::fake::{FakeRoute, Scripts};
use axum::http::header;
use serde_json::Value;

use super::calls::Route;
use super::response::FakeResponse;
use super::tenant::Tenant;

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

impl Reply {
    /// Returns the scripted response; `None` if it is made from the usual one.
    pub(super) fn response(&self) -> Option<FakeResponse> {
        Some(match self {
            Self::Unauthorized => FakeResponse::error(401, "Unauthorized"),
            Self::Expired => FakeResponse::error(401, "Token has expired"),
            Self::Forbidden => FakeResponse::error(403, "Forbidden"),
            Self::NotFound => FakeResponse::error(404, "Not Found"),
            Self::TooManyRequests { retry_after } => {
                let response = FakeResponse::error(429, "Too Many Requests");
                match retry_after {
                    Some(seconds) => response.with_header(header::RETRY_AFTER, seconds.to_string()),
                    None => response,
                }
            }
            Self::BadGateway => FakeResponse::html(502, "502 Bad Gateway"),
            Self::Unavailable => FakeResponse::error(503, "Service Unavailable"),
            Self::HtmlPage => FakeResponse::html(200, "Sign in"),
            Self::Redirect(location) => {
                FakeResponse::html(302, "Found").with_header(header::LOCATION, location)
            }
            Self::Json(status, body) => FakeResponse::json(*status, body),
            Self::TruncatedJson | Self::Late(_) | Self::Silence => return None,
        })
    }
}

type Edit = Box<dyn FnOnce(&mut Tenant) + Send>;

/// The scripts that are set.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) scripts: Scripts<Route, Reply>,
    edits: Vec<(Countdown, Edit)>,
}

struct Countdown {
    route: Route,
    calls: u64,
}

impl Faults {
    pub(super) fn edit_after(&mut self, route: Route, calls: u64, edit: Edit) {
        self.edits.push((Countdown { route, calls }, edit));
    }

    /// Applies the changes that were set for this call.
    pub(super) fn apply_edits(&mut self, route: Route, tenant: &mut Tenant) {
        for (mut countdown, edit) in std::mem::take(&mut self.edits) {
            let counts = countdown.route.covers(route);
            match (counts, countdown.calls) {
                (true, 0) => edit(tenant),
                (counts, calls) => {
                    countdown.calls = calls - u64::from(counts);
                    self.edits.push((countdown, edit));
                }
            }
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("scripts", &self.scripts).field("edits", &self.edits.len()).finish()
    }
}
