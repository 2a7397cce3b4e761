//! The server itself: it listens, records, goes wrong as scripted, checks the token, and answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::http::request::Parts;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::builder::{FakeBuilder, Settings};
use super::calls::{Call, Route};
use super::faults::{Answer, Faults, When};
use super::lists;
use super::reply::Reply;
use super::tenant::Tenant;
use crate::{HttpOptions, RetryPolicy, SaltClient, SaltClientBuilder};

/// A Salt on loopback, with a tenant of its own. It stops when dropped.
///
/// ```
/// use salt_client::testing::{Answer, FakeSalt, Route, Tenant, When, gap, host};
/// use salt_client::GapsQuery;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = Tenant::new().with_host(host("a.example")).with_gap(gap("1", "a.example"));
/// let fake = FakeSalt::builder().with_tenant(tenant).start().await?;
/// fake.script(Route::ListGaps, When::Next(1), Answer::BadGateway);
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
    address: SocketAddr,
    /// Dropped with the fake, which tells the server to stop.
    _stop: oneshot::Sender<()>,
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

    pub(super) async fn serve(settings: Settings, tenant: Tenant) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { settings, tenant, faults: Faults::default(), revoked: false, calls: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new().fallback(handle).with_state(Arc::clone(&state));
        tokio::spawn(async move {
            let ended = async {
                // An error says that the sender is gone, which is the sign to stop.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(ended).await {
                tracing::warn!(%error, "the fake Salt ended");
            }
        });
        Ok(Self { state, address, _stop: stop })
    }

    /// Where it listens: the base URL for a client.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
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
    pub fn script(&self, route: Route, when: When, answer: Answer) {
        self.state().faults.script(route, when, answer);
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

    /// Forgets everything scripted, is up again if it was down, and takes the token again if it was revoked.
    pub fn recover(&self) {
        let mut state = self.state();
        (state.faults, state.revoked) = (Faults::default(), false);
    }

    /// Answers so many requests more, and then 503 to each.
    pub fn down_after(&self, requests: u64) {
        self.state().faults.up_for = Some(requests);
    }

    /// Takes the token no longer.
    pub fn revoke_token(&self) {
        self.state().revoked = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    // A test that panicked while it held the lock has failed already; the others may go on.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn handle(
    axum::extract::State(shared): axum::extract::State<Shared>,
    request: Request,
) -> Response<Body> {
    let (parts, _body) = request.into_parts();
    let mut call = record(&parts);
    let (number, answer, latency) = {
        let mut state = lock(&shared);
        call.authorized = !state.revoked && is_authorized(&parts, &state.settings.token);
        let State { faults, tenant, .. } = &mut *state;
        faults.edit(call.route, tenant);
        let answer = faults.pick(call.route);
        state.calls.push(call.clone());
        (state.calls.len(), answer, state.settings.latency)
    };
    let late = if let Some(Answer::Late(by)) = &answer { *by } else { Duration::ZERO };
    if latency + late > Duration::ZERO {
        tokio::time::sleep(latency + late).await;
    }
    let scripted = answer.as_ref().and_then(Answer::reply);
    let mut reply = scripted.unwrap_or_else(|| {
        let state = lock(&shared);
        if call.authorized {
            lists::answer(&state.settings, &state.tenant, &call)
        } else {
            Reply::refusal(401, "Unauthorized")
        }
    });
    match answer {
        Some(Answer::TruncatedJson) => reply.body.truncate(reply.body.len() / 2),
        Some(Answer::Silence) => std::future::pending().await,
        _ => {}
    }
    if let Some(call) = lock(&shared).calls.get_mut(number - 1) {
        call.status = Some(reply.status);
    }
    reply.into_response()
}

fn record(parts: &Parts) -> Call {
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned();
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| !["authorization", "cookie"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Call {
        route: Route::of(parts.method.as_str(), parts.uri.path()),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: query.collect(),
        headers: headers.collect(),
        authorized: false,
        status: None,
    }
}

fn is_authorized(parts: &Parts, token: &str) -> bool {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(|header| header.strip_prefix("Bearer ")) == Some(token)
}
