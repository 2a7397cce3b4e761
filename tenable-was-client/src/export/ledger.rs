//! What became of each chunk of an export. No IO here: a status comes in, what to fetch and what is missing comes out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use appsec_core::{CoverageGap, GapKind, Verbatim};

use crate::model::{ChunkId, ExportState, ExportStatus};

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Offered by the service and handed out to be fetched.
    Taken,
    Delivered,
    Lost(LostChunk),
}

/// Why a chunk will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostChunk {
    /// The service could not make it.
    Failed,
    /// The service dropped it after a failure or a cancellation.
    Cancelled,
    /// The service has it no more: chunks live for a day.
    Expired,
    /// The service said for too long that it was not ready.
    NotReady,
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEnding {
    /// The service finished it. Chunks may be missing all the same.
    Finished,
    /// Someone cancelled it.
    Cancelled,
    /// A fault at the service ended it.
    Failed,
    /// The service does not know it any more.
    Vanished,
    /// It stands in a state that this version does not know, and nothing moves.
    Unknown(String),
}

/// The chunks of one export.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    chunks: BTreeMap<ChunkId, Fate>,
    total: Option<u64>,
    empty: u64,
    reason: Option<String>,
}

impl Ledger {
    /// The chunks of an export of which some were delivered before.
    pub(crate) fn with_delivered(delivered: impl IntoIterator<Item = ChunkId>) -> Self {
        let chunks = delivered.into_iter().map(|chunk| (chunk, Fate::Delivered)).collect();
        Self { chunks, ..Self::default() }
    }

    /// Notes a status and gives the chunks that can be fetched now and could not before. Each comes once, however often the service
    /// lists it, and in whatever order.
    pub(crate) fn observe(&mut self, status: &ExportStatus) -> Vec<ChunkId> {
        // Chunks that were promised and are not counted any more are missing, not gone.
        self.total = self.total.max(status.total_chunks);
        self.empty = status.empty_chunks_count.unwrap_or(self.empty);
        if status.reason.is_some() {
            self.reason.clone_from(&status.reason);
        }
        let mut new = Vec::new();
        for chunk in &status.chunks_available {
            match self.chunks.entry(*chunk) {
                Entry::Vacant(place) => {
                    place.insert(Fate::Taken);
                    new.push(*chunk);
                }
                // What the service had given up is there after all.
                Entry::Occupied(mut known)
                    if matches!(known.get(), Fate::Lost(LostChunk::Failed | LostChunk::Cancelled)) =>
                {
                    known.insert(Fate::Taken);
                    new.push(*chunk);
                }
                Entry::Occupied(_) => {}
            }
        }
        for (chunks, lost) in
            [(&status.chunks_failed, LostChunk::Failed), (&status.chunks_cancelled, LostChunk::Cancelled)]
        {
            for chunk in chunks {
                self.chunks.entry(*chunk).or_insert(Fate::Lost(lost));
            }
        }
        new
    }

    pub(crate) fn delivered(&mut self, chunk: ChunkId) {
        self.chunks.insert(chunk, Fate::Delivered);
    }

    pub(crate) fn lost(&mut self, chunk: ChunkId, lost: LostChunk) {
        self.chunks.insert(chunk, Fate::Lost(lost));
    }

    /// The chunks that were delivered whole.
    pub(crate) fn all_delivered(&self) -> impl Iterator<Item = ChunkId> {
        self.chunks.iter().filter(|(_, fate)| **fate == Fate::Delivered).map(|(chunk, _)| *chunk)
    }

    /// How many chunks there are, as far as the service has said.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// What is missing, once the export has ended and nothing is under way.
    pub(crate) fn gaps(&self, ending: &ExportEnding) -> Vec<CoverageGap> {
        let mut gaps = Vec::new();
        let reason = self.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let incomplete = |what: String| CoverageGap::new(GapKind::ExportIncomplete, what);
        match ending {
            ExportEnding::Finished => {}
            ExportEnding::Cancelled => gaps.push(incomplete(format!("the export was cancelled{reason}"))),
            ExportEnding::Failed => gaps.push(incomplete(format!("the export failed{reason}"))),
            ExportEnding::Vanished => gaps.push(incomplete("the export expired before it ended".to_owned())),
            ExportEnding::Unknown(word) => gaps.push(incomplete(format!(
                "the export stands in the state {word:?}, which this version does not know, and does not move"
            ))),
        }
        for (chunk, fate) in &self.chunks {
            let what = match fate {
                Fate::Delivered => continue,
                Fate::Taken => "was not read to its end",
                Fate::Lost(LostChunk::Failed) => "failed at the service",
                Fate::Lost(LostChunk::Cancelled) => "was cancelled at the service",
                Fate::Lost(LostChunk::Expired) => "expired before it was fetched",
                Fate::Lost(LostChunk::NotReady) => "was offered and never became ready",
            };
            gaps.push(CoverageGap::new(
                GapKind::Chunk,
                format!("chunk {chunk} of the export {what}{reason}"),
            ));
        }
        gaps.extend(self.arithmetic().map(incomplete));
        gaps
    }

