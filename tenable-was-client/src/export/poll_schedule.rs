//! When to poll an export again, and when to give up. No IO.

use std::time::Duration;

use appsec_core::Verbatim;
use tokio::time::Instant;

use super::ExportOptions;
use crate::model::{ExportState, ExportStatus};

/// The pauses between two polls of a job, and the time since its last progress.
#[derive(Debug)]
pub(crate) struct PollSchedule {
    first: Duration,
    longest: Duration,
    patience: Duration,
    pause: Duration,
    progress_at: Instant,
    last: Option<StatusSnapshot>,
}

/// The part of a status that changes when a job makes progress.
#[derive(Debug, PartialEq, Eq)]
struct StatusSnapshot {
    state: Option<ExportState>,
    counts: [Option<u64>; 3],
    chunks: [usize; 3],
}

impl PollSchedule {
    pub(crate) fn new(options: &ExportOptions, now: Instant) -> Self {
        Self {
            first: options.first_pause(),
            longest: options.longest_pause().max(options.first_pause()),
            patience: options.patience(),
            pause: options.first_pause(),
            progress_at: now,
            last: None,
        }
    }

    /// Updates the schedule from a status: a job that makes progress is polled soon, any other less and
    /// less often.
    pub(crate) fn update(&mut self, status: &ExportStatus, now: Instant) {
        let snapshot = StatusSnapshot {
            state: status.status.as_ref().map(|state| Verbatim::value(state).clone()),
            counts: [status.total_chunks, status.finished_chunks, status.chunks_available_count],
            chunks: [&status.chunks_available, &status.chunks_failed, &status.chunks_cancelled].map(Vec::len),
        };
        if self.last.as_ref() == Some(&snapshot) {
            self.no_progress();
        } else {
            self.last = Some(snapshot);
            self.progress(now);
        }
    }

    /// Records progress, such as a chunk that was read.
    pub(crate) fn progress(&mut self, now: Instant) {
        self.progress_at = now;
        self.pause = self.first;
    }

    /// Restarts the time without progress. The pauses stay as they are.
    pub(crate) fn reset_stall(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Records that there was no progress.
    pub(crate) fn no_progress(&mut self) {
        self.pause = (self.pause * 2).min(self.longest);
    }

    /// The time to wait before the next poll.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether there has been no progress for too long.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.progress_at) >= self.patience
    }

    /// The time since the last progress.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.progress_at)
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
    async fn pauses_double_up_to_the_longest_and_start_over_after_progress() {
        let mut schedule = PollSchedule::new(&ExportOptions::new(), Instant::now());
        let stalled = status(json!({"status": "PROCESSING", "chunks_available": [1]}));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            schedule.update(&stalled, Instant::now());
            pauses.push(schedule.pause().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        schedule.update(&status(json!({"status": "PROCESSING", "chunks_available": [1, 2]})), Instant::now());
        assert_eq!(schedule.pause().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_in_every_state_and_restarts_with_any_progress() {
        let options = ExportOptions::new().with_patience(Duration::from_secs(60));
        for state in ["QUEUED", "PROCESSING", "HELD"] {
            let mut schedule = PollSchedule::new(&options, Instant::now());
            let stalled = status(json!({"status": state}));
            schedule.update(&stalled, Instant::now());
            tokio::time::advance(Duration::from_secs(59)).await;
            schedule.update(&stalled, Instant::now());
            assert!(!schedule.is_stalled(Instant::now()), "{state}");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(schedule.is_stalled(Instant::now()), "{state}");
            schedule.progress(Instant::now());
            assert!(!schedule.is_stalled(Instant::now()), "{state}");
        }
    }
}
