//! The chunks of an export, and the findings in them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::testing::endpoints::export_filter::ExportFilter;
use crate::testing::json::object;
use crate::testing::state::State;
use crate::testing::state::scan_run::ScanRun;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::plugin::severity_id;
use crate::testing::tenant::target::FakeTarget;

/// The time between the detection of a finding and its indexing.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Makes the chunks of whole assets, in order, each as the text to send.
pub(crate) fn cut(
    state: &State,
    filter: &ExportFilter,
    num_assets: usize,
    skipped: u32,
) -> BTreeMap<u32, Bytes> {
    let mut assets: BTreeMap<&str, (Vec<String>, BTreeSet<String>)> = BTreeMap::new();
    let mut plugins = BTreeMap::new();
    let seen = last_seen(state);
    for target in state.tenant.targets().filter(|target| filter.admits_target(target)) {
        let (records, known) = assets.entry(&target.asset_id).or_default();
        for finding in target.findings.iter().filter(|finding| filter.admits(finding)) {
            // Two configurations of one site find the same weakness; the export contains it once.
            let id = finding.finding_id(&target.asset_id);
            if known.insert(id.clone()) {
                let plugin = plugins.entry(finding.plugin.id).or_insert_with(|| finding.plugin.in_export());
                let run = seen.get(&id).copied();
                let parent = run.and_then(|run| state.run(run.parent.as_deref()?));
                let run = parent.filter(|_| state.settings.exports_name_parents).or(run);
                // Stored as text at once: a tree of JSON values takes several times the memory.
                records.push(filter.cut(record(target, finding, &id, plugin, run)).to_string());
            }
        }
        for _ in 0..target.broken_records {
            let broken = json!({"finding_id": {}, "url": ["not", "a", "text"], "state": 7, "plugin": "none", "asset": []});
            records.insert(records.len().min(1), broken.to_string());
        }
    }
    let full: Vec<_> =
        assets.into_values().map(|(records, _)| records).filter(|records| !records.is_empty()).collect();
    let chunks = full
        .chunks(num_assets)
        .zip(skipped + 1..)
        .map(|(assets, number)| (number, Bytes::from(format!("[{}]", assets.concat().join(",")))));
    chunks.collect()
}

/// The latest scan that saw a finding, by the finding's id.
fn last_seen(state: &State) -> BTreeMap<String, &ScanRun> {
    let mut runs: Vec<_> = state.runs.iter().collect();
    runs.sort_by_key(|run| run.created_at);
    let mut seen = BTreeMap::new();
    for run in runs {
        let asset_id = run.target.as_ref().map_or("", |(_, asset_id)| asset_id);
        seen.extend(run.findings.iter().map(|finding| (finding.finding_id(asset_id), run)));
    }
    seen
}

/// A finding as the export shows it: absent values are left out.
fn record(
    target: &FakeTarget,
    finding: &FakeFinding,
    id: &str,
    plugin: &Value,
    run: Option<&ScanRun>,
) -> Value {
    let severity = finding.current_severity();
    let indexed =
        finding.last_fixed.unwrap_or(finding.last_found).checked_add(HOUR).unwrap_or(finding.last_found);
    let mut record = object(json!({
        "finding_id": id,
        "url": finding.url,
        "output": finding.output,
        "state": finding.state,
        "severity": severity.as_str().to_uppercase(),
        "severity_id": severity_id(severity),
        "severity_default_id": severity_id(&finding.plugin.severity),
        "severity_modification_type": finding.modification,
        "first_found": finding.first_found.to_string(),
        "last_found": finding.last_found.to_string(),
        // Documented as a number, sent as a text.
        "indexed_at": indexed.strftime("%Y-%m-%dT%H:%M:%S.541Z").to_string(),
        "plugin": plugin,
        "asset": {
            "uuid": target.asset_id,
            "fqdn": target.authority().split(':').next(),
            "ipv4": target.ipv4,
            "ipv4s": [target.ipv4],
        },
        // A field of tomorrow: clients keep what they do not know.
        "risk_context": {"exposure": "external"},
    }));
    let optional = [
        ("input_type", finding.input_type.clone()),
        ("input_name", finding.input_name.clone()),
        ("proof", finding.proof.clone()),
        ("payload", finding.payload.clone()),
        ("recast_reason", finding.recast_reason.clone()),
        ("recast_rule_uuid", finding.recast_reason.as_deref().map(|reason| uuid_of(&["rule", reason]))),
        ("last_fixed", finding.last_fixed.map(|at| at.to_string())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            record.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(run) = run {
        let mut scan = json!({"uuid": run.id});
        for (name, at) in [("started_at", run.started_at), ("completed_at", run.finalized_at)] {
            if let Some(at) = at {
                scan[name] = json!(at.to_string());
            }
        }
        record.insert("scan".to_owned(), scan);
    }
    Value::Object(record)
}
