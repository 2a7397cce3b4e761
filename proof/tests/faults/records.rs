//! Faults of records: 12 to 17.

use proof::When::Always;
use proof::{ResponseFault, TestBed, Vendor};
use serde_json::{Value, json};

use crate::case::{Case, Expect, case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(12, "numbers as text, text as numbers, null for lists", |bed| {
            bed.inject(Always, change_records(wrong_types));
        }),
        case(12, "fields are missing", |bed| bed.inject(Always, change_records(fields_missing))),
        case(12, "a record without an id, and one that is not a record", |bed| {
            bed.inject(Always, ResponseFault::json(bad_records));
        })
        .both(Expect::Gap("record")),
        case(13, "unknown enum values", |bed| bed.inject(Always, change_records(unknown_values))),
        case(14, "a number that overflows", |bed| {
            bed.inject(Always, replace_unused_member(bed, b"1e999"));
        })
        .both(Expect::Gap("record")),
        case(14, "an integer of seventy bits", |bed| {
            bed.inject(Always, replace_unused_member(bed, b"1180591620717411303424"));
        }),
        case(15, "text that is not UTF-8", |bed| {
            bed.inject(Always, replace_unused_member(bed, b"\"\xff\xfe\""));
        })
        .both(Expect::Gap("record")),
        case(15, "half of a surrogate pair", |bed| {
            bed.inject(Always, replace_unused_member(bed, br#""\ud800""#));
        })
        .both(Expect::Gap("record")),
        case(16, "values nested 200 levels deep", |bed| bed.inject(Always, deeply_nested(bed)))
            .both(Expect::Gap("record")),
        case(17, "a duplicate member", |bed| {
            let (from, to) = match bed.vendor {
                Vendor::Salt => (r#""status":"Open""#, r#""status":"Ignored","status":"Open""#),
                Vendor::Tenable => (r#""state":"OPEN""#, r#""state":"FIXED","state":"OPEN""#),
            };
            bed.inject(Always, ResponseFault::replace_text(from, to));
        })
        // A record with contradicting values is not decoded.
        .both(Expect::Gap("record")),
    ]
}

/// Changes each record of either service.
fn change_records(change: fn(&mut Value)) -> ResponseFault {
    ResponseFault::json(move |response| records(response).iter_mut().for_each(change))
}

fn records(response: &mut Value) -> &mut [Value] {
    let list = if response.is_array() { response } else { &mut response["response"] };
    list.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

fn replace_member(record: &mut Value, name: &str, value: Value) {
    if let Some(known) = record.get_mut(name) {
        *known = value;
    }
}

fn wrong_types(record: &mut Value) {
    replace_member(record, "parameters", Value::Null);
    replace_member(record, "endpointLabels", json!("payments"));
    replace_member(record, "categories", Value::Null);
    replace_member(record, "detected", json!(1_778_565_600_000_u64));
    replace_member(record, "cweId", json!(306));
    replace_member(record, "severity_id", json!("4"));
    replace_member(record, "indexed_at", json!(1_792_065_600_000_u64));
    replace_member(record, "output", json!(17));
    if let Some(plugin) = record.get_mut("plugin") {
        let id = plugin["id"].to_string();
        replace_member(plugin, "id", json!(id));
        replace_member(plugin, "cwe", Value::Null);
    }
    if let Some(asset) = record.get_mut("asset") {
        replace_member(asset, "ipv4s", Value::Null);
    }
}

fn fields_missing(record: &mut Value) {
    let kept = [
        "postureGapId",
        "host",
        "endpointPath",
        "postureGapName",
        "status",
        "finding_id",
        "plugin",
        "asset",
        "url",
        "state",
        "input_name",
        "input_type",
    ];
    if let Some(record) = record.as_object_mut() {
        record.retain(|name, _| kept.contains(&name.as_str()));
    }
}

fn bad_records(response: &mut Value) {
    if let [first, .., last] = records(response) {
        *first = json!("a text where a record belongs");
        for name in ["postureGapId", "plugin"] {
            replace_member(last, name, Value::Null);
        }
    }
}

fn unknown_values(record: &mut Value) {
    for name in ["severity", "status", "state", "severity_modification_type"] {
        replace_member(record, name, json!("Unheard Of"));
    }
    record["somethingNew"] = json!({"x": [1]});
}

/// Replaces the value of a member that no client needs by bytes, in each record.
fn replace_unused_member(bed: &TestBed, value: &'static [u8]) -> ResponseFault {
    let value = value.to_vec();
    let from: &'static str = match bed.vendor {
        Vendor::Salt => r#""tickets":[]"#,
        Vendor::Tenable => r#""exposure":"external""#,
    };
    let name = from.split_once(':').map_or(from, |(name, _)| name);
    let member: &'static [u8] = [name.as_bytes(), b":", value.as_slice()].concat().leak();
    ResponseFault::replace_bytes(from, member)
}

fn deeply_nested(bed: &TestBed) -> ResponseFault {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200)).into_bytes();
    replace_unused_member(bed, deep.leak())
}
