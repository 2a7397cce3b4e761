//! Tenable's records, from bytes to findings without a socket.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Cursor;

use appsec_core::{Finding, FindingQuery, FindingScope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenable_was_client::model::{
    AddedApplication, ConfigDetails, ConfigSummary, ExportFinding, ExportList, ExportStatus, FilterList,
    Folder, Page, Plugin, PluginSummary, ReportFinding, Scan, ScanNote, ScanReport, ScanTarget, ScannerList,
    ServerProperties, ServerStatus, Session, Template, UserTemplate, Vulnerability,
};

/// A function that reads a value as a model.
const MODELS: [fn(&Value); 23] = [
    read::<Page<ConfigSummary>>,
    read::<ConfigDetails>,
    read::<Scan>,
    read::<Page<Scan>>,
    read::<Page<ScanNote>>,
    read::<Page<ScanTarget>>,
    read::<ScanReport>,
    read::<ReportFinding>,
    read::<Vulnerability>,
    read::<Plugin>,
    read::<Page<PluginSummary>>,
    read::<Page<Template>>,
    read::<Page<UserTemplate>>,
    read::<Vec<Folder>>,
    read::<BTreeMap<String, AddedApplication>>,
    read::<FilterList>,
    read::<ScannerList>,
    read::<ServerProperties>,
    read::<ServerStatus>,
    read::<Session>,
    read::<ExportStatus>,
    read::<ExportList>,
    read::<ExportFinding>,
];

/// Any JSON as every model: read or rejected, and what was read can be written and read again.
pub fn tenable_models(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(json) else { return };
    for model in MODELS {
        model(&value);
    }
}

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(value: &Value) {
    let Ok(decoded) = T::deserialize(value) else { return };
    let written = serde_json::to_value(&decoded).expect("a model can be serialized");
    assert_eq!(T::deserialize(&written).ok().as_ref(), Some(&decoded), "{written}");
}

/// A scan's report in a file, to findings.
pub fn tenable_report(report: &[u8]) {
    let Ok(mut saved) = ScanReport::read(Cursor::new(report)) else { return };
    let _ = saved.problems();
    let masked: Vec<Finding> = saved.findings().filter_map(Result::ok).collect();
    let mut query = FindingQuery::new(FindingScope::All);
    (query.raw, query.unmasked) = (true, true);
    let plain: Vec<Finding> = saved.findings_as(&query).filter_map(Result::ok).collect();
    let fingerprints =
        |findings: &[Finding]| findings.iter().map(|found| found.fingerprint).collect::<Vec<_>>();
    assert_eq!(fingerprints(&masked), fingerprints(&plain), "masking changes no fingerprint");
    for finding in masked.iter().chain(&plain) {
        assert!(!finding.partition.as_str().is_empty());
        let stored = serde_json::to_string(finding).expect("a finding can be stored");
        assert_eq!(serde_json::from_str::<Finding>(&stored).ok().as_ref(), Some(finding), "{stored}");
    }
}
