//! The client: one method for each endpoint of the API, one call each, and streams over pages.

use std::sync::Arc;

use appsec_core::{BoxStream, Error, ErrorKind, Result, once_err};
use appsec_http::{HttpClient, Request, paginate};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::builder::SaltClientBuilder;
use crate::cursor::digest;
use crate::model::{CloudAsset, Endpoint, Host, Page, PostureGap};
use crate::region::Region;
use crate::request::{GapsQuery, ListQuery, PAGE_SIZE, to_asset, to_json, to_openapi};
use crate::write_back::{self, GapChange, UnverifiedChange, Verification, WriteBack};

/// A client of Salt's public API, and a [`DastApiScanner`](appsec_core::DastApiScanner). Cheap to clone; do not wrap it.
///
/// Salt publishes no reference, so the doc of each endpoint says how far it is known. **Confirmed**: clients that work with the
/// service, or documents of those who integrate it, show it. **Likely**: a strong inference from what is confirmed.
/// **Speculative**: a guess. Answers are read so that what is otherwise is kept, not lost.
#[derive(Debug, Clone)]
pub struct SaltClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: HttpClient,
    region: Region,
    settings: Settings,
}

/// What an import does and a single call does not.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) page_size: u32,
    pub(crate) host_parameter: bool,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) write_back: Option<Arc<dyn WriteBack>>,
}

