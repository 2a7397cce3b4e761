//! One page of a listing.

use appsec_core::{CoverageGap, GapKind};
use serde_json::{Map, Value};

use super::lenient::whole;
use super::list_record::ListRecord;

/// The names that a list is known or expected to have; the first is that of gaps, hosts and endpoints.
pub(crate) const LISTS: [&str; 3] = ["response", "records", "data"];

/// One page of a listing. An empty page is the end of the list; a short page is not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records, in the service's order.
    pub records: Vec<T>,
    /// The elements of the list that could not be read. The other records of the page are kept.
    pub bad: Vec<BadRecord>,
    /// What a stream of pages may lack: records that the service could not send, or that were skipped
    /// because the list moved. Empty for a single page.
    pub gaps: Vec<CoverageGap>,
    /// The offset after the last record, if the service returns it. `None` in a stream.
    pub end_offset: Option<u64>,
    /// The other fields beside the list. Empty in a stream.
    pub extra: Map<String, Value>,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// Its path in the response, as in `response[3]`, at most 256 bytes of it.
    pub path: String,
    /// Why it could not be read.
    pub message: String,
}

impl BadRecord {
    /// The gap that the record leaves in a listing.
    pub(crate) fn into_gap(self, what: &str) -> CoverageGap {
        CoverageGap::new(GapKind::Record, format!("{what} that cannot be read: {}", self.message))
            .with_path(self.path)
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

impl<T: From<Map<String, Value>>> Page<T> {
    pub(crate) fn from_records(records: Vec<PlacedRecord>) -> Self {
        let mut page = Self {
            records: Vec::new(),
            bad: Vec::new(),
            gaps: Vec::new(),
            end_offset: None,
            extra: Map::new(),
        };
        for placed in records {
            match placed.object() {
                Ok(map) => page.records.push(map.into()),
                Err(bad) => page.bad.push(bad),
            }
        }
        page
    }
}

/// A record, and its place in the response that held it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlacedRecord {
    pub(crate) record: ListRecord,
    /// The name of the list in the response.
    list: &'static str,
    /// The index in the list.
    index: usize,
}

impl PlacedRecord {
    /// The place of the record in the response.
    pub(crate) fn path(&self) -> String {
        format!("{}[{}]", self.list, self.index)
    }

    /// Returns the record if it is an object.
    pub(crate) fn object(self) -> Result<Map<String, Value>, BadRecord> {
        let path = self.path();
        match self.record {
            ListRecord::Value(Value::Object(map)) => Ok(map),
            ListRecord::Value(other) => {
                Err(BadRecord { path, message: format!("{} instead of an object", kind_of(&other)) })
            }
            ListRecord::Unreadable { path: within, message, .. } => {
                Err(BadRecord { path: format!("{}{within}", self.list), message })
            }
        }
    }
}

/// A page whose records are not yet read as a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawPage {
    pub(crate) records: Vec<PlacedRecord>,
    pub(crate) end_offset: Option<u64>,
    extra: Map<String, Value>,
}

impl RawPage {
    /// Creates a page from its records, the name of the list and the fields beside it.
    pub(crate) fn new(records: Vec<ListRecord>, list: &'static str, mut extra: Map<String, Value>) -> Self {
        let place = |(index, record)| PlacedRecord { record, list, index };
        let end_offset = extra.get("endOffset").and_then(whole);
        extra.remove("endOffset");
        Self { records: records.into_iter().enumerate().map(place).collect(), end_offset, extra }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Reads the records as `T`. Those that are not objects become [`bad`](Page::bad).
    pub(crate) fn typed<T: From<Map<String, Value>>>(self) -> Page<T> {
        let page = Page::from_records(self.records);
        Page { end_offset: self.end_offset, extra: self.extra, ..page }
    }
}

/// Names the JSON type of a value.
fn kind_of(value: &Value) -> &'static str {
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
            let extra =
                Map::from_iter([("endOffset".to_owned(), end.clone()), ("total".to_owned(), json!(9))]);
            let page = RawPage::new(Vec::new(), "response", extra);
            assert_eq!(page.end_offset, expected, "{end}");
            assert_eq!(Value::Object(page.extra), json!({"total": 9}));
        }
        assert_eq!(RawPage::new(Vec::new(), "response", Map::new()).end_offset, None);
    }

    #[test]
    fn an_element_that_is_not_an_object_is_kept_apart_with_its_path() {
        let records = [json!({"host": "a"}), json!("b"), json!(null), json!({"host": "c"})];
        let page =
            RawPage::new(records.map(ListRecord::Value).into(), "response", Map::new()).typed::<Host>();
        assert_eq!(page.records.len(), 2);
        let bad: Vec<_> = page.bad.iter().map(|bad| (bad.path.as_str(), bad.message.as_str())).collect();
        assert_eq!(
            bad,
            [("response[1]", "a string instead of an object"), ("response[2]", "null instead of an object")]
        );
        assert_eq!(page.len(), 4);
    }
}
