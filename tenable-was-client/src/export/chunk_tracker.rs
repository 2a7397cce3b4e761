//! The state of each chunk of an export: from the statuses of the job to the chunks to fetch and the gaps.
//! No IO.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use appsec_core::{CoverageGap, GapKind, Verbatim, duration_text};

use crate::model::{ChunkId, ExportState, ExportStatus};

/// The state of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ChunkState {
    /// Offered by the service and returned to be fetched.
    Taken,
    Delivered,
    Lost(ChunkLoss),
}

/// Why a chunk cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkLoss {
    /// The service failed to create it.
    Failed,
    /// The service cancelled it, after a failure or a cancellation of the job.
    Cancelled,
    /// It has expired: the service keeps chunks for a day.
    Expired,
    /// The service reported for too long that it was not ready.
    NotReady,
    /// Its download failed after all retries, or what came is not an array of records. The text says why,
    /// as the end of a sentence.
    Unreadable(String),
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEnding {
    /// The service finished it. Chunks may still be missing.
    Finished,
    /// It was cancelled.
    Cancelled,
    /// The service ended it because of a failure.
    Failed,
    /// The service does not know the job any more.
    Vanished,
    /// It made no progress in a state that this version does not know.
    Unknown(String),
    /// It made no progress for this long, the [patience](crate::ExportOptions::with_patience) of the
    /// options. It continues at the service.
    Stalled(Duration),
}

/// The chunks of one export.
#[derive(Debug, Default)]
pub(crate) struct ChunkTracker {
    chunks: BTreeMap<ChunkId, ChunkState>,
    total: Option<u64>,
    empty: u64,
    reason: Option<String>,
}

impl ChunkTracker {
    /// Makes a tracker for an export of which some chunks were delivered before.
    pub(crate) fn with_delivered(delivered: impl IntoIterator<Item = ChunkId>) -> Self {
        let chunks = delivered.into_iter().map(|chunk| (chunk, ChunkState::Delivered)).collect();
        Self { chunks, ..Self::default() }
    }

    /// Updates the state from a status, and returns the chunks that have become available. Each chunk is
    /// returned once, however often the service lists it, and in whatever order.
    pub(crate) fn update(&mut self, status: &ExportStatus) -> Vec<ChunkId> {
        // If the total decreases, the chunks that were announced before are missing.
        self.total = self.total.max(status.total_chunks);
        self.empty = status.empty_chunks_count.unwrap_or(self.empty);
        if status.reason.is_some() {
            self.reason.clone_from(&status.reason);
        }
        let mut new = Vec::new();
        for chunk in &status.chunks_available {
            match self.chunks.entry(*chunk) {
                Entry::Vacant(entry) => {
                    entry.insert(ChunkState::Taken);
                    new.push(*chunk);
                }
                // The service offers a chunk that it had listed as failed or cancelled.
                Entry::Occupied(mut entry)
                    if matches!(entry.get(), ChunkState::Lost(ChunkLoss::Failed | ChunkLoss::Cancelled)) =>
                {
                    entry.insert(ChunkState::Taken);
                    new.push(*chunk);
                }
                Entry::Occupied(_) => {}
            }
        }
        for (chunks, loss) in
            [(&status.chunks_failed, ChunkLoss::Failed), (&status.chunks_cancelled, ChunkLoss::Cancelled)]
        {
            for chunk in chunks {
                self.chunks.entry(*chunk).or_insert_with(|| ChunkState::Lost(loss.clone()));
            }
        }
        new
    }

    pub(crate) fn mark_delivered(&mut self, chunk: ChunkId) {
        self.chunks.insert(chunk, ChunkState::Delivered);
    }

    pub(crate) fn mark_lost(&mut self, chunk: ChunkId, loss: ChunkLoss) {
        self.chunks.insert(chunk, ChunkState::Lost(loss));
    }

    /// Returns the chunks that were read to their end.
    pub(crate) fn delivered(&self) -> impl Iterator<Item = ChunkId> {
        self.chunks.iter().filter(|(_, state)| **state == ChunkState::Delivered).map(|(chunk, _)| *chunk)
    }

