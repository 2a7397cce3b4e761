//! Requests, built without IO.

use std::fmt::Display;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{Path, Request};

use crate::model::{GapSeverity, GapStatus};

pub(crate) const LIST_GAPS: &str = "salt: list posture gaps";
pub(crate) const LIST_HOSTS: &str = "salt: list hosts";
pub(crate) const LIST_ENDPOINTS: &str = "salt: list endpoints";
pub(crate) const LIST_ASSETS: &str = "salt: list cloud assets";
pub(crate) const GET_ASSET: &str = "salt: get cloud asset";
pub(crate) const GET_OPENAPI: &str = "salt: get OpenAPI document";
pub(crate) const WRITE_STATUS: &str = "salt: write gap status";
pub(crate) const GET_JSON: &str = "salt: get JSON";

/// Gaps are listed and written at one path.
pub(crate) const GAPS: &str = "/v1/apigovern/posture/gaps";

/// How many records to ask for. Clients that are known to work ask for 100; the service's own limit is unknown.
pub(crate) const PAGE_SIZE: u32 = 100;

/// The most cloud assets of a page, by the vendor's own code.
const MAX_ASSETS: u32 = 1000;

/// Which posture gaps to list.
///
/// ```
/// use salt_client::{GapSeverity, GapStatus, GapsQuery};
///
/// let query = GapsQuery::new()
///     .with_severities([GapSeverity::High, GapSeverity::Critical])
///     .with_statuses([GapStatus::Open])
///     .with_details(true);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapsQuery {
    list: ListQuery,
    details: bool,
    severities: Vec<GapSeverity>,
    statuses: Vec<GapStatus>,
    host: Option<String>,
}

impl Default for GapsQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl GapsQuery {
    /// All gaps, without details. Which statuses the service leaves out by default, if any, is unknown: name those that matter.
    pub fn new() -> Self {
        Self {
            list: ListQuery::new(),
            details: false,
            severities: Vec::new(),
            statuses: Vec::new(),
            host: None,
        }
    }

    /// How many gaps to ask for. Default: 100.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.list.limit = limit;
        self
    }

    /// How many gaps to pass over.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.list.offset = offset;
        self
    }

    /// Asks for description, remediation, parameters and link as well.
    pub fn with_details(mut self, yes: bool) -> Self {
        self.details = yes;
        self
    }

    /// Only these severities; none means all.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = GapSeverity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Only these statuses.
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = GapStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Asks for one host's gaps by the parameter `host`. That Salt filters by host is known, the parameter's name is a guess: check
    /// the host of what comes.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a parameter that this crate does not know.
    pub fn with_parameter(mut self, name: &'static str, value: impl Display) -> Self {
        self.list = self.list.with_parameter(name, value);
        self
    }

    /// Limit and offset.
    pub(crate) fn range(&self) -> (u32, u64) {
        (self.list.limit, self.list.offset)
    }

    /// The call that this query makes.
    pub(crate) fn to_request(&self) -> Request {
        let mut request = self.list.page(Request::get(LIST_GAPS, GAPS));
        if self.details {
            request = request.with_query("details", true);
        }
        if !self.severities.is_empty() {
            request = request.with_query("severity", joined(&self.severities));
        }
        if !self.statuses.is_empty() {
            request = request.with_query("status", joined(&self.statuses));
        }
        if let Some(host) = &self.host {
            request = request.with_query("host", host);
        }
        self.list.free(request)
    }
}

/// Which part of a list of hosts, endpoints or cloud assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    pub(crate) limit: u32,
    pub(crate) offset: u64,
    parameters: Vec<(&'static str, String)>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl ListQuery {
    /// The list from its beginning.
    pub fn new() -> Self {
        Self { limit: PAGE_SIZE, offset: 0, parameters: Vec::new() }
    }

    /// How many records to ask for. Default: 100.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// How many records to pass over.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Adds a parameter that this crate does not know.
    pub fn with_parameter(mut self, name: &'static str, value: impl Display) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    fn page(&self, request: Request) -> Request {
        request.with_query("limit", self.limit).with_query("offset", self.offset)
    }

    fn free(&self, request: Request) -> Request {
        self.parameters.iter().fold(request, |request, (name, value)| request.with_query(name, value))
    }

    pub(crate) fn to_hosts(&self) -> Request {
        self.free(self.page(Request::get(LIST_HOSTS, "/v1/inventory/hosts")))
    }

    pub(crate) fn to_endpoints(&self) -> Request {
        self.free(self.page(Request::get(LIST_ENDPOINTS, "/v1/inventory/endpoints")))
    }

    pub(crate) fn to_assets(&self) -> Request {
        self.free(self.page(Request::get(LIST_ASSETS, "/v1/cloud-connect/cloud-assets")))
    }

    /// # Errors
    /// `InvalidRequest` for a limit that no page of cloud assets has.
    pub(crate) fn check_assets(&self) -> Result<()> {
        if (1..=MAX_ASSETS).contains(&self.limit) {
            return Ok(());
        }
        let message = format!("a page has 1 to {MAX_ASSETS} cloud assets");
        Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(LIST_ASSETS))
    }
}

