//! Pages of a listing: one page, and a stream of all pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use appsec_core::{BoxStream, Error, ErrorKind, Result};
use appsec_http::{
    ArrayPath, OffsetPage, PageRange, PageRead, RecordKey, Request, RetrySafety, paginate_overlapping,
};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::list_query::{ListQuery, PAGE_SIZE};
use super::salt_client::SaltClient;
use crate::error::{MAX_MESSAGE, service_message};
use crate::model::{LISTS, ListRecord, Page, PlacedRecord, RawPage};

/// Why a page could not be read.
#[derive(Debug)]
pub(crate) struct PageError {
    pub(crate) error: Error,
    /// Whether a smaller part of the list may be readable: the service fails over one of the records, or
    /// sends a list that is not well formed.
    pub(crate) is_of_page: bool,
}

impl From<PageError> for Error {
    fn from(page: PageError) -> Self {
        page.error
    }
}

impl SaltClient {
    /// Reads one page of at most `limit` records, record by record. Further records are left out: they
    /// are the beginning of the next page.
    ///
    /// # Errors
    /// `Decode` if there is no list under any of its names. Null is not a list: it may be a failure instead
    /// of the end. The message is the service's own, if the response has one.
    pub(crate) async fn page(&self, request: &Request, limit: u32) -> Result<RawPage, PageError> {
        let operation = request.operation();
        let mut elements = self.http().elements(request, ArrayPath::FirstOf(&LISTS));
        let (mut records, mut bytes) = (Vec::new(), 0_u64);
        while let Some(element) = elements.next().await {
            match element {
                Ok(_) if records.len() as u64 >= u64::from(limit) => break,
                Ok(element) => {
                    bytes = bytes.saturating_add(element.bytes.len() as u64);
                    if bytes > self.http().options().max_body_bytes() {
                        return Err(PageError { error: too_large(operation), is_of_page: true });
                    }
                    records.push(ListRecord::decode(&element, operation));
                }
                Err(error) => {
                    let rest =
                        elements.rest().and_then(|rest| serde_json::from_str::<Value>(rest.get()).ok());
                    let is_of_page = rest.is_none() && is_of_page(&error);
                    let said = rest.as_ref().and_then(service_message);
                    let error = match said
                        .map(|said| elements.redacted(said).chars().take(MAX_MESSAGE).collect::<String>())
                    {
                        Some(said) => no_list(&said, &error, elements.array_name()),
                        None => error.with_path(elements.array_name().unwrap_or(LISTS[0])),
                    };
                    return Err(PageError { error: error.with_operation(operation), is_of_page });
                }
            }
        }
        let list = elements.array_name().unwrap_or(LISTS[0]);
        let extra = elements.rest().and_then(|rest| serde_json::from_str::<Map<_, _>>(rest.get()).ok());
        Ok(RawPage::new(records, list, extra.unwrap_or_default()))
    }

    /// Streams the pages of a list that a [`ListQuery`] selects.
    pub(super) fn list<T: From<Map<String, Value>> + Send + 'static>(
        &self,
        query: ListQuery,
        key: fn(&ListRecord) -> RecordKey,
        request: fn(&ListQuery) -> Request,
    ) -> BoxStream<'static, Result<Page<T>>> {
        self.pages(query.limit(), query.offset(), key, move |limit, offset| {
            request(&query.clone().with_limit(limit).with_offset(offset))
        })
    }

    /// Streams the pages of a listing, from `offset` on.
    pub(super) fn pages<T, R>(
        &self,
        limit: u32,
        offset: u64,
        key: fn(&ListRecord) -> RecordKey,
        request: R,
    ) -> BoxStream<'static, Result<Page<T>>>
    where
        T: From<Map<String, Value>> + Send + 'static,
        R: Fn(u32, u64) -> Request + Clone + Send + Sync + 'static,
    {
        let client = self.clone();
        let accepted = Arc::new(AtomicU32::new(u32::MAX));
        let fetch = move |range: PageRange| {
            let (client, request, accepted) = (client.clone(), request.clone(), Arc::clone(&accepted));
            async move {
                let limit = range.limit.min(accepted.load(Ordering::Relaxed));
                let mut page = client.page(&with_retry(request(limit, range.offset), range), limit).await;
                if let Err(PageError { error, .. }) = &page
                    && refuses_limit(error, limit)
                {
                    accepted.store(PAGE_SIZE, Ordering::Relaxed);
                    let request = with_retry(request(PAGE_SIZE, range.offset), range);
                    page = client.page(&request, PAGE_SIZE).await;
                }
                page_read(page)
            }
        };
        let key = move |placed: &PlacedRecord| key(&placed.record);
        paginate_overlapping(PageRange::new(offset, limit), key, fetch)
            .map(|page| {
                let page = page?;
                Ok(Page { gaps: page.gaps, ..Page::from_records(page.records) })
            })
            .boxed()
    }
}

/// The request for a part of a list: a part that is asked for only because a larger one could not be read
/// is not repeated.
pub(crate) fn with_retry(request: Request, range: PageRange) -> Request {
    if range.retry { request } else { request.with_retry_safety(RetrySafety::IfUnsent) }
}

/// Whether the service may refuse a request only because it asks for more records than [`PAGE_SIZE`], which
/// is known to work.
pub(crate) fn refuses_limit(error: &Error, limit: u32) -> bool {
    let refused = error.status() == Some(400) && limit > PAGE_SIZE;
    if refused {
        tracing::warn!(limit, %error, "the page size was refused; asking for {PAGE_SIZE} records");
    }
    refused
}

fn page_read(page: Result<RawPage, PageError>) -> Result<PageRead<PlacedRecord>> {
    match page {
        Ok(page) => Ok(PageRead::Page(OffsetPage::new(page.records).with_end_offset(page.end_offset))),
        Err(PageError { error, is_of_page: true }) => Ok(PageRead::Unreadable(error)),
        Err(PageError { error, .. }) => Err(error),
    }
}

/// Whether the error may concern only one record of the page: the service fails over it, or what it sends
/// is not well formed, or breaks off there.
fn is_of_page(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Server => matches!(error.status(), Some(500 | 502 | 504)),
        ErrorKind::Decode => !error.is_html(),
        ErrorKind::Transport => error.status().is_some(),
        _ => false,
    }
}

/// The error of a page whose records together have more bytes than a body may have: a page is held in memory.
fn too_large(operation: &'static str) -> Error {
    Error::new(ErrorKind::Decode, "the records of the page are larger than a response may be")
        .with_operation(operation)
}

/// The error of a response that says something instead of holding a list.
fn no_list(said: &str, error: &Error, list: Option<&'static str>) -> Error {
    let mut refused = Error::new(ErrorKind::Decode, format!("the service sent no list, and says: {said}"))
        .with_path(list.unwrap_or(LISTS[0]))
        .with_attempts(error.attempts());
    if let Some(status) = error.status() {
        refused = refused.with_status(status);
    }
    match error.body_excerpt() {
        Some(excerpt) => refused.with_body_excerpt(excerpt),
        None => refused,
    }
}
