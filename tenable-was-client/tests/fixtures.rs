//! Every composed response decodes without loss, and its meaning is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenable_was_client::model::{
    AddedApplication, ConfigDetails, ConfigSummary, ExportFinding, ExportState, ExportStatus, FilterList,
    FindingState, Folder, Page, Plugin, PluginSummary, Scan, ScanNote, ScanReport, ScanState, ScanTarget,
    ScannerId, ScannerList, ServerProperties, ServerStatus, Session, SeverityModification, Template,
    UserTemplate, Vulnerability,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn decode<T: DeserializeOwned>(name: &str) -> T {
    let text = read(name);
    let mut decoder = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut decoder).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Normalizes a value: without absent members, and with numbers as text, because the models may write these
/// back in another form.
fn normalized(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().map(|(name, value)| (name.clone(), normalized(value)));
            Value::Object(
                kept.filter(|(_, value)| !value.is_null() && *value != Value::Array(vec![])).collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(normalized).collect()),
        Value::Number(number) => {
            Value::String(number.as_f64().map_or_else(String::new, |number| number.to_string()))
        }
        // Known values are written in their usual spelling.
        Value::String(text) => text
            .parse::<f64>()
            .map_or_else(|_| Value::String(text.to_lowercase()), |number| Value::String(number.to_string())),
        other => other.clone(),
    }
}

fn keeps_everything<T: DeserializeOwned + Serialize>(name: &str) {
    let original: Value = serde_json::from_str(&read(name)).unwrap();
    let written = serde_json::to_value(decode::<T>(name)).unwrap();
    assert_eq!(normalized(&written), normalized(&original), "{name}");
}

fn scanners_keep_all_but_their_keys(name: &str) {
    let mut original: Value = serde_json::from_str(&read(name)).unwrap();
    for scanner in original["scanners"].as_array_mut().unwrap() {
        scanner.as_object_mut().unwrap().remove("key");
    }
    let list: ScannerList = decode(name);
    assert_eq!(normalized(&serde_json::to_value(&list).unwrap()), normalized(&original));
    assert!(!format!("{list:?}").contains("marker"), "a linking key is a secret");
    let usable: Vec<_> = list.for_web_applications().map(|scanner| scanner.id).collect();
    assert_eq!(usable, [Some(ScannerId(36_960_339))]);
    assert_eq!(list.scanners[1].id, Some(ScannerId(36_000_001)));
}

/// Decodes a file by its name, and checks that nothing is lost.
fn check(name: &str) {
    match name {
        "config_search.json" => keeps_everything::<Page<ConfigSummary>>(name),
        "launch.json" | "export_accepted.json" | "export_cancelled.json" | "export_request.json" => {
            serde_json::from_str::<Value>(&read(name)).unwrap();
        }
        "scan_search_family.json" => keeps_everything::<Page<Scan>>(name),
        "notes.json" => keeps_everything::<Page<ScanNote>>(name),
        "by_targets.json" => keeps_everything::<Page<ScanTarget>>(name),
        "vulnerability_search.json" => keeps_everything::<Page<Vulnerability>>(name),
        "vulnerability.json" => keeps_everything::<Vulnerability>(name),
        "templates.json" => keeps_everything::<Page<Template>>(name),
        "plugins.json" => keeps_everything::<Page<PluginSummary>>(name),
        "folders.json" => keeps_everything::<Vec<Folder>>(name),
        "applications.json" => keeps_everything::<BTreeMap<String, AddedApplication>>(name),
        "user_template_search.json" => keeps_everything::<Page<UserTemplate>>(name),
        // Tested with the client, which reads either form.
        "user_template_wrapped.json" => assert!(read(name).contains("\"data\"")),
        "server_status.json" => keeps_everything::<ServerStatus>(name),
        "scanners.json" => scanners_keep_all_but_their_keys(name),
        "plugin.json" => keeps_everything::<Plugin>(name),
        "server_properties.json" => keeps_everything::<ServerProperties>(name),
        "session.json" => keeps_everything::<Session>(name),
        _ if name.starts_with("filters_") => keeps_everything::<FilterList>(name),
        _ if name.starts_with("config_") => keeps_everything::<ConfigDetails>(name),
        _ if name.starts_with("scan_") => keeps_everything::<Scan>(name),
        _ if name.starts_with("report") => keeps_everything::<ScanReport>(name),
        _ if name.starts_with("export_status_") => keeps_everything::<ExportStatus>(name),
        _ if name.starts_with("export_chunk") => keeps_everything::<Vec<ExportFinding>>(name),
        "error_rate_limited.html" => assert!(read(name).starts_with("<html>")),
        // These are tested in the error module.
        _ if name.starts_with("error_") => drop(serde_json::from_str::<Value>(&read(name)).unwrap()),
        _ => panic!("{name} is read by no test"),
    }
}

