//! Configurations: search and details. `config_writes` has the operations that change them.

use serde_json::{Value, json};

use super::filter;
use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::filter::{Field, Filter, TEMPLATES};
use crate::testing::endpoints::paging::page;
use crate::testing::endpoints::scans::scan;
use crate::testing::json::overlay;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::folder::FakeFolder;
use crate::testing::tenant::ids::{CONTAINER, USER};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListConfigFilters, "GET", "/was/v2/configs/filters", 16, |_, _| {
        filter::list(FIELDS)
    }),
    Endpoint::new(Route::SearchConfigs, "POST", "/was/v2/configs/search", 16, search),
    Endpoint::new(Route::GetConfig, "GET", "/was/v2/configs/{id}", 24, get),
];

const FIELDS: &[Field] = &[
    // The service's own list names `eq` only; `contains` was recorded and works.
    Field::words(
        "scans_status",
        &["eq"],
        &["Never Run", "pending", "running", "stopping", "aborted", "canceled", "completed"],
    )
    .with_unlisted("contains"),
    Field::date("scans_started_at"),
    Field::date("scans_finalized_at"),
    Field::date("configs.created_at"),
    Field::date("configs.updated_at"),
    Field::text("configs.name"),
    Field::text("configs.description"),
    Field::text("target"),
    Field::text("folder_name"),
    Field::text("user_template.name"),
    Field::words("templates.name", &["eq", "neq"], TEMPLATES),
    Field::words("configs.schedule", &["eq"], &["Enabled", "On Demand"]),
];

fn search(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    state.looked_for(None);
    let filter = match Filter::parse(&call.body, FIELDS) {
        Ok(filter) => filter,
        Err(reply) => return reply,
    };
    let visible = state.tenant.configs.iter().filter(|config| config.user_permissions != "no_access");
    let admitted = visible.filter(|config| filter.admits(|field| values(state, config, field)));
    page(call, admitted.map(|config| summary(state, config)).collect(), "configs.updated_at:desc")
}

/// The values of a configuration's field, for filters.
fn values(state: &State, config: &FakeConfig, field: &str) -> Vec<String> {
    let last = state.last_run(&config.id);
    let of = |text: Option<String>| text.into_iter().collect();
    match field {
        "scans_status" => vec![last.map_or("Never Run", |run| &run.status).to_owned()],
        "scans_started_at" => of(last.and_then(|run| run.started_at).map(|at| at.to_string())),
        "scans_finalized_at" => of(last.and_then(|run| run.finalized_at).map(|at| at.to_string())),
        "configs.created_at" => vec![config.created_at.to_string()],
        "configs.updated_at" => vec![config.updated_at.to_string()],
        "configs.name" => vec![config.name.clone()],
        "configs.description" => of(config.description.clone()),
        "target" => config.targets.iter().map(|target| target.url.clone()).collect(),
        "folder_name" => of(config.folder.clone()),
        "user_template.name" => of(config.user_template.as_ref().map(|(_, name)| name.clone())),
        "templates.name" => vec![config.template.clone()],
        "configs.schedule" => {
            vec![if config.schedule.is_null() { "On Demand" } else { "Enabled" }.to_owned()]
        }
        _ => Vec::new(),
    }
}

fn template_id(state: &State, config: &FakeConfig) -> Value {
    let template = state.tenant.templates.iter().find(|template| template.name == config.template);
    template.map_or(Value::Null, |template| json!(template.id))
}

/// A configuration as the search shows it.
fn summary(state: &State, config: &FakeConfig) -> Value {
    let user_template = config.user_template.as_ref();
    let mut summary = json!({
        "config_id": config.id,
        "owner_id": USER,
        "is_shared": config.user_permissions != "configure",
        "user_permissions": config.user_permissions,
        "name": config.name,
        "target_count": config.targets.len(),
        "description": config.description,
        "created_at": config.created_at.to_string(),
        "updated_at": config.updated_at.to_string(),
        "schedule": config.schedule,
        "in_trash": config.in_trash,
        "imported": config.imported,
        "template_id": template_id(state, config),
        "user_template": user_template.map(|(id, name)| json!({"user_template_id": id, "name": name})),
        "last_scan": state.last_run(&config.id).map(|run| scan(state, run)),
        // A field of tomorrow: clients keep what they do not know.
        "business_context": {"tier": 1},
    });
    // Observed: only with one target.
    if let [target] = config.targets.as_slice() {
        summary["target"] = json!(target.url);
    }
    summary
}

fn get(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    state.looked_for(Some(id));
    let Some(config) = state.tenant.config(id) else { return Response::not_found(id) };
    match config.user_permissions.as_str() {
        "no_access" => Response::not_found(id),
        // Reading the details takes the right to execute.
        "view" => Response::json(403, &json!({})),
        _ => Response::ok(&details(state, config)),
    }
}

pub(crate) fn details(state: &State, config: &FakeConfig) -> Value {
    let targets: Vec<_> = config.targets.iter().map(|target| &target.url).collect();
    let mut details = json!({
        "config_id": config.id,
        "container_id": CONTAINER,
        "owner_id": USER,
        "template_id": template_id(state, config),
        "user_template_id": config.user_template.as_ref().map(|(id, _)| id),
        "name": config.name,
        "targets": targets,
        "applications": [],
        "tag_targets": [],
        "description": config.description,
        "created_at": config.created_at.to_string(),
        "updated_at": config.updated_at.to_string(),
        "settings": config.settings,
        "scanner_id": config.scanner_id,
        "schedule": config.schedule,
        "folder": folder(state, config),
        "in_trash": config.in_trash,
        "default_permissions": "no_access",
        "results_visibility": "dashboard",
        "permissions": [],
        "notifications": {"emails": []},
        "pause_window": null,
        "additional_properties": null,
    });
    overlay(&mut details, &Value::Object(config.members.clone()));
    details
}

fn folder(state: &State, config: &FakeConfig) -> Value {
    let folder = state.tenant.folders.iter().find(|folder| Some(&folder.name) == config.folder.as_ref());
    folder.map_or(Value::Null, FakeFolder::json)
}
