//! Detections: of one scan, of all scans, and single ones.

use appsec_core::{CoverageGap, Error, ErrorKind, GapKind};
use appsec_http::{ArrayPath, ElementStream, Path, RecordKey, Request, Result};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::filter::{Filter, ScanVulnerabilityField, VulnerabilityField};
use crate::model::{Pagination, TenableScanId, VulnId, Vulnerability};

pub(crate) const OPERATION: &str = "tenable: search vulnerabilities of scan";

const SEARCH_ALL: &str = "tenable: search vulnerabilities";

const VULNERABILITIES: &str = "/was/v2/vulnerabilities";

pub(super) fn get(id: VulnId) -> Result<Request> {
    Ok(Request::get("tenable: get vulnerability", Path::new(VULNERABILITIES).join(&id.to_string())?))
}

pub(super) fn search(filter: &Filter<VulnerabilityField>, page: &PageQuery) -> Result<Request> {
    let path = Path::new(VULNERABILITIES).join("search")?;
    pages::search(SEARCH_ALL, path, filter, page)
}

pub(super) fn search_scan(
    scan: TenableScanId,
    filter: &Filter<ScanVulnerabilityField>,
    page: &PageQuery,
) -> Result<Request> {
    let path = Path::new("/was/v2/scans").join(&scan.to_string())?.join("vulnerabilities")?.join("search")?;
    pages::search(OPERATION, path, filter, page)
}

impl TenableWasClient {
    /// Reads a detection with all its members, including the request and the response that prove it.
    /// Requires the role Basic.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_vulnerability(&self, id: VulnId) -> Result<Vulnerability> {
        self.http().json(&get(id)?).await
    }

    /// Searches the detections of all scans. The page is read one by one as it arrives. Requires the role
    /// Basic.
    ///
    /// # Errors
    /// When reading the page: those of [`search_configs`](Self::search_configs).
    pub fn search_vulnerabilities(
        &self,
        filter: &Filter<VulnerabilityField>,
        page: &PageQuery,
    ) -> Result<VulnerabilityPage> {
        search(filter, page).map(|request| self.open_vulnerability_page(&request))
    }

    /// Searches the detections of a scan. The page is read one by one as it arrives. Requires the role
    /// Basic. For a multi-target scan, search its children.
    ///
    /// # Errors
    /// When reading the page: those of [`search_configs`](Self::search_configs).
    pub fn search_scan_vulnerabilities(
        &self,
        scan: TenableScanId,
        filter: &Filter<ScanVulnerabilityField>,
        page: &PageQuery,
    ) -> Result<VulnerabilityPage> {
        search_scan(scan, filter, page).map(|request| self.open_vulnerability_page(&request))
    }

    fn open_vulnerability_page(&self, request: &Request) -> VulnerabilityPage {
        let elements = self.http().elements(request, ArrayPath::Field("items"));
        VulnerabilityPage { operation: request.operation(), elements }
    }

    /// Opens a page of all detections of a scan.
    pub(crate) fn vulnerability_page(&self, scan: TenableScanId, offset: u64) -> Result<VulnerabilityPage> {
        self.search_scan_vulnerabilities(scan, &Filter::everything(), &PageQuery::new().with_offset(offset))
    }

    /// Streams the detections of all scans that match a filter, each once, oldest first. One page at a time
    /// is in memory.
    ///
    /// A detection that cannot be decoded is an error item, and so is a listing that changed twice while it
    /// was read; such an error has a [`gap`](Error::gap), and the stream continues. Any other error ends it.
    pub fn vulnerabilities(
        &self,
        filter: impl Into<Filter<VulnerabilityField>>,
    ) -> BoxStream<'static, Result<Vulnerability>> {
        let filter = filter.into();
        detections(self, SEARCH_ALL, move |page| search(&filter, page))
    }

    /// Streams the detections of a scan that match a filter, like
    /// [`vulnerabilities`](Self::vulnerabilities).
    pub fn vulnerabilities_of_scan(
        &self,
        scan: TenableScanId,
        filter: impl Into<Filter<ScanVulnerabilityField>>,
    ) -> BoxStream<'static, Result<Vulnerability>> {
        let filter = filter.into();
        detections(self, OPERATION, move |page| search_scan(scan, &filter, page))
    }
}

