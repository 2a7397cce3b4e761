//! The server itself: it listens, records, goes wrong as scripted, checks the token, and answers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use appsec_http::testing::fake::{Server, When, lock};
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;

use super::builder::{FakeBuilder, Settings};
use super::calls::{Call, Route};
use super::faults::{Faults, Reply};
use super::quirk::Quirk;
use super::response::FakeResponse;
use super::tenant::Tenant;
use super::{lists, writes};
use crate::{HttpOptions, RetryPolicy, SaltClient, SaltClientBuilder};

/// A Salt on loopback, with a tenant of its own. It stops when dropped.
///
/// ```
/// use salt_client::testing::{Reply, FakeSalt, Route, Tenant, When, gap, host};
/// use salt_client::GapsQuery;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = Tenant::new().with_host(host("a.example")).with_gap(gap("1", "a.example"));
/// let fake = FakeSalt::builder().with_tenant(tenant).start().await?;
/// fake.script(Route::ListGaps, When::Next(1), Reply::BadGateway);
///
/// let page = fake.client()?.list_gaps(&GapsQuery::new()).await?;
/// assert_eq!(page.records[0].host.as_deref(), Some("a.example"));
/// assert_eq!(fake.calls_to(Route::ListGaps).len(), 2, "asked again after the bad gateway");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeSalt {
    state: Shared,
    server: Server,
}

type Shared = Arc<Mutex<State>>;

#[derive(Debug)]
struct State {
    settings: Settings,
    tenant: Tenant,
    faults: Faults,
    revoked: bool,
    calls: Vec<Call>,
}

impl FakeSalt {
    /// A fake to be filled and started.
    pub fn builder() -> FakeBuilder {
        FakeBuilder::new()
    }

    pub(super) async fn serve(builder: FakeBuilder) -> io::Result<Self> {
        let address = builder.address;
        let state = Arc::new(Mutex::new(State::new(builder)));
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |request| handle(Arc::clone(&shared), request)).await?;
        Ok(Self { state, server })
    }

    /// Where it listens: the base URL for a client.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The token that was handed out; it is taken until it is revoked.
    pub fn token(&self) -> String {
        self.state().settings.token.clone()
    }

    /// A client of it that does not space its requests and repeats quickly. Where a test sets HTTP options of its own, these
    /// are gone.
    pub fn client_builder(&self) -> SaltClientBuilder {
        let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_cap(Duration::from_millis(5));
        SaltClient::builder(self.base_url(), self.token())
            .with_http(HttpOptions::new().with_retry(retry))
            .with_requests_per_second(None)
    }

    /// The client of [`client_builder`](Self::client_builder).
    ///
    /// # Errors
    /// `Config` for a token that no header can carry.
    pub fn client(&self) -> crate::Result<SaltClient> {
        self.client_builder().build()
    }

    /// The requests received so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The requests to one operation received so far, oldest first.
    pub fn calls_to(&self, route: Route) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.route == route).cloned().collect()
    }

    /// How many requests were received so far.
    pub fn requests(&self) -> u64 {
        self.state().calls.len() as u64
    }

    /// Scripts an answer. Where several match a call, the one that was set first is given.
    pub fn script(&self, route: Route, when: When, answer: Reply) {
        self.state().faults.scripts.script(route, when, answer);
    }

    /// Changes the tenant between two calls: after so many to the route, before the next one is answered.
    pub fn edit_after(&self, route: Route, calls: u64, change: impl FnOnce(&mut Tenant) + Send + 'static) {
        self.state().faults.edit_after(route, calls, Box::new(change));
    }

    /// Changes the tenant now.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Tenant) -> T) -> T {
        change(&mut self.state().tenant)
    }

    /// Replaces the tenant.
    pub fn set_tenant(&self, tenant: Tenant) {
        self.state().tenant = tenant;
    }

    /// Becomes what the builder says, at the same address. Nothing is scripted or recorded any more.
    pub fn reset(&self, builder: FakeBuilder) {
        *self.state() = State::new(builder);
    }

    /// Forgets everything scripted, is up again if it was down, and takes the token again if it was revoked.
    pub fn recover(&self) {
        let mut state = self.state();
        (state.faults, state.revoked) = (Faults::default(), false);
    }

    /// Answers so many requests more, and then 503 to each.
    pub fn down_after(&self, requests: u64) {
        self.state().faults.scripts.down_after(requests, Reply::Unavailable);
    }

    /// Takes the token no longer.
    pub fn revoke_token(&self) {
        self.state().revoked = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn new(builder: FakeBuilder) -> Self {
        let FakeBuilder { settings, tenant, .. } = builder;
        Self { settings, tenant, faults: Faults::default(), revoked: false, calls: Vec::new() }
    }

    /// The answer to a call where nothing is scripted.
    fn answer(&mut self, call: &Call) -> FakeResponse {
        match call.route {
            _ if !call.authorized => FakeResponse::refusal(401, "Unauthorized"),
            Route::WriteStatus => writes::answer(&self.settings, &mut self.tenant, call),
            _ => lists::answer(&self.settings, &self.tenant, call),
        }
    }
}

async fn handle(shared: Shared, request: Request<Bytes>) -> Response<Body> {
    let (route, params) = Route::of(request.method().as_str(), request.uri().path());
    let mut call = Call::record(route, params, &request, &[]);
    let (number, answer, latency) = {
        let mut state = lock(&shared);
        call.authorized = !state.revoked && is_authorized(request.headers(), &state.settings.token);
        let State { faults, tenant, .. } = &mut *state;
        faults.edit(call.route, tenant);
        let answer = faults.scripts.pick(call.route);
        state.calls.push(call.clone());
        (state.calls.len(), answer, state.settings.latency)
    };
    let late = if let Some(Reply::Late(by)) = &answer { *by } else { Duration::ZERO };
    if latency + late > Duration::ZERO {
        tokio::time::sleep(latency + late).await;
    }
    let mut reply = answer.as_ref().and_then(Reply::response).unwrap_or_else(|| lock(&shared).answer(&call));
    match answer {
        Some(Reply::TruncatedJson) => reply.body.truncate(reply.body.len() / 2),
        Some(Reply::Silence) => std::future::pending().await,
        _ => {}
    }
    let mut state = lock(&shared);
    for quirk in &state.settings.quirks {
        if let Quirk::ErrorsUnder(name) = quirk {
            reply = reply.renamed(name);
        }
    }
    if let Some(call) = state.calls.get_mut(number - 1) {
        call.status = Some(reply.status);
    }
    reply.into_response()
}

fn is_authorized(headers: &HeaderMap, token: &str) -> bool {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(|header| header.strip_prefix("Bearer ")) == Some(token)
}