    /// The total number of chunks, if the service has announced it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Returns what is missing, once the export has ended and no chunk is being read.
    pub(crate) fn gaps(&self, ending: &ExportEnding) -> Vec<CoverageGap> {
        let mut gaps = Vec::new();
        let reason = self.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let incomplete = |what: String| CoverageGap::new(GapKind::ExportIncomplete, what);
        match ending {
            ExportEnding::Finished => {}
            ExportEnding::Cancelled => gaps.push(incomplete(format!("the export was cancelled{reason}"))),
            ExportEnding::Failed => gaps.push(incomplete(format!("the export failed{reason}"))),
            ExportEnding::Vanished => gaps.push(incomplete("the export expired before it ended".to_owned())),
            ExportEnding::Unknown(state) => gaps.push(incomplete(format!(
                "the export made no progress in the state {state:?}, which this version does not know"
            ))),
            ExportEnding::Stalled(time) => gaps.push(incomplete(format!(
                "the export made no progress for {}; it continues at the service",
                duration_text(*time)
            ))),
        }
        for (chunk, state) in &self.chunks {
            let what = match state {
                ChunkState::Delivered => continue,
                ChunkState::Taken => "was not read to its end",
                ChunkState::Lost(ChunkLoss::Failed) => "failed at the service",
                ChunkState::Lost(ChunkLoss::Cancelled) => "was cancelled at the service",
                ChunkState::Lost(ChunkLoss::Expired) => "expired before it was fetched",
                ChunkState::Lost(ChunkLoss::NotReady) => "was offered but never became ready",
                ChunkState::Lost(ChunkLoss::Unreadable(why)) => {
                    let message = format!("chunk {chunk} of the export could not be read: {why}");
                    gaps.push(CoverageGap::new(GapKind::Chunk, message));
                    continue;
                }
            };
            let message = format!("chunk {chunk} of the export {what}{reason}");
            gaps.push(CoverageGap::new(GapKind::Chunk, message));
        }
        gaps.extend(self.total_mismatch().map(incomplete));
        gaps
    }

    /// Describes why the chunks do not add up to the total, if they do not.
    fn total_mismatch(&self) -> Option<String> {
        let known = self.chunks.len() as u64;
        let Some(total) = self.total else {
            return Some("the export does not say how many chunks it has".to_owned());
        };
        // It is not documented whether the lists contain empty chunks, so both readings are accepted.
        let adds_up = (known..=known.saturating_add(self.empty)).contains(&total);
        (!adds_up).then(|| {
            format!(
                "the export has {total} chunks, of which {known} are accounted for and {} are empty",
                self.empty
            )
        })
    }
}

