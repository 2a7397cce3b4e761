//! One page of a listing.

use appsec_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::lenient::whole;

/// The names that a list is known or expected to have; the first is that of gaps, hosts and endpoints.
const LISTS: [&str; 3] = ["response", "records", "data"];

/// One page of a listing. An empty page is the end of the list; a short page is not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records, in the service's order.
    pub records: Vec<T>,
    /// The elements of the list that are not records. The other records of the page are kept.
    pub bad: Vec<BadRecord>,
    /// The offset after the last record, if the service returns it.
    pub end_offset: Option<u64>,
    /// The other fields beside the list.
    pub extra: Map<String, Value>,
    /// The name of the list in the response, for the paths of its records.
    pub(crate) list: &'static str,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// Its path in the response, as in `response[3]`.
    pub path: String,
    /// Why it could not be read.
    pub message: String,
}

impl BadRecord {
    pub(crate) fn new(path: String, message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

impl<T> Page<T> {
    /// Whether the page holds nothing, which marks the end of a listing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.bad.is_empty()
    }

    /// Returns the number of records that the service counts, including the unreadable ones.
    pub fn len(&self) -> u64 {
        (self.records.len() + self.bad.len()) as u64
    }
}

impl Page<Value> {
    /// Reads the page in the body of a response.
    ///
    /// # Errors
    /// `Decode` if there is no list under any of its names. Null is not a list: it may be a failure instead
    /// of the end.
    pub(crate) fn from_body(mut body: Map<String, Value>, operation: &'static str) -> Result<Self> {
        let decode = |message: &str| Error::new(ErrorKind::Decode, message).with_operation(operation);
        let Some(name) = LISTS.into_iter().find(|name| body.contains_key(*name)) else {
            return Err(decode("the response holds no list").with_path(LISTS[0]));
        };
        let Some(Value::Array(records)) = body.remove(name) else {
            return Err(decode("expected a list").with_path(name));
        };
        let end_offset = body.get("endOffset").and_then(whole);
        body.remove("endOffset");
        Ok(Self { records, bad: Vec::new(), end_offset, extra: body, list: name })
    }

    /// Decodes the records as `T`. Elements that are not objects become [`bad`](Self::bad).
    pub(crate) fn typed<T: From<Map<String, Value>>>(self) -> Page<T> {
        let Self { end_offset, extra, list, .. } = self;
        let mut page = Page { records: Vec::new(), bad: Vec::new(), end_offset, extra, list };
        for (index, record) in self.records.into_iter().enumerate() {
            match record {
                Value::Object(map) => page.records.push(map.into()),
                other => page.bad.push(BadRecord::new(
                    format!("{list}[{index}]"),
                    format!("{} instead of an object", kind_of(&other)),
                )),
            }
        }
        page
    }
}

/// Names the JSON type of a value.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Host;

    fn page(body: Value) -> Result<Page<Value>> {
        Page::from_body(serde_json::from_value(body).unwrap(), "salt: list hosts")
    }

    #[test]
    fn the_list_has_one_of_three_names() {
        for name in LISTS {
            let page = page(json!({name: [{}, {}], "endOffset": 2, "total": 9})).unwrap();
            assert_eq!((page.len(), page.end_offset), (2, Some(2)), "{name}");
            assert_eq!(Value::Object(page.extra), json!({"total": 9}));
        }
    }

    #[test]
    fn an_end_offset_may_be_missing_a_string_or_invalid() {
        for (end, expected) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!(null), None),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(1.5), None),
        ] {
            assert_eq!(
                page(json!({"response": [], "endOffset": end})).unwrap().end_offset,
                expected,
                "{end}"
            );
        }
        assert_eq!(page(json!({"response": []})).unwrap().end_offset, None);
    }

    #[test]
    fn a_page_without_a_list_is_an_error_with_a_path() {
        for (body, path) in [
            (json!({}), "response"),
            (json!({"response": null, "endOffset": 0}), "response"),
            (json!({"records": {"a": 1}}), "records"),
            (json!({"message": "Unauthorized"}), "response"),
        ] {
            let error = page(body.clone()).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Decode, Some(path)), "{body}");
            assert_eq!(error.operation(), Some("salt: list hosts"));
        }
    }

    #[test]
    fn an_element_that_is_not_an_object_is_kept_apart_with_its_path() {
        let page =
            page(json!({"response": [{"host": "a"}, "b", null, {"host": "c"}]})).unwrap().typed::<Host>();
        assert_eq!(page.records.len(), 2);
        let bad: Vec<_> = page.bad.iter().map(|bad| (bad.path.as_str(), bad.message.as_str())).collect();
        assert_eq!(
            bad,
            [("response[1]", "a string instead of an object"), ("response[2]", "null instead of an object")]
        );
        assert_eq!(page.len(), 4);
    }
}