/// The call for one cloud asset.
pub(crate) fn to_asset(id: &str) -> Result<Request> {
    let path = Path::new("/v1/cloud-connect/cloud-assets/asset").join(id);
    Ok(Request::get(GET_ASSET, path.map_err(|error| error.with_operation(GET_ASSET))?))
}

/// The call for the OpenAPI document of a host.
pub(crate) fn to_openapi(host: &str) -> Request {
    Request::get(GET_OPENAPI, "/v1/unified-inventory/oas-swagger").with_query("hostname", host)
}

/// A read of any path. Its segments are checked one by one, so that it stays below the base URL.
pub(crate) fn to_json(path: &str, query: &[(&'static str, &str)]) -> Result<Request> {
    let refuse = |message: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, format!("{message}, as in /v1/inventory/hosts"))
            .with_operation(GET_JSON))
    };
    let Some(segments) = path.strip_prefix('/') else {
        return refuse("the path starts with a slash and holds no host");
    };
    if path.contains(['?', '#', '%']) {
        return refuse("the path is not encoded and holds no query");
    }
    let mut path = Path::new("/");
    for segment in segments.split('/') {
        path = path.join(segment).map_err(|error| error.with_operation(GET_JSON))?;
    }
    Ok(query
        .iter()
        .fold(Request::get(GET_JSON, path), |request, (name, value)| request.with_query(name, value)))
}

/// Several words are one parameter, joined by commas.
fn joined(words: &[impl ToString]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(request: &Request) -> String {
        let pairs: Vec<_> = request.query().iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}?{}", request.method(), request.path(), pairs.join("&"))
    }

    #[test]
    fn gaps_are_asked_for_in_the_spelling_of_the_service() {
        assert_eq!(
            query(&GapsQuery::new().to_request()),
            "GET /v1/apigovern/posture/gaps?limit=100&offset=0"
        );
        let full = GapsQuery::new()
            .with_limit(2)
            .with_offset(40)
            .with_details(true)
            .with_severities([GapSeverity::High, GapSeverity::Critical])
            .with_statuses([GapStatus::Open, GapStatus::InProcess, GapStatus::Unknown("Snoozed".into())])
            .with_host("billing.example.test")
            .with_parameter("activeOnly", false);
        assert_eq!(
            query(&full.to_request()),
            "GET /v1/apigovern/posture/gaps?limit=2&offset=40&details=true&severity=High,Critical\
             &status=Open,InProcess,Snoozed&host=billing.example.test&activeOnly=false"
        );
    }

    #[test]
    fn the_inventory_is_asked_for_by_limit_and_offset() {
        let list = ListQuery::new().with_limit(10).with_offset(20).with_parameter("hostname", "a.example");
        assert_eq!(query(&list.to_hosts()), "GET /v1/inventory/hosts?limit=10&offset=20&hostname=a.example");
        assert_eq!(query(&ListQuery::new().to_endpoints()), "GET /v1/inventory/endpoints?limit=100&offset=0");
    }

    #[test]
    fn cloud_assets_are_asked_for_in_pages_of_at_most_a_thousand() {
        let list = ListQuery::new().with_limit(1000);
        assert_eq!(query(&list.to_assets()), "GET /v1/cloud-connect/cloud-assets?limit=1000&offset=0");
        for (limit, fits) in [(0, false), (1, true), (1000, true), (1001, false)] {
            assert_eq!(ListQuery::new().with_limit(limit).check_assets().is_ok(), fits, "{limit}");
        }
        let one = to_asset("68c1a0e8000000000000abcd").unwrap();
        assert_eq!(query(&one), "GET /v1/cloud-connect/cloud-assets/asset/68c1a0e8000000000000abcd?");
        assert_eq!(to_asset("a/b").unwrap().path().as_str(), "/v1/cloud-connect/cloud-assets/asset/a%2Fb");
        for id in ["", "..", "a\n"] {
            let error = to_asset(id).unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some(GET_ASSET)),
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_document_is_asked_for_by_the_name_of_its_host() {
        assert_eq!(
            query(&to_openapi("billing.example.test")),
            "GET /v1/unified-inventory/oas-swagger?hostname=billing.example.test"
        );
    }

    #[test]
    fn a_path_of_ones_own_stays_below_the_base_url() {
        let request = to_json("/v1/attackers/10.0.0.1/a b", &[("limit", "1")]).unwrap();
        assert_eq!(query(&request), "GET /v1/attackers/10.0.0.1/a%20b?limit=1");
        for path in [
            "",
            "/",
            "v1/attackers",
            "/v1//attackers",
            "//evil.example/x",
            "https://evil.example",
            "/v1/../../x",
            "/v1/.",
            "/v1/x?limit=1",
            "/v1/x#y",
            "/v1/%2e%2e/x",
            "/v1/\u{0}",
            "/v1/",
        ] {
            let error = to_json(path, &[]).unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some(GET_JSON)),
                "{path:?}"
            );
        }
    }
}
