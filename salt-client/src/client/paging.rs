//! Pages of a listing: one page, and a stream of all pages.

use appsec_core::{BoxStream, Error, ErrorKind, Result};
use appsec_http::{Request, paginate};
use serde_json::{Map, Value};

use super::list_query::{ListQuery, PAGE_SIZE};
use super::salt_client::SaltClient;
use crate::model::{Page, digest};

impl SaltClient {
    /// Reads one page and leaves its records undecoded.
    pub(crate) async fn page(&self, request: &Request) -> Result<Page<Value>> {
        let body: Map<String, Value> = self.http().json(request).await?;
        Page::from_body(body, request.operation())
    }

    /// Reads a page of at most `limit` records. If the service refuses so many, reads a page of
    /// [`PAGE_SIZE`] records, which is known to work, and lowers `limit` to that number.
    pub(crate) async fn page_within(
        &self,
        limit: &mut u32,
        request: impl Fn(u32) -> Request,
    ) -> Result<Page<Value>> {
        match self.page(&request(*limit)).await {
            Err(error) if error.status() == Some(400) && *limit > PAGE_SIZE => {
                tracing::warn!(limit = *limit, %error, "the page size was refused; asking for {PAGE_SIZE} records");
                *limit = PAGE_SIZE;
                self.page(&request(*limit)).await
            }
            page => page,
        }
    }

    /// Streams the pages of a list that a [`ListQuery`] selects.
    pub(super) fn list<T: From<Map<String, Value>> + Send + 'static>(
        &self,
        query: ListQuery,
        request: fn(&ListQuery) -> Request,
    ) -> BoxStream<'static, Result<Page<T>>> {
        self.pages(query.limit(), query.offset(), move |limit, offset| {
            request(&query.clone().with_limit(limit).with_offset(offset))
        })
    }

    /// Streams the pages of a listing, from `offset` on.
    pub(super) fn pages<T, R>(
        &self,
        limit: u32,
        offset: u64,
        request: R,
    ) -> BoxStream<'static, Result<Page<T>>>
    where
        T: From<Map<String, Value>> + Send + 'static,
        R: Fn(u32, u64) -> Request + Clone + Send + Sync + 'static,
    {
        let client = self.clone();
        let start = Position { limit, offset, previous: None };
        Box::pin(paginate(start, move |mut at: Position| {
            let (client, request) = (client.clone(), request.clone());
            async move {
                let page = client.page_within(&mut at.limit, |limit| request(limit, at.offset)).await?;
                let next = at.after(&page)?;
                Ok((page.typed(), next))
            }
        }))
    }
}

/// A position in a listing.
#[derive(Debug, Clone, PartialEq)]
struct Position {
    limit: u32,
    offset: u64,
    /// A digest of the previous page.
    previous: Option<u64>,
}

impl Position {
    /// Returns the position after a page; `None` at the end of the listing, which only an empty page marks.
    fn after(self, page: &Page<Value>) -> Result<Option<Self>> {
        if page.is_empty() {
            return Ok(None);
        }
        let digest = Some(digest(&page.records));
        if digest == self.previous {
            return Err(Error::new(ErrorKind::Unexpected, "the service sent the same page again"));
        }
        // Offsets count records. An end offset that is missing or not beyond this page is ignored.
        let counted = self.offset.saturating_add(page.len());
        let offset = page.end_offset.map_or(counted, |end| end.max(counted));
        Ok(Some(Self { offset, previous: digest, ..self }))
    }
}
