//! With any JSON, no model panics, and decoded values round-trip.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenable_was_client::model::{
    AddedApplication, ConfigDetails, ConfigSummary, ExportFinding, ExportStatus, FilterList, Folder, Page,
    Plugin, PluginSummary, ReportFinding, Scan, ScanNote, ScanReport, ScanTarget, ScannerList,
    ServerProperties, Session, Template, UserTemplate, Vulnerability,
};

/// A composed response, and the function that decodes it.
type Reply = (&'static str, fn(&Value));

const RESPONSES: &[Reply] = &[
    ("config_search", read::<Page<ConfigSummary>>),
    ("config_scanner_text", read::<ConfigDetails>),
    ("scan_completed", read::<Scan>),
    ("scan_parent", read::<Scan>),
    ("notes", read::<Page<ScanNote>>),
    ("by_targets", read::<Page<ScanTarget>>),
    ("report_contradictions", read::<ScanReport>),
    ("report_contradictions", read_findings),
    ("vulnerability", read::<Vulnerability>),
    ("plugin", read::<Plugin>),
    ("templates", read::<Page<Template>>),
    ("plugins", read::<Page<PluginSummary>>),
    ("user_template_search", read::<Page<UserTemplate>>),
    ("folders", read::<Vec<Folder>>),
    ("applications", read::<BTreeMap<String, AddedApplication>>),
    ("filters_configs", read::<FilterList>),
    ("scanners", read::<ScannerList>),
    ("server_properties", read::<ServerProperties>),
    ("session", read::<Session>),
    ("export_status_partial", read::<ExportStatus>),
    ("export_chunk", read::<Vec<ExportFinding>>),
    ("export_chunk_contradictions", read::<Vec<ExportFinding>>),
];

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(value: &Value) {
    let Ok(decoded) = serde_json::from_value::<T>(value.clone()) else { return };
    let again: T = serde_json::from_value(serde_json::to_value(&decoded).unwrap()).unwrap();
    assert_eq!(again, decoded);
}

fn read_findings(value: &Value) {
    for finding in value.get("findings").and_then(Value::as_array).into_iter().flatten() {
        read::<ReportFinding>(finding);
    }
}

fn response(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Replaces the value at a position, counted through the whole document.
fn replace(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
        *place = usize::MAX;
        return;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, with)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, place, with)),
        _ => {}
    }
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        Just(json!("")),
        Just(json!(-1)),
        Just(json!(1.5)),
        Just(json!(u64::MAX)),
        Just(json!(true)),
        Just(json!([null, {"id": 3}])),
        Just(json!("9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a")),
        "\\PC{0,12}".prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn a_changed_response_is_decoded_or_refused(which in 0..RESPONSES.len(), changes in proptest::collection::vec((0_usize..120, odd()), 1..4)) {
        let (name, read) = RESPONSES[which];
        let mut value = response(name);
        for (place, with) in changes {
            replace(&mut value, &mut { place }, &with);
        }
        read(&value);
    }
}