#[test]
fn every_file_decodes_without_loss() {
    let listed = read("README.md");
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() || name == "README.md" {
            continue;
        }
        check(&name);
        let family = name.split(['.', '_']).next().unwrap().to_owned();
        assert!(listed.contains(&format!("`{family}")), "{name} has no line in the README");
        seen.insert(name);
    }
    assert!(seen.len() >= 35, "{}", seen.len());
}

#[test]
fn a_scanner_id_is_a_number_text_or_null() {
    for (name, expected) in [
        ("config_scanner_number.json", Some(ScannerId(36_960_339))),
        ("config_scanner_text.json", Some(ScannerId(36_960_339))),
        ("config_scanner_null.json", None),
    ] {
        let config: ConfigDetails = decode(name);
        assert_eq!(config.scanner_id, expected, "{name}");
        assert!(config.folder.is_some(), "{name}");
    }
}

#[test]
fn a_configuration_that_never_ran_has_no_scan() {
    let page: Page<ConfigSummary> = decode("config_search.json");
    assert_eq!(page.total(), Some(2));
    assert!(page.items[0].last_scan.as_ref().unwrap().asset_id.is_some());
    assert!(page.items[1].last_scan.is_none() && page.items[1].schedule.is_none());
    assert_eq!(page.items[1].target_count, Some(2));
}

#[test]
fn a_parent_has_neither_asset_nor_target_and_its_children_name_it() {
    let parent: Scan = decode("scan_parent.json");
    assert!(!parent.is_of_one_target() && parent.url().is_none());
    assert_eq!(parent.target_scans.get("aborted"), Some(&1));
    let family: Page<Scan> = decode("scan_search_family.json");
    let children = family.items.iter().filter(|scan| scan.parent_id == Some(parent.scan_id));
    assert_eq!(children.filter(|child| child.is_of_one_target() && child.url().is_some()).count(), 2);
}

#[test]
fn unknown_values_are_kept() {
    let scan: Scan = decode("scan_unknown_values.json");
    assert_eq!(*scan.status.as_ref().unwrap().value(), ScanState::Unknown("hibernating".into()));
    assert!(!scan.has_ended());
    let queued: Scan = decode("scan_queued.json");
    assert_eq!(*queued.status.as_ref().unwrap().value(), ScanState::Queued);
    assert!(queued.metadata.is_none() && queued.scanner.is_none());
}

#[test]
fn members_that_contradict_the_document_are_read_in_either_form() {
    let [served] = <[ExportFinding; 1]>::try_from(decode::<Vec<_>>("export_chunk.json")).unwrap();
    let [schema, strange, sparse] =
        <[ExportFinding; 3]>::try_from(decode::<Vec<_>>("export_chunk_contradictions.json")).unwrap();
    for record in [&served, &schema] {
        assert!(record.indexed_at.as_ref().unwrap().timestamp().is_some());
        let plugin = record.plugin.as_ref().unwrap();
        assert!(plugin.original_risk_factor_num.is_some());
        assert!(!plugin.bid.is_empty() && !plugin.xrefs.is_empty() && !plugin.cwe.is_empty());
    }
    assert_eq!(schema.plugin.as_ref().unwrap().bid, ["105658", "105659"]);
    assert_eq!(schema.plugin.as_ref().unwrap().cvss4_base_score, Some(6.9));
    assert_eq!(*schema.state.as_ref().unwrap().value(), FindingState::Active);
    assert_eq!(*schema.severity_modification_type.as_ref().unwrap().value(), SeverityModification::None);
    assert!(strange.state.as_ref().unwrap().value().is_unknown());
    assert!(strange.severity.as_ref().unwrap().is_unknown());
    assert!(strange.extra.get("moon_phase").is_some());
    assert!(sparse.input_type.is_none() && sparse.output.is_none());
}

#[test]
fn the_counters_and_lists_of_an_export_are_read() {
    let status: ExportStatus = decode("export_status_error.json");
    assert_eq!(*status.status.as_ref().unwrap().value(), ExportState::Error);
    assert_eq!((status.chunks_available.len(), status.chunks_cancelled.len()), (2, 18));
    assert_eq!(status.created.as_ref().unwrap().timestamp().unwrap().as_second(), 1_790_086_400);
    let partial: ExportStatus = decode("export_status_partial.json");
    assert!(partial.reason.unwrap().contains("failed to process"));
}

#[test]
fn the_licence_is_found_among_unreadable_members() {
    let properties: ServerProperties = decode("server_properties.json");
    assert_eq!(properties.license.unwrap().was().unwrap().mode.as_deref(), Some("standard"));
}
