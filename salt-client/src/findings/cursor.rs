//! The position in the list of gaps while it is read, and whether the list changed meanwhile.
//!
//! Offsets count records, and the service offers no snapshot of the list. So each page asks again for the
//! last record of the previous page: if another record is there, records have moved, and some may have been
//! skipped.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Page, RecordKey};

/// A position in the list, as a resume point stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The number of records before it.
    pub(super) offset: u64,
    /// The key of the record just before it; `None` at the start, and if that record was not read.
    pub(super) last: Option<RecordKey>,
}

/// Moves from page to page. Does no IO: it returns the offset to read from, and is given the page.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    position: Position,
    /// The last page held nothing but the record that was asked for again. The next page is asked for
    /// without it, since only an empty page marks the end.
    confirming: bool,
    jumped: bool,
}

/// The content of a page.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    /// The records after the position, without the record that was read again.
    pub(super) records: Vec<Value>,
    /// The index in the page of the first of these records.
    pub(super) index: usize,
    /// The offset of the first of these records.
    pub(super) offset: u64,
    /// Whether the record before the position is not the one that was there.
    pub(super) moved: bool,
    /// Whether the list ends here.
    pub(super) end: bool,
}

impl Cursor {
    pub(super) fn from_position(position: Position) -> Self {
        Self { position, ..Self::default() }
    }

