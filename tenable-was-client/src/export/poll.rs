//! When to ask for an export's status again, and when to give up. No IO here.

use std::time::Duration;

use appsec_core::Verbatim;
use tokio::time::Instant;

use super::ExportOptions;
use crate::model::{ExportState, ExportStatus};

/// The pauses between two looks at a job, and how long nothing has moved.
#[derive(Debug)]
pub(crate) struct Pacer {
    first: Duration,
    longest: Duration,
    patience: Duration,
    pause: Duration,
    moved_at: Instant,
    last: Option<Look>,
}

/// What of a status shows that something moved.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    state: Option<ExportState>,
    counts: [Option<u64>; 3],
    chunks: [usize; 3],
}

impl Pacer {
    pub(crate) fn new(options: &ExportOptions, now: Instant) -> Self {
        Self {
            first: options.first_pause,
            longest: options.longest_pause.max(options.first_pause),
            patience: options.patience,
            pause: options.first_pause,
            moved_at: now,
            last: None,
        }
    }

    /// Notes a status: what moves is asked for again soon, what stands still less and less often.
    pub(crate) fn observe(&mut self, status: &ExportStatus, now: Instant) {
        let look = Look {
            state: status.status.as_ref().map(|state| Verbatim::value(state).clone()),
            counts: [status.total_chunks, status.finished_chunks, status.chunks_available_count],
            chunks: [&status.chunks_available, &status.chunks_failed, &status.chunks_cancelled].map(Vec::len),
        };
        if self.last.as_ref() == Some(&look) {
            self.stand();
        } else {
            self.last = Some(look);
            self.moved(now);
        }
    }

    /// Notes that something moved, such as a chunk that came.
    pub(crate) fn moved(&mut self, now: Instant) {
        self.moved_at = now;
        self.pause = self.first;
    }

    /// Notes that something moves elsewhere: no reason to ask sooner, and none to give up.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.moved_at = now;
    }

    /// Notes that nothing moved.
    pub(crate) fn stand(&mut self) {
        self.pause = (self.pause * 2).min(self.longest);
    }

    /// How long to wait before the next look.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// True when nothing has moved for too long.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.moved_at) >= self.patience
    }

    /// How long nothing has moved.
    pub(crate) fn standing_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.moved_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(value: serde_json::Value) -> ExportStatus {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_to_their_bound_and_begin_again_when_something_moves() {
        let mut pacer = Pacer::new(&ExportOptions::new(), Instant::now());
        let still = status(json!({"status": "PROCESSING", "chunks_available": [1]}));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pacer.observe(&still, Instant::now());
            pauses.push(pacer.pause().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        pacer.observe(&status(json!({"status": "PROCESSING", "chunks_available": [1, 2]})), Instant::now());
        assert_eq!(pacer.pause().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_in_every_state_and_is_renewed_by_any_movement() {
        let options = ExportOptions::new().with_patience(Duration::from_secs(60));
        for word in ["QUEUED", "PROCESSING", "HELD"] {
            let mut pacer = Pacer::new(&options, Instant::now());
            let look = status(json!({"status": word}));
            pacer.observe(&look, Instant::now());
            tokio::time::advance(Duration::from_secs(59)).await;
            pacer.observe(&look, Instant::now());
            assert!(!pacer.is_stuck(Instant::now()), "{word}");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(pacer.is_stuck(Instant::now()), "{word}");
            pacer.moved(Instant::now());
            assert!(!pacer.is_stuck(Instant::now()), "{word}");
        }
    }
}
