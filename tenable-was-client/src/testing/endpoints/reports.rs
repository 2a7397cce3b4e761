//! A scan's report, in the format of the request's content type, and the scan's log.

use appsec_core::Timestamp;
use serde_json::{Value, json};

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::report_forms::render;
use crate::testing::endpoints::vulnerabilities::attachment_id;
use crate::testing::json::object;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::state::scan_run::{ScanRun, is_ended};
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::USER;
use crate::testing::tenant::settings::settings;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::RequestReport, "PUT", "/was/v2/scans/{id}/report", 16, request),
    Endpoint::new(Route::GetReport, "GET", "/was/v2/scans/{id}/report", 16, get),
    Endpoint::new(Route::GetDebugZip, "GET", "/api/v3/export/{id}", 16, debug_zip),
];

const JSON: &str = "application/json";

const FORMATS: [&str; 5] = [JSON, "application/pdf", "text/csv", "text/html", "text/xml"];

/// An empty ZIP file.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn format(call: &Call) -> Option<&'static str> {
    let content_type = call.header("content-type")?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    FORMATS.into_iter().find(|format| *format == essence)
}

fn unsupported() -> Response {
    Response::gateway(415, "Unsupported Media Type", "The Content-Type header names no report format.")
}

fn request(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let Some(format) = format(call) else { return unsupported() };
    let Some(run) = state.runs.iter_mut().find(|run| run.id == call.param(0)) else {
        return Response::not_found(call.param(0));
    };
    if !is_ended(&run.status) {
        // Observed by a third party, without a code.
        return Response::json(400, &json!({"reasons": [{"reason": "scan not finalized"}]}));
    }
    run.asked.insert(format);
    // Observed for these two formats: the service reports them as being generated for ever.
    let never_said = matches!(format, "application/pdf" | "text/html");
    if never_said || run.report_polls > 0 { Response::accepted() } else { Response::ok(&json!({})) }
}

fn get(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let Some(format) = format(call) else { return unsupported() };
    let Some(run) = state.runs.iter_mut().find(|run| run.id == call.param(0)) else {
        return Response::not_found(call.param(0));
    };
    let not_ready = Response::json(404, &json!({}));
    // Observed: JSON need not be asked for. A parent has no report of its own: its children have theirs.
    let asked = format == JSON || run.asked.contains(format);
    if !is_ended(&run.status) || run.target.is_none() || !asked {
        return not_ready;
    }
    if run.report_polls > 0 {
        run.report_polls -= 1;
        return not_ready;
    }
    let run = run.clone();
    Response::raw(200, format, render(format, &report(state, &run)))
}

fn debug_zip(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    // No 404 is documented for either; the response is assumed.
    let Some(run) = state.run(call.param(0)) else { return Response::not_found(call.param(0)) };
    let config = state.tenant.config(&run.config_id);
    if config.is_some_and(|config| config.settings["debug_mode"] == json!(true)) {
        Response::raw(200, "application/octet-stream", EMPTY_ZIP)
    } else {
        Response::json(403, &json!({}))
    }
}

/// Dates in reports have an offset where all others have `Z`.
fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string()
}

fn report(state: &State, run: &ScanRun) -> Value {
    let config = state.tenant.config(&run.config_id);
    let (url, asset_id) = run.target.clone().unwrap_or_default();
    let template = config
        .and_then(|config| state.tenant.templates.iter().find(|template| template.name == config.template));
    let mut settings = config.map_or_else(settings, |config| config.settings.clone());
    settings["target"] = json!(url);
    // Observed: a report holds both forms.
    settings["chrome_script"] = json!({"finish_wait": 5000, "page_load_wait": 10_000, "command_wait": 500});
    let mut findings: Vec<_> =
        run.findings.iter().map(|finding| self::finding(state, &asset_id, finding)).collect();
    for _ in 0..state.broken_records(run) {
        let broken = json!({"plugin_id": {"not": "a number"}, "name": ["not", "a", "text"], "uri": {}});
        findings.insert(findings.len().min(1), broken);
    }
    let notes: Vec<_> = run
        .notes
        .iter()
        .map(|note| json!({"severity": note.severity, "title": note.title, "message": note.message}))
        .collect();
    // Observed: an object whose members are all null, or no object at all.
    let user_template = match config.and_then(|config| config.user_template.as_ref()) {
        Some((id, name)) => {
            json!({"name": name, "owner_id": USER, "description": null, "user_template_id": id})
        }
        None if config.is_some_and(|config| config.template == "scan") => {
            json!({"name": null, "owner_id": null, "description": null, "user_template_id": null})
        }
        None => Value::Null,
    };
    json!({
        "report": {"version": "1.1", "created_at": date(state.now())},
        "config": {
            "config_id": run.config_id,
            "owner_id": USER,
            "settings": settings,
            "additional_properties": null,
            "scanner_type": "cloud",
            "scanner_instance_id": null,
            "name": config.map(|config| &config.name),
            "description": config.and_then(|config| config.description.as_ref()),
        },
        "template": {
            "template_id": template.map(|template| &template.id),
            "name": template.map(|template| &template.name),
            "description": template.map(|template| &template.description),
        },
        "user_template": user_template,
        "scan": {
            "user_id": USER,
            "scan_id": run.id,
            "status": run.status,
            "started_at": run.started_at.map(date),
            "finalized_at": run.finalized_at.map(date),
            "asset_id": asset_id,
            "target": url,
            "created_at": date(run.created_at),
        },
        "findings": findings,
        "notes": notes,
    })
}

/// A finding as reports show it: no state, no recast, every field present, `null` for absent values.
fn finding(state: &State, asset_id: &str, finding: &FakeFinding) -> Value {
    let attachments: Vec<_> = finding
        .attachment
        .iter()
        .map(|_| format!("{}/was/v2/attachments/{}", state.base_url, attachment_id(asset_id, finding)))
        .collect();
    let mut record = finding.plugin.in_report();
    record.extend(object(json!({
        "uri": finding.uri,
        "input_name": finding.input_name,
        "input_type": finding.input_type,
        "output": finding.output,
        "proof": finding.proof,
        "payload": finding.payload,
        "request_headers": finding.request_headers,
        "response_headers": finding.response_headers,
        "attachments": attachments,
    })));
    Value::Object(record)
}
