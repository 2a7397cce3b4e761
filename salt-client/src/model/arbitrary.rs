//! Arbitrary JSON for property tests.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// Names of fields that records have, and some that they do not have.
const KEYS: [&str; 40] = [
    "response",
    "records",
    "data",
    "endOffset",
    "postureGapId",
    "severity",
    "status",
    "categories",
    "postureGapName",
    "host",
    "hostname",
    "fqdn",
    "method",
    "endpointPath",
    "url",
    "tickets",
    "detected",
    "lastActivity",
    "discovered",
    "endpointLabels",
    "labels",
    "description",
    "remediationSuggestion",
    "parameters",
    "parameter",
    "dataSamples",
    "name",
    "id",
    "postureGapLink",
    "cweId",
    "riskScore",
    "endpoints",
    "accountId",
    "additionalData",
    "tags",
    "value",
    "reference",
    "event",
    "token",
    "somethingNew",
];

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[0-9T:Z. -]{0,24}".prop_map(Value::from),
        prop::sample::select(vec!["N/A", "", "unknown", "Open", "IN_PROCESS", "Critical", "CWE-79"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        let key = prop_oneof![prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned), "\\PC{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..12)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

pub(crate) fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(
        prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned),
        any_json(),
        0..20,
    )
    .prop_map(|map| map.into_iter().collect())
}
