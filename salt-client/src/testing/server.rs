//! The server: records the calls, checks the token, and responds as usual or as scripted.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use appsec_http::testing::fake::{Server, When, lock};
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;

use super::calls::{Call, Route};
use super::faults::{Faults, Reply};
use super::quirk::Quirk;
use super::response::FakeResponse;
use super::settings::Settings;
use super::tenant::Tenant;
use super::{lists, writes};
use crate::{HttpOptions, RetryPolicy, SaltClient, SaltClientBuilder};

/// A fake of Salt on loopback, with a tenant of its own. It stops when dropped.
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
/// assert_eq!(fake.calls_to(Route::ListGaps).len(), 2, "repeated after the bad gateway");
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
    pub(super) async fn serve(address: SocketAddr, settings: Settings, tenant: Tenant) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::new(settings, tenant)));
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |request| handle(Arc::clone(&shared), request)).await?;
        Ok(Self { state, server })
    }

    /// Returns the base URL for a client.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Returns the address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the token, which is accepted until it is revoked.
    pub fn token(&self) -> String {
        self.state().settings.token.clone()
    }

    /// Returns a builder of a client for the fake, without a request rate and with short waits between
    /// retries. HTTP options that a test sets replace these.
    pub fn client_builder(&self) -> SaltClientBuilder {
        let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_cap(Duration::from_millis(5));
        SaltClient::builder(self.base_url(), self.token())
            .with_http(HttpOptions::new().with_retry(retry))
            .with_requests_per_second(None)
    }

    /// Builds the client of [`client_builder`](Self::client_builder).
    ///
    /// # Errors
    /// `Config` for a token that no header can carry.
    pub fn client(&self) -> crate::Result<SaltClient> {
        self.client_builder().build()
    }

    /// Returns the requests received so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Returns the requests to one operation received so far, oldest first.
    pub fn calls_to(&self, route: Route) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.route == route).cloned().collect()
    }

    /// Returns the number of requests received so far.
    pub fn requests(&self) -> u64 {
        self.state().calls.len() as u64
    }

    /// Scripts a reply. If several match a call, the one that was set first is used.
    pub fn script(&self, route: Route, when: When, reply: Reply) {
        self.state().faults.scripts.script(route, when, reply);
    }

    /// Changes the tenant after a number of calls to the route, before the next one is answered.
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

    /// Replaces the whole state, without scripts and recorded calls.
    pub(super) fn replace(&self, settings: Settings, tenant: Tenant) {
        *self.state() = State::new(settings, tenant);
    }

    /// Removes all scripts, ends an outage, and accepts the token again if it was revoked.
    pub fn recover(&self) {
        let mut state = self.state();
        (state.faults, state.revoked) = (Faults::default(), false);
    }

    /// Answers this number of requests, then responds to each with 503.
    pub fn down_after(&self, requests: u64) {
        self.state().faults.scripts.down_after(requests, Reply::Unavailable);
    }

    /// Revokes the token.
    pub fn revoke_token(&self) {
        self.state().revoked = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn new(settings: Settings, tenant: Tenant) -> Self {
        Self { settings, tenant, faults: Faults::default(), revoked: false, calls: Vec::new() }
    }

    /// Returns the usual response to a call.
    fn respond(&mut self, call: &Call) -> FakeResponse {
        match call.route {
            _ if !call.authorized => FakeResponse::error(401, "Unauthorized"),
            Route::WriteStatus => writes::respond(&self.settings, &mut self.tenant, call),
            _ => lists::respond(&self.settings, &self.tenant, call),
        }
    }
}

async fn handle(shared: Shared, request: Request<Bytes>) -> Response<Body> {
    let (route, params) = Route::from_request(request.method().as_str(), request.uri().path());
    let mut call = Call::record(route, params, &request, &[]);
    let (number, reply, latency) = {
        let mut state = lock(&shared);
        call.authorized = !state.revoked && is_authorized(request.headers(), &state.settings.token);
        let State { faults, tenant, .. } = &mut *state;
        faults.apply_edits(call.route, tenant);
        let reply = faults.scripts.pick(call.route);
        state.calls.push(call.clone());
        (state.calls.len(), reply, state.settings.latency)
    };
    let late = if let Some(Reply::Late(by)) = &reply { *by } else { Duration::ZERO };
    if latency + late > Duration::ZERO {
        tokio::time::sleep(latency + late).await;
    }
    let mut response =
        reply.as_ref().and_then(Reply::response).unwrap_or_else(|| lock(&shared).respond(&call));
    match reply {
        Some(Reply::TruncatedJson) => response.body.truncate(response.body.len() / 2),
        Some(Reply::Silence) => std::future::pending().await,
        _ => {}
    }
    let mut state = lock(&shared);
    for quirk in &state.settings.quirks {
        if let Quirk::ErrorsUnder(name) = quirk {
            response = response.with_message_field(name);
        }
    }
    if let Some(call) = state.calls.get_mut(number - 1) {
        call.status = Some(response.status);
    }
    response.into_response()
}

fn is_authorized(headers: &HeaderMap, token: &str) -> bool {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(|header| header.strip_prefix("Bearer ")) == Some(token)
}
