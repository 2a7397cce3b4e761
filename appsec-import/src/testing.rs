//! Fakes of the services that reports are pushed to, for test suites.
//!
//! Each stores and closes findings as the real service does. It listens on loopback, on a port that the
//! system picks, and ends when it is dropped.

mod code_scanning;
mod defectdojo;
mod invicti;
mod multipart;

pub use appsec_http::testing::fake::{Call, When};
pub use code_scanning::{CodeScanningAlert, FakeCodeScanning};
pub use defectdojo::{DefectDojoFinding, FakeDefectDojo};
pub use invicti::{FakeInvicti, InvictiVulnerability};

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use appsec_http::testing::fake::{FakeRoute, Scripts, Server, lock, path_params};
use axum::http::{Request, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use bytes::Bytes;
use serde_json::Value;

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

/// What distinguishes the fake of one service from the others.
trait Target: Send + 'static {
    /// The method, path pattern and operation of each endpoint.
    const ROUTES: &'static [(&'static str, &'static str, Route)];
    /// The header with the credentials, in lower case, and what precedes the token in its value.
    const CREDENTIALS: (&'static str, &'static str);

    /// The body of the response to a wrong token.
    fn stranger() -> Value;

    /// Handles a request, and returns status and body of the response.
    fn answer(&mut self, call: &Call<Route>) -> (u16, Value);
}

struct Shared<T> {
    target: T,
    scripts: Scripts<Route, Reply>,
    calls: Vec<Call<Route>>,
}

/// A fake service on loopback.
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

/// Omits the state of the fake, which may be large.
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

/// The methods that all fakes have.
macro_rules! common {
    ($fake:ident) => {
        impl $fake {
            /// The base URL for a client.
            pub fn base_url(&self) -> String {
                self.0.server.base_url()
            }

            /// Scripts a response, in place of the usual one.
            pub fn script(
                &self,
                route: crate::testing::Route,
                when: crate::testing::When,
                reply: crate::testing::Reply,
            ) {
                self.0.lock().scripts.script(route, when, reply);
            }

            /// Removes all scripted responses.
            pub fn recover(&self) {
                self.0.lock().scripts.clear();
            }

            /// The requests so far, without credentials.
            pub fn calls(&self) -> Vec<crate::testing::Call<crate::testing::Route>> {
                self.0.lock().calls.clone()
            }

            /// The number of requests for an operation.
            pub fn count(&self, route: crate::testing::Route) -> usize {
                self.0.lock().calls.iter().filter(|call| call.route == route).count()
            }
        }
    };
}
use common;
