//! Vulnerabilities of one scan or of all in the form of API version 2, which has neither name nor severity,
//! and attachments.

use serde_json::{Value, json};

use super::filter;
use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::filter::{Field, Filter};
use crate::testing::endpoints::paging::page;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::state::scan_run::ScanRun;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::{hash, uuid_of};
use crate::testing::tenant::plugin::severity_id;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(
        Route::SearchByTargets,
        "POST",
        "/was/v2/scans/{id}/vulnerabilities/by-targets/search",
        16,
        by_targets,
    ),
    Endpoint::new(
        Route::ListScanVulnerabilityFilters,
        "GET",
        "/was/v2/scans/{id}/vulnerabilities/filters",
        16,
        |_, _| filter::list(OF_SCAN),
    ),
    Endpoint::new(
        Route::SearchVulnerabilities,
        "POST",
        "/was/v2/scans/{id}/vulnerabilities/search",
        16,
        search,
    ),
    Endpoint::new(Route::ListVulnerabilityFilters, "GET", "/was/v2/vulnerabilities/filters", 16, |_, _| {
        filter::list(OF_ALL)
    }),
    Endpoint::new(Route::SearchAllVulnerabilities, "POST", "/was/v2/vulnerabilities/search", 16, search_all),
    Endpoint::new(Route::GetVulnerability, "GET", "/was/v2/vulnerabilities/{id}", 16, get),
    Endpoint::new(Route::GetAttachment, "GET", "/was/v2/attachments/{id}", 16, attachment),
];

const OF_SCAN: &[Field] = &[
    Field::text("uri"),
    Field::text("input_type"),
    Field::text("input_name"),
    Field::number("plugin_id"),
    Field::text("output"),
    Field::date("vulns.created_at"),
];

const OF_ALL: &[Field] = &[
    Field::id("asset_id"),
    Field::text("uri"),
    Field::text("input_type"),
    Field::text("input_name"),
    Field::number("plugin_id"),
    Field::text("output"),
    Field::date("vulns.created_at"),
];

impl State {
    /// The scans of configurations that the caller may see.
    fn visible_runs(&self) -> impl Iterator<Item = &ScanRun> {
        self.runs.iter().filter(|run| {
            let config = self.tenant.config(&run.config_id);
            config.is_some_and(|config| config.user_permissions != "no_access")
        })
    }

    /// The number of undecodable records among a scan's findings.
    pub(crate) fn broken_records(&self, run: &ScanRun) -> usize {
        let config = self.tenant.config(&run.config_id);
        let mut targets = config.map(|config| &config.targets).into_iter().flatten();
        let url = run.target.as_ref().map(|(url, _)| url.as_str());
        targets.find(|target| Some(target.url.as_str()) == url).map_or(0, |target| target.broken_records)
    }
}

fn by_targets(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    if !state.settings.by_targets {
        return Response::gateway(404, "Not Found", "The requested file was not found.");
    }
    let id = call.param(0);
    let Some(run) = state.run(id) else { return Response::not_found(id) };
    // One row per child; of a scan with one target, the scan itself.
    let rows: Vec<_> = match &run.target {
        Some(_) => vec![row(run)],
        None => state.children(id).map(row).collect(),
    };
    page(call, rows, "target:desc")
}

fn row(run: &ScanRun) -> Value {
    let (url, asset_id) = run.target.clone().unwrap_or_default();
    let mut counts = [0_usize; 5];
    for finding in &run.findings {
        if let Some(count) = counts.get_mut(usize::from(severity_id(&finding.plugin.severity))) {
            *count += 1;
        }
    }
    let [info, low, medium, high, critical] = counts;
    json!({
        "target": {"target_id": uuid_of(&["target", &asset_id]), "asset_id": asset_id, "target_url": url},
        "scan": {
            "scan_id": run.id,
            "created_at": run.created_at.to_string(),
            "started_at": run.started_at.map(|at| at.to_string()),
            "status": run.status,
            "estimate_percent_complete": null,
        },
        "findings": {
            // Observed: informational ones are not counted here.
            "finding_count": low + medium + high + critical,
            "info_vulns": info, "low_vulns": low, "medium_vulns": medium, "high_vulns": high,
            "critical_vulns": critical,
        },
    })
}

fn search(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let filter = match Filter::parse(&call.body, OF_SCAN) {
        Ok(filter) => filter,
        Err(reply) => return reply,
    };
    let Some(run) = state.run(call.param(0)) else { return Response::not_found(call.param(0)) };
    let admitted = run.findings.iter().filter(|finding| filter.admits(|field| values(run, finding, field)));
    let mut items: Vec<_> = admitted.map(|finding| vulnerability(run, finding)).collect();
    for _ in 0..state.broken_records(run) {
        items.insert(items.len().min(1), broken());
    }
    page(call, items, "created_at:desc")
}

