//! Reads a listing by offset, as a stream that notices when the listing moves.

use std::collections::{HashMap, HashSet};

use appsec_core::{CoverageGap, Error, ErrorKind, GapKind, Result};
use futures_core::Stream;
use futures_util::stream;

use crate::overlap_cursor::{ListPosition, Narrowed, OverlapCursor, PageRange};
use crate::paginate::MAX_PAGES;
use crate::record_key::RecordKey;

/// The number of pages that may hold only records that were read before. A service that exceeds this does
/// not implement paging.
const MAX_IDLE_PAGES: u32 = 3;

/// The same for records without ids, since two of them may have the same key.
const MAX_IDLE_PAGES_WITHOUT_IDS: u32 = 20;

const END_OFFSET_AHEAD: &str =
    "the service's end offset lies beyond the records that it sent; the records between were not read";

/// What a request for a part of a listing returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum PageRead<T> {
    /// The page.
    Page(OffsetPage<T>),
    /// The part cannot be read, and a smaller part may be: the service fails over one of its records, or
    /// sends a page that is not well formed. An error that concerns the whole listing is an `Err` instead.
    Unreadable(Error),
}

/// A page of a listing by offset, as the service returned it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OffsetPage<T> {
    /// The records, in the service's order, including those that could not be decoded: offsets count them.
    pub records: Vec<T>,
    /// The number of records in the listing, where the service gives it and means it. It ends the listing.
    pub total: Option<u64>,
    /// The offset after the page, where the service gives it.
    pub end_offset: Option<u64>,
}

impl<T> ListedPage<T> {
    /// A page of these records.
    pub fn new(records: Vec<T>, gaps: Vec<CoverageGap>) -> Self {
        Self { records, gaps }
    }
}

impl<T> OffsetPage<T> {
    /// A page of these records.
    pub fn new(records: Vec<T>) -> Self {
        Self { records, total: None, end_offset: None }
    }

    /// Sets the number of records in the listing.
    pub fn with_total(mut self, total: Option<u64>) -> Self {
        self.total = total;
        self
    }

    /// Sets the offset after the page.
    pub fn with_end_offset(mut self, offset: Option<u64>) -> Self {
        self.end_offset = offset;
        self
    }
}

/// Some records of a listing, and what is missing from it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListedPage<T> {
    /// The records that were not delivered before.
    pub records: Vec<T>,
    /// What was noticed since the page before: records that could not be read, a listing that moved twice.
    pub gaps: Vec<CoverageGap>,
}

impl<T> Default for ListedPage<T> {
    fn default() -> Self {
        Self { records: Vec::new(), gaps: Vec::new() }
    }
}

/// Yields the records and the gaps, so that pages can be joined by `try_concat`.
impl<T> IntoIterator for ListedPage<T> {
    type Item = Result<T, CoverageGap>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        let gaps = self.gaps.into_iter().map(Err);
        gaps.chain(self.records.into_iter().map(Ok)).collect::<Vec<_>>().into_iter()
    }
}

impl<T> Extend<Result<T, CoverageGap>> for ListedPage<T> {
    fn extend<I: IntoIterator<Item = Result<T, CoverageGap>>>(&mut self, items: I) {
        for item in items {
            match item {
                Ok(record) => self.records.push(record),
                Err(gap) => self.gaps.push(gap),
            }
        }
    }
}

