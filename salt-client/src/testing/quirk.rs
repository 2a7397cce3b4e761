//! Ways in which the real service may differ from the assumed behavior.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

/// A difference from the assumed form of a response. A fake can have several quirks.
///
/// The tenant's records have the assumed form and are changed when they are sent. For differences in
/// paging, see also [`EndOffset`](super::EndOffset) and the sizes of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// Lists have this name. The client reads `response`, `records` and `data`.
    ListName(&'static str),
    /// Every page but the first begins with the last record of the previous page.
    Overlap,
    /// A byte order mark precedes the JSON of a list.
    ByteOrderMark,
    /// The fields of hosts and endpoints have other names: `hostname`, `hostLabels`, `_id` and so on.
    OtherNames,
    /// Every field but ids, host, method and path is null.
    Nulls,
    /// Fields without a value are absent instead of null or empty.
    Absent,
    /// Fields without a value are `N/A`.
    Fillers,
    /// Numbers are sent as strings.
    NumbersAsText,
    /// Strings of digits are sent as numbers.
    TextAsNumbers,
    /// Labels and categories are objects with a `name`.
    LabelsAsObjects,
    /// The tags of a cloud asset are a list of key and value.
    TagsAsList,
    /// Severities and statuses are in upper case, with underscores between words: `IN_PROCESS`.
    UpperCase,
    /// The words of a status are separated by a space: `In Process`.
    SpacedWords,
    /// Dates have no zone.
    DatesWithoutZone,
    /// Dates are seconds since 1970.
    DatesInSeconds,
    /// Dates are milliseconds since 1970, as strings.
    DatesInMilliseconds,
    /// A weakness is only a number: `306`.
    WeaknessNumbers,
    /// Weaknesses are a list.
    WeaknessLists,
    /// Every record and every envelope of a list has an unknown field.
    ExtraFields,
    /// The message of an error response has this name instead of `message`; with the name `errors`, it is a
    /// list.
    ErrorsUnder(&'static str),
}

/// The fields that hold dates.
const DATES: [&str; 4] = ["detected", "lastActivity", "discovered", "firstDiscovered"];

/// The fields that are never null.
const KEPT: [&str; 7] = ["postureGapId", "id", "host", "hostname", "method", "endpointPath", "endOffset"];

const OTHER_NAMES: [(&str, &str); 8] = [
    ("host", "hostname"),
    ("labels", "hostLabels"),
    ("endpointLabels", "apiLabels"),
    ("endpointPath", "path"),
    ("method", "httpMethod"),
    ("lastActivity", "lastSeen"),
    ("discovered", "firstSeen"),
    ("id", "_id"),
];

impl Quirk {
    /// Changes a record before it is sent. `inventory` is true for hosts and endpoints.
    pub(super) fn apply(self, record: &mut Value, inventory: bool) {
        let Value::Object(record) = record else { return };
        match self {
            Self::OtherNames if inventory => {
                for (from, to) in OTHER_NAMES {
                    if let Some(value) = record.remove(from) {
                        record.insert(to.to_owned(), value);
                    }
                }
            }
            Self::Nulls => for_each_field(record, |key, value| {
                if !KEPT.contains(&key) {
                    *value = Value::Null;
                }
            }),
            Self::Absent => record.retain(|_, value| !has_no_value(value)),
            Self::Fillers => for_each_field(record, |_, value| {
                if value.is_null() || value == "" {
                    *value = json!("N/A");
                }
            }),
            Self::NumbersAsText => for_each_field(record, |_, value| {
                if let Value::Number(number) = value {
                    *value = json!(number.to_string());
                }
            }),
            Self::TextAsNumbers => for_each_field(record, |_, value| {
                if let Some(number) = value.as_str().and_then(|text| text.parse::<u64>().ok()) {
                    *value = json!(number);
                }
            }),
            Self::LabelsAsObjects => for_each_field(record, |key, value| {
                if ["labels", "endpointLabels", "categories"].contains(&key)
                    && let Value::Array(labels) = value
                {
                    for label in labels {
                        *label = json!({"name": label});
                    }
                }
            }),
            Self::TagsAsList => for_each_field(record, |key, value| {
                if let ("tags", Value::Object(tags)) = (key, &value) {
                    *value = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
                }
            }),
            Self::UpperCase => respell(record, |text| separate_words(text, '_').to_uppercase()),
            Self::SpacedWords => respell(record, |text| separate_words(text, ' ')),
            Self::DatesWithoutZone => dates(record, |at| json!(at.to_string().trim_end_matches('Z'))),
            Self::DatesInSeconds => dates(record, |at| json!(at.as_second())),
            Self::DatesInMilliseconds => dates(record, |at| json!(at.as_millisecond().to_string())),
            Self::WeaknessNumbers => for_each_field(record, |key, value| {
                if let ("cweId", Some(text)) = (key, value.as_str()) {
                    *value = json!(text.replace("CWE-", ""));
                }
            }),
            Self::WeaknessLists => for_each_field(record, |key, value| {
                if let ("cweId", Some(text)) = (key, value.as_str()) {
                    *value = text.split(", ").map(|weakness| json!(weakness)).collect();
                }
            }),
            Self::ExtraFields => {
                record.insert("somethingNew".to_owned(), json!({"x": [1, null], "y": "N/A"}));
            }
            Self::OtherNames
            | Self::ListName(_)
            | Self::Overlap
            | Self::ByteOrderMark
            | Self::ErrorsUnder(_) => {}
        }
    }
}

fn for_each_field(record: &mut Map<String, Value>, change: impl Fn(&str, &mut Value)) {
    record.iter_mut().for_each(|(key, value)| change(key, value));
}

fn has_no_value(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

/// Changes the spelling of severity and status.
fn respell(record: &mut Map<String, Value>, spell: impl Fn(&str) -> String) {
    for key in ["severity", "status"] {
        if let Some(Value::String(text)) = record.get_mut(key) {
            *text = spell(text);
        }
    }
}

/// Puts a separator between the words of a name such as `InProcess`.
fn separate_words(text: &str, separator: char) -> String {
    let mut spaced = String::new();
    for letter in text.chars().filter(|letter| letter.is_alphanumeric()) {
        if letter.is_uppercase() && spaced.chars().last().is_some_and(char::is_lowercase) {
            spaced.push(separator);
        }
        spaced.push(letter);
    }
    spaced
}

fn dates(record: &mut Map<String, Value>, form: impl Fn(Timestamp) -> Value) {
    for_each_field(record, |key, value| {
        if DATES.contains(&key)
            && let Some(at) = value.as_str().and_then(|text| text.parse().ok())
        {
            *value = form(at);
        }
    });
}
