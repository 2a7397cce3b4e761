//! Reads JSON whose types are not documented: null is absent, a number may be a string, a list may hold
//! anything.

use serde_json::{Map, Value};

/// Values that stand for an absent one, besides the empty string. Observed in cloud assets.
const FILLERS: [&str; 2] = ["n/a", "unknown"];

/// Trims a text; returns `None` if it is absent, empty or a filler.
pub(crate) fn present(text: Option<&str>) -> Option<&str> {
    text.map(str::trim)
        .filter(|text| !text.is_empty() && !FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(text)))
}

/// Returns a scalar as text; `None` for null, lists and objects.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the first text, under one of the keys, that is [`present`].
pub(crate) fn text(fields: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        let text = scalar(fields.get(*key)?)?;
        present(Some(&text)).map(str::to_owned)
    })
}

/// Takes a scalar out of an object, as text. Null is removed; a list or an object stays.
pub(crate) fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.remove(key)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        value => {
            let text = scalar(&value);
            if text.is_none() {
                map.insert(key.to_owned(), value);
            }
            text
        }
    }
}

/// Takes a list out of an object. A single value becomes a list of one. Nulls are dropped.
pub(crate) fn take_list(map: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match map.remove(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(mut items)) => {
            items.retain(|item| !item.is_null());
            items
        }
        Some(value) => vec![value],
    }
}

/// Returns the names in a list whose items are scalars, or objects with a `name`, `key` or `id`. Each name
/// once, in order.
pub(crate) fn names(items: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in items {
        let name = match item {
            Value::Object(map) => ["name", "key", "id"].iter().find_map(|key| map.get(*key).and_then(scalar)),
            other => scalar(other),
        };
        if let Some(name) = present(name.as_deref())
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Returns key and value of an object that has a `key` or `name` and a `value`. The value of a scalar is
/// empty.
pub(crate) fn pairs(item: &Value) -> Option<(String, String)> {
    let key = names(std::slice::from_ref(item)).pop()?;
    Some((key, item.get("value").and_then(scalar).unwrap_or_default()))
}

/// Returns a whole number, given as a number or a string; `None` for anything else, and for a negative
/// number.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn fillers_count_as_absent() {
        for text in ["", "  ", "N/A", "n/a", "unknown", "Unknown "] {
            assert_eq!(present(Some(text)), None, "{text:?}");
        }
        assert_eq!(present(Some(" GET ")), Some("GET"));
        assert_eq!(present(None), None);
    }

    #[test]
    fn scalars_are_taken_as_text_and_other_values_stay() {
        let mut map = object(json!({"a": "x", "b": 7, "c": true, "d": null, "e": {"f": 1}}));
        let taken: Vec<_> = ["a", "b", "c", "d", "e", "g"].map(|key| take_text(&mut map, key)).into();
        assert_eq!(
            taken,
            [Some("x".to_owned()), Some("7".to_owned()), Some("true".to_owned()), None, None, None]
        );
        assert_eq!(Value::Object(map), json!({"e": {"f": 1}}));
    }

    #[test]
    fn names_are_read_from_scalars_and_from_objects() {
        let items = [
            json!("payments"),
            json!({"id": 3, "name": "team-orion"}),
            json!({"key": "pci"}),
            json!({"id": 17}),
            json!("payments"),
            json!("N/A"),
            json!(null),
            json!(["nested"]),
        ];
        assert_eq!(names(&items), ["payments", "team-orion", "pci", "17"]);
    }

    #[test]
    fn whole_numbers_may_be_strings() {
        assert_eq!(whole(&json!(7)), Some(7));
        assert_eq!(whole(&json!("7")), Some(7));
        for value in [json!(-1), json!(1.5), json!("x"), json!(null), json!([7])] {
            assert_eq!(whole(&value), None, "{value}");
        }
    }
}
