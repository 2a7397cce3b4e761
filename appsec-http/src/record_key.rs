//! What identifies a record of a listing.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// What identifies a record of a listing while the listing is read, and in a stored position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKey {
    /// The record's id. No two records have the same.
    Id(String),
    /// A digest of the record, if it has no usable id. Two records may have the same.
    Content(u64),
}

impl RecordKey {
    /// The key of a record that has no usable id, from its bytes.
    pub fn from_content(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self::Content(hasher.finish())
    }

    /// Whether the key is an id.
    pub fn is_id(&self) -> bool {
        matches!(self, Self::Id(_))
    }
}
