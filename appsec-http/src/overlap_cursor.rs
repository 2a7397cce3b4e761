//! The position in a listing by offset, and whether the listing changed while it was read.
//!
//! Offsets count records, and a listing by offset is no snapshot. So each page asks again for the last
//! record of the page before: if another record is there, records have moved, and some may have been
//! skipped.

use serde::{Deserialize, Serialize};

use crate::record_key::RecordKey;

/// The largest number of consecutive records that may be unreadable, each in a page of its own. More than
/// that is taken for a service that is broken.
const MAX_LOST_IN_A_ROW: u32 = 3;

/// The largest number of unreadable records of one listing, each of which costs several requests.
const MAX_LOST: u32 = 1_000;

/// A position in a listing by offset, as a resume point stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPosition {
    /// The number of records before it.
    pub offset: u64,
    /// The key of the record just before it; `None` at the start, and if that record was not read.
    pub last: Option<RecordKey>,
}

/// The part of a listing to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// The number of records to skip.
    pub offset: u64,
    /// The largest number of records to return.
    pub limit: u32,
    /// Whether to repeat the request if it fails. False while the part is smaller than it was asked for
    /// first, because a larger one could not be read: a smaller one follows anyway.
    pub retry: bool,
}

impl PageRange {
    /// A part that is requested as usual.
    pub fn new(offset: u64, limit: u32) -> Self {
        Self { offset, limit, retry: true }
    }
}

/// What a cursor has found in a page.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct PageStep<T> {
    /// The records after the position, without the record that was read again.
    pub records: Vec<T>,
    /// The index in the page of the first of these records.
    pub index: usize,
    /// The offset of the first of these records.
    pub offset: u64,
    /// Whether the record before the position is not the one that was there.
    pub moved: bool,
    /// If it moved: how many records before it the page begins. A service may do that by design; see
    /// [`OverlapCursor::set_service_overlap`].
    pub shift: Option<u64>,
    /// Whether the page is empty and nothing was to be read again: the end of a listing that has no total.
    pub end: bool,
}

/// What follows a page that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrowed {
    /// A smaller part is requested next.
    Smaller,
    /// The record at this offset cannot be read. The cursor has moved behind it.
    Lost(u64),
    /// Too many records cannot be read: the service is broken.
    GiveUp,
}

/// Moves through a listing by offset, page by page. Does no IO: it says which part to request, and is given
/// the page.
#[derive(Debug, Clone)]
pub struct OverlapCursor {
    start: ListPosition,
    position: ListPosition,
    /// The first record of the listing, if it was read.
    first: Option<RecordKey>,
    /// The largest number of records to request.
    largest: u32,
    /// The number of records to request now.
    limit: u32,
    /// The last page held nothing but the record that was asked for again. The next page is asked for
    /// without it, since only an empty page marks the end.
    confirming: bool,
    jumped: bool,
    service_overlap: u64,
    lost_in_a_row: u32,
    lost: u32,
}

impl OverlapCursor {
    /// A cursor at a position, for pages of at most `limit` records.
    pub fn new(position: ListPosition, limit: u32) -> Self {
        Self {
            start: ListPosition { offset: position.offset, last: None },
            position,
            first: None,
            largest: limit,
            limit,
            confirming: false,
            jumped: false,
            service_overlap: 0,
            lost_in_a_row: 0,
            lost: 0,
        }
    }

    /// Sets where [`start_over`](Self::start_over) goes back to. Default: the offset of the position.
    pub fn with_start(mut self, offset: u64) -> Self {
        self.start = ListPosition { offset, last: None };
        self
    }

    /// Goes back to the start of the listing.
    pub fn start_over(&mut self) {
        self.position = self.start.clone();
        self.confirming = false;
    }

    /// Lowers the number of records of a page, because the service refuses so many.
    pub fn lower_limit(&mut self, limit: u32) {
        self.largest = self.largest.min(limit);
        self.limit = self.limit.min(limit);
    }

    /// Sets by how many records the service begins each page before the requested offset, except at the
    /// start of the listing. Such a service counts its offsets from another number, or repeats the end of
    /// the page before by design; see [`overlap_probes`](Self::overlap_probes).
    pub fn set_service_overlap(&mut self, records: u64) {
        self.service_overlap = records;
    }

    /// The number that [`set_service_overlap`](Self::set_service_overlap) has set, or 0.
    pub fn service_overlap(&self) -> u64 {
        self.service_overlap
    }

