//! The inventory: hosts and endpoints.

use appsec_core::{BoxStream, Result};
use appsec_http::Request;

use super::list_query::ListQuery;
use super::salt_client::SaltClient;
use crate::model::{Endpoint, Host, Page, endpoint_key, host_record_key};

const LIST_HOSTS: &str = "salt: list hosts";
const LIST_ENDPOINTS: &str = "salt: list endpoints";

/// Reported where the list of hosts is empty.
pub(crate) const NO_HOST_LISTED: &str =
    "the inventory lists no host; if there should be some, the token may lack the scope perm-viewer";

/// The request for a page of hosts.
pub(crate) fn hosts_request(query: &ListQuery) -> Request {
    query.to_request(LIST_HOSTS, "/v1/inventory/hosts")
}

fn endpoints_request(query: &ListQuery) -> Request {
    query.to_request(LIST_ENDPOINTS, "/v1/inventory/endpoints")
}

impl SaltClient {
    /// Lists one page of the inventory's hosts. A token without the scope `perm-viewer` may receive an
    /// empty page.
    ///
    /// **Confirmed**: path and paging, and that a host has a name and labels. **Speculative**: the names of
    /// the fields.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn list_hosts(&self, query: &ListQuery) -> Result<Page<Host>> {
        Ok(self.page(&hosts_request(query), query.limit()).await?.typed())
    }

    /// Streams the inventory's hosts page by page. A list that moves is read once more, and if it moves again,
    /// [`Page::gaps`] says so.
    pub fn hosts(&self, query: ListQuery) -> BoxStream<'static, Result<Page<Host>>> {
        self.list(query, host_record_key, hosts_request)
    }

    /// Lists one page of the inventory's endpoints.
    ///
    /// **Confirmed**: path and paging, and that an endpoint has a host, a method and a path.
    /// **Speculative**: the names of the fields.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn list_endpoints(&self, query: &ListQuery) -> Result<Page<Endpoint>> {
        Ok(self.page(&endpoints_request(query), query.limit()).await?.typed())
    }

    /// Streams the inventory's endpoints page by page.
    pub fn endpoints(&self, query: ListQuery) -> BoxStream<'static, Result<Page<Endpoint>>> {
        self.list(query, endpoint_key, endpoints_request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::list_query::tests::describe;

    #[test]
    fn hosts_and_endpoints_are_selected_by_limit_and_offset() {
        let list = ListQuery::new().with_limit(10).with_offset(20).with_parameter("hostname", "a.example");
        assert_eq!(
            describe(&hosts_request(&list)),
            "GET /v1/inventory/hosts?limit=10&offset=20&hostname=a.example"
        );
        assert_eq!(
            describe(&endpoints_request(&ListQuery::new())),
            "GET /v1/inventory/endpoints?limit=100&offset=0"
        );
    }
}
