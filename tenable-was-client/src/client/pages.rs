//! Pages of listings, and streams over them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::future::ready;
use std::hash::Hash;

use appsec_core::{Error, ErrorKind};
use appsec_http::{Path, Request, Result, RetrySafety, paginate};
use futures_core::stream::BoxStream;
use futures_util::StreamExt;

use crate::filter::Filter;
use crate::model::Page;

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

/// Streams a listing page by page, each item once: in a listing that changes, offsets shift, so the service
/// may return an item twice.
///
/// The total decides the end. An empty page ends the listing too, because the total may count items that
/// the caller cannot see. If the service refuses the order, the listing is read without one: the vendor
/// does not document by which fields a listing can be sorted.
pub(crate) fn pages<T, K, F, Fut>(
    first: PageQuery,
    id: fn(&T) -> K,
    mut fetch: F,
) -> BoxStream<'static, Result<Vec<T>>>
where
    T: Send + 'static,
    K: Eq + Hash + Send + 'static,
    F: FnMut(PageQuery) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T>>> + Send + 'static,
{
    let (mut returned, mut idle) = (HashSet::new(), 0);
    paginate(first, move |query: PageQuery| {
        let unsorted = PageQuery { sort: None, ..query.clone() };
        let page = fetch(query.clone());
        // A future that is not awaited sends nothing.
        let unsorted_page = (query.sort.is_some() && query.offset == 0).then(|| fetch(unsorted.clone()));
        async move {
            let (query, page) = match (page.await, unsorted_page) {
                (Err(error), Some(unsorted_page)) if error.kind() == ErrorKind::InvalidRequest => {
                    (unsorted, unsorted_page.await?)
                }
                (page, _) => (query, page?),
            };
            let next = next_page(&query, &page);
            Ok((page.items, next))
        }
    })
    .map(move |page| {
        let mut items = page?;
        let is_empty = items.is_empty();
        items.retain(|item| returned.insert(id(item)));
        idle = if !is_empty && items.is_empty() { idle + 1 } else { 0 };
        if idle >= MAX_IDLE_PAGES { Err(no_paging()) } else { Ok(items) }
    })
    .scan(false, |failed, page| {
        let ended = *failed;
        *failed |= page.is_err();
        ready((!ended).then_some(page))
    })
    .boxed()
}

/// The query of the next page; `None` after the last one.
fn next_page<T>(query: &PageQuery, page: &Page<T>) -> Option<PageQuery> {
    let offset = query.offset + page.items.len() as u64;
    let more = page.total().is_none_or(|total| offset < total);
    (more && !page.items.is_empty()).then(|| query.clone().with_offset(offset))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    fn page(items: &[u32], total: Option<u64>) -> Page<u32> {
        let total = total.map_or_else(|| "null".to_owned(), |total| total.to_string());
        serde_json::from_str(&format!(r#"{{"pagination":{{"total":{total}}},"items":{items:?}}}"#)).unwrap()
    }

    async fn read(script: Vec<Page<u32>>) -> (Vec<Vec<u32>>, Vec<u64>) {
        let offsets = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let requested = std::sync::Arc::clone(&offsets);
        let mut script = script.into_iter();
        let stream = pages(
            PageQuery::new(),
            |item| *item,
            move |query| {
                requested.lock().unwrap().push(query.offset);
                let page = script.next().unwrap();
                async move { Ok(page) }
            },
        );
        let items = stream.try_collect().await.unwrap();
        let offsets = offsets.lock().unwrap().clone();
        (items, offsets)
    }

    #[tokio::test]
    async fn the_total_ends_a_listing_and_a_short_page_does_not() {
        let (items, offsets) = read(vec![page(&[1], Some(3)), page(&[2, 3], Some(3))]).await;
        assert_eq!((items, offsets), (vec![vec![1], vec![2, 3]], vec![0, 1]));
    }

    #[tokio::test]
    async fn an_item_that_shifts_into_the_next_page_is_returned_once() {
        let (items, _) = read(vec![page(&[1, 2], Some(4)), page(&[2, 3], Some(4))]).await;
        assert_eq!(items, [vec![1, 2], vec![3]]);
    }

    #[tokio::test]
    async fn a_service_that_does_not_page_is_an_error() {
        let stream = pages(PageQuery::new(), |item| *item, |_| async { Ok(page(&[1, 2], Some(1_000_000))) });
        let pages: Vec<_> = stream.collect().await;
        assert_eq!(pages.len(), 4, "the first page, two without new items, and the error");
        assert_eq!(pages[3].as_ref().unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[tokio::test]
    async fn a_refused_order_is_dropped() {
        let stream = pages(
            PageQuery::new().with_sort("created_at:asc"),
            |item| *item,
            |query| async move {
                match (query.sort, query.offset) {
                    (Some(_), _) => Err(appsec_core::Error::new(ErrorKind::InvalidRequest, "no such field")),
                    (None, 0) => Ok(page(&[1, 2], Some(3))),
                    (None, _) => Ok(page(&[3], Some(3))),
                }
            },
        );
        let items: Vec<u32> = stream.try_concat().await.unwrap();
        assert_eq!(items, [1, 2, 3]);
    }

    #[tokio::test]
    async fn without_a_total_an_empty_page_ends_a_listing() {
        let (items, offsets) = read(vec![page(&[1, 2], None), page(&[], None)]).await;
        assert_eq!((items, offsets), (vec![vec![1, 2], vec![]], vec![0, 2]));
        let (_, offsets) = read(vec![page(&[1], Some(9)), page(&[], Some(9))]).await;
        assert_eq!(offsets, [0, 1], "the total may count invisible items");
    }
}
