//! What a fake of a service is made of: scripted answers, a record of what it was asked, and a server that hands every request
//! to one function. What the service answers is the fake's own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;

/// Nothing that a client of a test sends is bigger.
const MAX_BODY: usize = 4 << 20;

/// Headers that hold credentials, whatever the service.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// When a scripted answer is given, counted in calls to its route since the script was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Once, after so many calls that are answered as usual.
    After(u64),
    /// To the next so many calls.
    Next(u64),
    /// To every call.
    Always,
    /// To every call after so many that are answered as usual.
    AlwaysAfter(u64),
}

impl When {
    fn fires(self, calls_before: u64) -> bool {
        match self {
            Self::After(calls) => calls_before == calls,
            Self::Next(calls) => calls_before < calls,
            Self::Always => true,
            Self::AlwaysAfter(calls) => calls_before >= calls,
        }
    }
}

/// The operations of a service, one of which stands for all of them.
pub trait FakeRoute: Copy + PartialEq {
    /// Every operation.
    const ANY: Self;

    /// True when what is set for this route concerns a call to the other.
    fn covers(self, called: Self) -> bool {
        self == called || self == Self::ANY
    }
}

/// The answers that are scripted so far.
#[derive(Debug)]
pub struct Scripts<R, A> {
    scripts: Vec<Script<R, A>>,
    /// How many more requests are answered, and what comes then.
    up_for: Option<(u64, A)>,
}

#[derive(Debug)]
struct Script<R, A> {
    route: R,
    when: When,
    answer: A,
    seen: u64,
}

impl<R, A> Default for Scripts<R, A> {
    fn default() -> Self {
        Self { scripts: Vec::new(), up_for: None }
    }
}

impl<R: FakeRoute, A: Clone> Scripts<R, A> {
    /// Scripts an answer.
    pub fn script(&mut self, route: R, when: When, answer: A) {
        self.scripts.push(Script { route, when, answer, seen: 0 });
    }

    /// Lets so many requests pass, to whatever route, and answers this to each one after.
    pub fn down_after(&mut self, requests: u64, answer: A) {
        self.up_for = Some((requests, answer));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What to answer to this call; `None` for the usual answer. The script set first wins, and all of them count the call.
    pub fn pick(&mut self, route: R) -> Option<A> {
        if let Some((left, answer)) = &mut self.up_for {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Some(answer.clone()),
            }
        }
        let mut picked = None;
        for script in self.scripts.iter_mut().filter(|script| script.route.covers(route)) {
            let fires = script.when.fires(script.seen);
            script.seen += 1;
            if fires && picked.is_none() {
                picked = Some(script.answer.clone());
            }
        }
        picked
    }
}

/// One request that a fake received. Credentials are not kept, only whether they were right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call<R> {
    /// The operation.
    pub route: R,
    /// The method, as in `GET`.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// What stands in the path at the placeholders of its pattern, decoded.
    pub params: Vec<String>,
    /// The query, pair by pair, decoded.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// True when the credentials were right.
    pub authorized: bool,
    /// The status that was answered; `None` while it was not.
    pub status: Option<u16>,
}

