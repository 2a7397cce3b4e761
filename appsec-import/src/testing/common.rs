//! What all fakes share.

use std::time::Duration;

use appsec_http::testing::fake::{Call, Effect, FakeResponse, FakeRoute};
use serde_json::{Value, json};

/// The operations of a fake service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// All operations.
    Any,
    /// An operation that the fake does not have.
    Unknown,
    /// A report is pushed.
    Push,
    /// The status of a pushed report is requested.
    Status,
    /// The version of the service is requested.
    Version,
}

impl FakeRoute for Route {
    const ANY: Self = Self::Any;
    const UNKNOWN: Self = Self::Unknown;
}

/// A scripted response, in place of the usual one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reply {
    /// This status, and a JSON body.
    Json(u16, Value),
    /// This status, and a web page, as a gateway or a login portal sends it.
    Html(u16),
    /// This status, and a `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// No response. The connection stays open.
    Never,
}

impl From<Reply> for Effect {
    fn from(reply: Reply) -> Self {
        Self::Replace(match reply {
            Reply::Json(status, body) => FakeResponse::json(status, &body),
            Reply::Html(status) => {
                FakeResponse::new(status, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>")
            }
            Reply::RetryAfter(status, seconds) => {
                FakeResponse::empty(status).with_header("retry-after", seconds.to_string())
            }
            // Unlike `Effect::Silence`, this has no effect on the service.
            Reply::Never => return Self::Delay(Duration::MAX),
        })
    }
}

/// Responds to a call by its handler, if the fake has the operation and the token is right.
pub(super) fn respond(
    call: &Call<Route>,
    unauthorized: Value,
    handle: impl FnOnce() -> (u16, Value),
) -> FakeResponse {
    let (status, body) = match call.route {
        Route::Unknown => (404, json!({"detail": "Not found."})),
        _ if !call.authorized => (401, unauthorized),
        _ => handle(),
    };
    FakeResponse::json(status, &body)
}

/// The methods that all fakes have.
macro_rules! common {
    ($fake:ident) => {
        impl $fake {
            /// The base URL for a client.
            pub fn base_url(&self) -> String {
                self.0.base_url()
            }

            /// Scripts a response, in place of the usual one.
            pub fn script(
                &self,
                route: crate::testing::Route,
                when: crate::testing::When,
                reply: crate::testing::Reply,
            ) {
                self.0.script(route, when, reply);
            }

            /// Removes all scripted responses.
            pub fn recover(&self) {
                self.0.recover();
            }

            /// The requests so far, without credentials.
            pub fn calls(&self) -> Vec<crate::testing::Call<crate::testing::Route>> {
                self.0.calls()
            }

            /// The number of requests for an operation.
            pub fn count(&self, route: crate::testing::Route) -> usize {
                self.0.count(route)
            }
        }
    };
}
pub(super) use common;
