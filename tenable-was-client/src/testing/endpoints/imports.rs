//! Import of scan reports made elsewhere: a form with a file.

use std::time::Duration;

use appsec_core::{Severity, Timestamp};
use memchr::memmem;
use serde_json::Value;

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::config_form::imported;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::plugin::FakePlugin;
use crate::testing::tenant::scan::FakeScan;
use crate::testing::tenant::target::FakeTarget;

pub(crate) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::new(Route::ImportReport, "POST", "/api/v3/was/import", 16, import)];

fn import(state: &mut State, call: &Call) -> Response {
    let report = file(call).and_then(|file| serde_json::from_slice::<Value>(file).ok());
    let Some(report) = report.filter(Value::is_object) else {
        return Response::invalid_body("Invalid message body: Could not decode JSON");
    };
    for id in [&report["config"]["config_id"], &report["scan"]["scan_id"], &report["scan"]["asset_id"]] {
        let id = id.as_str().unwrap_or_default();
        if uuid::Uuid::parse_str(id).is_err() {
            return Response::invalid_id(id);
        }
    }
    let id = state.new_id("config");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&report["config"]["name"]);
    let mut config = imported(if name.is_empty() { "imported" } else { &name }, &id, state.now());
    let mut target = FakeTarget::new(text(&report["scan"]["target"]));
    target.asset_id = text(&report["scan"]["asset_id"]);
    target.findings = report["findings"].as_array().into_iter().flatten().filter_map(finding).collect();
    config.targets.push(target);
    let at = |name: &str| report["scan"][name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let created = at("created_at").unwrap_or_else(|| state.now());
    let mut scan = FakeScan::new(text(&report["scan"]["status"]), created);
    let took = at("finalized_at").and_then(|end| Duration::try_from(end.duration_since(created)).ok());
    scan.took = took.unwrap_or_default();
    config.scans.push(scan);
    state.tenant.configs.push(config);
    state.seed_runs();
    Response::accepted()
}

/// The part `Filedata` of the form.
fn file(call: &Call) -> Option<&[u8]> {
    let boundary = call.header("content-type")?.strip_prefix("multipart/form-data; boundary=")?;
    let dashes = format!("--{boundary}");
    let body: &[u8] = &call.body;
    if !body.starts_with(dashes.as_bytes()) || !body.ends_with(format!("\r\n{dashes}--\r\n").as_bytes()) {
        return None;
    }
    let part = body.get(dashes.len() + 2..)?;
    let part = part.get(..memmem::find(part, format!("\r\n{dashes}").as_bytes())?)?;
    let head = memmem::find(part, b"\r\n\r\n")?;
    let is_file = memmem::find(part.get(..head)?, b"name=\"Filedata\"").is_some();
    part.get(head + 4..).filter(|_| is_file)
}

/// A finding as a report shows it. Attachments are left out, as by the service.
fn finding(record: &Value) -> Option<FakeFinding> {
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let number = u32::try_from(record["plugin_id"].as_u64()?).ok()?;
    let severity = Severity::from(text("risk_factor").unwrap_or_default().as_str());
    let mut plugin = FakePlugin::new(number, text("name")?, severity);
    if let Some(family) = text("family") {
        plugin = plugin.with_family(family);
    }
    let mut finding = FakeFinding::new(&plugin.shared(), text("uri")?);
    finding.output = text("output").unwrap_or_default();
    (finding.input_type, finding.input_name) = (text("input_type"), text("input_name"));
    (finding.proof, finding.payload) = (text("proof"), text("payload"));
    Some(finding)
}
