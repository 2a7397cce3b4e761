//! Ways in which the real service may differ from what is assumed.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

/// A way in which the service may send what it has. Several can be told to a fake, as far as they concern different things.
///
/// The tenant's records are given in the assumed form, and changed as they are sent. What concerns paging is in
/// [`EndOffset`](super::EndOffset) and in the sizes of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// Lists stand under this name: `response`, `records` and `data` are read.
    ListName(&'static str),
    /// Every page but the first begins with the last record of the one before.
    Overlap,
    /// Hosts and endpoints have other names for their fields: `hostname`, `hostLabels`, `_id` and so on.
    OtherNames,
    /// Null stands in every field but ids, host, method and path.
    Nulls,
    /// Fields without a value are left out, rather than null or empty.
    Absent,
    /// `N/A` stands where there is no value.
    Fillers,
    /// Numbers are text.
    NumbersAsText,
    /// Text of digits is a number.
    TextAsNumbers,
    /// Labels and categories are objects with a `name`.
    LabelsAsObjects,
    /// The tags of a cloud asset are a list of key and value.
    TagsAsList,
    /// Severities and statuses are in capitals, with underscores between words: `IN_PROCESS`.
    CapitalWords,
    /// Words of a status are apart: `In Process`.
    SpacedWords,
    /// Dates have no zone.
    DatesWithoutZone,
    /// Dates are seconds since 1970.
    DatesInSeconds,
    /// Dates are milliseconds since 1970, as text.
    DatesInMilliseconds,
    /// A weakness is a number only: `306`.
    WeaknessNumbers,
    /// Weaknesses are a list.
    WeaknessLists,
    /// Every record, and every list's envelope, has a field that nobody knows.
    ExtraFields,
    /// A refusal's words stand under this name, rather than `message`; under `errors` in a list.
    ErrorsUnder(&'static str),
}

/// Fields that hold dates.
const DATES: [&str; 4] = ["detected", "lastActivity", "discovered", "firstDiscovered"];

/// What no record is without.
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
    /// Changes a record as it is sent. Names of fields are those of the inventory where it says so.
    pub(super) fn change(self, record: &mut Value, of_inventory: bool) {
        let Value::Object(record) = record else { return };
        match self {
            Self::OtherNames if of_inventory => {
                for (from, to) in OTHER_NAMES {
                    if let Some(value) = record.remove(from) {
                        record.insert(to.to_owned(), value);
                    }
                }
            }
            Self::Nulls => each(record, |key, value| {
                if !KEPT.contains(&key) {
                    *value = Value::Null;
                }
            }),
            Self::Absent => record.retain(|_, value| !is_nothing(value)),
            Self::Fillers => each(record, |_, value| {
                if value.is_null() || value == "" {
                    *value = json!("N/A");
                }
            }),
            Self::NumbersAsText => each(record, |_, value| {
                if let Value::Number(number) = value {
                    *value = json!(number.to_string());
                }
            }),
            Self::TextAsNumbers => each(record, |_, value| {
                if let Some(number) = value.as_str().and_then(|text| text.parse::<u64>().ok()) {
                    *value = json!(number);
                }
            }),
            Self::LabelsAsObjects => each(record, |key, value| {
                if ["labels", "endpointLabels", "categories"].contains(&key)
                    && let Value::Array(labels) = value
                {
                    for label in labels {
                        *label = json!({"name": label});
                    }
                }
            }),
            Self::TagsAsList => each(record, |key, value| {
                if let ("tags", Value::Object(tags)) = (key, &value) {
                    *value = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
                }
            }),
            Self::CapitalWords => words(record, |word| spaced(word, '_').to_uppercase()),
            Self::SpacedWords => words(record, |word| spaced(word, ' ')),
            Self::DatesWithoutZone => dates(record, |at| json!(at.to_string().trim_end_matches('Z'))),
            Self::DatesInSeconds => dates(record, |at| json!(at.as_second())),
            Self::DatesInMilliseconds => dates(record, |at| json!(at.as_millisecond().to_string())),
            Self::WeaknessNumbers => each(record, |key, value| {
                if let ("cweId", Some(text)) = (key, value.as_str()) {
                    *value = json!(text.replace("CWE-", ""));
                }
            }),
            Self::WeaknessLists => each(record, |key, value| {
                if let ("cweId", Some(text)) = (key, value.as_str()) {
                    *value = text.split(", ").map(|weakness| json!(weakness)).collect();
                }
            }),
            Self::ExtraFields => {
                record.insert("somethingNew".to_owned(), json!({"x": [1, null], "y": "N/A"}));
            }
            Self::OtherNames | Self::ListName(_) | Self::Overlap | Self::ErrorsUnder(_) => {}
        }
    }
}

fn each(record: &mut Map<String, Value>, change: impl Fn(&str, &mut Value)) {
    record.iter_mut().for_each(|(key, value)| change(key, value));
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

fn words(record: &mut Map<String, Value>, spell: impl Fn(&str) -> String) {
    for key in ["severity", "status"] {
        if let Some(Value::String(word)) = record.get_mut(key) {
            *word = spell(word);
        }
    }
}

/// `InProcess` with something between its words.
fn spaced(word: &str, between: char) -> String {
    let mut spaced = String::new();
    for letter in word.chars().filter(|letter| letter.is_alphanumeric()) {
        if letter.is_uppercase() && spaced.chars().last().is_some_and(char::is_lowercase) {
            spaced.push(between);
        }
        spaced.push(letter);
    }
    spaced
}

fn dates(record: &mut Map<String, Value>, form: impl Fn(Timestamp) -> Value) {
    each(record, |key, value| {
        if DATES.contains(&key)
            && let Some(at) = value.as_str().and_then(|text| text.parse().ok())
        {
            *value = form(at);
        }
    });
}
