//! The vendor's scan templates.

use appsec_http::{ListedPage, Path, RecordKey, Request, Result};
use futures_core::stream::BoxStream;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::model::{Page, Template, TemplateId};

const TEMPLATES: &str = "/was/v2/templates";

pub(super) fn list(page: &PageQuery) -> Request {
    page.apply_to(Request::get("tenable: list templates", TEMPLATES))
}

pub(super) fn get(id: TemplateId) -> Result<Request> {
    Ok(Request::get("tenable: get template", Path::new(TEMPLATES).join(&id.to_string())?))
}

impl TenableWasClient {
    /// Lists the vendor's scan templates. Requires the role Standard.
    ///
    /// # Errors
    /// `PermissionDenied` below that role; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn list_templates(&self, page: &PageQuery) -> Result<Page<Template>> {
        self.page(&list(page)).await
    }

    /// Reads one of the vendor's scan templates. Requires the role Standard.
    ///
    /// # Errors
    /// `NotFound`; `PermissionDenied` below that role; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn get_template(&self, id: TemplateId) -> Result<Template> {
        self.http().json(&get(id)?).await
    }

    /// Streams the vendor's scan templates, page by page, each once, ordered by name.
    pub fn templates(&self) -> BoxStream<'static, Result<ListedPage<Template>>> {
        let first = PageQuery::new().with_sort(Order::asc("name"));
        let key = |template: &Template| RecordKey::Id(template.template_id.to_string());
        pages::pages(self, first, key, |page| Ok(list(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_match_the_document() {
        let request = list(&PageQuery::new().with_limit(1));
        assert_eq!(request.path().as_str(), "/was/v2/templates");
        assert_eq!(request.query(), [("limit", "1".to_owned()), ("offset", "0".to_owned())]);
        let id = "b223f18e-5a94-4e02-b560-77a4a8246cd3";
        assert_eq!(get(id.parse().unwrap()).unwrap().path().as_str(), format!("/was/v2/templates/{id}"));
    }
}