impl<R> Call<R> {
    /// What a request to that route says. Besides the usual headers that hold credentials those named here are left out, by their
    /// names in lower case.
    pub fn record(route: R, params: Vec<String>, request: &Request<Bytes>, credentials: &[&str]) -> Self {
        let uri = request.uri();
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let headers = request
            .headers()
            .iter()
            .filter(|(name, _)| !CREDENTIALS.iter().chain(credentials).any(|held| *held == name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Self {
            route,
            method: request.method().to_string(),
            path: uri.path().to_owned(),
            params,
            query: query.collect(),
            headers: headers.collect(),
            body: request.body().clone(),
            authorized: false,
            status: None,
        }
    }

    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// What stands in the path where its pattern has the n-th placeholder; empty where it has none.
    pub fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What stands in a path where its pattern has placeholders, decoded; `None` when it is another path. In a pattern a segment
/// that begins with `{` is a placeholder, as in `/v1/things/{id}`.
pub fn path_params(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {
                let decoded = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
                params.push(decoded.into_owned());
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

/// A function, served over HTTP/1.1 on a free port of loopback. It stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Dropped with the server, which tells it to stop.
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Where a server listens that may listen anywhere: on a free port of loopback.
    pub const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// Starts a server that hands each request with its whole body on. A body of more than 4 MiB is answered with 413 here.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        Self::start_at(Self::ANYWHERE, handler).await
    }

    /// The same, at an address that is told.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start_at<H, F>(address: SocketAddr, handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(move |request: axum::extract::Request| {
            let handler = handler.clone();
            async move {
                let (parts, body) = request.into_parts();
                match axum::body::to_bytes(body, MAX_BODY).await {
                    Ok(body) => handler(Request::from_parts(parts, body)).await.into_response(),
                    Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
                }
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = async {
                // An error says that the sender is gone, which is the sign to stop.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(ended).await {
                tracing::warn!(%error, "a server of a test ended");
            }
        });
        Ok(Self { address, _stop: stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Locks what a fake's tests share. A test that panicked while it held the lock has failed already; the others may go on.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Route {
        Any,
        List,
        Get,
    }

    impl FakeRoute for Route {
        const ANY: Self = Self::Any;
    }

    fn picks(scripts: &mut Scripts<Route, char>, routes: &[Route]) -> String {
        routes.iter().map(|route| scripts.pick(*route).unwrap_or('.')).collect()
    }

    #[test]
    fn each_when_fires_at_its_calls() {
        for (when, expected) in [
            (When::After(2), "..x.."),
            (When::Next(2), "xx..."),
            (When::Always, "xxxxx"),
            (When::AlwaysAfter(2), "..xxx"),
            (When::Next(0), "....."),
        ] {
            let mut scripts = Scripts::default();
            scripts.script(Route::List, when, 'x');
            assert_eq!(picks(&mut scripts, &[Route::List; 5]), expected, "{when:?}");
        }
    }

    #[test]
    fn the_first_script_wins_and_all_count() {
        let mut scripts = Scripts::default();
        scripts.script(Route::List, When::Next(1), 'a');
        scripts.script(Route::Any, When::Next(3), 'b');
        assert_eq!(picks(&mut scripts, &[Route::List, Route::Get, Route::List, Route::List]), "abb.");
        scripts.down_after(1, 'd');
        assert_eq!(picks(&mut scripts, &[Route::Get; 3]), ".dd");
        scripts.clear();
        assert_eq!(picks(&mut scripts, &[Route::Get; 2]), "..");
    }

    #[test]
    fn credentials_are_not_recorded() {
        let request = Request::post("/v1/things/7?a=b%20c")
            .header("Authorization", "canary")
            .header("X-Key", "canary")
            .header("Cookie", "canary")
            .header("Accept", "text/plain")
            .body(Bytes::from_static(br#"{"x":1}"#))
            .unwrap();
        let call = Call::record(Route::Get, vec!["7".to_owned()], &request, &["x-key"]);
        assert!(!format!("{call:?}").contains("canary"), "{call:?}");
        assert_eq!((call.query("a"), call.header("accept")), (Some("b c"), Some("text/plain")));
        assert_eq!((call.param(0), call.param(1), call.json()["x"].as_u64()), ("7", "", Some(1)));
    }

    #[test]
    fn placeholders_are_found_and_decoded() {
        assert_eq!(path_params("/a/{id}/b", "/a/x%2Fy+z/b"), Some(vec!["x/y+z".to_owned()]));
        for path in ["/a//b", "/a/x", "/a/x/b/", "/A/x/b"] {
            assert_eq!(path_params("/a/{id}/b", path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn a_request_is_handed_on_with_its_body() {
        let server = Server::start(|request: Request<Bytes>| async move {
            format!("{} {}", request.uri().path(), request.body().len())
        })
        .await
        .unwrap();
        // A connection that is closed on an unread rest may lose its answer on the way.
        for (length, handed_on) in [(3, true), (MAX_BODY + 1, false)] {
            let body = "b".repeat(length);
            let head = format!(
                "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let answer = exchange(server.address(), head.as_bytes()).await;
            assert_eq!(answer.ends_with("/x 3"), handed_on, "{length}: {answer}");
        }
        let address = server.address();
        drop(server);
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn exchange(address: SocketAddr, request: &[u8]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut read, mut write) = tokio::net::TcpStream::connect(address).await.unwrap().into_split();
        let request = request.to_vec();
        // The server may answer, and close, before it has read all.
        tokio::spawn(async move { write.write_all(&request).await });
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}
