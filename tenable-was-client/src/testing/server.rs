//! The server: it records requests, applies scripted replies, checks keys and role, and calls the endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use appsec_http::testing::fake::{Server, lock, path_params};
use appsec_http::{HttpOptions, RetryPolicy};
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response as HttpResponse};
use bytes::Bytes;

use crate::testing::endpoint::Endpoint;
use crate::testing::reply::{Reply, When};
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::state::export_script::ExportScript;
use crate::testing::tenant::Tenant;
use crate::testing::tenant::ids::uuid_of;
use crate::{ExportOptions, TenableWasClient, TenableWasClientBuilder, WaitOptions};

/// A fake Tenable Web App Scanning on loopback, with a tenant of its own. It stops when dropped.
///
/// ```no_run
/// use tenable_was_client::testing::{Reply, FakeTenableWas, Route, When, demo_tenant};
///
/// # async fn example() -> std::io::Result<()> {
/// let fake = FakeTenableWas::builder().with_tenant(demo_tenant()).start().await?;
/// fake.script(Route::SearchConfigs, When::After(3), Reply::TooManyRequests { retry_after: 2 });
/// // … let a client talk to fake.base_url() with fake.access_key() and fake.secret_key() …
/// assert_eq!(fake.calls_to(Route::LaunchScan).len(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeTenableWas {
    state: Shared,
    server: Server,
}

type Shared = Arc<Mutex<State>>;