impl SaltClient {
    /// Begins a client. The region is [`Region::Us`], [`Region::Eu`], or the base URL as text; a token that starts with
    /// `Bearer ` is accepted.
    ///
    /// ```
    /// use salt_client::{Region, SaltClient};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = SaltClient::builder(Region::Eu, "the token").build()?;
    /// assert_eq!(client.base_url(), "https://api.secured-api-eu.com/");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(region: impl Into<Region>, token: impl Into<SecretString>) -> SaltClientBuilder {
        SaltClientBuilder::new(region.into(), token.into())
    }

    /// A client by the environment: `SALT_API_TOKEN`, and `SALT_BASE_URL` where it is not the US.
    ///
    /// # Errors
    /// `Config` when there is no token, or for values that cannot work.
    pub fn from_env() -> Result<Self> {
        SaltClientBuilder::from_env()?.build()
    }

    pub(crate) fn new(http: HttpClient, region: Region, settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { http, region, settings }) }
    }

    /// The base URL; its path ends in a slash and does not hold the version.
    pub fn base_url(&self) -> &str {
        self.inner.http.base_url().as_str()
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.inner.region
    }

    /// Lists one page of posture gaps.
    ///
    /// **Confirmed**: path, paging, `details`, the filters by severity and status, the names of the fields. **Speculative**: the
    /// filter by host.
    ///
    /// # Errors
    /// `Auth`, `PermissionDenied` (scope `perm-viewer`), `InvalidRequest`, `RateLimited`, `Server`, `Transport`, `Decode`.
    pub async fn list_gaps(&self, query: &GapsQuery) -> Result<Page<PostureGap>> {
        Ok(self.page(&query.to_request()).await?.typed())
    }

    /// Lists one page of the inventory's hosts. A token without the scope `perm-viewer` may get an empty page.
    ///
    /// **Confirmed**: path and paging, that a host has a name and labels. **Speculative**: what the fields are called.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn list_hosts(&self, query: &ListQuery) -> Result<Page<Host>> {
        Ok(self.page(&query.to_hosts()).await?.typed())
    }

    /// Lists one page of the inventory's endpoints.
    ///
    /// **Confirmed**: path and paging, that an endpoint has host, method and path. **Speculative**: what the fields are called.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn list_endpoints(&self, query: &ListQuery) -> Result<Page<Endpoint>> {
        Ok(self.page(&query.to_endpoints()).await?.typed())
    }

    /// Lists one page of the assets that Cloud Connect has found, 1 to 1000 of them.
    ///
    /// **Confirmed**: path, envelope, the names of the fields. **Likely**: the bounds of a page. **Speculative**: that an empty page
    /// ends the list.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `InvalidRequest` for a limit out of bounds, before anything is sent.
    pub async fn list_cloud_assets(&self, query: &ListQuery) -> Result<Page<CloudAsset>> {
        query.check_assets()?;
        Ok(self.page(&query.to_assets()).await?.typed())
    }

    /// Looks at one cloud asset, of which more is told than in a list.
    ///
    /// **Confirmed**: path and the names of the fields. **Likely**: 404 for an unknown id.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `NotFound` for an unknown id, `InvalidRequest` for what is no id.
    pub async fn get_cloud_asset(&self, id: &str) -> Result<CloudAsset> {
        self.inner.http.json(&to_asset(id)?).await
    }

    /// Reads the OpenAPI document that Salt has generated from a host's traffic, as it comes.
    ///
    /// **Likely**: path, parameter, and that the answer is JSON. **Speculative**: the document's version, whether something is
    /// wrapped around it, and what is answered for a host without one; an answer without content is `null`.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn get_openapi(&self, host: &str) -> Result<Value> {
        self.inner.http.json(&to_openapi(host)).await
    }

    /// Reads any path of the API that your tenant's own portal documents, with the client's token, limits and retries.
    ///
    /// The path is relative to the base URL, holds the version, and is not yet encoded. It cannot lead to another host.
    ///
    /// ```no_run
    /// # async fn example(salt: salt_client::SaltClient) -> salt_client::Result<()> {
    /// let answer = salt.get_json("/v1/a/path/of/the/portal", &[("limit", "10")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `InvalidRequest` for what is no such path, before anything is sent.
    pub async fn get_json(&self, path: &str, query: &[(&'static str, &str)]) -> Result<Value> {
        self.inner.http.json(&to_json(path, query)?).await
    }

    /// Asks for a new status of a gap. Needs the scope `perm-executor`.
    ///
    /// **Confirmed**: path and method, the four statuses. **Speculative**: body and answer. So the body is of your choice
    /// ([`SpeculativeBody`](crate::SpeculativeBody) holds guesses), the answer is kept as it came, and only
    /// [`verify`](UnverifiedChange::verify) tells whether the status has changed.
    ///
    /// It is not repeated, except where it was never sent or the service refused it with 429.
    ///
    /// ```no_run
    /// use salt_client::{GapChange, GapStatus, SpeculativeBody, Verification};
    ///
    /// # async fn example(salt: salt_client::SaltClient) -> salt_client::Result<()> {
    /// let change = GapChange::new("6810f2c4a1b2c3d4e5f60718", GapStatus::Ignored);
    /// let answered = salt.write_gap_status(&change, &SpeculativeBody::Object).await?;
    /// let changed = answered.verify().await? == Verification::Changed;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps), with `perm-executor` for the scope; `InvalidRequest` for a change without an id. Where
    /// [`outcome_unknown`](Error::outcome_unknown) is true, the change may have been made: verify it.
    pub async fn write_gap_status(
        &self,
        change: &GapChange,
        body: &dyn WriteBack,
    ) -> Result<UnverifiedChange> {
        write_back::write(self, change, body).await
    }

    /// Reads a gap again, and says whether it has the status. No way to read a single gap is known, so the list is walked until the
    /// gap is met: first those with the new status, then the others.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn verify_gap_status(&self, change: &GapChange) -> Result<Verification> {
        write_back::verify(self, change).await
    }

    /// Posture gaps, page after page, from the query's offset on. Nothing fixes the list meanwhile: a gap may come twice or
    /// not at all where the list moves. An import through the trait notices that.
    pub fn gaps(&self, query: GapsQuery) -> BoxStream<'static, Result<Page<PostureGap>>> {
        let (limit, offset) = query.range();
        self.pages(limit, offset, move |limit, offset| {
            query.clone().with_limit(limit).with_offset(offset).to_request()
        })
    }

    /// The inventory's hosts, page after page.
    pub fn hosts(&self, query: ListQuery) -> BoxStream<'static, Result<Page<Host>>> {
        self.list(query, ListQuery::to_hosts)
    }

    /// The inventory's endpoints, page after page.
    pub fn endpoints(&self, query: ListQuery) -> BoxStream<'static, Result<Page<Endpoint>>> {
        self.list(query, ListQuery::to_endpoints)
    }

    /// The cloud assets, page after page.
    pub fn cloud_assets(&self, query: ListQuery) -> BoxStream<'static, Result<Page<CloudAsset>>> {
        match query.check_assets() {
            Ok(()) => self.list(query, ListQuery::to_assets),
            Err(error) => once_err(error),
        }
    }

    fn list<T: From<Map<String, Value>> + Send + 'static>(
        &self,
        query: ListQuery,
        request: fn(&ListQuery) -> Request,
    ) -> BoxStream<'static, Result<Page<T>>> {
        self.pages(query.limit, query.offset, move |limit, offset| {
            request(&query.clone().with_limit(limit).with_offset(offset))
        })
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.inner.http
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// One page, its records undecoded.
    pub(crate) async fn page(&self, request: &Request) -> Result<Page<Value>> {
        let answer: Map<String, Value> = self.inner.http.json(request).await?;
        Page::from_answer(answer, request.operation())
    }

    /// A page of at most `limit` records; where the service refuses so many, of the number that is known to work, which is
    /// then the limit.
    pub(crate) async fn page_within(
        &self,
        limit: &mut u32,
        request: impl Fn(u32) -> Request,
    ) -> Result<Page<Value>> {
        match self.page(&request(*limit)).await {
            Err(error) if error.status() == Some(400) && *limit > PAGE_SIZE => {
                tracing::warn!(limit = *limit, %error, "a page of this size is refused; asking for {PAGE_SIZE} records");
                *limit = PAGE_SIZE;
                self.page(&request(*limit)).await
            }
            page => page,
        }
    }

    fn pages<T, R>(&self, limit: u32, offset: u64, request: R) -> BoxStream<'static, Result<Page<T>>>
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

/// Where a listing stands.
#[derive(Debug, Clone, PartialEq)]
struct Position {
    limit: u32,
    offset: u64,
    /// What the page before held, as a digest.
    previous: Option<u64>,
}

impl Position {
    /// Where to go on after a page; `None` at the end, which only an empty page is.
    fn after(self, page: &Page<Value>) -> Result<Option<Self>> {
        if page.is_empty() {
            return Ok(None);
        }
        let digest = Some(digest(&page.records));
        if digest == self.previous {
            return Err(Error::new(ErrorKind::Unexpected, "the service sends the same page again"));
        }
        // An end that is missing, stands still or lies within the page is of no use; offsets count records.
        let counted = self.offset.saturating_add(page.len());
        let offset = page.end_offset.map_or(counted, |end| end.max(counted));
        Ok(Some(Self { offset, previous: digest, ..self }))
    }
}
