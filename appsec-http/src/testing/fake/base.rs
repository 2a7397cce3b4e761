//! The base of every fake service.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;

use crate::testing::fake::call::{Call, path_params};
use crate::testing::fake::response::FakeResponse;
use crate::testing::fake::script::{FakeRoute, Scripts, When};
use crate::testing::fake::server::Server;

/// What a scripted reply changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// Responds with this instead of the usual response.
    Replace(FakeResponse),
    /// Responds as usual after this delay.
    Delay(Duration),
    /// Responds as usual, with half of the body.
    Truncate,
    /// Handles the request as usual and never responds. The connection stays open.
    Silence,
}

/// What makes a [`Fake`] the fake of one service.
pub trait FakeService: Send + 'static {
    /// The operations.
    type Route: FakeRoute + fmt::Debug + Send + 'static;
    /// A scripted reply.
    type Reply: Clone + fmt::Debug + Into<Effect> + Send + 'static;
    /// The header with the credentials, in lower case.
    const CREDENTIALS: &'static str = "authorization";

    /// The operations, each with its method and its path pattern. The first one that fits a request is
    /// called.
    fn routes() -> impl Iterator<Item = (Self::Route, &'static str, &'static str)>;

    /// Whether the credentials are right.
    fn is_authorized(&self, credentials: &str) -> bool;

    /// Runs after a request was recorded and before its response is chosen.
    fn before_response(&mut self, _call: &Call<Self::Route>) {}

    /// The delay of every response.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// The usual response to a call, whether or not it is authorized.
    fn respond(&mut self, call: &Call<Self::Route>) -> FakeResponse;

    /// Completes the response to the n-th request, from 1.
    fn finish(&self, response: FakeResponse, _number: usize) -> FakeResponse {
        response
    }
}

struct State<S: FakeService> {
    service: S,
    scripts: Scripts<S::Route, S::Reply>,
    calls: Vec<Call<S::Route>>,
}

impl<S: FakeService> State<S> {
    fn new(service: S) -> Self {
        Self { service, scripts: Scripts::default(), calls: Vec::new() }
    }
}

/// A fake service on loopback: a server, the state of the service, scripts, and the recorded calls. It
/// stops when dropped.
pub struct Fake<S: FakeService> {
    server: Server,
    state: Arc<Mutex<State<S>>>,
}

impl<S: FakeService> Fake<S> {
    /// Starts a fake on a free port.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(service: S) -> io::Result<Self> {
        Self::start_at(Server::ANYWHERE, service).await
    }

    /// Starts a fake at the given address.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start_at(address: SocketAddr, service: S) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::new(service)));
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |request| handle(Arc::clone(&shared), request)).await?;
        Ok(Self { server, state })
    }

    /// The base URL for a client.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Scripts a reply. If several match a call, the one that was set first is given.
    pub fn script(&self, route: S::Route, when: When, reply: S::Reply) {
        lock(&self.state).scripts.script(route, when, reply);
    }

    /// As [`script`](Self::script), for calls whose n-th placeholder of the path has this value. Only these
    /// are counted.
    pub fn script_param(
        &self,
        route: S::Route,
        param: (usize, impl Into<String>),
        when: When,
        reply: S::Reply,
    ) {
        let param = (param.0, param.1.into());
        lock(&self.state).scripts.script_param(route, param, when, reply);
    }

    /// Lets this many requests pass, and gives the reply to each one after.
    pub fn down_after(&self, requests: u64, reply: S::Reply) {
        lock(&self.state).scripts.down_after(requests, reply);
    }

    /// Removes all scripts.
    pub fn recover(&self) {
        lock(&self.state).scripts.clear();
    }

    /// The requests received so far, oldest first, without credentials.
    pub fn calls(&self) -> Vec<Call<S::Route>> {
        lock(&self.state).calls.clone()
    }

    /// The requests to one operation received so far, oldest first.
    pub fn calls_to(&self, route: S::Route) -> Vec<Call<S::Route>> {
        lock(&self.state).calls.iter().filter(|call| call.route == route).cloned().collect()
    }

    /// The number of requests to one operation.
    pub fn count(&self, route: S::Route) -> usize {
        lock(&self.state).calls.iter().filter(|call| call.route == route).count()
    }

    /// Reads or changes the state of the service.
    pub fn with_service<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        change(&mut lock(&self.state).service)
    }

    /// Replaces the service, and removes all scripts and recorded calls.
    pub fn reset(&self, service: S) {
        *lock(&self.state) = State::new(service);
    }
}

/// Omits the state, which may be large.
impl<S: FakeService> fmt::Debug for Fake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("server", &self.server).finish_non_exhaustive()
    }
}

