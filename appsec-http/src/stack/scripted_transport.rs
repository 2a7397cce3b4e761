//! A scripted transport in memory, for tests under paused time.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::client::HttpClient;
use crate::options::HttpOptions;
use crate::response::Response;
use crate::service::{AuthHeader, Service};
use crate::stack::transport::{Incoming, Outgoing, Transport, TransportError};

/// What happens to one request.
pub(crate) enum Step {
    Response(Reply),
    /// The connection is refused.
    Unsent,
    /// The certificate is not trusted.
    Untrusted,
    /// The connection breaks before a response.
    Reset,
    /// No response comes.
    Hang,
}

pub(crate) struct Reply {
    status: u16,
    headers: HeaderMap,
    pieces: Vec<&'static str>,
    /// The delay before the head.
    delay: Duration,
    /// The delay before each piece of the body.
    pause: Duration,
    /// The body breaks off after its pieces.
    cut: bool,
}

pub(crate) fn reply(status: u16, body: &'static str) -> Reply {
    let (headers, delay, pause) = (HeaderMap::new(), Duration::ZERO, Duration::ZERO);
    Reply { status, headers, pieces: vec![body], delay, pause, cut: false }
}

impl Reply {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn pieces(mut self, pieces: &[&'static str]) -> Self {
        self.pieces = pieces.to_vec();
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn slowly(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }
}

impl From<Reply> for Step {
    fn from(reply: Reply) -> Self {
        Self::Response(reply)
    }
}

type Plan = dyn Fn(usize) -> Step + Send + Sync;

/// Responds to the n-th request, from 0, as planned, and records when each came.
#[derive(Clone)]
pub(crate) struct ScriptedTransport {
    plan: Arc<Plan>,
    sent: Arc<Mutex<Vec<Instant>>>,
    in_flight: Arc<AtomicUsize>,
    max_in_flight: Arc<AtomicUsize>,
}

impl ScriptedTransport {
    pub(crate) fn new<S: Into<Step>>(plan: impl Fn(usize) -> S + Send + Sync + 'static) -> Self {
        Self {
            plan: Arc::new(move |n| plan(n).into()),
            sent: Arc::default(),
            in_flight: Arc::default(),
            max_in_flight: Arc::default(),
        }
    }

    pub(crate) fn client(&self, options: HttpOptions) -> HttpClient {
        let to_error = |response: &Response| {
            let kind = match response.status() {
                401 => ErrorKind::Auth,
                409 => ErrorKind::Conflict,
                429 => ErrorKind::RateLimited,
                500.. => ErrorKind::Server,
                _ => ErrorKind::InvalidRequest,
            };
            Error::new(kind, response.redacted(&format!("{} {}", response.status(), response.excerpt())))
        };
        let service = Service::new("test", "test/1", to_error).with_request_id_header("x-request-id");
        let base_url = Url::parse("https://api.example/").unwrap();
        let auth = AuthHeader::new("authorization", "Bearer canary-canary".into()).unwrap();
        HttpClient::with_transport(service, base_url, auth, options, Box::new(self.clone()))
    }

    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// The time of the n-th request.
    pub(crate) fn sent_at(&self, n: usize) -> Instant {
        self.sent.lock().unwrap()[n]
    }

    /// The largest number of requests whose heads were awaited at once.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedTransport").finish_non_exhaustive()
    }
}

struct InFlightGuard<'a>(&'a AtomicUsize);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn execute(&self, _outgoing: Outgoing) -> Result<Incoming, TransportError> {
        let n = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(Instant::now());
            sent.len() - 1
        };
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        let _in_flight = InFlightGuard(&self.in_flight);
        self.max_in_flight.fetch_max(now, Ordering::SeqCst);
        let reply = match (self.plan)(n) {
            Step::Response(reply) => reply,
            Step::Unsent => {
                return Err(TransportError { unsent: true, ..TransportError::interrupted("refused") });
            }
            Step::Untrusted => {
                return Err(TransportError {
                    unsent: true,
                    permanent: true,
                    ..TransportError::interrupted("untrusted")
                });
            }
            Step::Reset => return Err(TransportError::interrupted("reset")),
            Step::Hang => std::future::pending().await,
        };
        if !reply.delay.is_zero() {
            sleep(reply.delay).await;
        }
        let pause = reply.pause;
        let end = reply.cut.then(|| Err(TransportError::interrupted("cut")));
        let pieces =
            reply.pieces.into_iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).chain(end);
        let body = stream::iter(pieces).then(move |piece| async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            piece
        });
        Ok(Incoming { status: reply.status, headers: reply.headers, body: Box::pin(body) })
    }
}
