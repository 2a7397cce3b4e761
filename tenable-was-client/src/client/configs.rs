//! Scan configurations.

use appsec_http::{Path, Request, Result};
use futures_core::stream::BoxStream;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::filter::{ConfigField, Filter};
use crate::model::{ConfigDetails, ConfigId, ConfigSummary, Page};

pub(super) fn search(filter: &Filter<ConfigField>, page: &PageQuery) -> Result<Request> {
    pages::search("tenable: search configs", "/was/v2/configs/search", filter, page)
}

pub(super) fn get(id: ConfigId) -> Result<Request> {
    Ok(Request::get("tenable: get config", Path::new("/was/v2/configs").join(&id.to_string())?))
}

impl TenableWasClient {
    /// Searches scan configurations. Needs the role Basic.
    ///
    /// # Errors
    /// `InvalidRequest` for a filter that the service refuses; those of every call: `Auth`, `PermissionDenied`, `RateLimited`, `Server`,
    /// `Transport`, `Deadline`, `Decode`.
    pub async fn search_configs(
        &self,
        filter: &Filter<ConfigField>,
        page: &PageQuery,
    ) -> Result<Page<ConfigSummary>> {
        self.http().json(&search(filter, page)?).await
    }

    /// A scan configuration in full. Needs the role Scan Operator.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_config(&self, id: ConfigId) -> Result<ConfigDetails> {
        self.http().json(&get(id)?).await
    }

    /// Streams the configurations that a filter lets through, page by page, each once, oldest first.
    ///
    /// The oldest come first because that order does not change while the listing is read.
    pub fn configs(
        &self,
        filter: impl Into<Filter<ConfigField>>,
    ) -> BoxStream<'static, Result<Vec<ConfigSummary>>> {
        let (client, filter) = (self.clone(), filter.into());
        let first = PageQuery::new().with_sort(Order::asc("created_at"));
        pages::pages(
            first,
            |config: &ConfigSummary| config.config_id,
            move |page| {
                let (client, filter) = (client.clone(), filter.clone());
                async move { client.search_configs(&filter, &page).await }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::Repeat;

    use super::*;

    #[test]
    fn requests_are_those_of_the_document() {
        let page = PageQuery::new().with_offset(200).with_sort("created_at:asc");
        let request = search(&Filter::everything(), &page).unwrap();
        assert_eq!(request.method().as_str(), "POST");
        assert_eq!(request.path().as_str(), "/was/v2/configs/search");
        let query = [("limit", "200"), ("offset", "200"), ("sort", "created_at:asc")];
        assert_eq!(request.query(), query.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(request.body().unwrap().as_ref(), b"{}");
        assert_eq!(request.repeat(), Repeat::Always, "a search changes nothing");
        let id = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
        assert_eq!(get(id.parse().unwrap()).unwrap().path().as_str(), format!("/was/v2/configs/{id}"));
    }
}
