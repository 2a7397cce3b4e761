//! The OpenAPI documents that Salt generates from observed traffic.

use appsec_core::Result;
use appsec_http::Request;
use serde_json::Value;

use super::salt_client::SaltClient;

const GET_OPENAPI: &str = "salt: get OpenAPI document";

fn openapi_request(host: &str) -> Request {
    Request::get(GET_OPENAPI, "/v1/unified-inventory/oas-swagger").with_query("hostname", host)
}

impl SaltClient {
    /// Gets the OpenAPI document that Salt has generated from a host's traffic, verbatim.
    ///
    /// **Likely**: path, parameter, and that the response is JSON. **Speculative**: the document's version,
    /// whether it is wrapped in another object, and the response for a host without a document. A
    /// response without content is returned as `null`.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn get_openapi(&self, host: &str) -> Result<Value> {
        self.http().json(&openapi_request(host)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::list_query::tests::describe;

    #[test]
    fn a_document_is_selected_by_the_name_of_its_host() {
        assert_eq!(
            describe(&openapi_request("billing.example.test")),
            "GET /v1/unified-inventory/oas-swagger?hostname=billing.example.test"
        );
    }
}
