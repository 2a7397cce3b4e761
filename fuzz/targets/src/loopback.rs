//! A service on loopback that answers what a target says, so that a whole client can be fuzzed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appsec_core::{Coverage, DastApiScanner, Finding, FindingEvent, FindingQuery};
use appsec_http::testing::fake::Server;
use appsec_http::{HttpOptions, RetryPolicy};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

/// No answer is broken off or late here, so nothing may take longer.
const BOUND: Duration = Duration::from_secs(20);

/// What is asked: where, and with which headers and body.
pub(crate) struct Asked {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// A number in the query.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name)?.1.parse().ok()
    }
}

/// A status and a body.
pub(crate) type Answer = (u16, Bytes);
type Answerer = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The service, and the one thread that it shares with its clients.
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

    /// Runs what a client does while the service answers like this. It must come to an end.
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

/// Options without repetition: a fault of a fuzzed answer does not pass.
pub(crate) fn options() -> HttpOptions {
    HttpOptions::new().with_retry(RetryPolicy::none())
}

/// What a stream of findings gave until its end or its error, which is its last item.
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
