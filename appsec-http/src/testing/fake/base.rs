//! The base of every fake service.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;

use crate::testing::fake::call::Call;
use crate::testing::fake::script::{FakeRoute, Scripts, When};
use crate::testing::fake::server::Server;

/// What a scripted reply changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect<R> {
    /// Responds with this instead of the usual response.
    Replace(R),
    /// Responds as usual after this delay.
    Delay(Duration),
    /// Responds as usual, with half of the body.
    Truncate,
    /// Never responds. The connection stays open.
    Silence,
}

/// What makes a [`Fake`] the fake of one service.
pub trait FakeService: Send + 'static {
    /// The operations.
    type Route: FakeRoute + fmt::Debug + Send + 'static;
    /// A scripted reply.
    type Reply: Clone + fmt::Debug + Send + 'static;
    /// A response before it is sent.
    type Response: Send + 'static;

    /// Records a request: its route, and whether its credentials are right.
    fn record(&self, request: &Request<Bytes>) -> Call<Self::Route>;

    /// Runs after a request was recorded and before its response is chosen.
    fn before_response(&mut self, _call: &Call<Self::Route>) {}

    /// The delay of every response.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// The effect of a scripted reply.
    fn effect(&self, reply: &Self::Reply) -> Effect<Self::Response>;

    /// The usual response to a call.
    fn respond(&mut self, call: &Call<Self::Route>) -> Self::Response;

    /// Drops the second half of a response's body.
    fn truncate(response: &mut Self::Response);

    /// The response to the n-th request, from 1, as it is sent.
    fn finish(&self, response: Self::Response, number: usize) -> Response<Body>;
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

/// A fake service on loopback: a server, the state of the service, scripts, and the recorded calls. It stops when dropped.
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
    let (number, call, effect, latency) = {
        let State { service, scripts, calls } = &mut *lock(&shared);
        let call = service.record(&request);
        service.before_response(&call);
        let effect = scripts.pick(call.route).map(|reply| service.effect(&reply));
        calls.push(call.clone());
        (calls.len(), call, effect, service.latency())
    };
    let delay = if let Some(Effect::Delay(delay)) = &effect { latency + *delay } else { latency };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let response = match effect {
        Some(Effect::Replace(response)) => response,
        Some(Effect::Silence) => std::future::pending().await,
        Some(Effect::Truncate) => {
            let mut response = lock(&shared).service.respond(&call);
            S::truncate(&mut response);
            response
        }
        Some(Effect::Delay(_)) | None => lock(&shared).service.respond(&call),
    };
    let mut state = lock(&shared);
    let response = state.service.finish(response, number);
    // A reset in the meantime removes the call.
    if let Some(call) = state.calls.get_mut(number - 1) {
        call.status = Some(response.status().as_u16());
    }
    response
}

/// Locks the state that a fake and its tests share. A test that panicked with the lock held has failed already; others continue.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Route {
        Any,
        Get,
    }

    impl FakeRoute for Route {
        const ANY: Self = Self::Any;
    }

    #[derive(Debug, Clone)]
    enum Reply {
        Unavailable,
        Half,
        Late,
    }

    struct Counter(u32);

    impl FakeService for Counter {
        type Route = Route;
        type Reply = Reply;
        type Response = (u16, String);

        fn record(&self, request: &Request<Bytes>) -> Call<Route> {
            let mut call = Call::record(Route::Get, Vec::new(), request, &[]);
            call.authorized = request.headers().contains_key("authorization");
            call
        }

        fn before_response(&mut self, _: &Call<Route>) {
            self.0 += 1;
        }

        fn effect(&self, reply: &Reply) -> Effect<(u16, String)> {
            match reply {
                Reply::Unavailable => Effect::Replace((503, String::new())),
                Reply::Half => Effect::Truncate,
                Reply::Late => Effect::Delay(Duration::from_millis(1)),
            }
        }

        fn respond(&mut self, call: &Call<Route>) -> (u16, String) {
            if call.authorized { (200, format!("[{}]", self.0)) } else { (401, String::new()) }
        }

        fn truncate((_, body): &mut (u16, String)) {
            body.truncate(body.len() / 2);
        }

        fn finish(&self, (status, body): (u16, String), number: usize) -> Response<Body> {
            let response = Response::builder().status(status).header("x-number", number);
            response.body(body.into()).unwrap()
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
