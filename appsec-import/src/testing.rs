//! Fakes of the targets that reports are pushed to, for test suites.
//!
//! Each keeps what its original keeps and closes what its original would, on loopback, on a port that the system picks, and ends when it
//! is dropped.

mod code_scanning;
mod dojo;
mod form;
mod invicti;

pub use appsec_http::testing::fake::{Call, When};
pub use code_scanning::{Alert, FakeCodeScanning};
pub use dojo::{DojoFinding, FakeDojo};
pub use invicti::{FakeInvicti, InvictiVulnerability};

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use appsec_http::testing::fake::{FakeRoute, Scripts, Server, lock, path_params};
use axum::http::{Request, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use bytes::Bytes;
use serde_json::Value;

/// The operations of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// All of them.
    Any,
    /// A report arrives.
    Push,
    /// Someone looks at what became of it.
    Status,
}

impl FakeRoute for Route {
    const ANY: Self = Self::Any;
}

/// An answer that a script gives instead of the usual one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reply {
    /// JSON with that status.
    Json(u16, Value),
    /// A web page with that status, as from a gateway or a login portal.
    Html(u16),
    /// The status, and the seconds after which to come back.
    RetryAfter(u16, u64),
    /// None at all. The connection stays open.
    Never,
}

/// What makes a fake the fake of a target.
trait Target: Send + 'static {
    /// Method, path and operation.
    const ROUTES: &'static [(&'static str, &'static str, Route)];
    /// The header that holds the credentials, in lower case, and what stands there before the token.
    const CREDENTIALS: (&'static str, &'static str);

    /// The answer to a wrong token.
    fn stranger() -> Value;

    /// The answer.
    fn answer(&mut self, call: &Call<Route>) -> (u16, Value);
}

struct Shared<T> {
    target: T,
    scripts: Scripts<Route, Reply>,
    calls: Vec<Call<Route>>,
}

/// A target on loopback.
struct Fake<T> {
    server: Server,
    shared: Arc<Mutex<Shared<T>>>,
}

impl<T: Target> Fake<T> {
    async fn start(target: T, token: &str) -> io::Result<Self> {
        let shared = Shared { target, scripts: Scripts::default(), calls: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let credentials: Arc<str> = format!("{}{token}", T::CREDENTIALS.1).into();
        let handler = {
            let shared = Arc::clone(&shared);
            move |request| handle(Arc::clone(&shared), Arc::clone(&credentials), request)
        };
        Ok(Self { server: Server::start(handler).await?, shared })
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        lock(&self.shared)
    }
}

/// Leaves out what is kept, which may be much.
impl<T> fmt::Debug for Fake<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("server", &self.server).finish_non_exhaustive()
    }
}

async fn handle<T: Target>(
    shared: Arc<Mutex<Shared<T>>>,
    credentials: Arc<str>,
    request: Request<Bytes>,
) -> Response {
    let reply = answer(&mut lock(&shared), &credentials, &request);
    match reply {
        Reply::Json(status, body) => (code(status), Json(body)).into_response(),
        Reply::Html(status) => (code(status), Html("<!doctype html><title>Sign in</title>")).into_response(),
        Reply::RetryAfter(status, seconds) => {
            (code(status), [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Reply::Never => std::future::pending().await,
    }
}

fn answer<T: Target>(shared: &mut Shared<T>, credentials: &str, request: &Request<Bytes>) -> Reply {
    let found = T::ROUTES.iter().find_map(|(method, pattern, route)| {
        let params = path_params(pattern, request.uri().path())?;
        (request.method() == *method).then_some((*route, params))
    });
    let Some((route, params)) = found else {
        return Reply::Json(404, serde_json::json!({"detail": "Not found."}));
    };
    let (name, _) = T::CREDENTIALS;
    let mut call = Call::record(route, params, request, &[name]);
    call.authorized =
        request.headers().get(name).is_some_and(|given| given.as_bytes() == credentials.as_bytes());
    let reply = match shared.scripts.pick(route) {
        Some(scripted) => scripted,
        None if !call.authorized => Reply::Json(401, T::stranger()),
        None => {
            let (status, body) = shared.target.answer(&call);
            Reply::Json(status, body)
        }
    };
    call.status = match reply {
        Reply::Json(status, _) | Reply::Html(status) | Reply::RetryAfter(status, _) => Some(status),
        Reply::Never => None,
    };
    shared.calls.push(call);
    reply
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What every fake has.
macro_rules! common {
    ($fake:ident) => {
        impl $fake {
            /// The base URL for a client.
            pub fn base_url(&self) -> String {
                self.0.server.base_url()
            }

            /// Gives this answer instead of the usual one.
            pub fn script(
                &self,
                route: crate::testing::Route,
                when: crate::testing::When,
                reply: crate::testing::Reply,
            ) {
                self.0.lock().scripts.script(route, when, reply);
            }

            /// Gives the usual answers again.
            pub fn recover(&self) {
                self.0.lock().scripts.clear();
            }

            /// What was asked so far, without credentials.
            pub fn calls(&self) -> Vec<crate::testing::Call<crate::testing::Route>> {
                self.0.lock().calls.clone()
            }

            /// How often an operation was asked for.
            pub fn count(&self, route: crate::testing::Route) -> usize {
                self.0.lock().calls.iter().filter(|call| call.route == route).count()
            }
        }
    };
}
use common;