impl FakeTenableWas {
    pub(crate) async fn serve(state: State, address: SocketAddr) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |request| handle(Arc::clone(&shared), request)).await?;
        lock(&state).base_url = server.base_url();
        Ok(Self { state, server })
    }

    /// The base URL for a client.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The access key that it takes.
    pub fn access_key(&self) -> String {
        self.state().settings.access_key.clone()
    }

    /// The secret key that it takes.
    pub fn secret_key(&self) -> String {
        self.state().settings.secret_key.clone()
    }

    /// A builder for a client of the fake that waits for milliseconds instead of seconds. HTTP or export
    /// options that a test sets replace these short waits.
    pub fn client_builder(&self) -> TenableWasClientBuilder {
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(20));
        let retry = RetryPolicy::new().with_base(short).with_cap(long);
        TenableWasClient::builder(self.access_key(), self.secret_key())
            .with_base_url(self.base_url())
            .with_http(HttpOptions::new().with_retry(retry))
            .with_export(ExportOptions::new().with_pauses(short, long).with_patience(Duration::from_secs(5)))
            .with_waits(WaitOptions::new().with_pauses(short, long).with_patience(Duration::from_secs(5)))
    }

    /// The client of [`client_builder`](Self::client_builder).
    ///
    /// # Errors
    /// `Config` for keys that no header can carry.
    pub fn client(&self) -> crate::Result<TenableWasClient> {
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

    /// The number of requests received so far.
    pub fn requests(&self) -> u64 {
        self.state().calls.len() as u64
    }

    /// Scripts a reply. Where several match a call, the first one that was set applies.
    pub fn script(&self, route: Route, when: When, answer: Reply) {
        self.state().faults.script(route, when, answer);
    }

    /// Scripts the next export. A further call scripts the one after it.
    pub fn script_export(&self, script: ExportScript) {
        self.state().next_exports.push(script);
    }

    /// Removes all scripted replies, including those of [`down_after`](Self::down_after).
    pub fn recover(&self) {
        self.state().faults.clear();
    }

    /// Handles that many further requests and responds with 503 to all later ones.
    pub fn down_after(&self, requests: u64) {
        self.state().faults.down_after(requests, Reply::Unavailable);
    }

    /// Replaces the keys, so that clients with the old ones are refused.
    pub fn revoke_keys(&self) {
        let mut state = self.state();
        state.settings.access_key = state.new_id("key");
        state.settings.secret_key = state.new_id("key");
    }

    /// Changes the tenant. Scans that have ended keep their findings; scans that end later see the change.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Tenant) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state.tenant);
        state.seed_runs();
        result
    }

    /// Replaces the fake's state. The address stays.
    pub(crate) fn replace_state(&self, mut state: State) {
        state.base_url = self.base_url();
        *self.state() = state;
    }

    /// Replaces the tenant and drops all scans and exports. The tenant's dates are not shifted.
    pub fn set_tenant(&self, tenant: Tenant) {
        self.state().set_tenant(tenant);
    }

    /// Advances the fake's clock. Chunks expire, and scans that advance by time change their status.
    pub fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    /// The time of the fake's clock.
    pub fn now(&self) -> appsec_core::Timestamp {
        self.state().now()
    }

    /// The ids of a configuration's scans, oldest first, children left out.
    pub fn scans_of(&self, config_id: &str) -> Vec<String> {
        let state = self.state();
        let runs = state.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
        runs.map(|run| run.id.clone()).collect()
    }

    /// The status of a scan. Unlike a poll, this does not advance the scan.
    pub fn scan_status(&self, scan_id: &str) -> Option<String> {
        self.state().runs.iter().find(|run| run.id == scan_id).map(|run| run.status.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

async fn handle(shared: Shared, request: Request<Bytes>) -> HttpResponse<Body> {
    let (endpoint, mut call) = record(&request);
    let (number, answer, latency) = {
        let mut state = lock(&shared);
        call.authorized = is_authorized(request.headers(), &state);
        let answer = state.faults.pick(call.route);
        state.calls.push(call.clone());
        (state.calls.len(), answer, state.settings.latency)
    };
    let late = if let Some(Reply::Late(by)) = &answer { *by } else { Duration::ZERO };
    if latency + late > Duration::ZERO {
        tokio::time::sleep(latency + late).await;
    }
    let scripted = answer.as_ref().and_then(Reply::reply);
    let mut reply = scripted.unwrap_or_else(|| answer_usually(&mut lock(&shared), endpoint, &call));
    match answer {
        Some(Reply::TruncatedJson) => reply.body.truncate(reply.body.len() / 2),
        Some(Reply::Silence) => std::future::pending().await,
        _ => {}
    }
    if let Some(call) = lock(&shared).calls.get_mut(number - 1) {
        call.status = Some(reply.status);
    }
    reply.into_response(&uuid_of(&["request", &number.to_string()]))
}

fn answer_usually(state: &mut State, endpoint: Option<&Endpoint>, call: &Call) -> Response {
    if !call.authorized {
        return Response::unauthorized();
    }
    let Some(endpoint) = endpoint else {
        return Response::gateway(404, "Not Found", "The requested file was not found.");
    };
    if state.settings.role < endpoint.role {
        return Response::json(403, &serde_json::json!({}));
    }
    if let Some(id) = endpoint.bad_id(&call.params) {
        return Response::invalid_id(id);
    }
    (endpoint.handle)(state, call)
}

fn record(request: &Request<Bytes>) -> (Option<&'static Endpoint>, Call) {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let found = crate::testing::endpoints::all()
        .filter(|endpoint| endpoint.method == method)
        .find_map(|endpoint| Some((endpoint, path_params(endpoint.pattern, path)?)));
    let (endpoint, params) = found.unzip();
    let route = endpoint.map_or(Route::Unknown, |endpoint| endpoint.route);
    (endpoint, Call::record(route, params.unwrap_or_default(), request, &["x-apikeys"]))
}

/// Spaces around the parts and a trailing semicolon are accepted, as by the service.
fn is_authorized(headers: &HeaderMap, state: &State) -> bool {
    let Some(value) = headers.get("x-apikeys").and_then(|value| value.to_str().ok()) else { return false };
    let part = |name: &str| {
        let pairs = value.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (key.trim(), value.trim()))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    let settings = &state.settings;
    part("accessKey") == Some(&settings.access_key) && part("secretKey") == Some(&settings.secret_key)
}
