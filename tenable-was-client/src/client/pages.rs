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

/// Which page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageQuery {
    /// How many items to pass over.
    pub offset: u64,
    /// How many items at most; the service takes 10 where nothing is said, and [`PageQuery::MAX_LIMIT`] at most.
    pub limit: Option<u32>,
    /// The order; the service's own where nothing is said.
    pub sort: Option<Order>,
}

impl PageQuery {
    /// The most items a page can hold (vendor document).
    pub const MAX_LIMIT: u32 = 200;

    /// The first page, as large as pages get.
    pub fn new() -> Self {
        Self { offset: 0, limit: Some(Self::MAX_LIMIT), sort: None }
    }

    /// Passes over so many items.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// At most so many items.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// In that order.
    pub fn with_sort(mut self, sort: impl Into<Order>) -> Self {
        self.sort = Some(sort.into());
        self
    }

    pub(crate) fn on(&self, mut request: Request) -> Request {
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

/// An order of a listing, field by field.
///
/// The vendor does not list the fields. Known to work are `name` and `created_at` (sent by other clients); the service echoes `updated_at`,
/// `configs.updated_at`, `plugin_id`, `family` and `target`.
///
/// ```
/// use tenable_was_client::Order;
///
/// assert_eq!(Order::desc("name").then_asc("created_at").to_string(), "name:desc,created_at:asc");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(Cow<'static, str>);

impl Order {
    /// The smallest, oldest or first in the alphabet first.
    pub fn asc(field: impl fmt::Display) -> Self {
        Self(format!("{field}:asc").into())
    }

    /// The greatest, newest or last in the alphabet first.
    pub fn desc(field: impl fmt::Display) -> Self {
        Self(format!("{field}:desc").into())
    }

    /// Among equals, the smallest first.
    pub fn then_asc(self, field: impl fmt::Display) -> Self {
        Self(format!("{self},{field}:asc").into())
    }

    /// Among equals, the greatest first.
    pub fn then_desc(self, field: impl fmt::Display) -> Self {
        Self(format!("{self},{field}:desc").into())
    }
}

/// The order as it is sent.
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

/// The request of a search, which changes nothing and so is repeated at need.
pub(super) fn search<F>(
    operation: &'static str,
    path: impl Into<Path>,
    filter: &Filter<F>,
    page: &PageQuery,
) -> Result<Request> {
    filter.check(operation)?;
    page.on(Request::post(operation, path).with_repeat(RetrySafety::Always)).with_json(filter)
}

/// Pages in a row that may bring nothing but items that came before. A service that goes on like that does not page at all.
pub(crate) const MAX_IDLE_PAGES: u32 = 3;

/// The error for a service that does not page.
pub(crate) fn endless() -> Error {
    let message = format!("{MAX_IDLE_PAGES} pages in a row bring nothing new");
    Error::new(ErrorKind::Unexpected, message)
}

/// Streams a listing page by page, each item once: offsets shift under a listing that changes, so that an item may come twice.
///
/// The end is what the total says; an empty page ends it too, for where the total counts what the caller may not see. An order that the
/// service refuses is given up: the vendor does not say by which fields a listing can be sorted.
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
    let (mut seen, mut idle) = (HashSet::new(), 0);
    paginate(first, move |query: PageQuery| {
        let unsorted = PageQuery { sort: None, ..query.clone() };
        let page = fetch(query.clone());
        // A future that is not awaited asks for nothing.
        let again = (query.sort.is_some() && query.offset == 0).then(|| fetch(unsorted.clone()));
        async move {
            let (query, page) = match (page.await, again) {
                (Err(error), Some(again)) if error.kind() == ErrorKind::InvalidRequest => {
                    (unsorted, again.await?)
                }
                (page, _) => (query, page?),
            };
            let next = next_page(&query, &page);
            Ok((page.items, next))
        }
    })
    .map(move |page| {
        let mut items = page?;
        let came = !items.is_empty();
        items.retain(|item| seen.insert(id(item)));
        idle = if came && items.is_empty() { idle + 1 } else { 0 };
        if idle >= MAX_IDLE_PAGES { Err(endless()) } else { Ok(items) }
    })
    .scan(false, |failed, page| {
        let ended = *failed;
        *failed |= page.is_err();
        ready((!ended).then_some(page))
    })
    .boxed()
}

/// The page after this one; `None` where there is none.
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

    async fn walk(script: Vec<Page<u32>>) -> (Vec<Vec<u32>>, Vec<u64>) {
        let offsets = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let asked = std::sync::Arc::clone(&offsets);
        let mut script = script.into_iter();
        let stream = pages(
            PageQuery::new(),
            |item| *item,
            move |query| {
                asked.lock().unwrap().push(query.offset);
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
        let (items, offsets) = walk(vec![page(&[1], Some(3)), page(&[2, 3], Some(3))]).await;
        assert_eq!((items, offsets), (vec![vec![1], vec![2, 3]], vec![0, 1]));
    }

    #[tokio::test]
    async fn an_item_that_shifts_into_the_next_page_comes_once() {
        let (items, _) = walk(vec![page(&[1, 2], Some(4)), page(&[2, 3], Some(4))]).await;
        assert_eq!(items, [vec![1, 2], vec![3]]);
    }

    #[tokio::test]
    async fn a_service_that_does_not_page_is_an_error_and_not_an_endless_listing() {
        let stream = pages(PageQuery::new(), |item| *item, |_| async { Ok(page(&[1, 2], Some(1_000_000))) });
        let pages: Vec<_> = stream.collect().await;
        assert_eq!(pages.len(), 4, "the first page, two that bring nothing, and the error");
        assert_eq!(pages[3].as_ref().unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[tokio::test]
    async fn an_order_that_is_refused_is_given_up() {
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
    async fn without_a_total_an_empty_page_ends_it() {
        let (items, offsets) = walk(vec![page(&[1, 2], None), page(&[], None)]).await;
        assert_eq!((items, offsets), (vec![vec![1, 2], vec![]], vec![0, 2]));
        let (_, offsets) = walk(vec![page(&[1], Some(9)), page(&[], Some(9))]).await;
        assert_eq!(offsets, [0, 1], "the total may count what is not visible");
    }
}
