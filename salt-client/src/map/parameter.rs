//! The parameters of a gap as evidence, with or without samples of recorded traffic.

use serde_json::{Map, Value};

use crate::model::present;

/// What replaces a sample of recorded traffic where evidence is masked.
const MASKED_SAMPLE: &str = "[masked:sample]";

/// Describes a parameter as text: a string verbatim; an object as its name, then its other fields as `key:
/// value`.
pub(super) fn parameter_text(parameter: &Value, with_samples: bool) -> String {
    let mut parameter = parameter.clone();
    if !with_samples {
        mask_samples(&mut parameter);
    }
    match parameter {
        Value::String(text) => text,
        Value::Object(mut map) => {
            let name = ["parameter", "name", "key", "id"].iter().find_map(|key| take_string(&mut map, key));
            let rest = map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| match value {
                Value::String(text) => format!("{key}: {text}"),
                other => format!("{key}: {other}"),
            });
            name.into_iter().chain(rest).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn take_string(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    present(map.get(key)?.as_str())?;
    match map.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Masks samples of recorded traffic. They are likely to be personal data, in forms that no pattern
/// matches.
pub(super) fn mask_samples(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key.to_ascii_lowercase().contains("sample") && !value.is_null() {
                    *value = Value::String(MASKED_SAMPLE.to_owned());
                } else {
                    mask_samples(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_samples),
        _ => {}
    }
}