/// The detections of all scans whose configuration the caller may see.
fn search_all(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let filter = match Filter::parse(&call.body, OF_ALL) {
        Ok(filter) => filter,
        Err(reply) => return reply,
    };
    let mut items = Vec::new();
    for run in state.visible_runs() {
        let admitted =
            run.findings.iter().filter(|finding| filter.admits(|field| values(run, finding, field)));
        items.extend(admitted.map(|finding| vulnerability(run, finding)));
        items.extend((0..state.broken_records(run)).map(|_| broken()));
    }
    page(call, items, "created_at:desc")
}

/// The detection with that id, and the scan that made it.
pub(crate) fn detection<'a>(state: &'a State, id: &str) -> Option<(&'a ScanRun, &'a FakeFinding)> {
    let mut all = state.visible_runs().flat_map(|run| run.findings.iter().map(move |finding| (run, finding)));
    all.find(|(run, finding)| vuln_id(run, finding) == id)
}

/// A detection in full, with the request and response that lists leave out.
fn get(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some((run, finding)) = detection(state, id) else { return Response::not_found(id) };
    let mut details = vulnerability(run, finding);
    let head = |head: &Option<String>| head.clone().unwrap_or_default();
    details["details"]["request"] = json!({"headers": head(&finding.request_headers), "body": ""});
    details["details"]["response"] =
        json!({"headers": head(&finding.response_headers), "body": finding.proof, "time": 0.330_748});
    Response::ok(&details)
}

fn broken() -> Value {
    json!({"vuln_id": ["not", "an", "id"], "plugin_id": {"not": "a number"}, "uri": {}, "details": 7})
}

fn vuln_id(run: &ScanRun, finding: &FakeFinding) -> String {
    uuid_of(&["vuln", &run.id, &finding.finding_id(asset_of(run)), &finding.uri])
}

fn detected(run: &ScanRun) -> String {
    let at = run.finalized_at.unwrap_or(run.updated_at);
    // In whole seconds, unlike most dates of this version.
    appsec_core::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn values(run: &ScanRun, finding: &FakeFinding, field: &str) -> Vec<String> {
    let of = |text: &Option<String>| text.clone().into_iter().collect();
    match field {
        "asset_id" => vec![asset_of(run).to_owned()],
        "uri" => vec![finding.uri.clone()],
        "input_type" => of(&finding.input_type),
        "input_name" => of(&finding.input_name),
        "output" => vec![finding.output.clone()],
        "plugin_id" => vec![finding.plugin.id.to_string()],
        _ => vec![detected(run)],
    }
}

fn asset_of(run: &ScanRun) -> &str {
    run.target.as_ref().map_or("", |(_, asset_id)| asset_id)
}

/// A finding as the vulnerability search shows it: no request and response, `null` for absent values.
fn vulnerability(run: &ScanRun, finding: &FakeFinding) -> Value {
    let asset_id = asset_of(run);
    let attachments: Vec<_> = finding
        .attachment
        .iter()
        .map(|text| {
            let digest = hash(&["md5", text]);
            json!({
                "attachment_id": attachment_id(asset_id, finding),
                "created_at": run.updated_at.to_string(),
                "attachment_name": "HTTP Request",
                "md5": format!("md5:{digest:016x}{:016x}", digest.rotate_left(17)),
                "file_type": "text/plain",
                "size": text.len(),
            })
        })
        .collect();
    json!({
        "vuln_id": vuln_id(run, finding),
        "scan_id": run.id,
        "plugin_id": finding.plugin.id,
        "created_at": detected(run),
        "uri": finding.uri,
        "is_page": finding.input_name.is_none(),
        "details": {
            "input_name": finding.input_name,
            "input_type": finding.input_type,
            "output": finding.output,
            "proof": finding.proof,
            "payload": finding.payload,
            "selector": null,
            "selector_url": null,
            "signature": null,
            "request": null,
            "response": null,
        },
        "attachments": attachments,
    })
}

pub(crate) fn attachment_id(asset_id: &str, finding: &FakeFinding) -> String {
    uuid_of(&["attachment", &finding.finding_id(asset_id)])
}

fn attachment(state: &mut State, call: &Call) -> Response {
    let of_target = state.tenant.targets().flat_map(|target| {
        target.findings.iter().map(|finding| (attachment_id(&target.asset_id, finding), finding))
    });
    let found =
        of_target.filter(|(id, _)| id == call.param(0)).find_map(|(_, finding)| finding.attachment.clone());
    match found {
        Some(text) => Response::raw(200, "text/plain", text),
        None => Response::not_found(call.param(0)),
    }
}
