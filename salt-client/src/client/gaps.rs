//! Posture gaps.

use std::fmt::Display;

use appsec_core::{BoxStream, Result};
use appsec_http::Request;

use super::list_query::ListQuery;
use super::salt_client::SaltClient;
use crate::model::{GapSeverity, GapStatus, Page, PostureGap, gap_key};

pub(crate) const LIST_GAPS: &str = "salt: list posture gaps";

/// The path at which gaps are listed and their status is written.
pub(super) const GAPS_PATH: &str = "/v1/apigovern/posture/gaps";

/// Selects the posture gaps to list.
///
/// ```
/// use salt_client::{GapSeverity, GapStatus, GapsQuery};
///
/// let query = GapsQuery::new()
///     .with_severities([GapSeverity::High, GapSeverity::Critical])
///     .with_statuses([GapStatus::Open])
///     .with_details(true);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GapsQuery {
    list: ListQuery,
    details: bool,
    severities: Vec<GapSeverity>,
    statuses: Vec<GapStatus>,
    host: Option<String>,
}

impl GapsQuery {
    /// Selects all gaps, without details. It is unknown whether the service leaves out some statuses by
    /// default, so name the statuses that matter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of gaps to ask for. Default: 100.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.list = self.list.with_limit(limit);
        self
    }

    /// Sets the number of gaps to skip. Default: 0.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.list = self.list.with_offset(offset);
        self
    }

    /// Sets whether to ask for the description, the remediation, the parameters and the link as well.
    /// Default: false.
    pub fn with_details(mut self, yes: bool) -> Self {
        self.details = yes;
        self
    }

    /// Sets the severities to list. Default: none, which lists all.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = GapSeverity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Sets the statuses to list. Default: none, which leaves the choice to the service.
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = GapStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Asks for the gaps of one host, by the parameter `host`. That Salt can filter by host is known; the
    /// name of the parameter is a guess. Check the host of each gap that is returned.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a query parameter that this crate does not know.
    pub fn with_parameter(mut self, name: &'static str, value: impl Display) -> Self {
        self.list = self.list.with_parameter(name, value);
        self
    }

    /// Returns the number of gaps to ask for.
    pub fn limit(&self) -> u32 {
        self.list.limit()
    }

    /// Returns the number of gaps to skip.
    pub fn offset(&self) -> u64 {
        self.list.offset()
    }

    /// Whether the details are asked for.
    pub fn details(&self) -> bool {
        self.details
    }

    /// Returns the severities to list; empty for all.
    pub fn severities(&self) -> &[GapSeverity] {
        &self.severities
    }

    /// Returns the statuses to list; empty for those that the service chooses.
    pub fn statuses(&self) -> &[GapStatus] {
        &self.statuses
    }

    /// Returns the host to ask for.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    pub(crate) fn to_request(&self) -> Request {
        let mut request = self.list.add_range(Request::get(LIST_GAPS, GAPS_PATH));
        if self.details {
            request = request.with_query("details", true);
        }
        if !self.severities.is_empty() {
            request = request.with_query("severity", comma_separated(&self.severities));
        }
        if !self.statuses.is_empty() {
            request = request.with_query("status", comma_separated(&self.statuses));
        }
        if let Some(host) = &self.host {
            request = request.with_query("host", host);
        }
        self.list.add_parameters(request)
    }
}

fn comma_separated(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl SaltClient {
    /// Lists one page of posture gaps.
    ///
    /// **Confirmed**: path, paging, `details`, the filters by severity and status, the names of the fields.
    /// **Speculative**: the filter by host.
    ///
    /// # Errors
    /// `Auth`, `PermissionDenied` (scope `perm-viewer`), `InvalidRequest`, `RateLimited`, `Server`,
    /// `Transport`, `Decode`.
    pub async fn list_gaps(&self, query: &GapsQuery) -> Result<Page<PostureGap>> {
        Ok(self.page(&query.to_request(), query.limit()).await?.typed())
    }

    /// Streams the posture gaps page by page, from the query's offset on.
    ///
    /// The service offers no snapshot of the list. A list that moves while it is read is read once more, and
    /// each gap is returned once; if it moves again, [`Page::gaps`] says so.
    pub fn gaps(&self, query: GapsQuery) -> BoxStream<'static, Result<Page<PostureGap>>> {
        self.pages(query.limit(), query.offset(), gap_key, move |limit, offset| {
            query.clone().with_limit(limit).with_offset(offset).to_request()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::list_query::tests::describe;

    #[test]
    fn a_query_is_sent_in_the_spelling_of_the_service() {
        assert_eq!(
            describe(&GapsQuery::new().to_request()),
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
            describe(&full.to_request()),
            "GET /v1/apigovern/posture/gaps?limit=2&offset=40&details=true&severity=High,Critical\
             &status=Open,InProcess,Snoozed&host=billing.example.test&activeOnly=false"
        );
    }
}
