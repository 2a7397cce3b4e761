//! A service on loopback whose responses a target computes, so that a whole client can be fuzzed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appsec_core::{Coverage, DastApiScanner, Finding, FindingEvent, FindingQuery};
use appsec_http::testing::fake::Server;
use appsec_http::{HttpOptions, RetryPolicy};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

/// The time limit of a call. No response is delayed or truncated here.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A request: target, headers and body.
pub(crate) struct ReceivedRequest {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl ReceivedRequest {
    /// A number parameter of the query.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name)?.1.parse().ok()
    }
}

/// A status and a body.
pub(crate) type Reply = (u16, Bytes);
type Responder = Arc<dyn Fn(&ReceivedRequest) -> Reply + Send + Sync>;

/// The service, and the runtime that it shares with its clients.
pub(crate) struct Loopback {
    runtime: Runtime,
    server: Server,
    responder: Arc<Mutex<Responder>>,
}

impl Loopback {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let responder: Arc<Mutex<Responder>> =
            Arc::new(Mutex::new(Arc::new(|_: &ReceivedRequest| (500, Bytes::new()))));
        let shared = Arc::clone(&responder);
        let handler = move |request: Request<Bytes>| {
            let respond = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move {
                let (parts, body) = request.into_parts();
                let (status, body) =
                    respond(&ReceivedRequest { uri: parts.uri, headers: parts.headers, body });
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                (status, [("content-type", "application/json")], body)
            }
        };
        let server = runtime.block_on(Server::start(handler)).expect("a port of loopback");
        Self { runtime, server, responder }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Runs a client while the service responds with this function. Panics if the client does not end in
    /// time.
    pub(crate) fn run<T>(
        &self,
        respond: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
        work: impl Future<Output = T>,
    ) -> T {
        *self.responder.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(respond);
        let bounded = async { tokio::time::timeout(TIME_LIMIT, work).await };
        self.runtime.block_on(bounded).expect("the client ends in time")
    }
}

/// Options without retries: a fault of a fuzzed response is permanent.
pub(crate) fn options() -> HttpOptions {
    HttpOptions::new().with_retry(RetryPolicy::none())
}

/// The items of a stream of findings up to its end or error.
pub(crate) async fn findings(
    scanner: &impl DastApiScanner,
    query: FindingQuery,
) -> (Vec<Finding>, Option<Coverage>) {
    let mut events = scanner.findings(query);
    let (mut findings, mut end) = (Vec::new(), None);
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "nothing follows the end");
        match event {
            Ok(FindingEvent::Batch(batch)) => {
                let kept = serde_json::to_string(&batch.resume).expect("a resume point can be kept");
                assert_eq!(serde_json::from_str(&kept).ok(), Some(batch.resume));
                findings.extend(batch.findings);
            }
            Ok(FindingEvent::End(coverage)) => end = Some(coverage),
            Ok(other) => panic!("{other:?} is not a known event"),
            Err(error) => {
                let _ = format!("{error} {error:?}");
                assert!(events.next().await.is_none(), "nothing follows an error");
                break;
            }
        }
    }
    (findings, end)
}
