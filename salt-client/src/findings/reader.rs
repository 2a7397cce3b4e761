//! Reads the list of posture gaps and sends its findings in batches.
//!
//! Every page is requested with `details=true` and with the four known statuses by name. By name, since it
//! is unknown which statuses the service leaves out if none is named, and a resolved gap that is left out
//! would look as if it were gone. At the end, one request without statuses looks for a gap beyond the
//! number that was read. If there is one, it has a status that this version does not know, and the list is
//! read again without the names. If there is none, the last gap is read once more: had the list become
//! shorter before the previous request, a gap would have gone unnoticed.
//!
//! No severity is sent, and a query with filters sends the same requests: filters are applied here, so that
//! unknown values pass them and every read counts the same offsets.

use appsec_core::{
    Batcher, BoxStream, Coverage, CoverageGap, DastApiScanner, Error, ErrorKind, FindingBatch, FindingEvent,
    FindingQuery, FindingScope, FindingStatus, GapKind, Progress, Result, ResumePoint, StreamSender,
    stream_from,
};
use appsec_http::{
    ListPosition, MAX_PAGES, Narrowed, OverlapCursor, PageRange, PageStep, RecordKey, Request, lost_record,
};
use serde::{Deserialize, Serialize};

use super::coverage::{ListOutcome, coverage};
use super::host_filter::HostFilter;
use super::host_inventory::HostInventory;
use super::record_reader::RecordReader;
use super::seen_records::{Delivered, SeenRecords};
use crate::client::{GapsQuery, LIST_GAPS, PAGE_SIZE, PageError, SaltClient, refuses_limit, with_retry};
use crate::map::FindingMapper;
use crate::model::{GapStatus, PlacedRecord, gap_key};

/// The number of consecutive pages that may hold only records read before, as when a list changes while
/// it is read. A service that exceeds this does not implement paging.
const MAX_IDLE_PAGES: u32 = 3;

/// The statuses that are requested by name: all that are known.
const STATUSES: [GapStatus; 4] =
    [GapStatus::Open, GapStatus::InProcess, GapStatus::Resolved, GapStatus::Ignored];

/// The statuses that one pass over the list requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pass {
    /// The known statuses, by name.
    #[default]
    KnownStatuses,
    /// Any status.
    AnyStatus,
}

/// The state of a resume point.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ResumeState {
    position: ListPosition,
    pass: Pass,
}

/// One read of the list of gaps.
#[derive(Debug)]
pub(crate) struct FindingsReader {
    client: SaltClient,
    scanner: &'static str,
    records: RecordReader,
    cursor: OverlapCursor,
    pass: Pass,
    seen: SeenRecords,
    /// The list moved and is being read for the second time.
    restarted: bool,
    /// It was examined whether the service's pages overlap by design.
    probed: bool,
    /// The number of records that the list is known to have had.
    least: u64,
    idle_pages: u32,
    gaps: Vec<CoverageGap>,
    records_read: u64,
}

impl FindingsReader {
    /// Creates a reader that has sent nothing yet.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid scope, `Unsupported` for a scan, `ResumeExpired` for another
    /// scanner's resume point.
    pub(crate) fn new(client: SaltClient, query: FindingQuery) -> Result<Self> {
        query.validate()?;
        let scanner = client.info().key;
        let filter = HostFilter::from_scope(&query.scope)?;
        let resume: ResumeState =
            query.resume.as_ref().map(|point| point.state(scanner)).transpose()?.unwrap_or_default();
        let settings = client.settings();
        let host_parameter = settings.host_parameter && filter.single_host().is_some();
        let page_size = settings.page_size;
        let mapper = FindingMapper::new(scanner, query.unmasked);
        Ok(Self {
            client,
            scanner,
            records: RecordReader::new(query, filter, mapper, host_parameter),
            cursor: OverlapCursor::new(resume.position, page_size).with_start(0),
            pass: resume.pass,
            seen: SeenRecords::default(),
            restarted: false,
            probed: false,
            least: 0,
            idle_pages: 0,
            gaps: Vec::new(),
            records_read: 0,
        })
    }

    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<FindingEvent>> {
        stream_from(|events| self.read(events))
    }

    async fn read(mut self, events: StreamSender<FindingEvent>) -> Result<()> {
        if self.needs_inventory() {
            self.records.inventory = HostInventory::load(&self.client).await?;
        }
        while !self.read_page(&events).await? {}
        let list = ListOutcome {
            gaps: self.gaps,
            jumped: self.cursor.has_jumped(),
            empty: self.seen.is_empty(),
            custom_parameters: !self.client.settings().parameters.is_empty(),
        };
        events.send(FindingEvent::End(coverage(self.records, list))).await
    }

