//! What a test scripts to go wrong.

use std::fmt;
use std::time::Duration;

use axum::http::header;
use serde_json::Value;

use super::calls::Route;
use super::reply::Reply;
use super::tenant::Tenant;

/// When a scripted answer is given, counted in calls to its route since the script was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Once, after so many calls that are answered as usual.
    After(u64),
    /// To the next so many calls.
    Next(u64),
    /// To every call.
    Always,
    /// To every call after so many that are answered as usual.
    AlwaysAfter(u64),
}

/// What is answered instead of, or on top of, the usual answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer {
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
    /// No answer at all.
    Silence,
}

impl Answer {
    /// The answer that stands for itself; `None` where the usual one is needed.
    pub(super) fn reply(&self) -> Option<Reply> {
        Some(match self {
            Self::Unauthorized => Reply::refusal(401, "Unauthorized"),
            Self::Expired => Reply::refusal(401, "Token has expired"),
            Self::Forbidden => Reply::refusal(403, "Forbidden"),
            Self::NotFound => Reply::refusal(404, "Not Found"),
            Self::TooManyRequests { retry_after } => {
                let reply = Reply::refusal(429, "Too Many Requests");
                match retry_after {
                    Some(seconds) => reply.with_header(header::RETRY_AFTER, seconds.to_string()),
                    None => reply,
                }
            }
            Self::BadGateway => Reply::page(502, "502 Bad Gateway"),
            Self::Unavailable => Reply::refusal(503, "Service Unavailable"),
            Self::HtmlPage => Reply::page(200, "Sign in"),
            Self::Redirect(location) => Reply::page(302, "Found").with_header(header::LOCATION, location),
            Self::Json(status, body) => Reply::json(*status, body),
            Self::TruncatedJson | Self::Late(_) | Self::Silence => return None,
        })
    }
}

type Edit = Box<dyn FnOnce(&mut Tenant) + Send>;

/// What is scripted so far.
#[derive(Default)]
pub(super) struct Faults {
    scripts: Vec<Script>,
    edits: Vec<(Countdown, Edit)>,
    /// How many more requests are answered before the service is down; `None` while it stays up.
    pub(super) up_for: Option<u64>,
}

struct Script {
    route: Route,
    when: When,
    answer: Answer,
    seen: u64,
}

struct Countdown {
    route: Route,
    calls: u64,
}

impl Faults {
    pub(super) fn script(&mut self, route: Route, when: When, answer: Answer) {
        self.scripts.push(Script { route, when, answer, seen: 0 });
    }

    pub(super) fn edit_after(&mut self, route: Route, calls: u64, edit: Edit) {
        self.edits.push((Countdown { route, calls }, edit));
    }

    /// Changes the tenant where this call is the one that a change was set for.
    pub(super) fn edit(&mut self, route: Route, tenant: &mut Tenant) {
        for (mut countdown, edit) in std::mem::take(&mut self.edits) {
            let counts = countdown.route == route || countdown.route == Route::Any;
            match (counts, countdown.calls) {
                (true, 0) => edit(tenant),
                (counts, calls) => {
                    countdown.calls = calls - u64::from(counts);
                    self.edits.push((countdown, edit));
                }
            }
        }
    }

    /// What to answer to this call; the script set first wins, and all of them count the call.
    pub(super) fn pick(&mut self, route: Route) -> Option<Answer> {
        if let Some(left) = &mut self.up_for {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Some(Answer::Unavailable),
            }
        }
        let mut picked = None;
        for script in &mut self.scripts {
            if script.route != route && script.route != Route::Any {
                continue;
            }
            let before = script.seen;
            script.seen += 1;
            let fires = match script.when {
                When::After(calls) => before == calls,
                When::Next(calls) => before < calls,
                When::Always => true,
                When::AlwaysAfter(calls) => before >= calls,
            };
            if fires && picked.is_none() {
                picked = Some(script.answer.clone());
            }
        }
        picked
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("scripts", &self.scripts.len())
            .field("edits", &self.edits.len())
            .field("up_for", &self.up_for)
            .finish()
    }
}
