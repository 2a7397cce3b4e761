//! Validation of a configuration's request body, and its conversion to a configuration.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

use crate::testing::json::overlay;
use crate::testing::response::Response;
use crate::testing::state::State;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::ids::USER;
use crate::testing::tenant::settings::settings;
use crate::testing::tenant::target::FakeTarget;

/// The largest size of an uploaded file before encoding, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Members of a request body that the fake stores and returns without interpreting them.
const KEPT: [&str; 7] = [
    "tag_targets",
    "applications",
    "schedule_windows",
    "pause_window",
    "notifications",
    "permissions",
    "in_remediation",
];

/// The violations of a request body, field by field.
#[derive(Debug, Default)]
struct Violations(Vec<Value>);

impl Violations {
    fn add(&mut self, field: &str, message_type: &str, message: &str) {
        self.0.push(json!({"field": field, "message_type": message_type, "value": {"message": message}}));
    }

    fn missing(&mut self, field: &str) {
        self.add(field, "VALUE_MUST_BE_SPECIFIED", "the value must be specified");
    }

    fn invalid(&mut self, field: &str, message: &str) {
        self.add(field, "INVALID_FORMAT", message);
    }
}

/// The configuration in a request body, or the error response.
pub(crate) fn read(state: &State, body: &Value, id: &str) -> Result<FakeConfig, Response> {
    let Some(members) = body.as_object() else {
        return Err(Response::invalid_body(&format!(
            "Invalid message body: Could not decode JSON: {body:#}"
        )));
    };
    let violations = violations(state, members);
    if !violations.is_empty() {
        return Err(Response::json(400, &json!({"code": "INPUT_FORM_VIOLATION", "fields": violations})));
    }
    if body["owner_id"] != USER {
        return Err(Response::json(403, &json!({})));
    }
    let name = text(members, "name");
    if state.tenant.configs.iter().any(|config| config.name == name && config.id != id) {
        // The code is documented, its status is assumed.
        return Err(Response::reason(400, "DUPLICATE_ENTITY", &format!("Configuration '{name}' exists")));
    }
    Ok(config(state, members, id))
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn urls(members: &Map<String, Value>) -> impl Iterator<Item = &str> {
    members.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn violations(state: &State, members: &Map<String, Value>) -> Vec<Value> {
    let mut found = Violations::default();
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    for name in ["name", "owner_id", "template_id"] {
        if text(members, name).is_empty() {
            found.missing(&format!(".{name}"));
        }
    }
    if !members.get("settings").is_some_and(Value::is_object) {
        found.missing(".settings");
    }
    let others =
        ["tag_targets", "applications"].map(|name| given(name).is_some_and(|list| *list != json!([])));
    if !members.get("targets").is_some_and(Value::is_array)
        || (urls(members).next().is_none() && others == [false; 2])
    {
        found.missing(".targets");
    }
    let is_url =
        |url: &str| Url::parse(url).is_ok_and(|url| url.scheme().starts_with("http") && url.has_host());
    if !urls(members).all(is_url) {
        found.invalid(".targets", "must be absolute URLs");
    }
    let template = text(members, "template_id");
    if !template.is_empty() && state.tenant.templates.iter().all(|known| known.id != template) {
        found.invalid(".template_id", "must be a template");
    }
    for (name, known) in [
        (
            "user_template_id",
            state.tenant.user_templates.iter().any(|known| known.id == text(members, "user_template_id")),
        ),
        ("folder_id", state.tenant.folders.iter().any(|known| known.id == text(members, "folder_id"))),
    ] {
        if given(name).is_some() && !known {
            found.invalid(&format!(".{name}"), "must exist");
        }
    }
    // Documented as a number; the service's own list of filters has text.
    let is_number =
        |value: &Value| value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok());
    if given("scanner_id").is_some_and(|scanner| !is_number(scanner)) {
        found.add(".scanner_id", "INVALID_TYPE", "must be a number");
    }
    if let Some(schedule) = given("schedule") {
        for name in ["rrule", "starttime", "timezone"] {
            if !schedule[name].is_string() {
                found.missing(&format!(".schedule.{name}"));
            }
        }
    }
    if given("schedule_windows").is_some() && given("schedule").is_none() {
        found.add(".schedule_windows", "FIELD_CANT_BE_ADDED", "windows need a schedule");
    }
    in_settings(&members.get("settings").cloned().unwrap_or_default(), &mut found);
    found.0
}

fn in_settings(settings: &Value, found: &mut Violations) {
    let is_length = |text: &str| {
        text.len() == 8
            && text.split(':').count() == 3
            && text.bytes().all(|b| b.is_ascii_digit() || b == b':')
    };
    if settings["timeout"].as_str().is_some_and(|timeout| !is_length(timeout)) {
        found.invalid(".settings.timeout", "must be HH:MM:SS");
    }
    let scope = &settings["scope"];
    for (name, endings) in [
        ("openapi", [".json", ".yaml", ".yml"].as_slice()),
        ("graphql", &[".graphql"]),
        ("soap", &[".wsdl", ".xml", "/wsdl/"]),
    ] {
        let member = |suffix: &str| scope[format!("{name}_{suffix}")].as_str();
        let ends = |text: &str| endings.iter().any(|ending| text.ends_with(ending));
        if let Some(file) = member("file") {
            if file.len() / 4 * 3 > MAX_FILE + 2 {
                found.add(&format!(".settings.scope.{name}_file"), "ERROR_MESSAGE", "the file exceeds 1 MB");
            }
            if !member("filename").is_some_and(ends) {
                found.invalid(&format!(".settings.scope.{name}_filename"), "must have a known extension");
            }
        }
        if member("file_url").is_some_and(|url| !ends(url) || !url.starts_with("http")) {
            found
                .invalid(&format!(".settings.scope.{name}_file_url"), "must be a URL with a known extension");
        }
    }
    for name in ["dom_depth_limit", "directory_depth_limit", "page_limit"] {
        if scope[name] == json!(0) {
            found.add(&format!(".settings.scope.{name}"), "VALUE_NOT_POSITIVE", "must be positive");
        }
    }
}

fn config(state: &State, members: &Map<String, Value>, id: &str) -> FakeConfig {
    let old = state.tenant.config(id);
    let now = state.now();
    let mut config = FakeConfig::new(text(members, "name")).with_id(id).never_run();
    config.created_at = old.map_or(now, |old| old.created_at);
    config.updated_at = now;
    config.script = old.and_then(|old| old.script.clone());
    config.scans = old.map(|old| old.scans.clone()).unwrap_or_default();
    config.in_trash = old.is_some_and(|old| old.in_trash);
    config.description = members.get("description").and_then(Value::as_str).map(str::to_owned);
    // The findings of a target stay: a change to a configuration does not change the site.
    let known = |url: &str| old.and_then(|old| old.targets.iter().find(|target| target.url == url)).cloned();
    config.targets = urls(members).map(|url| known(url).unwrap_or_else(|| FakeTarget::new(url))).collect();
    let by_id = |id: &str| state.tenant.templates.iter().find(|template| template.id == id);
    config.template =
        by_id(text(members, "template_id")).map(|template| template.name.clone()).unwrap_or_default();
    let user_template = text(members, "user_template_id");
    let user_template = state.tenant.user_templates.iter().find(|template| template.id == user_template);
    config.user_template = user_template.map(|template| (template.id.clone(), template.name.clone()));
    let folder = text(members, "folder_id");
    let folder = state.tenant.folders.iter().find(|known| known.id == folder);
    config.folder =
        folder.map(|folder| folder.name.clone()).or_else(|| old.and_then(|old| old.folder.clone()));
    let member = |name: &str| members.get(name).cloned().unwrap_or_default();
    config.schedule = member("schedule");
    if let Some(schedule) = config.schedule.as_object_mut() {
        // Observed: accepted, and never returned.
        schedule.remove("launch");
    }
    config.scanner_id = member("scanner_id");
    config.settings = settings();
    overlay(&mut config.settings, &member("settings"));
    let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), members.get(*name)?.clone())));
    config.members = kept.collect();
    config
}

/// A configuration that an import created.
pub(crate) fn imported(name: &str, id: &str, at: Timestamp) -> FakeConfig {
    let mut config = FakeConfig::new(name).with_id(id).never_run();
    (config.created_at, config.updated_at, config.imported) = (at, at, true);
    config
}
