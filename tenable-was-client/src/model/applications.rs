//! Applications: the web applications of a tenant, scanned or not.

use serde::Serialize;

use super::ids::{AssetId, TagId};
use super::record;

/// An application to add to the assets of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NewApplication {
    /// The name, which must be unique.
    #[serde(rename = "user_defined_name")]
    pub name: String,
    /// The URL. Its scheme, host, port and path identify the application.
    pub url: String,
    /// Tags of the application.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagId>,
}

impl NewApplication {
    /// Creates an application without tags.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into(), tags: Vec::new() }
    }

    /// Adds a tag.
    pub fn with_tag(mut self, tag: TagId) -> Self {
        self.tags.push(tag);
        self
    }
}

record! {
    /// The result of adding an application. The response for one that was not added is not documented, so
    /// any member may be absent.
    pub struct AddedApplication {
        /// Whether the application was added.
        pub success: Option<bool>,
        /// The id of its asset.
        pub asset_id: Option<AssetId>,
        /// Whether the asset is new.
        pub is_new: Option<bool>,
        /// Whether the application is tracked.
        pub is_tracked: Option<bool>,
    }
}
