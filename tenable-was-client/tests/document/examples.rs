//! Compares responses with the client's types: nothing may be lost, and each member of the document has a
//! type.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::schema::{Schemas, joined};

/// A difference between a response and what was decoded from it.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The path: names, with `[]` for every index of a list.
    pub(crate) path: String,
    pub(crate) what: String,
}

/// The differences between what was read and what was written back. Absent, `null` and an empty list are
/// equal.
pub(crate) fn differences(read: &Value, written: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare("", read, written, &mut differences);
    differences
}

fn compare(path: &str, read: &Value, written: &Value, differences: &mut Vec<Difference>) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            for name in read.keys().chain(written.keys().filter(|name| !read.contains_key(*name))) {
                let value =
                    |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                compare(&joined(path, name), &value(read), &value(written), differences);
            }
        }
        (Value::Array(read), Value::Array(written)) if read.len() == written.len() => {
            let path = format!("{path}[]");
            read.iter().zip(written).for_each(|(read, written)| compare(&path, read, written, differences));
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (read, written) if read == written || (is_nothing(read) && is_nothing(written)) => {}
        _ => differences.push(Difference { path: path.to_owned(), what: format!("{read} became {written}") }),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Returns the response with each member replaced by a value that no type accepts, including members that
/// the document defines and the example omits, by the path of the member.
pub(crate) fn corrupted(schemas: &Schemas, schema: &Value, value: &Value) -> BTreeMap<String, Value> {
    let mut places = BTreeMap::new();
    collect(schemas, schema, value, "", "", &mut places);
    places.into_iter().map(|(path, pointer)| (path, corrupt(value.clone(), &pointer))).collect()
}

fn collect(
    schemas: &Schemas,
    schema: &Value,
    value: &Value,
    path: &str,
    pointer: &str,
    places: &mut BTreeMap<String, String>,
) {
    let schema = schemas.resolved(schema);
    match value {
        Value::Object(members) => {
            let unsaid = Value::Null;
            let named = schema["properties"].as_object();
            for (name, value) in members {
                let schema = named.and_then(|named| named.get(name)).unwrap_or(&unsaid);
                collect(schemas, schema, value, &joined(path, name), &child(pointer, name), places);
            }
            for name in
                named.into_iter().flat_map(|named| named.keys()).filter(|name| !members.contains_key(*name))
            {
                places.entry(joined(path, name)).or_insert_with(|| child(pointer, name));
            }
            if members.is_empty() && !path.is_empty() {
                places.entry(path.to_owned()).or_insert_with(|| pointer.to_owned());
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                let (path, pointer) = (format!("{path}[]"), child(pointer, &number.to_string()));
                collect(schemas, &schema["items"], item, &path, &pointer, places);
            }
        }
        _ => {
            places.entry(path.to_owned()).or_insert_with(|| pointer.to_owned());
        }
    }
}

fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A nested list, which is neither text, number or object, nor a list of these.
fn corrupt(mut value: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(name, json!([[]]));
        }
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = json!([[]]),
        _ => unreachable!("a member has a parent"),
    }
    value
}
