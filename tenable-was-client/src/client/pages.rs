//! Pages of listings, and streams over them.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use appsec_core::{CoverageGap, Error, ErrorKind, GapKind};
use appsec_http::{
    ArrayPath, ListedPage, OffsetPage, PageRange, PageRead, Path, RecordKey, Request, Result, RetrySafety,
    paginate_overlapping,
};
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::TenableWasClient;
use crate::filter::Filter;
use crate::model::{Page, Pagination};

/// The page of a listing to request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// How many items to skip.
    offset: u64,
    /// The maximum number of items. The service's default is 10, its maximum [`PageQuery::MAX_LIMIT`].
    limit: Option<u32>,
    /// The order; by default the service's own.
    sort: Option<Order>,
}

impl PageQuery {
    /// The maximum number of items in a page (vendor document).
    pub const MAX_LIMIT: u32 = 200;

    /// Creates a query for the first page, with the maximum number of items.
    pub fn new() -> Self {
        Self { offset: 0, limit: Some(Self::MAX_LIMIT), sort: None }
    }

    /// Sets how many items to skip.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets the maximum number of items.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets the order.
    pub fn with_sort(mut self, sort: impl Into<Order>) -> Self {
        self.sort = Some(sort.into());
        self
    }

    /// Returns how many items to skip.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the maximum number of items; `None` for the service's default.
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Returns the order; `None` for the service's own.
    pub fn sort(&self) -> Option<&Order> {
        self.sort.as_ref()
    }

    pub(super) fn apply_to(&self, mut request: Request) -> Request {
        if let Some(limit) = self.limit {
            request = request.with_query("limit", limit);
        }
        request = request.with_query("offset", self.offset);
        match &self.sort {
            Some(sort) => request.with_query("sort", sort),
            None => request,
        }
    }
}

/// The order of a listing, by one or more fields.
///
/// The vendor does not document the fields. Other clients send `name` and `created_at`; the service returns
/// `updated_at`, `configs.updated_at`, `plugin_id`, `family` and `target`.
///
/// ```
/// use tenable_was_client::Order;
///
/// assert_eq!(Order::desc("name").then_asc("created_at").to_string(), "name:desc,created_at:asc");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(Cow<'static, str>);

impl Order {
    /// Orders by a field, ascending.
    pub fn asc(field: impl fmt::Display) -> Self {
        Self(format!("{field}:asc").into())
    }

    /// Orders by a field, descending.
    pub fn desc(field: impl fmt::Display) -> Self {
        Self(format!("{field}:desc").into())
    }

    /// Adds an ascending order for equal items.
    pub fn then_asc(self, field: impl fmt::Display) -> Self {
        Self(format!("{self},{field}:asc").into())
    }

    /// Adds a descending order for equal items.
    pub fn then_desc(self, field: impl fmt::Display) -> Self {
        Self(format!("{self},{field}:desc").into())
    }
}

/// Takes the order in the form in which it is sent.
impl From<&'static str> for Order {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Builds the request of a search. A search changes nothing, so it is safe to retry.
pub(super) fn search<F>(
    operation: &'static str,
    path: impl Into<Path>,
    filter: &Filter<F>,
    page: &PageQuery,
) -> Result<Request> {
    filter.check(operation)?;
    page.apply_to(Request::post(operation, path).with_retry_safety(RetrySafety::Always)).with_json(filter)
}

/// The number of consecutive pages that may contain only items that were returned before. A service that
/// continues does not page at all.
pub(crate) const MAX_IDLE_PAGES: u32 = 3;

/// The error for a service that ignores the offset.
pub(crate) fn no_paging() -> Error {
    let message = format!("{MAX_IDLE_PAGES} consecutive pages have no new items");
    Error::new(ErrorKind::Unexpected, message)
}

/// An item of a page: decoded, or the gap that one leaves that cannot be.
#[derive(Debug)]
pub(super) struct PageItem<T> {
    pub(super) item: std::result::Result<T, CoverageGap>,
    /// The key of an item that cannot be decoded.
    unreadable: Option<RecordKey>,
}

