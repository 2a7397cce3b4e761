//! How many chunks are fetched at once: one at first, more after successes, fewer after a 429.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The maximum number of concurrent downloads. It grows by one after as many successes as its value, and
/// halves after a 429.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    current: usize,
    max: usize,
    successes: usize,
}

impl ConcurrencyLimit {
    /// Starts at one.
    pub(crate) fn new(max: usize) -> Self {
        Self { current: 1, max: max.max(1), successes: 0 }
    }

    pub(crate) fn current(&self) -> usize {
        self.current
    }

    pub(crate) fn succeeded(&mut self) {
        self.successes += 1;
        if self.successes >= self.current {
            self.successes = 0;
            self.current = (self.current + 1).min(self.max);
        }
    }

    pub(crate) fn throttled(&mut self) {
        self.successes = 0;
        self.current = (self.current / 2).max(1);
    }
}

tokio::task_local! {
    static SEEN: Throttling;
}

/// Whether the service responded with 429 to one of the tasks that share it.
///
/// The HTTP stack retries after a 429 without reporting it. Every error response passes through the function
/// that converts it into an error, in the task that fetches the chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttling(Arc<AtomicBool>);

impl Throttling {
    /// Records a 429, if the current task fetches a chunk.
    pub(crate) fn note() {
        // Outside of such a task the value is not set.
        let _ = SEEN.try_with(|seen| seen.0.store(true, Ordering::Relaxed));
    }

    /// Runs a task that fetches a chunk.
    pub(crate) async fn watch<F: Future>(self, task: F) -> F::Output {
        SEEN.scope(self, task).await
    }

    /// Whether there was a 429 since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_slowly_halves_and_keeps_its_bounds() {
        let mut limit = ConcurrencyLimit::new(4);
        let mut seen = vec![limit.current()];
        for _ in 0..12 {
            limit.succeeded();
            seen.push(limit.current());
        }
        assert_eq!(seen, [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
        for expected in [2, 1, 1] {
            limit.throttled();
            assert_eq!(limit.current(), expected);
        }
        assert_eq!(ConcurrencyLimit::new(0).current(), 1);
    }

    #[tokio::test]
    async fn a_429_is_recorded_by_its_own_task() {
        let (one, other) = (Throttling::default(), Throttling::default());
        Throttling::note();
        one.clone().watch(async { Throttling::note() }).await;
        other.clone().watch(async {}).await;
        assert!(one.take());
        assert!(!one.take(), "reported once");
        assert!(!other.take());
    }

    #[tokio::test]
    async fn a_429_that_the_stack_retries_is_recorded() {
        let server = wiremock::MockServer::start().await;
        let chunk = || wiremock::Mock::given(wiremock::matchers::any());
        let throttled = wiremock::ResponseTemplate::new(429).insert_header("retry-after", "0");
        chunk().respond_with(throttled).up_to_n_times(1).mount(&server).await;
        chunk()
            .respond_with(wiremock::ResponseTemplate::new(200).set_body_string("[1]"))
            .mount(&server)
            .await;
        let client = crate::TenableWasClient::builder("a", "s").with_base_url(server.uri()).build().unwrap();
        let export = "bf000000-53aa-4e70-9ef3-87cfca1d2be0".parse().unwrap();
        let seen = Throttling::default();
        let mut chunk = client.chunk_elements(export, crate::model::ChunkId(1)).unwrap();
        assert!(seen.clone().watch(chunk.next()).await.unwrap().is_ok());
        assert!(seen.take());
    }
}