/// Returns how an export with the status has ended, or `None` if it is running or its state is unknown.
pub(crate) fn ending(status: &ExportStatus) -> Option<ExportEnding> {
    match status.status.as_ref().map(Verbatim::value)? {
        ExportState::Finished => Some(ExportEnding::Finished),
        ExportState::Cancelled => Some(ExportEnding::Cancelled),
        ExportState::Error => Some(ExportEnding::Failed),
        ExportState::Queued | ExportState::Processing | ExportState::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn status(value: serde_json::Value) -> ExportStatus {
        serde_json::from_value(value).unwrap()
    }

    fn chunks(numbers: impl IntoIterator<Item = u64>) -> Vec<ChunkId> {
        numbers.into_iter().map(ChunkId).collect()
    }

    fn kinds(gaps: &[CoverageGap]) -> Vec<GapKind> {
        gaps.iter().map(|gap| gap.kind.clone()).collect()
    }

    #[test]
    fn each_chunk_is_returned_once_despite_gaps_and_repetitions() {
        let mut tracker = ChunkTracker::default();
        let offered = |ids: &[u64]| status(json!({"status": "PROCESSING", "chunks_available": ids}));
        assert_eq!(tracker.update(&offered(&[7, 2, 7])), chunks([7, 2]));
        assert_eq!(tracker.update(&offered(&[2, 9, 7])), chunks([9]));
        assert_eq!(tracker.update(&offered(&[])), chunks([]));
        assert_eq!(tracker.update(&offered(&[9, 2])), chunks([]));
    }

    #[test]
    fn a_chunk_that_was_delivered_before_is_not_returned_again() {
        let mut tracker = ChunkTracker::with_delivered(chunks([1]));
        let offered = status(json!({"status": "PROCESSING", "chunks_available": [1, 2]}));
        assert_eq!(tracker.update(&offered), chunks([2]));
    }

    #[test]
    fn a_finished_export_that_adds_up_has_no_gap() {
        let mut tracker = ChunkTracker::default();
        let end = status(json!({"status": "FINISHED", "chunks_available": [1, 3], "total_chunks": 2}));
        for chunk in tracker.update(&end) {
            tracker.mark_delivered(chunk);
        }
        assert_eq!(ending(&end), Some(ExportEnding::Finished));
        assert!(tracker.gaps(&ExportEnding::Finished).is_empty());
    }

    #[test]
    fn a_total_that_decreases_hides_no_missing_chunk() {
        let mut tracker = ChunkTracker::default();
        tracker.update(&status(json!({"status": "PROCESSING", "total_chunks": 3})));
        let end = status(json!({"status": "FINISHED", "chunks_available": [1], "total_chunks": 1}));
        for chunk in tracker.update(&end) {
            tracker.mark_delivered(chunk);
        }
        assert_eq!(kinds(&tracker.gaps(&ExportEnding::Finished)), [GapKind::ExportIncomplete]);
    }

    #[test]
    fn empty_chunks_may_be_listed_or_not() {
        for available in [json!([1, 2]), json!([1, 2, 3])] {
            let mut tracker = ChunkTracker::default();
            let end = json!({"status": "FINISHED", "chunks_available": available, "total_chunks": 3, "empty_chunks_count": 1});
            for chunk in tracker.update(&status(end)) {
                tracker.mark_delivered(chunk);
            }
            assert!(tracker.gaps(&ExportEnding::Finished).is_empty(), "{available}");
        }
        let mut tracker = ChunkTracker::default();
        tracker.update(&status(json!({"status": "FINISHED", "total_chunks": 0})));
        assert!(tracker.gaps(&ExportEnding::Finished).is_empty(), "an empty result");
    }

    #[test]
    fn failed_cancelled_and_expired_chunks_are_gaps() {
        let mut tracker = ChunkTracker::default();
        let end = status(json!({"status": "FINISHED", "reason": "1 of 5 chunks failed", "total_chunks": 5,
            "chunks_available": [1, 2, 5], "chunks_failed": [3], "chunks_cancelled": [4]}));
        tracker.update(&end);
        tracker.mark_delivered(ChunkId(1));
        tracker.mark_lost(ChunkId(2), ChunkLoss::Expired);
        tracker.mark_lost(ChunkId(5), ChunkLoss::NotReady);
        let gaps = tracker.gaps(&ExportEnding::Finished);
        assert_eq!(kinds(&gaps), vec![GapKind::Chunk; 4]);
        assert!(gaps[0].message.starts_with("chunk 2 of the export expired"), "{}", gaps[0].message);
        assert!(gaps[1].message.contains("1 of 5 chunks failed"), "{}", gaps[1].message);
    }

    #[test]
    fn a_failed_export_keeps_its_chunks_and_has_a_gap() {
        for (state, expected) in [("ERROR", ExportEnding::Failed), ("CANCELLED", ExportEnding::Cancelled)] {
            let mut tracker = ChunkTracker::default();
            let cancelled: Vec<u64> = (3..=20).collect();
            let end = status(
                json!({"status": state, "chunks_available": [1, 2], "chunks_cancelled": cancelled, "total_chunks": 20}),
            );
            let ending = ending(&end).unwrap();
            assert_eq!(ending, expected);
            for chunk in tracker.update(&end) {
                tracker.mark_delivered(chunk);
            }
            let gaps = tracker.gaps(&ending);
            assert_eq!(gaps.len(), 1 + 18, "the ending, and each cancelled chunk");
            assert_eq!(gaps[0].kind, GapKind::ExportIncomplete);
        }
    }

    #[test]
    fn chunks_that_were_never_listed_are_a_gap() {
        let mut tracker = ChunkTracker::default();
        for chunk in tracker
            .update(&status(json!({"chunks_available": [1, 2], "total_chunks": 4, "empty_chunks_count": 1})))
        {
            tracker.mark_delivered(chunk);
        }
        assert_eq!(kinds(&tracker.gaps(&ExportEnding::Finished)), [GapKind::ExportIncomplete]);
        tracker.update(&status(json!({"total_chunks": 1})));
        assert_eq!(
            kinds(&tracker.gaps(&ExportEnding::Finished)),
            [GapKind::ExportIncomplete],
            "more chunks than the total"
        );
        assert_eq!(
            kinds(&ChunkTracker::default().gaps(&ExportEnding::Finished)),
            [GapKind::ExportIncomplete],
            "no total"
        );
    }

    #[test]
    fn a_failed_chunk_that_is_offered_later_is_fetched() {
        let mut tracker = ChunkTracker::default();
        assert!(tracker.update(&status(json!({"chunks_failed": [1], "total_chunks": 1}))).is_empty());
        assert_eq!(tracker.update(&status(json!({"chunks_available": [1]}))), chunks([1]));
        tracker.mark_delivered(ChunkId(1));
        tracker.update(&status(json!({"chunks_failed": [1]})));
        assert!(tracker.gaps(&ExportEnding::Finished).is_empty(), "a delivered chunk stays delivered");
    }

    #[test]
    fn only_three_states_are_an_end() {
        for (state, ended) in [
            ("QUEUED", false),
            ("PROCESSING", false),
            ("FINISHED", true),
            ("CANCELLED", true),
            ("ERROR", true),
            ("HELD", false),
        ] {
            assert_eq!(ending(&status(json!({"status": state}))).is_some(), ended, "{state}");
        }
        assert_eq!(ending(&status(json!({}))), None);
    }

    proptest! {
        /// Whatever the service lists, and in whatever order, a missing chunk is a gap.
        #[test]
        fn every_missing_chunk_is_a_gap(
            available in proptest::collection::vec(1_u64..12, 0..12),
            failed in proptest::collection::vec(1_u64..12, 0..4),
            cancelled in proptest::collection::vec(1_u64..12, 0..4),
            total in 0_u64..14,
            stall in any::<bool>(),
        ) {
            let mut tracker = ChunkTracker::default();
            let offered = tracker.update(&status(json!({"status": "FINISHED", "chunks_available": available,
                "chunks_failed": failed, "chunks_cancelled": cancelled, "total_chunks": total})));
            let mut delivered = 0;
            for (place, chunk) in offered.into_iter().enumerate() {
                if stall && place == 0 {
                    continue;
                }
                tracker.mark_delivered(chunk);
                delivered += 1;
            }
            if delivered != total {
                prop_assert!(!tracker.gaps(&ExportEnding::Finished).is_empty());
            }
        }
    }
}