impl TenableWasClient {
    /// Reads a page item by item. An item that cannot be decoded is a gap with its place.
    pub(super) async fn items<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<(Vec<PageItem<T>>, Option<Pagination>)> {
        let mut elements = self.http().elements(request, ArrayPath::Field("items"));
        let (mut items, mut bytes) = (Vec::new(), 0_u64);
        while let Some(element) = elements.next().await {
            let element = element?;
            // A page is held in memory, so its items together are bounded as a body is.
            bytes = bytes.saturating_add(element.bytes.len() as u64);
            if bytes > self.http().options().max_body_bytes() {
                let message = "the items of the page are larger than a response may be";
                return Err(Error::new(ErrorKind::Decode, message).with_operation(request.operation()));
            }
            items.push(match element.json(request.operation()) {
                Ok(item) => PageItem { item: Ok(item), unreadable: None },
                Err(error) => {
                    let path = format!("items{}", error.path().unwrap_or_default());
                    let message = format!("an item of the list cannot be read: {}", error.message());
                    PageItem {
                        item: Err(CoverageGap::new(GapKind::Record, message).with_path(path)),
                        unreadable: Some(RecordKey::from_content(&element.bytes)),
                    }
                }
            });
        }
        // After a page without a position, pages are read until one is empty.
        let pagination = elements.rest().and_then(|rest| serde_json::from_str::<PageRest>(rest.get()).ok());
        Ok((items, pagination.and_then(|rest| rest.pagination)))
    }

    /// Reads one page. Items that cannot be decoded are kept apart as gaps.
    pub(super) async fn page<T: DeserializeOwned>(&self, request: &Request) -> Result<Page<T>> {
        let (items, pagination) = self.items(request).await?;
        let mut page = Page { pagination, items: Vec::new(), gaps: Vec::new() };
        for item in items {
            match item.item {
                Ok(item) => page.items.push(item),
                Err(gap) => page.gaps.push(gap),
            }
        }
        Ok(page)
    }
}

#[derive(serde::Deserialize)]
struct PageRest {
    #[serde(default)]
    pagination: Option<Pagination>,
}

/// Streams a listing page by page, each item once.
///
/// Offsets shift in a listing that changes. [`paginate_overlapping`] notices that, reads the listing once
/// more, and notes a gap if it changes again. The total decides the end. An empty page ends the listing too,
/// because the total may count items that the caller cannot see. If the service refuses the order, the
/// listing is read without one: the vendor does not document by which fields a listing can be sorted.
pub(crate) fn pages<T, U>(
    client: &TenableWasClient,
    first: PageQuery,
    key: fn(&T) -> RecordKey,
    request: impl Fn(&PageQuery) -> Result<Request> + Send + Sync + 'static,
) -> BoxStream<'static, Result<ListedPage<U>>>
where
    T: DeserializeOwned + Into<U> + Send + 'static,
    U: Send + 'static,
{
    let (client, request) = (client.clone(), Arc::new(request));
    let start = PageRange::new(first.offset, first.limit.unwrap_or(PageQuery::MAX_LIMIT));
    let sort = Arc::new(Mutex::new(first.sort));
    let fetch = move |range: PageRange| {
        let (client, request, sort) = (client.clone(), Arc::clone(&request), Arc::clone(&sort));
        async move {
            let order = sort.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let query = PageQuery { offset: range.offset, limit: Some(range.limit), sort: order };
            let mut page = client.items(&with_retry(request(&query)?, range)).await;
            if let (Err(error), Some(_), true) = (&page, &query.sort, range.offset == start.offset)
                && error.kind() == ErrorKind::InvalidRequest
            {
                *sort.lock().unwrap_or_else(PoisonError::into_inner) = None;
                page = client.items(&with_retry(request(&PageQuery { sort: None, ..query })?, range)).await;
            }
            match page {
                Ok((items, pagination)) => {
                    let total = pagination.and_then(|pagination| pagination.total);
                    Ok(PageRead::Page(OffsetPage::new(items).with_total(total)))
                }
                Err(error) if is_of_page(&error) => Ok(PageRead::Unreadable(error)),
                Err(error) => Err(error),
            }
        }
    };
    let key = move |item: &PageItem<T>| match (&item.item, &item.unreadable) {
        (Ok(item), _) => key(item),
        (Err(_), Some(key)) => key.clone(),
        (Err(gap), None) => RecordKey::from_content(gap.message.as_bytes()),
    };
    paginate_overlapping(start, key, fetch)
        .map(|page| {
            let page = page?;
            let (mut records, mut gaps) = (Vec::new(), page.gaps);
            for item in page.records {
                match item.item {
                    Ok(item) => records.push(item.into()),
                    Err(gap) => gaps.push(gap),
                }
            }
            Ok(ListedPage::new(records, gaps))
        })
        .boxed()
}

/// The request for a part of a listing: a part that is asked for only because a larger one could not be
/// read is not repeated.
fn with_retry(request: Request, range: PageRange) -> Request {
    if range.retry { request } else { request.with_retry_safety(RetrySafety::IfUnsent) }
}

/// Whether the error may concern only one item of the page: the service fails over it, or what it sends is
/// not well formed, or breaks off there.
fn is_of_page(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Server => matches!(error.status(), Some(500 | 502 | 504)),
        // A response without the list has the name of the list as its path.
        ErrorKind::Decode => !error.is_html() && error.path().is_none(),
        ErrorKind::Transport => error.status().is_some(),
        _ => false,
    }
}
