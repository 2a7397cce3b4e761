//! One page of a listing.

use appsec_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::lenient::whole;

/// The names under which a list has been seen, or may come; the first is that of gaps, hosts and endpoints.
const LISTS: [&str; 3] = ["response", "records", "data"];

/// One page of a listing. An empty one is the end; a short one is not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records, in the service's order.
    pub records: Vec<T>,
    /// Records that are none: everything else on the page is still here.
    pub bad: Vec<BadRecord>,
    /// The offset after the last record, where the service tells it.
    pub end_offset: Option<u64>,
    /// What else stands beside the list.
    pub extra: Map<String, Value>,
    /// The list's own name, for the paths of its records.
    pub(crate) list: &'static str,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// Its place in the answer, as in `response[3]`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl BadRecord {
    pub(crate) fn new(path: String, message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

impl<T> Page<T> {
    /// True when there is nothing on it, which ends a listing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.bad.is_empty()
    }

    /// How many records the service counts on it, the unreadable ones included.
    pub fn len(&self) -> u64 {
        (self.records.len() + self.bad.len()) as u64
    }
}

impl Page<Value> {
    /// The page in an answer.
    ///
    /// # Errors
    /// `Decode` where no list is found under any of its names. Null is no list: it may as well be a failure as an end.
    pub(crate) fn from_answer(mut answer: Map<String, Value>, operation: &'static str) -> Result<Self> {
        let decode = |message: &str| Error::new(ErrorKind::Decode, message).with_operation(operation);
        let Some(name) = LISTS.into_iter().find(|name| answer.contains_key(*name)) else {
            return Err(decode("the answer holds no list").with_path(LISTS[0]));
        };
        let Some(Value::Array(records)) = answer.remove(name) else {
            return Err(decode("expected a list").with_path(name));
        };
        let end_offset = answer.get("endOffset").and_then(whole);
        answer.remove("endOffset");
        Ok(Self { records, bad: Vec::new(), end_offset, extra: answer, list: name })
    }

    /// The page with its records as `T`; what is no object is set apart.
    pub(crate) fn typed<T: From<Map<String, Value>>>(self) -> Page<T> {
        let Self { end_offset, extra, list, .. } = self;
        let mut page = Page { records: Vec::new(), bad: Vec::new(), end_offset, extra, list };
        for (index, record) in self.records.into_iter().enumerate() {
            match record {
                Value::Object(map) => page.records.push(map.into()),
                other => page.bad.push(BadRecord::new(
                    format!("{list}[{index}]"),
                    format!("{} where an object belongs", kind_of(&other)),
                )),
            }
        }
        page
    }
}

/// What a value is, in words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Host;

    fn page(answer: Value) -> Result<Page<Value>> {
        Page::from_answer(serde_json::from_value(answer).unwrap(), "salt: list hosts")
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
    fn an_end_offset_may_be_missing_text_or_nonsense() {
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
        for (answer, path) in [
            (json!({}), "response"),
            (json!({"response": null, "endOffset": 0}), "response"),
            (json!({"records": {"a": 1}}), "records"),
            (json!({"message": "Unauthorized"}), "response"),
        ] {
            let error = page(answer.clone()).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Decode, Some(path)), "{answer}");
            assert_eq!(error.operation(), Some("salt: list hosts"));
        }
    }

    #[test]
    fn what_is_no_object_is_set_apart_with_its_place() {
        let page =
            page(json!({"response": [{"host": "a"}, "b", null, {"host": "c"}]})).unwrap().typed::<Host>();
        assert_eq!(page.records.len(), 2);
        let bad: Vec<_> = page.bad.iter().map(|bad| (bad.path.as_str(), bad.message.as_str())).collect();
        assert_eq!(
            bad,
            [
                ("response[1]", "a text where an object belongs"),
                ("response[2]", "null where an object belongs")
            ]
        );
        assert_eq!(page.len(), 4);
    }
}
