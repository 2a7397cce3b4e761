//! Scans: launch, search, details, stop, notes.

use serde_json::{Value, json};

use super::filter;
use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::filter::{Field, Filter};
use crate::testing::endpoints::paging::page;
use crate::testing::json::capitalised;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::scan_run::{ScanRun, is_ended};
use crate::testing::state::{Licence, State};
use crate::testing::tenant::ids::{USER, uuid_of};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListScanFilters, "GET", "/was/v2/configs/{id}/scans/filters", 16, filters),
    Endpoint::new(Route::SearchScans, "POST", "/was/v2/configs/{id}/scans/search", 16, search),
    Endpoint::new(Route::LaunchScan, "POST", "/was/v2/configs/{id}/scans", 24, launch),
    Endpoint::new(Route::GetScan, "GET", "/was/v2/scans/{id}", 16, get),
    Endpoint::new(Route::UpdateScan, "PATCH", "/was/v2/scans/{id}", 24, update),
    Endpoint::new(Route::DeleteScan, "DELETE", "/was/v2/scans/{id}", 24, delete),
    Endpoint::new(Route::ListNotes, "GET", "/was/v2/scans/{id}/notes", 16, notes),
];

const FIELDS: &[Field] = &[
    Field::words(
        "status",
        &["eq", "neq", "match", "nmatch", "contains", "ncontains"],
        &["pending", "running", "stopping", "aborted", "canceled", "completed"],
    ),
    Field::date("started_at"),
    Field::date("finalized_at"),
];

fn launch(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let Some(config) = state.tenant.config(call.param(0)).cloned() else {
        // Observed: this one has no reason beside its code.
        return Response::json(404, &json!({"reasons": [{"code": "NOT_FOUND"}]}));
    };
    if state.settings.licence != Licence::Active {
        return Response::operation_forbidden("The license does not allow this operation");
    }
    if !matches!(config.user_permissions.as_str(), "control" | "configure") {
        return Response::operation_forbidden("The user may not execute this scan");
    }
    if let Some(running) = state.active_run(&config.id) {
        let id = &running.id;
        return Response::not_allowed(&format!("This configuration already has a running scan: '{id}'"));
    }
    let active = state.runs.iter().filter(|run| run.parent.is_none() && !is_ended(&run.status)).count();
    if active >= state.settings.max_active_scans {
        return Response::too_many_requests("30");
    }
    let id = state.launch(&config);
    Response::json(202, &json!({"scan_id": id}))
}

/// The configuration need not exist (assumed).
fn filters(_: &mut State, _: &Call) -> Response {
    filter::list(FIELDS)
}

fn search(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let filter = match Filter::parse(&call.body, FIELDS) {
        Ok(filter) => filter,
        Err(reply) => return reply,
    };
    if state.tenant.config(call.param(0)).is_none() {
        return Response::not_found(call.param(0));
    }
    let runs = state.runs.iter().filter(|run| run.config_id == call.param(0));
    let admitted = runs.filter(|run| {
        filter.admits(|field| {
            let date = |at: Option<appsec_core::Timestamp>| at.map(|at| at.to_string()).into_iter().collect();
            match field {
                "started_at" => date(run.started_at),
                "finalized_at" => date(run.finalized_at),
                _ => vec![run.status.clone()],
            }
        })
    });
    page(call, admitted.map(|run| scan(state, run)).collect(), "created_at:desc")
}

fn get(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some(run) = state.runs.iter_mut().find(|run| run.id == id) else { return Response::not_found(id) };
    if run.hidden_polls > 0 {
        run.hidden_polls -= 1;
        return Response::not_found(id);
    }
    let run = run.clone();
    let mut details = scan(state, &run);
    details["config_metadata"] = config_metadata(state, &run);
    if let Some(target) = details.get("target").cloned() {
        details["application_uri"] = target;
    }
    state.polled(id);
    Response::ok(&details)
}

fn update(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some(run) = state.run(id).cloned() else { return Response::not_found(id) };
    let body = call.json();
    let action = body["requested_action"].as_str().unwrap_or_default();
    if !matches!(action, "pause" | "resume" | "stop") {
        return Response::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"));
    }
    let permissions = state.tenant.config(&run.config_id).map(|config| config.user_permissions.as_str());
    if !matches!(permissions, Some("control" | "configure")) {
        return Response::operation_forbidden("The user may not execute this scan");
    }
    if state.ask(id, action) {
        Response::accepted()
    } else {
        let status = capitalised(&run.status);
        Response::not_allowed(&format!("Can't update scan '{id}' with status '{status}'"))
    }
}

