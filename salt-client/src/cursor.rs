//! Where a walk over the gaps stands, and whether the list stood still meanwhile.
//!
//! Offsets count records, and nothing fixes the list while it is read. So each page asks for the last record of the page
//! before once more: if another one stands there, records moved, and some may have been passed over.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Page, present, scalar};

/// A place in the list: the state of a resume point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// How many records lie before it.
    pub(crate) offset: u64,
    /// What identifies the record just before it; `None` at the start, and where that record was not seen.
    pub(crate) last: Option<Mark>,
}

/// Walks from page to page. Does no IO: it says where to read, and takes in what was read.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    place: Place,
    /// A page brought nothing beyond the record asked for again: the next one is asked for without it. Only a page that is
    /// empty altogether is an end.
    confirming: bool,
    jumped: bool,
}

/// What a page brought.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The records after the place; the one read again is not among them.
    pub(crate) records: Vec<Value>,
    /// The index in the answer of the first of them.
    pub(crate) index: usize,
    /// The offset of the first of them.
    pub(crate) offset: u64,
    /// The record before the place is not the one that was there.
    pub(crate) moved: bool,
    /// The list ends here.
    pub(crate) end: bool,
}

impl Cursor {
    pub(crate) fn at(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// Back to the start of the list.
    pub(crate) fn start_over(&mut self) {
        self.place = Place::default();
        self.confirming = false;
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// True when the service once named an end beyond the records it sent: what lies between was not seen, and whether there
    /// is anything is for the service to know.
    pub(crate) fn has_jumped(&self) -> bool {
        self.jumped
    }

    /// The offset to read from.
    pub(crate) fn offset(&self) -> u64 {
        self.place.offset - u64::from(self.reads_again())
    }

    fn reads_again(&self) -> bool {
        !self.confirming && self.place.offset > 0 && self.place.last.is_some()
    }

    /// Takes in the page read from [`Cursor::offset`].
    pub(crate) fn take(&mut self, page: Page<Value>) -> Step {
        let asked = self.offset();
        let read_again = self.reads_again();
        let counted = asked.saturating_add(page.records.len() as u64);
        let moved = read_again && page.records.first().map(Mark::of) != self.place.last;
        let index = usize::from(read_again && !moved);
        let mut records = page.records;
        records.drain(..index);
        let step = Step { index, offset: asked.saturating_add(index as u64), moved, end: false, records };
        let Some(last) = step.records.last() else {
            let end = !read_again;
            self.confirming = true;
            return Step { end, ..step };
        };
        self.confirming = false;
        // An end that is missing, stands still or lies within the page is of no use; offsets count records.
        match page.end_offset {
            Some(end) if end > counted => {
                self.jumped = true;
                self.place = Place { offset: end, last: None };
            }
            _ => self.place = Place { offset: counted, last: Some(Mark::of(last)) },
        }
        step
    }
}

/// What tells a record from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// Its id.
    Id(String),
    /// All of it, where it has no usable id.
    Content(u64),
}

impl Mark {
    pub(crate) fn of(record: &Value) -> Self {
        let id = record.get("postureGapId").and_then(scalar);
        match present(id.as_deref()) {
            Some(id) => Self::Id(id.to_owned()),
            None => Self::Content(digest(std::slice::from_ref(record))),
        }
    }

    pub(crate) fn is_id(&self) -> bool {
        matches!(self, Self::Id(_))
    }
}

/// A number that tells records from others by their content.
pub(crate) fn digest(records: &[Value]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in records {
        record.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn page(ids: &[&str], end_offset: Option<u64>) -> Page<Value> {
        let records: Vec<_> = ids.iter().map(|id| json!({"postureGapId": id})).collect();
        let mut answer = Map::from_iter([("response".to_owned(), Value::Array(records))]);
        answer.extend(end_offset.map(|end| ("endOffset".to_owned(), end.into())));
        Page::from_answer(answer, "test").unwrap()
    }

    fn ids(step: &Step) -> Vec<&str> {
        step.records.iter().filter_map(|record| record["postureGapId"].as_str()).collect()
    }

    #[test]
    fn each_page_reads_the_last_record_again_and_an_empty_page_ends() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.offset(), 0);
        let step = cursor.take(page(&["a", "b"], Some(2)));
        assert_eq!((ids(&step), step.index, step.offset), (vec!["a", "b"], 0, 0));
        assert_eq!(cursor.offset(), 1);
        let step = cursor.take(page(&["b", "c"], Some(3)));
        assert_eq!((ids(&step), step.index, step.offset, step.moved), (vec!["c"], 1, 2, false));
        let step = cursor.take(page(&["c"], Some(3)));
        assert!(!step.end, "a page with nothing new is not yet an empty page");
        assert_eq!(cursor.offset(), 3);
        let step = cursor.take(page(&[], Some(3)));
        assert!(step.end && !step.moved);
        assert!(!cursor.has_jumped());
    }

