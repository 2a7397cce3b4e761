//! Plugins.

use appsec_http::{ListedPage, Path, RecordKey, Request, Result};
use futures_core::stream::BoxStream;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::model::{Page, Plugin, PluginId, PluginSummary};

const PLUGINS: &str = "/was/v2/plugins";

pub(super) fn list(page: &PageQuery) -> Request {
    page.apply_to(Request::get("tenable: list plugins", PLUGINS))
}

pub(super) fn get(id: PluginId) -> Result<Request> {
    Ok(Request::get("tenable: get plugin", Path::new(PLUGINS).join(&id.to_string())?))
}

impl TenableWasClient {
    /// Lists plugins with their id, name and family. Requires the role Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_plugins(&self, page: &PageQuery) -> Result<Page<PluginSummary>> {
        self.page(&list(page)).await
    }

    /// Reads a plugin with all its members. Requires the role Basic.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_plugin(&self, id: PluginId) -> Result<Plugin> {
        self.http().json(&get(id)?).await
    }

    /// Streams all plugins, page by page, each once, ordered by id.
    pub fn plugins(&self) -> BoxStream<'static, Result<ListedPage<PluginSummary>>> {
        let first = PageQuery::new().with_sort(Order::asc("plugin_id"));
        let key = |plugin: &PluginSummary| RecordKey::Id(plugin.plugin_id.to_string());
        pages::pages(self, first, key, |page| Ok(list(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_match_the_document() {
        assert_eq!(get(PluginId(98074)).unwrap().path().as_str(), "/was/v2/plugins/98074");
        let request = list(&PageQuery::new().with_sort(Order::asc("family").then_desc("name")));
        assert_eq!(request.path().as_str(), "/was/v2/plugins");
        let query = [("limit", "200"), ("offset", "0"), ("sort", "family:asc,name:desc")];
        assert_eq!(request.query(), query.map(|(name, value)| (name, value.to_owned())));
    }
}
