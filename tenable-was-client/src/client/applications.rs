//! Applications: the web applications of the tenant.

use std::collections::BTreeMap;

use appsec_http::{Request, Result};

use super::TenableWasClient;
use crate::model::{AddedApplication, NewApplication};

pub(super) fn add(applications: &[NewApplication]) -> Result<Request> {
    Request::post("tenable: add applications", "/api/v2/was/applications").with_json(applications)
}

impl TenableWasClient {
    /// Adds applications to the tenant's assets, and returns the result of each URL. An application that
    /// exists already is not new. Requires the role Basic.
    ///
    /// # Errors
    /// `InvalidRequest` for a name or URL that the service refuses; `PermissionDenied`; those of every
    /// call, as for [`search_configs`](Self::search_configs).
    pub async fn add_applications(
        &self,
        applications: &[NewApplication],
    ) -> Result<BTreeMap<String, AddedApplication>> {
        self.http().json(&add(applications)?).await
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;

    use super::*;

    #[test]
    fn the_request_matches_the_document() {
        let tag = "2f06e776-ecc3-4fbe-a005-6e84b4ed61a3";
        let site = NewApplication::new("shop", "https://shop.example.com:8443/eu");
        let request = add(&[site.clone(), site.with_tag(tag.parse().unwrap())]).unwrap();
        assert_eq!((request.method().as_str(), request.retry_safety()), ("POST", RetrySafety::IfUnsent));
        assert_eq!(request.path().as_str(), "/api/v2/was/applications");
        let site = r#"{"user_defined_name":"shop","url":"https://shop.example.com:8443/eu""#;
        let body = format!(r#"[{site}}},{site},"tags":["{tag}"]}}]"#);
        assert_eq!(request.body().unwrap().as_ref(), body.as_bytes());
    }
}
