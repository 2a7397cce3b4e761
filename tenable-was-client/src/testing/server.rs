//! The fake: a server and the state behind it. It checks keys and role, and calls the endpoint.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use appsec_http::testing::fake::{Fake, FakeResponse, FakeService, When};
use appsec_http::{HttpOptions, RetryPolicy};

use crate::testing::endpoints;
use crate::testing::reply::Reply;
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
pub struct FakeTenableWas(Fake<State>);

impl FakeTenableWas {
    pub(crate) async fn serve(state: State, address: SocketAddr) -> io::Result<Self> {
        let fake = Fake::start_at(address, state).await?;
        let base_url = fake.base_url();
        fake.with_service(|state| state.base_url = base_url);
        Ok(Self(fake))
    }

    /// The base URL for a client.
    pub fn base_url(&self) -> String {
        self.0.base_url()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The access key that it takes.
    pub fn access_key(&self) -> String {
        self.0.with_service(|state| state.settings.access_key.clone())
    }

    /// The secret key that it takes.
    pub fn secret_key(&self) -> String {
        self.0.with_service(|state| state.settings.secret_key.clone())
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
        self.0.calls()
    }

    /// The requests to one operation received so far, oldest first.
    pub fn calls_to(&self, route: Route) -> Vec<Call> {
        self.0.calls_to(route)
    }

    /// The number of requests received so far.
    pub fn requests(&self) -> u64 {
        self.0.calls().len() as u64
    }

    /// Scripts a reply. Where several match a call, the first one that was set applies.
    pub fn script(&self, route: Route, when: When, reply: Reply) {
        self.0.script(route, when, reply);
    }

    /// Scripts a reply to the requests for one chunk, in every export. The first chunk has the number 1.
    pub fn script_chunk(&self, chunk: u64, when: When, reply: Reply) {
        self.0.script_param(Route::GetChunk, (1, chunk.to_string()), when, reply);
    }

    /// Scripts the next export. A further call scripts the one after it.
    pub fn script_export(&self, script: ExportScript) {
        self.0.with_service(|state| state.next_exports.push(script));
    }

    /// Removes all scripted replies, including those of [`down_after`](Self::down_after).
    pub fn recover(&self) {
        self.0.recover();
    }

    /// Handles that many further requests and responds with 503 to all later ones.
    pub fn down_after(&self, requests: u64) {
        self.0.down_after(requests, Reply::Unavailable);
    }

    /// Replaces the keys, so that clients with the old ones are refused.
    pub fn revoke_keys(&self) {
        self.0.with_service(|state| {
            state.settings.access_key = state.new_id("key");
            state.settings.secret_key = state.new_id("key");
        });
    }

    /// Changes the tenant. Scans that have ended keep their findings; scans that end later see the change.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Tenant) -> T) -> T {
        self.0.with_service(|state| {
            let result = change(&mut state.tenant);
            state.seed_runs();
            result
        })
    }

    /// Replaces the fake's state. The address stays.
    pub(crate) fn replace_state(&self, mut state: State) {
        state.base_url = self.base_url();
        self.0.reset(state);
    }

    /// Replaces the tenant and drops all scans and exports. The tenant's dates are not shifted.
    pub fn set_tenant(&self, tenant: Tenant) {
        self.0.with_service(|state| state.set_tenant(tenant));
    }

    /// Advances the fake's clock. Chunks expire, and scans that advance by time change their status.
    pub fn advance(&self, by: Duration) {
        self.0.with_service(|state| state.advance(by));
    }

    /// The time of the fake's clock.
    pub fn now(&self) -> appsec_core::Timestamp {
        self.0.with_service(|state| state.now())
    }

    /// The ids of a configuration's scans, oldest first, children left out.
    pub fn scans_of(&self, config_id: &str) -> Vec<String> {
        self.0.with_service(|state| {
            let runs = state.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
            runs.map(|run| run.id.clone()).collect()
        })
    }

    /// The status of a scan. Unlike a poll, this does not advance the scan.
    pub fn scan_status(&self, scan_id: &str) -> Option<String> {
        self.0.with_service(|state| state.run(scan_id).map(|run| run.status.clone()))
    }
}

impl FakeService for State {
    type Route = Route;
    type Reply = Reply;
    const CREDENTIALS: &'static str = "x-apikeys";

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        endpoints::all().map(|endpoint| (endpoint.route, endpoint.method, endpoint.pattern))
    }

    /// Spaces around the parts and a trailing semicolon are accepted, as by the service.
    fn is_authorized(&self, credentials: &str) -> bool {
        let part = |name: &str| {
            let pairs = credentials.split(';').filter_map(|pair| pair.split_once('='));
            pairs
                .map(|(key, value)| (key.trim(), value.trim()))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        part("accessKey") == Some(&self.settings.access_key)
            && part("secretKey") == Some(&self.settings.secret_key)
    }

    fn latency(&self) -> Duration {
        self.settings.latency
    }

    fn respond(&mut self, call: &Call) -> FakeResponse {
        respond(self, call).0
    }

    fn finish(&self, response: FakeResponse, number: usize) -> FakeResponse {
        response
            .with_header("x-request-uuid", uuid_of(&["request", &number.to_string()]))
            .with_header("x-gateway-site-id", "fake-1")
    }
}

fn respond(state: &mut State, call: &Call) -> Response {
    if !call.authorized {
        return Response::unauthorized();
    }
    let Some(endpoint) = endpoints::all().find(|endpoint| endpoint.route == call.route) else {
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
