//! What a test scripts to go wrong.

use std::fmt;
use std::time::Duration;

use appsec_http::testing::fake::{FakeRoute, Scripts};
use axum::http::header;
use serde_json::Value;

use super::calls::Route;
use super::response::FakeResponse;
use super::tenant::Tenant;

/// What is answered instead of, or on top of, the usual answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// 401, as for a wrong token.
    Unauthorized,
    /// 401 that says that the token has expired.
    Expired,
    /// 403, as for a token without the scope.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, with so many seconds in `Retry-After` where given.
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
    /// The usual answer, cut in the middle, with a length that fits.
    TruncatedJson,
    /// 302 to another place.
    Redirect(String),
    /// This status and this JSON.
    Json(u16, Value),
    /// The usual answer, so much later.
    Late(Duration),
    /// No answer at all. A change takes effect all the same.
    Silence,
}

impl Reply {
    /// The answer that stands for itself; `None` where the usual one is needed.
    pub(super) fn response(&self) -> Option<FakeResponse> {
        Some(match self {
            Self::Unauthorized => FakeResponse::refusal(401, "Unauthorized"),
            Self::Expired => FakeResponse::refusal(401, "Token has expired"),
            Self::Forbidden => FakeResponse::refusal(403, "Forbidden"),
            Self::NotFound => FakeResponse::refusal(404, "Not Found"),
            Self::TooManyRequests { retry_after } => {
                let reply = FakeResponse::refusal(429, "Too Many Requests");
                match retry_after {
                    Some(seconds) => reply.with_header(header::RETRY_AFTER, seconds.to_string()),
                    None => reply,
                }
            }
            Self::BadGateway => FakeResponse::page(502, "502 Bad Gateway"),
            Self::Unavailable => FakeResponse::refusal(503, "Service Unavailable"),
            Self::HtmlPage => FakeResponse::page(200, "Sign in"),
            Self::Redirect(location) => {
                FakeResponse::page(302, "Found").with_header(header::LOCATION, location)
            }
            Self::Json(status, body) => FakeResponse::json(*status, body),
            Self::TruncatedJson | Self::Late(_) | Self::Silence => return None,
        })
    }
}

type Edit = Box<dyn FnOnce(&mut Tenant) + Send>;

/// What is scripted so far.
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

    /// Changes the tenant where this call is the one that a change was set for.
    pub(super) fn edit(&mut self, route: Route, tenant: &mut Tenant) {
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
