//! The fake: a server, the tenant behind it, and the usual responses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use appsec_http::testing::fake::{Fake, FakeResponse, FakeRoute, FakeService, When};

use super::calls::{Call, ROUTES, Route};
use super::quirk::Quirk;
use super::reply::Reply;
use super::response::{error, rename_message};
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
pub struct FakeSalt(Fake<Salt>);

struct Salt {
    settings: Settings,
    tenant: Tenant,
    revoked: bool,
    edits: Vec<ScriptedEdit>,
}

/// A change of the tenant after a number of calls.
struct ScriptedEdit {
    route: Route,
    calls: u64,
    change: Box<dyn FnOnce(&mut Tenant) + Send>,
}

impl FakeSalt {
    pub(super) async fn serve(address: SocketAddr, settings: Settings, tenant: Tenant) -> io::Result<Self> {
        Fake::start_at(address, Salt::new(settings, tenant)).await.map(Self)
    }

    /// Returns the base URL for a client.
    pub fn base_url(&self) -> String {
        self.0.base_url()
    }

    /// Returns the address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Returns the token, which is accepted until it is revoked.
    pub fn token(&self) -> String {
        self.0.with_service(|salt| salt.settings.token.clone())
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
        self.0.calls()
    }

    /// Returns the requests to one operation received so far, oldest first.
    pub fn calls_to(&self, route: Route) -> Vec<Call> {
        self.0.calls_to(route)
    }

    /// Returns the number of requests received so far.
    pub fn requests(&self) -> u64 {
        self.0.calls().len() as u64
    }

    /// Scripts a reply. If several match a call, the one that was set first is used.
    pub fn script(&self, route: Route, when: When, reply: Reply) {
        self.0.script(route, when, reply);
    }

    /// Changes the tenant after a number of calls to the route, before the next one is answered.
    pub fn edit_after(&self, route: Route, calls: u64, change: impl FnOnce(&mut Tenant) + Send + 'static) {
        let edit = ScriptedEdit { route, calls, change: Box::new(change) };
        self.0.with_service(|salt| salt.edits.push(edit));
    }

    /// Changes the tenant now.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Tenant) -> T) -> T {
        self.0.with_service(|salt| change(&mut salt.tenant))
    }

    /// Replaces the tenant.
    pub fn set_tenant(&self, tenant: Tenant) {
        self.0.with_service(|salt| salt.tenant = tenant);
    }

    /// Replaces the whole state, without scripts and recorded calls.
    pub(super) fn replace(&self, settings: Settings, tenant: Tenant) {
        self.0.reset(Salt::new(settings, tenant));
    }

    /// Removes all scripts, ends an outage, and accepts the token again if it was revoked.
    pub fn recover(&self) {
        self.0.recover();
        self.0.with_service(|salt| {
            salt.revoked = false;
            salt.edits.clear();
        });
    }

    /// Answers this number of requests, then responds to each with 503.
    pub fn down_after(&self, requests: u64) {
        self.0.down_after(requests, Reply::Unavailable);
    }

    /// Revokes the token.
    pub fn revoke_token(&self) {
        self.0.with_service(|salt| salt.revoked = true);
    }
}

impl Salt {
    fn new(settings: Settings, tenant: Tenant) -> Self {
        Self { settings, tenant, revoked: false, edits: Vec::new() }
    }
}

impl FakeService for Salt {
    type Route = Route;
    type Reply = Reply;

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        ROUTES.into_iter()
    }

    fn is_authorized(&self, credentials: &str) -> bool {
        !self.revoked && credentials.strip_prefix("Bearer ") == Some(&self.settings.token)
    }

    /// Applies the changes of the tenant that were scripted for this call.
    fn before_response(&mut self, call: &Call) {
        for mut edit in std::mem::take(&mut self.edits) {
            let counts = edit.route.covers(call.route);
            if counts && edit.calls == 0 {
                (edit.change)(&mut self.tenant);
            } else {
                edit.calls -= u64::from(counts);
                self.edits.push(edit);
            }
        }
    }

    fn latency(&self) -> Duration {
        self.settings.latency
    }

    fn respond(&mut self, call: &Call) -> FakeResponse {
        match call.route {
            _ if !call.authorized => error(401, "Unauthorized"),
            Route::WriteStatus => writes::respond(&self.settings, &mut self.tenant, call),
            _ => lists::respond(&self.settings, &self.tenant, call),
        }
    }

    fn finish(&self, mut response: FakeResponse, _: usize) -> FakeResponse {
        for quirk in &self.settings.quirks {
            if let Quirk::ErrorsUnder(name) = quirk {
                rename_message(&mut response, name);
            }
        }
        response
    }
}
