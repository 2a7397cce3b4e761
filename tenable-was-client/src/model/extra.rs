//! Members of a record that this version does not know.

use std::collections::BTreeMap;

use serde_json::Value;

/// Members of a record that this version does not know, kept unchanged. It does not allocate if there are
/// none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extra(BTreeMap<String, Value>);

impl Extra {
    /// Whether all members were known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the member with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns all members, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Adds a member. Returns false if it exists already.
    pub(crate) fn insert(&mut self, name: String, value: Value) -> bool {
        self.0.insert(name, value).is_none()
    }
}

impl serde::Serialize for Extra {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