async fn handle<S: FakeService>(shared: Arc<Mutex<State<S>>>, request: Request<Bytes>) -> Response<Body> {
    let mut call = record::<S>(&request);
    let (number, effect, latency) = {
        let State { service, scripts, calls } = &mut *lock(&shared);
        let credentials = request.headers().get(S::CREDENTIALS).and_then(|value| value.to_str().ok());
        call.authorized = credentials.is_some_and(|credentials| service.is_authorized(credentials));
        service.before_response(&call);
        let effect = scripts.pick(call.route, &call.params).map(Into::into);
        calls.push(call.clone());
        (calls.len(), effect, service.latency())
    };
    let delay = if let Some(Effect::Delay(delay)) = &effect { *delay } else { Duration::ZERO };
    let delay = latency.saturating_add(delay);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let response = match effect {
        Some(Effect::Replace(response)) => response,
        Some(Effect::Silence) => {
            lock(&shared).service.respond(&call);
            std::future::pending().await
        }
        Some(Effect::Truncate) => {
            let mut response = lock(&shared).service.respond(&call);
            response.body.truncate(response.body.len() / 2);
            response
        }
        Some(Effect::Delay(_)) | None => lock(&shared).service.respond(&call),
    };
    let mut state = lock(&shared);
    let response = state.service.finish(response, number);
    // A reset in the meantime removes the call.
    if let Some(call) = state.calls.get_mut(number - 1) {
        call.status = Some(response.status);
    }
    response.into_response()
}

fn record<S: FakeService>(request: &Request<Bytes>) -> Call<S::Route> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let (route, params) = S::routes()
        .filter(|(_, known, _)| *known == method)
        .find_map(|(route, _, pattern)| Some((route, path_params(pattern, path)?)))
        .unwrap_or((S::Route::UNKNOWN, Vec::new()));
    Call::record(route, params, request, &[S::CREDENTIALS])
}

/// Locks the state that a fake and its tests share. A test that panicked with the lock held has failed
/// already; others continue.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Route {
        Any,
        Unknown,
        Get,
    }

    impl FakeRoute for Route {
        const ANY: Self = Self::Any;
        const UNKNOWN: Self = Self::Unknown;
    }

    #[derive(Debug, Clone)]
    enum Reply {
        Unavailable,
        Half,
        Late,
    }

    impl From<Reply> for Effect {
        fn from(reply: Reply) -> Self {
            match reply {
                Reply::Unavailable => Self::Replace(FakeResponse::empty(503)),
                Reply::Half => Self::Truncate,
                Reply::Late => Self::Delay(Duration::from_millis(1)),
            }
        }
    }

    struct Counter(u32);

    impl FakeService for Counter {
        type Route = Route;
        type Reply = Reply;

        fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
            [(Route::Get, "GET", "/")].into_iter()
        }

        fn is_authorized(&self, credentials: &str) -> bool {
            credentials == "canary"
        }

        fn before_response(&mut self, _: &Call<Route>) {
            self.0 += 1;
        }

        fn respond(&mut self, call: &Call<Route>) -> FakeResponse {
            if call.authorized {
                FakeResponse::new(200, "text/plain", format!("[{}]", self.0))
            } else {
                FakeResponse::empty(401)
            }
        }

        fn finish(&self, response: FakeResponse, number: usize) -> FakeResponse {
            response.with_header("x-number", number.to_string())
        }
    }

    async fn get(fake: &Fake<Counter>, authorized: bool) -> (u16, String) {
        let mut request = reqwest::Client::new().get(fake.base_url());
        if authorized {
            request = request.header("authorization", "canary");
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    #[tokio::test]
    async fn a_fake_records_calls_and_follows_its_scripts() {
        let fake = Fake::start(Counter(0)).await.unwrap();
        for (when, reply) in [(When::After(1), Reply::Half), (When::After(2), Reply::Late)] {
            fake.script(Route::Any, when, reply);
        }
        fake.down_after(4, Reply::Unavailable);
        let mut responses = Vec::new();
        for authorized in [true, true, true, false, true] {
            responses.push(get(&fake, authorized).await);
        }
        let expected = [(200, "[1]"), (200, "["), (200, "[3]"), (401, ""), (503, "")];
        assert_eq!(responses, expected.map(|(status, body)| (status, body.to_owned())));
        let statuses: Vec<_> = fake.calls().iter().map(|call| call.status).collect();
        assert_eq!(statuses, [200, 200, 200, 401, 503].map(Some));
        assert!(!format!("{:?}", fake.calls_to(Route::Get)).contains("canary"));

        fake.recover();
        assert_eq!(get(&fake, true).await, (200, "[6]".to_owned()));
        assert_eq!((fake.count(Route::Get), fake.with_service(|counter| counter.0)), (6, 6));
        fake.reset(Counter(9));
        assert_eq!((get(&fake, true).await.1, fake.calls().len()), ("[10]".to_owned(), 1));
    }
}
