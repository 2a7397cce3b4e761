//! What identifies a posture gap's record.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient::{present, scalar};

/// The identity of a record in the list of gaps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordKey {
    /// The record's id.
    Id(String),
    /// A digest of the whole record, if it has no usable id.
    Content(u64),
}

impl RecordKey {
    pub(crate) fn from_record(record: &Value) -> Self {
        let id = record.get("postureGapId").and_then(scalar);
        match present(id.as_deref()) {
            Some(id) => Self::Id(id.to_owned()),
            None => Self::Content(digest(std::slice::from_ref(record))),
        }
    }

    pub(crate) fn is_id(&self) -> bool {
        matches!(self, Self::Id(_))
    }
}

/// Returns a digest of the content of records.
pub(crate) fn digest(records: &[Value]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in records {
        record.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_without_an_id_is_identified_by_its_content() {
        let key = |record| RecordKey::from_record(&record);
        assert_eq!(key(json!({"host": "a"})), key(json!({"host": "a"})));
        assert_ne!(key(json!({"host": "a"})), key(json!({"host": "b"})));
        assert!(!key(json!("text")).is_id());
        assert!(!key(json!({"postureGapId": "N/A"})).is_id());
        assert_eq!(key(json!({"postureGapId": 7})), RecordKey::Id("7".into()));
        assert!(key(json!({"postureGapId": 7})).is_id());
    }
}
