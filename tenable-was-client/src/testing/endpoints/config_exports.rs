//! Exports of a configuration: for the vendor's scanner in CI pipelines, and for the re-check of one
//! detection.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::configs::details;
use crate::testing::endpoints::vulnerabilities::detection;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::ids::USER;
use crate::testing::tenant::settings::settings;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(
        Route::GetRemediationConfig,
        "GET",
        "/api/v3/export/configs/remediation/{id}",
        40,
        remediation,
    ),
    Endpoint::new(Route::GetCicdConfig, "GET", "/api/v3/export/configs/{id}", 16, cicd),
];

/// The form is the observed one: a number as text, and members that no request documents.
fn remediation(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    // No body is documented for either error; which plugins support it is assumed.
    let Some((run, finding)) = detection(state, id) else { return Response::json(404, &json!({})) };
    if finding.plugin.severity == appsec_core::Severity::Info {
        return Response::gateway(422, "Unprocessable Entity", "The plugin cannot be checked.");
    }
    let template = state.tenant.config(&run.config_id).map(|config| config.template.as_str());
    let template = state.tenant.templates.iter().find(|known| Some(known.name.as_str()) == template);
    let mut settings = settings();
    settings["timeout"] = json!("00:10:00");
    settings["scope"]["option"] = json!("urls");
    settings["plugin"]["ids"] = json!([finding.plugin.id]);
    settings["remediation"] = json!({"findings": [{
        "vuln_id": id,
        "scan_id": run.id,
        "plugin_id": finding.plugin.id,
        "found_on_url": finding.uri,
        "details": {
            "inputType": finding.input_type,
            "inputName": finding.input_name,
            "creation_type": "from_url_via_browser",
        },
    }]});
    Response::ok(&json!({
        "name": format!("Remediation scan of plugin {}", finding.plugin.id),
        "targets": [finding.uri],
        "owner_id": USER,
        "template_id": template.map(|template| &template.id),
        "scanner_id": "36960339",
        "permissions": [],
        "settings": settings,
        "in_remediation": true,
    }))
}

fn cicd(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    let Some(config) = state.tenant.config(id) else { return Response::not_found(id) };
    if config.user_permissions != "configure" {
        return Response::operation_forbidden("The user may not configure this scan");
    }
    let all = details(state, config);
    let mut scan = all["settings"].clone();
    scan["target"] = all["targets"][0].clone();
    let head = json!({"config_id": all["config_id"], "template_id": all["template_id"], "results_visibility": "dashboard"});
    let mut text = String::new();
    members(&mut text, &head, 0);
    text.push_str("scan {\n");
    members(&mut text, &scan, 1);
    text.push_str("}\n\"vulnerability_threshold\"=High\n");
    Response::raw(200, "application/octet-stream", text)
}

/// HOCON as observed: names with an underscore in quotes, no commas, `null` left out.
fn members(text: &mut String, object: &Value, depth: usize) {
    for (name, value) in object.as_object().into_iter().flatten() {
        let name = if name.contains('_') { format!("\"{name}\"") } else { name.clone() };
        let indent = "    ".repeat(depth);
        // Writing to a text cannot fail.
        let _ = match value {
            Value::Null => Ok(()),
            Value::Object(_) => {
                let _ = writeln!(text, "{indent}{name} {{");
                members(text, value, depth + 1);
                writeln!(text, "{indent}}}")
            }
            other => writeln!(text, "{indent}{name}={other}"),
        };
    }
}
