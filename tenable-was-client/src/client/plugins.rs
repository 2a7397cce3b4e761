//! Plugins.

use appsec_http::{Path, Request, Result};

use super::TenableWasClient;
use crate::model::{Plugin, PluginId};

fn get(id: PluginId) -> Result<Request> {
    Ok(Request::get("tenable: get plugin", Path::new("/was/v2/plugins").join(&id.to_string())?))
}

impl TenableWasClient {
    /// A plugin in full. Needs the role Basic.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_plugin(&self, id: PluginId) -> Result<Plugin> {
        self.http().json(&get(id)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_that_of_the_document() {
        assert_eq!(get(PluginId(98074)).unwrap().path().as_str(), "/was/v2/plugins/98074");
    }
}