    /// The requests, each for one record, that show whether the service begins each page `records` before
    /// the requested offset by design. Then each returns the first record of the listing if its flag is true,
    /// and another if it is false. In a listing that merely moved, or that has no pages, one of them does not.
    pub fn overlap_probes(&self, records: u64) -> [(PageRange, bool); 4] {
        let start = self.start.offset;
        let after = start.saturating_add(records);
        // The start is asked for between two requests for the other offset, so that a record that moves to
        // the start meanwhile is noticed.
        [(after.saturating_add(1), false), (after, true), (start, true), (after, true)]
            .map(|(offset, is_first)| (PageRange::new(offset, 1), is_first))
    }

    /// The first record of the listing, if it was read.
    pub fn first(&self) -> Option<&RecordKey> {
        self.first.as_ref()
    }

    /// The position after the records that were read.
    pub fn position(&self) -> &ListPosition {
        &self.position
    }

    /// Whether the service has once returned an end offset beyond the records that it sent. The records
    /// between, if there are any, were not read.
    pub fn has_jumped(&self) -> bool {
        self.jumped
    }

    /// The part to request next.
    pub fn range(&self) -> PageRange {
        let smallest = self.limit <= self.smallest();
        PageRange {
            limit: self.limit,
            retry: self.limit == self.largest || (smallest && self.lost_in_a_row == 0),
            ..self.range_at(self.begin(), self.limit)
        }
    }

    /// The request for `limit` records from the offset on, with what is known of the service's own overlap.
    pub fn range_at(&self, offset: u64, limit: u32) -> PageRange {
        let overlap = if offset > self.start.offset { self.service_overlap } else { 0 };
        PageRange::new(offset.saturating_add(overlap), limit)
    }

    /// The offset of the first record of the next page.
    fn begin(&self) -> u64 {
        self.position.offset - u64::from(self.reads_again())
    }

    fn reads_again(&self) -> bool {
        !self.confirming && self.position.offset > 0 && self.position.last.is_some()
    }

    /// The smallest part that gets on by one record.
    fn smallest(&self) -> u32 {
        1 + u32::from(self.reads_again())
    }

    /// Moves past the page that [`range`](Self::range) asked for. `end_offset` is the offset after the page
    /// as the service gives it, if it does. One that is not beyond the records of the page is ignored,
    /// since offsets count records.
    pub fn advance<T>(
        &mut self,
        mut records: Vec<T>,
        end_offset: Option<u64>,
        key: impl Fn(&T) -> RecordKey,
    ) -> PageStep<T> {
        let begin = self.begin();
        let read_again = self.reads_again();
        let counted = begin.saturating_add(records.len() as u64);
        if begin == self.start.offset {
            self.first = records.first().map(&key);
        }
        let last = self.position.last.as_ref().filter(|_| read_again);
        let moved = last.is_some_and(|last| records.first().map(&key).as_ref() != Some(last));
        let shift = last
            .filter(|_| moved)
            .and_then(|last| records.iter().position(|record| key(record) == *last))
            .map(|index| index as u64);
        let index = usize::from(read_again && !moved);
        records.drain(..index.min(records.len()));
        self.lost_in_a_row = 0;
        self.limit = self.limit.saturating_mul(2).min(self.largest);
        let offset = begin.saturating_add(index as u64);
        let step = PageStep { index, offset, moved, shift, end: false, records };
        let Some(last) = step.records.last() else {
            self.confirming = true;
            return PageStep { end: !read_again, ..step };
        };
        self.confirming = false;
        let counted_by_service = counted.saturating_add(self.service_overlap);
        match end_offset {
            Some(end) if end > counted_by_service => {
                self.jumped = true;
                self.position = ListPosition { offset: end - self.service_overlap, last: None };
            }
            _ => self.position = ListPosition { offset: counted, last: Some(key(last)) },
        }
        step
    }

    /// Asks for less, because the page that [`range`](Self::range) asked for cannot be read: half as many
    /// records, down to one, which is then lost. After it the pages grow again.
    pub fn narrow(&mut self) -> Narrowed {
        if self.limit > self.smallest() {
            self.limit = (self.limit / 2).max(self.smallest());
            return Narrowed::Smaller;
        }
        if self.lost_in_a_row == MAX_LOST_IN_A_ROW || self.lost == MAX_LOST {
            return Narrowed::GiveUp;
        }
        self.lost_in_a_row += 1;
        self.lost += 1;
        let offset = self.position.offset;
        self.position = ListPosition { offset: offset.saturating_add(1), last: None };
        self.confirming = false;
        Narrowed::Lost(offset)
    }
}
