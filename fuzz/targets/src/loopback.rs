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

/// No response is cut or late here, so no call may take longer.
const BOUND: Duration = Duration::from_secs(20);

/// A request: target, headers and body.
pub(crate) struct Asked {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// A number parameter of the query.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name)?.1.parse().ok()
    }
}

/// A status and a body.
pub(crate) type Answer = (u16, Bytes);
type Answerer = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The service, and the runtime that it shares with its clients.
pub(crate) struct Loopback {
    runtime: Runtime,
    server: Server,
    answerer: Arc<Mutex<Answerer>>,
}

impl Loopback {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answerer: Arc<Mutex<Answerer>> = Arc::new(Mutex::new(Arc::new(|_: &Asked| (500, Bytes::new()))));
        let shared = Arc::clone(&answerer);
        let handler = move |request: Request<Bytes>| {
            let answer = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move {
                let (parts, body) = request.into_parts();
                let (status, body) = answer(&Asked { uri: parts.uri, headers: parts.headers, body });
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                (status, [("content-type", "application/json")], body)
            }
        };
        let server = runtime.block_on(Server::start(handler)).expect("a port of loopback");
        Self { runtime, server, answerer }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Runs a client while the service responds in this way. The client must end in time.
    pub(crate) fn run<T>(
        &self,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        work: impl Future<Output = T>,
    ) -> T {
        *self.answerer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answer);
        let bounded = async { tokio::time::timeout(BOUND, work).await };
        self.runtime.block_on(bounded).expect("it comes to an end")
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
            Ok(other) => panic!("{other:?} is no event that is known"),
            Err(error) => {
                let _ = format!("{error} {error:?}");
                assert!(events.next().await.is_none(), "nothing follows an error");
                break;
            }
        }
    }
    (findings, end)
}
