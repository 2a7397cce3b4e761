//! Helpers for JSON values that several endpoints need.

use serde_json::{Map, Value};

/// Error messages write statuses in a third form.
pub(crate) fn capitalised(status: &str) -> String {
    if status == "canceled" {
        return "Stopped".to_owned();
    }
    let mut chars = status.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Overlays the given values on the defaults, member by member.
pub(crate) fn overlay(usual: &mut Value, said: &Value) {
    match (usual, said) {
        (_, Value::Null) => {}
        (Value::Object(usual), Value::Object(said)) => {
            for (name, value) in said {
                overlay(usual.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (usual, said) => usual.clone_from(said),
    }
}

/// The members of an object literal.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
