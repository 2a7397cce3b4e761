//! Faults of records: 12 to 17.

use appsec_core::ErrorKind::Decode;
use proof::When::Always;
use proof::{ResponseFault, TestBed, Vendor};
use serde_json::{Value, json};

use crate::row::{Expect, Row, row};

pub(crate) fn rows() -> Vec<Row> {
    let bad_page_or_record = |row: Row| row.salt(Expect::Fails(Decode)).tenable(Expect::Gap("record"));
    vec![
        row(12, "numbers as text, text as numbers, null for lists", |s| s.inject(Always, each(wrong_types))),
        row(12, "fields are missing", |s| s.inject(Always, each(fields_missing))),
        row(12, "a record has no id, or is no record", |s| {
            s.inject(Always, ResponseFault::json(bad_records))
        })
        .both(Expect::Gap("record")),
        row(13, "words that nobody knows", |s| s.inject(Always, each(unknown_words))),
        bad_page_or_record(row(14, "a number beyond all numbers", |s| {
            s.inject(Always, in_record(s, b"1e999"));
        })),
        row(14, "an integer of seventy bits", |s| s.inject(Always, in_record(s, b"1180591620717411303424"))),
        bad_page_or_record(row(15, "text that is no UTF-8", |s| {
            s.inject(Always, in_record(s, b"\"\xff\xfe\""));
        })),
        bad_page_or_record(row(15, "half of a surrogate pair", |s| {
            s.inject(Always, in_record(s, br#""\ud800""#));
        })),
        row(16, "nested two hundred deep", |s| s.inject(Always, nested(s))).fails(Decode),
        row(17, "a member stands twice", |s| {
            let (from, to) = match s.vendor {
                Vendor::Salt => (r#""status":"Open""#, r#""status":"Ignored","status":"Open""#),
                Vendor::Tenable => (r#""state":"OPEN""#, r#""state":"FIXED","state":"OPEN""#),
            };
            s.inject(Always, ResponseFault::replace(from, to));
        })
        // Duplicate members: in a page the last one counts; an element with contradicting values is not
        // decoded.
        .salt(Expect::Complete)
        .tenable(Expect::Gap("record")),
    ]
}

/// Changes each record of either service.
fn each(change: fn(&mut Value)) -> ResponseFault {
    ResponseFault::json(move |answer| records(answer).iter_mut().for_each(change))
}

fn records(answer: &mut Value) -> &mut [Value] {
    let list = if answer.is_array() { answer } else { &mut answer["response"] };
    list.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

fn set(record: &mut Value, name: &str, value: Value) {
    if let Some(known) = record.get_mut(name) {
        *known = value;
    }
}

fn wrong_types(record: &mut Value) {
    set(record, "parameters", Value::Null);
    set(record, "endpointLabels", json!("payments"));
    set(record, "categories", Value::Null);
    set(record, "detected", json!(1_778_565_600_000_u64));
    set(record, "cweId", json!(306));
    set(record, "severity_id", json!("4"));
    set(record, "indexed_at", json!(1_792_065_600_000_u64));
    set(record, "output", json!(17));
    if let Some(plugin) = record.get_mut("plugin") {
        let id = plugin["id"].to_string();
        set(plugin, "id", json!(id));
        set(plugin, "cwe", Value::Null);
    }
    if let Some(asset) = record.get_mut("asset") {
        set(asset, "ipv4s", Value::Null);
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

fn bad_records(answer: &mut Value) {
    if let [first, .., last] = records(answer) {
        *first = json!("a text where a record belongs");
        for name in ["postureGapId", "plugin"] {
            set(last, name, Value::Null);
        }
    }
}

fn unknown_words(record: &mut Value) {
    for name in ["severity", "status", "state", "severity_modification_type"] {
        set(record, name, json!("Unheard Of"));
    }
    record["somethingNew"] = json!({"x": [1]});
}

/// Replaces the value of a member that no client needs by bytes, in each record.
fn in_record(bed: &TestBed, value: &'static [u8]) -> ResponseFault {
    let value = value.to_vec();
    let from: &'static str = match bed.vendor {
        Vendor::Salt => r#""tickets":[]"#,
        Vendor::Tenable => r#""exposure":"external""#,
    };
    let name = from.split_once(':').map_or(from, |(name, _)| name);
    let member: &'static [u8] = [name.as_bytes(), b":", value.as_slice()].concat().leak();
    ResponseFault::replace_bytes(from, member)
}

fn nested(bed: &TestBed) -> ResponseFault {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200)).into_bytes();
    in_record(bed, deep.leak())
}