fn delete(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some(run) = state.run(id) else { return Response::not_found(id) };
    let permissions = state.tenant.config(&run.config_id).map(|config| config.user_permissions.as_str());
    if permissions != Some("configure") {
        return Response::operation_forbidden("The user may not edit this scan");
    }
    if !is_ended(&run.status) {
        let status = capitalised(&run.status);
        return Response::not_allowed(&format!("Can't delete scan '{id}' with status '{status}'"));
    }
    state.pruned.insert(run.config_id.clone());
    state.runs.retain(|run| run.id != id && run.parent.as_deref() != Some(id));
    Response::accepted()
}

fn notes(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some(run) = state.run(id) else { return Response::not_found(id) };
    let at = run.finalized_at.unwrap_or(run.updated_at).to_string();
    let notes = run.notes.iter().enumerate().map(|(number, note)| {
        json!({
            "scan_note_id": uuid_of(&["note", id, &number.to_string()]),
            "scan_id": id,
            "created_at": at,
            "severity": note.severity,
            "title": note.title,
            "message": note.message,
        })
    });
    page(call, notes.collect(), "created_at:desc")
}

/// A scan as searches and listings show it.
pub(crate) fn scan(state: &State, run: &ScanRun) -> Value {
    let at_work = run.started_at.is_some() && run.has_metadata;
    let template = state.tenant.config(&run.config_id).map(|config| config.template.as_str());
    let mut scan = json!({
        "scan_id": run.id,
        "user_id": USER,
        "config_id": run.config_id,
        "created_at": run.created_at.to_string(),
        "updated_at": run.updated_at.to_string(),
        "started_at": run.started_at.map(|at| at.to_string()),
        "finalized_at": run.finalized_at.map(|at| at.to_string()),
        "requested_action": run.action,
        "status": run.status,
        "metadata": if at_work { metadata(state, run) } else { Value::Null },
        "scanner": if at_work { json!({"group_name": "EU Cloud Scanner"}) } else { Value::Null },
        "template_name": template,
        // A field of tomorrow: clients keep what they do not know.
        "queue_position": null,
    });
    if let Some(parent) = &run.parent {
        scan["parent_id"] = json!(parent);
    }
    match &run.target {
        // Observed: a waiting scan does not name its target yet.
        Some((url, asset_id)) if run.started_at.is_some() || is_ended(&run.status) => {
            scan["target"] = json!(url);
            scan["asset_id"] = json!(asset_id);
        }
        Some(_) => {}
        None => scan["target_scans"] = target_scans(state, run),
    }
    scan
}

fn metadata(state: &State, run: &ScanRun) -> Value {
    if run.target.is_none() {
        let children: Vec<_> = state.children(&run.id).collect();
        let finalized = children.iter().filter(|child| is_ended(&child.status)).count();
        return json!({"finalized_children": finalized, "total_children": children.len()});
    }
    let pages = run.findings.len() * 3 + 12;
    json!({
        "queued_urls": 0,
        "crawled_urls": pages * 2,
        "queued_pages": if is_ended(&run.status) { 0 } else { pages / 2 },
        "audited_pages": pages,
        "request_count": pages * 271,
        "response_time": 41,
        "found_urls": pages * 2,
        "audited_urls": pages * 2,
        // Observed: the scanner's own word lags behind.
        "scan_status": "running",
    })
}

fn target_scans(state: &State, run: &ScanRun) -> Value {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for child in state.children(&run.id) {
        *counts.entry(&child.status).or_default() += 1;
    }
    json!(counts)
}

fn config_metadata(state: &State, run: &ScanRun) -> Value {
    let config = state.tenant.config(&run.config_id);
    let name = config.map(|config| config.template.as_str()).unwrap_or_default();
    let template = state.tenant.templates.iter().find(|template| template.name == name);
    json!({
        "template": {
            "name": name,
            "description": template.map(|template| &template.description),
            "template_id": template.map(|template| &template.id),
        },
        "user_template": {"name": null, "owner_id": null, "description": null, "user_template_id": null},
    })
}