    #[test]
    fn an_empty_list_ends_at_once() {
        assert!(Cursor::default().take(page(&[], Some(0))).end);
    }

    #[test]
    fn a_short_page_followed_by_more_is_not_an_end() {
        let mut cursor = Cursor::default();
        cursor.take(page(&["a"], Some(1)));
        assert!(!cursor.take(page(&["a"], Some(1))).end, "pages of one bring only the record read again");
        let step = cursor.take(page(&["b"], Some(2)));
        assert_eq!((ids(&step), step.moved, step.end), (vec!["b"], false, false));
        assert_eq!(cursor.offset(), 1);
    }

    #[test]
    fn an_end_that_is_missing_or_too_small_is_counted_instead() {
        for end in [None, Some(0), Some(1), Some(2)] {
            let mut cursor = Cursor::default();
            cursor.take(page(&["a", "b", "c"], end));
            assert_eq!(cursor.place(), &Place { offset: 3, last: Some(Mark::Id("c".into())) }, "{end:?}");
        }
    }

    #[test]
    fn an_end_beyond_the_records_is_followed_and_noted() {
        let mut cursor = Cursor::default();
        cursor.take(page(&["a", "b"], Some(7)));
        assert_eq!(cursor.offset(), 7, "no record before it was seen, so none is read again");
        assert!(cursor.has_jumped());
        assert!(!cursor.take(page(&["c"], Some(8))).moved);
    }

    #[test]
    fn an_inserted_or_deleted_record_is_noticed_at_the_seam() {
        for second in [&["a", "b", "c"][..], &["c", "d"], &[]] {
            let mut cursor = Cursor::default();
            cursor.take(page(&["a", "b"], Some(2)));
            let step = cursor.take(page(second, None));
            assert!(step.moved, "{second:?}");
            assert_eq!(ids(&step), second, "nothing of a page that moved is left out");
            assert!(!step.end);
        }
    }

    #[test]
    fn a_walk_that_starts_over_reads_from_the_start_and_nothing_again() {
        let mut cursor = Cursor::default();
        cursor.take(page(&["a", "b"], Some(2)));
        cursor.start_over();
        assert_eq!(cursor.place(), &Place::default());
        assert_eq!(ids(&cursor.take(page(&["b", "c"], Some(2)))), ["b", "c"]);
        cursor.take(page(&["c"], Some(2)));
        assert_eq!(cursor.offset(), 2, "the page after is asked for without the record before it");
        cursor.start_over();
        cursor.take(page(&["b", "c"], Some(2)));
        assert_eq!(cursor.offset(), 1);
    }

    #[test]
    fn a_stored_place_at_the_start_has_nothing_before_it() {
        let place = Place { offset: 0, last: Some(Mark::Id("a".into())) };
        assert_eq!(Cursor::at(place).offset(), 0);
    }

    #[test]
    fn a_record_without_an_id_is_known_by_its_content() {
        let mark = |record| Mark::of(&record);
        assert_eq!(mark(json!({"host": "a"})), mark(json!({"host": "a"})));
        assert_ne!(mark(json!({"host": "a"})), mark(json!({"host": "b"})));
        assert!(!mark(json!("text")).is_id());
        assert!(!mark(json!({"postureGapId": "N/A"})).is_id());
        assert_eq!(mark(json!({"postureGapId": 7})), Mark::Id("7".into()));
        assert!(mark(json!({"postureGapId": 7})).is_id());
    }

    #[test]
    fn a_place_survives_serialization_and_goes_on_with_the_seam() {
        let mut cursor = Cursor::default();
        cursor.take(page(&["a", "b"], Some(2)));
        let text = serde_json::to_string(cursor.place()).unwrap();
        let mut resumed = Cursor::at(serde_json::from_str(&text).unwrap());
        assert_eq!(resumed.offset(), 1);
        assert_eq!(ids(&resumed.take(page(&["b", "c"], Some(3)))), ["c"]);
    }
}
