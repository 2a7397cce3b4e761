//! The vendor's scan templates.

use appsec_http::{Request, Result};

use super::{PageQuery, TenableWasClient};
use crate::model::{Page, Template};

fn list(page: &PageQuery) -> Request {
    page.on(Request::get("tenable: list templates", "/was/v2/templates"))
}

impl TenableWasClient {
    /// Lists the vendor's scan templates. Needs the role Standard.
    ///
    /// # Errors
    /// `PermissionDenied` below that role; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_templates(&self, page: &PageQuery) -> Result<Page<Template>> {
        self.http().json(&list(page)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_that_of_the_document() {
        let request = list(&PageQuery::new().with_limit(1));
        assert_eq!(request.path().as_str(), "/was/v2/templates");
        assert_eq!(request.query(), [("limit", "1".to_owned()), ("offset", "0".to_owned())]);
    }
}