    /// Why the chunks do not add up to the total; `None` where they do.
    fn arithmetic(&self) -> Option<String> {
        let known = self.chunks.len() as u64;
        let Some(total) = self.total else {
            return Some("the export does not say of how many chunks it is made".to_owned());
        };
        // Whether empty chunks are among those listed is not written down: both readings are granted.
        let adds_up = (known..=known.saturating_add(self.empty)).contains(&total);
        (!adds_up).then(|| {
            format!(
                "the export has {total} chunks, of which {known} are accounted for and {} are empty",
                self.empty
            )
        })
    }
}

/// How an export with that status has ended; `None` while it goes on, and for words nobody knows.
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
    fn chunks_come_once_in_any_order_with_gaps_and_repetitions() {
        let mut ledger = Ledger::default();
        let offered = |ids: &[u64]| status(json!({"status": "PROCESSING", "chunks_available": ids}));
        assert_eq!(ledger.observe(&offered(&[7, 2, 7])), chunks([7, 2]));
        assert_eq!(ledger.observe(&offered(&[2, 9, 7])), chunks([9]));
        assert_eq!(ledger.observe(&offered(&[])), chunks([]));
        assert_eq!(ledger.observe(&offered(&[9, 2])), chunks([]));
    }

    #[test]
    fn what_was_delivered_before_is_not_offered_again() {
        let mut ledger = Ledger::with_delivered(chunks([1]));
        let offered = status(json!({"status": "PROCESSING", "chunks_available": [1, 2]}));
        assert_eq!(ledger.observe(&offered), chunks([2]));
    }

    #[test]
    fn a_finished_export_that_adds_up_has_no_gap() {
        let mut ledger = Ledger::default();
        let end = status(json!({"status": "FINISHED", "chunks_available": [1, 3], "total_chunks": 2}));
        for chunk in ledger.observe(&end) {
            ledger.delivered(chunk);
        }
        assert_eq!(ending(&end), Some(ExportEnding::Finished));
        assert!(ledger.gaps(&ExportEnding::Finished).is_empty());
    }

    #[test]
    fn a_total_that_shrinks_hides_nothing() {
        let mut ledger = Ledger::default();
        ledger.observe(&status(json!({"status": "PROCESSING", "total_chunks": 3})));
        let end = status(json!({"status": "FINISHED", "chunks_available": [1], "total_chunks": 1}));
        for chunk in ledger.observe(&end) {
            ledger.delivered(chunk);
        }
        assert_eq!(kinds(&ledger.gaps(&ExportEnding::Finished)), [GapKind::ExportIncomplete]);
    }

    #[test]
    fn empty_chunks_may_be_listed_or_not() {
        for available in [json!([1, 2]), json!([1, 2, 3])] {
            let mut ledger = Ledger::default();
            let end = json!({"status": "FINISHED", "chunks_available": available, "total_chunks": 3, "empty_chunks_count": 1});
            for chunk in ledger.observe(&status(end)) {
                ledger.delivered(chunk);
            }
            assert!(ledger.gaps(&ExportEnding::Finished).is_empty(), "{available}");
        }
        let mut ledger = Ledger::default();
        ledger.observe(&status(json!({"status": "FINISHED", "total_chunks": 0})));
        assert!(ledger.gaps(&ExportEnding::Finished).is_empty(), "an empty result");
    }

    #[test]
    fn failed_cancelled_and_expired_chunks_are_gaps() {
        let mut ledger = Ledger::default();
        let end = status(json!({"status": "FINISHED", "reason": "1 of 5 chunks failed", "total_chunks": 5,
            "chunks_available": [1, 2, 5], "chunks_failed": [3], "chunks_cancelled": [4]}));
        ledger.observe(&end);
        ledger.delivered(ChunkId(1));
        ledger.lost(ChunkId(2), LostChunk::Expired);
        ledger.lost(ChunkId(5), LostChunk::NotReady);
        let gaps = ledger.gaps(&ExportEnding::Finished);
        assert_eq!(kinds(&gaps), vec![GapKind::Chunk; 4]);
        assert!(gaps[0].message.starts_with("chunk 2 of the export expired"), "{}", gaps[0].message);
        assert!(gaps[1].message.contains("1 of 5 chunks failed"), "{}", gaps[1].message);
    }

    #[test]
    fn an_export_that_ended_badly_keeps_its_chunks_and_says_so() {
        for (word, expected) in [("ERROR", ExportEnding::Failed), ("CANCELLED", ExportEnding::Cancelled)] {
            let mut ledger = Ledger::default();
            let cancelled: Vec<u64> = (3..=20).collect();
            let end = status(
                json!({"status": word, "chunks_available": [1, 2], "chunks_cancelled": cancelled, "total_chunks": 20}),
            );
            let ending = ending(&end).unwrap();
            assert_eq!(ending, expected);
            for chunk in ledger.observe(&end) {
                ledger.delivered(chunk);
            }
            let gaps = ledger.gaps(&ending);
            assert_eq!(gaps.len(), 1 + 18, "the ending, and each cancelled chunk");
            assert_eq!(gaps[0].kind, GapKind::ExportIncomplete);
        }
    }

    #[test]
    fn chunks_that_were_never_mentioned_are_missed() {
        let mut ledger = Ledger::default();
        for chunk in ledger
            .observe(&status(json!({"chunks_available": [1, 2], "total_chunks": 4, "empty_chunks_count": 1})))
        {
            ledger.delivered(chunk);
        }
        assert_eq!(kinds(&ledger.gaps(&ExportEnding::Finished)), [GapKind::ExportIncomplete]);
        ledger.observe(&status(json!({"total_chunks": 1})));
        assert_eq!(
            kinds(&ledger.gaps(&ExportEnding::Finished)),
            [GapKind::ExportIncomplete],
            "more than there should be"
        );
        assert_eq!(
            kinds(&Ledger::default().gaps(&ExportEnding::Finished)),
            [GapKind::ExportIncomplete],
            "no total"
        );
    }

    #[test]
    fn a_chunk_given_up_and_offered_after_all_is_fetched() {
        let mut ledger = Ledger::default();
        assert!(ledger.observe(&status(json!({"chunks_failed": [1], "total_chunks": 1}))).is_empty());
        assert_eq!(ledger.observe(&status(json!({"chunks_available": [1]}))), chunks([1]));
        ledger.delivered(ChunkId(1));
        ledger.observe(&status(json!({"chunks_failed": [1]})));
        assert!(ledger.gaps(&ExportEnding::Finished).is_empty(), "what is delivered is delivered");
    }

    #[test]
    fn only_three_words_are_an_end() {
        for (word, ended) in [
            ("QUEUED", false),
            ("PROCESSING", false),
            ("FINISHED", true),
            ("CANCELLED", true),
            ("ERROR", true),
            ("HELD", false),
        ] {
            assert_eq!(ending(&status(json!({"status": word}))).is_some(), ended, "{word}");
        }
        assert_eq!(ending(&status(json!({}))), None);
    }

    proptest! {
        /// Whatever the service lists, and in whatever order: nothing is missing without a gap.
        #[test]
        fn nothing_is_missing_without_a_gap(
            available in proptest::collection::vec(1_u64..12, 0..12),
            failed in proptest::collection::vec(1_u64..12, 0..4),
            cancelled in proptest::collection::vec(1_u64..12, 0..4),
            total in 0_u64..14,
            stall in any::<bool>(),
        ) {
            let mut ledger = Ledger::default();
            let offered = ledger.observe(&status(json!({"status": "FINISHED", "chunks_available": available,
                "chunks_failed": failed, "chunks_cancelled": cancelled, "total_chunks": total})));
            let mut delivered = 0;
            for (place, chunk) in offered.into_iter().enumerate() {
                if stall && place == 0 {
                    continue;
                }
                ledger.delivered(chunk);
                delivered += 1;
            }
            if delivered != total {
                prop_assert!(!ledger.gaps(&ExportEnding::Finished).is_empty());
            }
        }
    }
}