fn detections(
    client: &TenableWasClient,
    operation: &'static str,
    request: impl Fn(&PageQuery) -> Result<Request> + Send + Sync + 'static,
) -> BoxStream<'static, Result<Vulnerability>> {
    let first = PageQuery::new().with_sort(Order::asc("created_at"));
    let key = |record: &Vulnerability| RecordKey::Id(record.vuln_id.to_string());
    pages::pages::<Vulnerability, Vulnerability>(client, first, key, request)
        .map(move |page| {
            let missing = |gap| missing(gap, operation);
            let records = match page {
                Ok(page) => page.into_iter().map(|record| record.map_err(missing)).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(records)
        })
        .flatten()
        .boxed()
}

/// The error item for detections that are missing from the stream.
fn missing(gap: CoverageGap, operation: &'static str) -> Error {
    let kind = if gap.kind == GapKind::Record { ErrorKind::Decode } else { ErrorKind::Unexpected };
    let error = Error::new(kind, gap.message.as_str()).with_operation(operation);
    match gap.path.clone() {
        Some(path) => error.with_path(path).with_gap(gap),
        None => error.with_gap(gap),
    }
}

/// A reader of a page of detections, one by one.
#[derive(Debug)]
pub struct VulnerabilityPage {
    operation: &'static str,
    pub(crate) elements: ElementStream,
}

impl VulnerabilityPage {
    /// Returns the next detection, or `None` after the page's last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a detection that cannot be decoded, with its path; the next call continues after it.
    /// Other errors end the page.
    pub async fn next(&mut self) -> Option<Result<Vulnerability>> {
        Some(self.elements.next().await?.and_then(|element| element.json(self.operation)))
    }

    /// Returns the position of the page, after it was read to its end.
    ///
    /// # Errors
    /// `Decode` if the response has none.
    pub fn pagination(&self) -> Result<Pagination> {
        #[derive(serde::Deserialize)]
        struct Rest {
            pagination: Pagination,
        }
        let rest = self.elements.rest().and_then(|rest| serde_json::from_str::<Rest>(rest.get()).ok());
        rest.map(|rest| rest.pagination).ok_or_else(|| {
            Error::new(ErrorKind::Decode, "the page has no position in its listing")
                .with_operation(self.operation)
                .with_path("pagination")
        })
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;

    use super::*;

    const ID: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

    #[test]
    fn requests_match_the_document() {
        let request = get(ID.parse().unwrap()).unwrap();
        assert_eq!(request.path().as_str(), format!("/was/v2/vulnerabilities/{ID}"));
        let asset = VulnerabilityField::ASSET_ID.is(ID.parse().unwrap());
        let request = search(&asset.into(), &PageQuery::new()).unwrap();
        assert_eq!(request.path().as_str(), "/was/v2/vulnerabilities/search");
        let body = format!(r#"{{"field":"asset_id","operator":"eq","value":"{ID}"}}"#);
        assert_eq!(request.body().unwrap().as_ref(), body.as_bytes());
        assert_eq!(request.retry_safety(), RetrySafety::Always);
    }

    #[test]
    fn the_search_of_a_scan_matches_the_document() {
        let page = PageQuery::new().with_offset(200);
        let request = search_scan(ID.parse().unwrap(), &Filter::everything(), &page).unwrap();
        let id = ID;
        assert_eq!(request.path().as_str(), format!("/was/v2/scans/{id}/vulnerabilities/search"));
        assert_eq!(request.query(), [("limit", "200".to_owned()), ("offset", "200".to_owned())]);
        assert_eq!(request.retry_safety(), RetrySafety::Always);
    }
}