    /// Goes back to the start of the list.
    pub(super) fn start_over(&mut self) {
        self.position = Position::default();
        self.confirming = false;
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Whether the service has once returned an end offset beyond the records that it sent. The records
    /// between, if there are any, were not read.
    pub(super) fn has_jumped(&self) -> bool {
        self.jumped
    }

    /// Returns the offset to read from.
    pub(super) fn offset(&self) -> u64 {
        self.position.offset - u64::from(self.reads_again())
    }

    fn reads_again(&self) -> bool {
        !self.confirming && self.position.offset > 0 && self.position.last.is_some()
    }

    /// Moves past the page that was read from [`Cursor::offset`].
    pub(super) fn advance(&mut self, page: Page<Value>) -> Step {
        let start = self.offset();
        let read_again = self.reads_again();
        let counted = start.saturating_add(page.records.len() as u64);
        let moved = read_again && page.records.first().map(RecordKey::from_record) != self.position.last;
        let index = usize::from(read_again && !moved);
        let mut records = page.records;
        records.drain(..index);
        let step = Step { index, offset: start.saturating_add(index as u64), moved, end: false, records };
        let Some(last) = step.records.last() else {
            let end = !read_again;
            self.confirming = true;
            return Step { end, ..step };
        };
        self.confirming = false;
        // Offsets count records. An end offset that is missing or not beyond this page is ignored.
        match page.end_offset {
            Some(end) if end > counted => {
                self.jumped = true;
                self.position = Position { offset: end, last: None };
            }
            _ => self.position = Position { offset: counted, last: Some(RecordKey::from_record(last)) },
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn page(ids: &[&str], end_offset: Option<u64>) -> Page<Value> {
        let records: Vec<_> = ids.iter().map(|id| json!({"postureGapId": id})).collect();
        let mut body = Map::from_iter([("response".to_owned(), Value::Array(records))]);
        body.extend(end_offset.map(|end| ("endOffset".to_owned(), end.into())));
        Page::from_body(body, "test").unwrap()
    }

    fn ids(step: &Step) -> Vec<&str> {
        step.records.iter().filter_map(|record| record["postureGapId"].as_str()).collect()
    }

    #[test]
    fn each_page_reads_the_last_record_again_and_an_empty_page_ends() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.offset(), 0);
        let step = cursor.advance(page(&["a", "b"], Some(2)));
        assert_eq!((ids(&step), step.index, step.offset), (vec!["a", "b"], 0, 0));
        assert_eq!(cursor.offset(), 1);
        let step = cursor.advance(page(&["b", "c"], Some(3)));
        assert_eq!((ids(&step), step.index, step.offset, step.moved), (vec!["c"], 1, 2, false));
        let step = cursor.advance(page(&["c"], Some(3)));
        assert!(!step.end, "a page without new records is not yet an empty page");
        assert_eq!(cursor.offset(), 3);
        let step = cursor.advance(page(&[], Some(3)));
        assert!(step.end && !step.moved);
        assert!(!cursor.has_jumped());
    }

    #[test]
    fn an_empty_list_ends_at_once() {
        assert!(Cursor::default().advance(page(&[], Some(0))).end);
    }

    #[test]
    fn a_short_page_that_is_followed_by_more_records_is_not_the_end() {
        let mut cursor = Cursor::default();
        cursor.advance(page(&["a"], Some(1)));
        assert!(
            !cursor.advance(page(&["a"], Some(1))).end,
            "a page of one record holds only the record read again"
        );
        let step = cursor.advance(page(&["b"], Some(2)));
        assert_eq!((ids(&step), step.moved, step.end), (vec!["b"], false, false));
        assert_eq!(cursor.offset(), 1);
    }

    #[test]
    fn a_missing_or_too_small_end_offset_is_replaced_by_a_count() {
        for end in [None, Some(0), Some(1), Some(2)] {
            let mut cursor = Cursor::default();
            cursor.advance(page(&["a", "b", "c"], end));
            assert_eq!(
                cursor.position(),
                &Position { offset: 3, last: Some(RecordKey::Id("c".into())) },
                "{end:?}"
            );
        }
    }

    #[test]
    fn an_end_offset_beyond_the_records_is_followed_and_remembered() {
        let mut cursor = Cursor::default();
        cursor.advance(page(&["a", "b"], Some(7)));
        assert_eq!(cursor.offset(), 7, "the record before it was not read, so none is read again");
        assert!(cursor.has_jumped());
        assert!(!cursor.advance(page(&["c"], Some(8))).moved);
    }

    #[test]
    fn an_inserted_or_deleted_record_is_detected_between_two_pages() {
        for second in [&["a", "b", "c"][..], &["c", "d"], &[]] {
            let mut cursor = Cursor::default();
            cursor.advance(page(&["a", "b"], Some(2)));
            let step = cursor.advance(page(second, None));
            assert!(step.moved, "{second:?}");
            assert_eq!(ids(&step), second, "no record of a page that moved is left out");
            assert!(!step.end);
        }
    }

    #[test]
    fn a_cursor_that_starts_over_reads_from_the_start_and_no_record_again() {
        let mut cursor = Cursor::default();
        cursor.advance(page(&["a", "b"], Some(2)));
        cursor.start_over();
        assert_eq!(cursor.position(), &Position::default());
        assert_eq!(ids(&cursor.advance(page(&["b", "c"], Some(2)))), ["b", "c"]);
        cursor.advance(page(&["c"], Some(2)));
        assert_eq!(cursor.offset(), 2, "the next page is asked for without the record before it");
        cursor.start_over();
        cursor.advance(page(&["b", "c"], Some(2)));
        assert_eq!(cursor.offset(), 1);
    }

    #[test]
    fn a_stored_position_at_the_start_has_no_record_before_it() {
        let position = Position { offset: 0, last: Some(RecordKey::Id("a".into())) };
        assert_eq!(Cursor::from_position(position).offset(), 0);
    }

    #[test]
    fn a_position_survives_serialization_and_is_checked_on_resume() {
        let mut cursor = Cursor::default();
        cursor.advance(page(&["a", "b"], Some(2)));
        let text = serde_json::to_string(cursor.position()).unwrap();
        let mut resumed = Cursor::from_position(serde_json::from_str(&text).unwrap());
        assert_eq!(resumed.offset(), 1);
        assert_eq!(ids(&resumed.advance(page(&["b", "c"], Some(3)))), ["c"]);
    }

    proptest! {
        #[test]
        fn a_list_that_does_not_move_is_read_completely(count in 0_u64..60, sizes in prop::collection::vec(1_u64..9, 1..9)) {
            let mut cursor = Cursor::default();
            let mut read = Vec::new();
            for (calls, size) in sizes.iter().cycle().enumerate() {
                prop_assert!(calls < 300, "the list does not end");
                let offset = cursor.offset();
                let records: Vec<_> =
                    (offset..count.min(offset + size)).map(|id| json!({"postureGapId": id})).collect();
                let body = json!({"response": records});
                let step = cursor.advance(Page::from_body(serde_json::from_value(body).unwrap(), "test").unwrap());
                prop_assert!(!step.moved);
                read.extend(step.records.iter().filter_map(|record| record["postureGapId"].as_u64()));
                if step.end {
                    break;
                }
            }
            prop_assert_eq!(read, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn a_record_that_one_insert_or_delete_hides_is_detected(
            count in 4_usize..40, size in 2_usize..7, at in 0_usize..40, when in 1_usize..6, insert in any::<bool>(),
        ) {
            let mut list: Vec<usize> = (0..count).collect();
            let mut cursor = Cursor::default();
            let mut read = BTreeSet::new();
            let mut moved = false;
            for call in 0..300 {
                if call == when {
                    let at = at % list.len();
                    if insert { list.insert(at, 1000) } else { list.drain(at..=at); }
                }
                let offset = usize::try_from(cursor.offset()).unwrap();
                let records: Vec<_> = list.iter().skip(offset).take(size).map(|id| json!({"postureGapId": id})).collect();
                let body = json!({"response": records});
                let step = cursor.advance(Page::from_body(serde_json::from_value(body).unwrap(), "test").unwrap());
                moved |= step.moved;
                read.extend(step.records.iter().filter_map(|record| record["postureGapId"].as_u64()));
                if step.end {
                    break;
                }
            }
            let missed = list.iter().filter(|id| **id < count && !read.contains(&(**id as u64))).count();
            prop_assert!(missed == 0 || moved, "{missed} of the old records missed undetected");
        }
    }
}
