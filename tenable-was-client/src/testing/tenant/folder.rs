//! Folders of configurations.

use serde_json::{Value, json};

use crate::testing::tenant::ids::uuid_of;

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeFolder {
    /// Its id, a UUID derived from its first name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether the tenant provides it; such a folder cannot be changed.
    pub provided: bool,
}

impl FakeFolder {
    /// A folder of the caller.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { id: uuid_of(&["folder", &name]), name, provided: false }
    }

    /// Marks it as provided by the tenant.
    pub fn provided(mut self) -> Self {
        self.provided = true;
        self
    }

    pub(crate) fn json(&self) -> Value {
        json!({"folder_id": self.id, "name": self.name})
    }
}
