//! Applications: what a tenant lists as its web applications, scanned or not.

use serde::Serialize;

use super::ids::{AssetId, TagId};
use super::record;

/// An application to add to a tenant's assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NewApplication {
    /// The name to list it by, which no other has.
    #[serde(rename = "user_defined_name")]
    pub name: String,
    /// Its URL. Scheme, host, port and path say what belongs to it.
    pub url: String,
    /// Tags to put on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagId>,
}

impl NewApplication {
    /// An application of that name at that URL, without tags.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into(), tags: Vec::new() }
    }

    /// Puts a tag on it.
    pub fn with_tag(mut self, tag: TagId) -> Self {
        self.tags.push(tag);
        self
    }
}

record! {
    /// What became of an application that was to be added. What the service says of one that it did not take is not documented, so anything
    /// may be absent.
    pub struct AddedApplication {
        /// Whether it was taken.
        pub success: Option<bool>,
        /// Its asset.
        pub asset_id: Option<AssetId>,
        /// Whether the asset did not exist before.
        pub is_new: Option<bool>,
        /// Whether the tenant keeps track of it.
        pub is_tracked: Option<bool>,
    }
}