    /// Whether the inventory decides anything: whether absence proves that a finding is gone, whether a
    /// target exists, or which labels a host has.
    fn needs_inventory(&self) -> bool {
        let RecordReader { query, .. } = &self.records;
        query.inconclusive_reason().is_none() || !matches!(query.scope, FindingScope::All)
    }

    /// Reads one page and sends its findings. Returns true once the list has been read.
    async fn read_page(&mut self, events: &StreamSender<FindingEvent>) -> Result<bool> {
        self.seen.next_page();
        if self.seen.page() > MAX_PAGES {
            return Err(endless(format!("the list does not end after {MAX_PAGES} pages")));
        }
        let range = self.cursor.range();
        let request = with_retry(self.request(range, self.pass), range);
        let page = match self.client.page(&request, range.limit).await {
            Ok(page) => page,
            Err(PageError { error, .. }) if refuses_limit(&error, range.limit) => {
                self.cursor.lower_limit(PAGE_SIZE);
                return Ok(false);
            }
            Err(PageError { error, is_of_page: true }) => return self.narrow(error),
            Err(PageError { error, .. }) => return Err(error),
        };
        let step = self.cursor.advance(page.records, page.end_offset, key);
        let keys: Vec<_> = step.records.iter().map(key).collect();
        let repeats = self.seen.repeats(&keys);
        // Nothing of a page that moved is delivered, since its resume points would skip the records that have
        // moved.
        if step.moved || repeats.any_with_id {
            if self.overlaps_by_design(step.shift).await? {
                self.gaps.clear();
                self.start_over();
                return Ok(false);
            }
            if self.read_again() {
                return Ok(false);
            }
        }
        if repeats.all && step.records.iter().any(|placed| placed.record.is_identifiable()) {
            self.idle_pages += 1;
        } else if !keys.is_empty() {
            self.idle_pages = 0;
        }
        if self.idle_pages >= MAX_IDLE_PAGES {
            return Err(endless(format!("{MAX_IDLE_PAGES} consecutive pages hold no new record")));
        }
        let end = step.end;
        self.send_page(events, step, keys).await?;
        Ok(end && self.confirm_end().await?)
    }

    /// Asks for less after a page that cannot be read. A record that cannot be read by itself is a gap.
    fn narrow(&mut self, error: Error) -> Result<bool> {
        match self.cursor.narrow() {
            Narrowed::Smaller => {}
            Narrowed::Lost(offset) => {
                self.note(lost_record(offset, &error));
            }
            Narrowed::GiveUp => return Err(error),
        }
        Ok(false)
    }

    /// Whether the service begins its pages before the requested offset by design. This is examined once,
    /// when a page begins with records that were read before. From then on the cursor takes it into
    /// account.
    async fn overlaps_by_design(&mut self, shift: Option<u64>) -> Result<bool> {
        let Some(shift) = shift.filter(|_| !self.probed) else { return Ok(false) };
        self.probed = true;
        for (range, is_first) in self.cursor.overlap_probes(shift) {
            let page = match self.client.page(&self.request(range, self.pass), range.limit).await {
                Ok(page) => page,
                Err(PageError { is_of_page: true, .. }) => return Ok(false),
                Err(PageError { error, .. }) => return Err(error),
            };
            if (page.records.first().map(key).as_ref() == self.cursor.first()) != is_first {
                return Ok(false);
            }
        }
        tracing::warn!(records = shift, "the service begins each page before the requested offset");
        self.cursor.set_service_overlap(shift);
        Ok(true)
    }

    fn request(&self, range: PageRange, pass: Pass) -> Request {
        let mut query = GapsQuery::new().with_limit(range.limit).with_offset(range.offset).with_details(true);
        if pass == Pass::KnownStatuses {
            query = query.with_statuses(STATUSES);
        }
        if let Some(host) = self.records.filter.single_host().filter(|_| self.records.host_parameter) {
            query = query.with_host(host);
        }
        for (name, value) in &self.client.settings().parameters {
            query = query.with_parameter(name, value);
        }
        query.to_request()
    }

    /// Whether the list has been read once its end was reached. Otherwise another pass over it has begun.
    async fn confirm_end(&mut self) -> Result<bool> {
        if self.pass == Pass::KnownStatuses {
            if self.has_unknown_statuses().await? {
                tracing::warn!(
                    "some posture gaps have an unknown status; reading the list without naming statuses"
                );
                self.pass = Pass::AnyStatus;
                self.least = self.cursor.position().offset + 1;
                self.start_over();
                return Ok(false);
            }
            if self.has_moved().await? && self.read_again() {
                return Ok(false);
            }
        } else if self.cursor.position().offset < self.least && self.read_again() {
            // The list had more records a moment ago: this list or the earlier request was wrong.
            return Ok(false);
        }
        if self.restarted && self.cursor.position().offset == 0 && !self.seen.is_empty() {
            // A token that loses its scope receives empty lists, as does the token of a tenant without gaps.
            let message = "the list of posture gaps had records, and none when it was read again; the token may have lost the scope perm-viewer";
            self.note(CoverageGap::new(GapKind::Shifted, message));
        }
        Ok(true)
    }