/// Streams a listing by offset page by page, each record once.
///
/// A listing by offset is no snapshot: when a record that was already read is deleted, all later ones move
/// up, and the one at the border of two pages is never read. So this pager asks each time for the last
/// record of the page before again. If another record is there, or if an id occurs twice, the listing has
/// moved, and is read once more from its start. If it moves again, a gap of kind `Shifted` says so, and the
/// listing is read to its end.
///
/// `fetch` requests a part of the listing; `key` returns the key of a record. An empty page ends the
/// listing, and so does the total, if there is one; a short page proves nothing. A part that is
/// [`Unreadable`](PageRead::Unreadable) is requested in smaller parts, so that a single record is lost: a
/// gap of kind `Record`, with its offset.
///
/// * Lazy: nothing is fetched before the stream is polled, and no page is fetched ahead of the one
///   requested.
/// * The first error is the last item.
/// * Errors of its own are of kind `Unexpected`: the service ignores the offset, or the listing does not
///   end after [`MAX_PAGES`] pages.
///
/// ```
/// use appsec_http::{OffsetPage, PageRange, PageRead, RecordKey, paginate_overlapping};
/// use futures_util::TryStreamExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_http::Result<()> {
/// let pages = paginate_overlapping(
///     PageRange::new(0, 2),
///     |id: &u64| RecordKey::Id(id.to_string()),
///     |range| async move {
///         let end = (range.offset + u64::from(range.limit)).min(5);
///         Ok(PageRead::Page(OffsetPage::new((range.offset..end).collect())))
///     },
/// );
/// let pages: Vec<_> = pages.try_collect().await?;
/// let ids: Vec<_> = pages.iter().flat_map(|page| &page.records).copied().collect();
/// assert_eq!(ids, [0, 1, 2, 3, 4]);
/// assert!(pages.iter().all(|page| page.gaps.is_empty()));
/// # Ok(())
/// # }
/// ```
pub fn paginate_overlapping<T, K, F, Fut>(
    start: PageRange,
    key: K,
    fetch: F,
) -> impl Stream<Item = Result<ListedPage<T>>> + Send + 'static
where
    T: Send + 'static,
    K: Fn(&T) -> RecordKey + Send + 'static,
    F: FnMut(PageRange) -> Fut + Send + 'static,
    Fut: Future<Output = Result<PageRead<T>>> + Send + 'static,
{
    let position = ListPosition { offset: start.offset, last: None };
    let pager = Pager {
        cursor: OverlapCursor::new(position, start.limit),
        key,
        fetch,
        delivered: HashSet::new(),
        pass: HashMap::new(),
        pages: 0,
        idle_pages: 0,
        restarted: false,
        probed: false,
        shifted: false,
        jumped: false,
        ended: false,
        gaps: Vec::new(),
    };
    stream::try_unfold(
        pager,
        |mut pager| async move { Ok(pager.next_page().await?.map(|page| (page, pager))) },
    )
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts of one listing")]
struct Pager<K, F> {
    cursor: OverlapCursor,
    key: K,
    fetch: F,
    /// The records that an earlier pass over the listing delivered.
    delivered: HashSet<RecordKey>,
    /// The records of the current pass over the listing, each with the number of its page.
    pass: HashMap<RecordKey, u32>,
    pages: u32,
    idle_pages: u32,
    /// The listing moved and is being read for the second time.
    restarted: bool,
    /// It was examined whether the service's pages overlap by design.
    probed: bool,
    /// The listing moved twice, which was said.
    shifted: bool,
    /// The service skipped records by its end offset, which was said.
    jumped: bool,
    ended: bool,
    gaps: Vec<CoverageGap>,
}

impl<K, F> Pager<K, F> {
    /// The next page that is not read again later, or `None` after the last one.
    async fn next_page<T, Fut>(&mut self) -> Result<Option<ListedPage<T>>>
    where
        K: Fn(&T) -> RecordKey,
        F: FnMut(PageRange) -> Fut,
        Fut: Future<Output = Result<PageRead<T>>>,
    {
        while !self.ended {
            self.pages += 1;
            if self.pages > MAX_PAGES {
                return Err(unexpected(format!("the listing continues after {MAX_PAGES} pages")));
            }
            let page = match (self.fetch)(self.cursor.range()).await? {
                PageRead::Page(page) => page,
                PageRead::Unreadable(error) => {
                    match self.cursor.narrow() {
                        Narrowed::Smaller => {}
                        Narrowed::Lost(offset) => self.gaps.push(lost_record(offset, &error)),
                        Narrowed::GiveUp => return Err(error),
                    }
                    continue;
                }
            };
            let total = page.total;
            let step = self.cursor.advance(page.records, page.end_offset, &self.key);
            let keys: Vec<_> = step.records.iter().map(&self.key).collect();
            let is_repeated = |key: &RecordKey| self.pass.get(key).is_some_and(|page| *page < self.pages);
            let repeats_id = keys.iter().any(|key| key.is_id() && is_repeated(key));
            let repeats_all = !keys.is_empty() && keys.iter().all(is_repeated);
            if (step.moved || repeats_id) && self.reads_again(step.shift).await? {
                continue;
            }
            if repeats_all {
                self.idle_pages += 1;
            } else if !keys.is_empty() {
                self.idle_pages = 0;
            }
            let has_ids = keys.iter().any(RecordKey::is_id);
            let most = if has_ids { MAX_IDLE_PAGES } else { MAX_IDLE_PAGES_WITHOUT_IDS };
            if self.idle_pages >= most {
                return Err(unexpected(format!("{most} pages of the listing have no new record")));
            }
            if self.cursor.has_jumped() && !self.jumped {
                self.jumped = true;
                self.gaps.push(CoverageGap::new(GapKind::Shifted, END_OFFSET_AHEAD));
            }
            self.ended = step.end || total.is_some_and(|total| self.cursor.position().offset >= total);
            let mut records = Vec::with_capacity(step.records.len());
            for (record, key) in step.records.into_iter().zip(keys) {
                // Two records without an id may have the same key.
                let again = self.delivered.contains(&key) || (key.is_id() && self.pass.contains_key(&key));
                self.pass.insert(key, self.pages);
                if !again {
                    records.push(record);
                }
            }
            return Ok(Some(ListedPage { records, gaps: std::mem::take(&mut self.gaps) }));
        }
        Ok(None)
    }

    /// Goes back to the start of a listing that has moved, and returns true. The second time it notes a gap
    /// and returns false.
    async fn reads_again<T, Fut>(&mut self, shift: Option<u64>) -> Result<bool>
    where
        K: Fn(&T) -> RecordKey,
        F: FnMut(PageRange) -> Fut,
        Fut: Future<Output = Result<PageRead<T>>>,
    {
        let by_design = match shift {
            Some(shift) if !self.probed => self.overlaps_by_design(shift).await?,
            _ => false,
        };
        if !by_design && self.restarted {
            if !self.shifted {
                self.shifted = true;
                let message = "the list moved twice while it was read; some records may have been skipped";
                self.gaps.push(CoverageGap::new(GapKind::Shifted, message));
            }
            return Ok(false);
        }
        self.restarted |= !by_design;
        self.cursor.start_over();
        self.delivered.extend(self.pass.drain().map(|(key, _)| key));
        self.gaps.clear();
        self.idle_pages = 0;
        Ok(true)
    }

    /// Whether the service begins each page that many records before the requested offset. Then the cursor
    /// takes it into account.
    async fn overlaps_by_design<T, Fut>(&mut self, records: u64) -> Result<bool>
    where
        K: Fn(&T) -> RecordKey,
        F: FnMut(PageRange) -> Fut,
        Fut: Future<Output = Result<PageRead<T>>>,
    {
        self.probed = true;
        for (range, is_first) in self.cursor.overlap_probes(records) {
            let PageRead::Page(page) = (self.fetch)(range).await? else { return Ok(false) };
            if (page.records.first().map(&self.key).as_ref() == self.cursor.first()) != is_first {
                return Ok(false);
            }
        }
        self.cursor.set_service_overlap(records);
        Ok(true)
    }
}

/// The gap that an unreadable record leaves.
pub fn lost_record(offset: u64, error: &Error) -> CoverageGap {
    let message = format!("the record at offset {offset} of the list could not be read: {}", error.message());
    CoverageGap::new(GapKind::Record, message)
}

fn unexpected(message: String) -> Error {
    Error::new(ErrorKind::Unexpected, message)
}