    /// Whether the list is longer if no status is named. If that cannot be read, there is a record that
    /// cannot.
    async fn has_unknown_statuses(&mut self) -> Result<bool> {
        let range = self.cursor.range_at(self.cursor.position().offset, 1);
        match self.client.page(&self.request(range, Pass::AnyStatus), range.limit).await {
            Ok(page) => Ok(!page.is_empty()),
            Err(PageError { is_of_page: true, .. }) => Ok(true),
            Err(PageError { error, .. }) => Err(error),
        }
    }

    /// Whether the last record is no longer where it was, or can no longer be read.
    async fn has_moved(&self) -> Result<bool> {
        let ListPosition { offset, last } = self.cursor.position();
        let (Some(before), Some(last)) = (offset.checked_sub(1), last) else { return Ok(false) };
        let range = self.cursor.range_at(before, 1);
        match self.client.page(&self.request(range, self.pass), range.limit).await {
            Ok(page) => Ok(page.records.first().map(key).as_ref() != Some(last)),
            Err(PageError { is_of_page: true, .. }) => Ok(true),
            Err(PageError { error, .. }) => Err(error),
        }
    }

    /// Begins to read a list again that has moved, and returns true. If this is the second time, notes a
    /// coverage gap and returns false.
    fn read_again(&mut self) -> bool {
        let page = self.seen.page();
        if self.restarted {
            let message =
                "the list of posture gaps moved twice while it was read; some gaps may have been skipped";
            if self.note(CoverageGap::new(GapKind::Shifted, message)) {
                tracing::warn!(page, "{message}");
            }
            return false;
        }
        tracing::warn!(page, "the list of posture gaps moved while it was read; reading it again");
        self.restarted = true;
        self.gaps.clear();
        self.start_over();
        true
    }

    /// Goes back to the start of the list. Findings that were delivered are not delivered again.
    fn start_over(&mut self) {
        self.cursor.start_over();
        self.seen.start_over();
        self.idle_pages = 0;
    }

    /// Keeps a coverage gap. Returns false if it is known.
    fn note(&mut self, gap: CoverageGap) -> bool {
        // One more than the coverage keeps, so that it knows that there are others.
        let new = self.gaps.len() <= Coverage::MAX_GAPS && !self.gaps.contains(&gap);
        if new {
            self.gaps.push(gap);
        }
        new
    }

    /// Sends the findings of a page in batches.
    async fn send_page(
        &mut self,
        events: &StreamSender<FindingEvent>,
        step: PageStep<PlacedRecord>,
        keys: Vec<RecordKey>,
    ) -> Result<()> {
        if step.records.is_empty() {
            return Ok(());
        }
        self.records_read = self.records_read.max(self.cursor.position().offset);
        let mut batch = Batcher::new();
        let mut previous = None;
        for (index, (record, key)) in step.records.into_iter().zip(keys).enumerate() {
            let offset = step.offset.saturating_add(index as u64);
            let mut delivered = self.seen.delivered(&key);
            match self.records.finding(record, delivered, offset) {
                Ok(Some(finding)) => {
                    let fixed = finding.status == Some(FindingStatus::Fixed);
                    delivered = Some(if fixed { Delivered::Fixed } else { Delivered::Unfixed });
                    if batch.is_full_for(&finding) {
                        self.send_batch(events, &mut batch, ListPosition { offset, last: previous }).await?;
                    }
                    batch.push(finding);
                }
                Ok(None) => {}
                Err(gap) => {
                    self.note(gap);
                }
            }
            self.seen.insert(key.clone(), delivered);
            previous = Some(key);
        }
        let position = self.cursor.position().clone();
        self.send_batch(events, &mut batch, position).await
    }

    async fn send_batch(
        &self,
        events: &StreamSender<FindingEvent>,
        batch: &mut Batcher,
        position: ListPosition,
    ) -> Result<()> {
        let resume = ResumePoint::new(self.scanner, &ResumeState { position, pass: self.pass })?;
        let batch = FindingBatch::new(batch.take(), resume)
            .with_gaps(self.gaps.clone())
            .with_progress(Progress::new(self.records_read, None));
        events.send(FindingEvent::Batch(batch)).await
    }
}

fn key(placed: &PlacedRecord) -> RecordKey {
    gap_key(&placed.record)
}

fn endless(message: String) -> Error {
    Error::new(ErrorKind::Unexpected, message).with_operation(LIST_GAPS)
}
