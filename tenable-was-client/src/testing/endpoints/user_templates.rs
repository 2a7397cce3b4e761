//! User templates.

use super::filter;
use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::filter::{Field, Filter, TEMPLATES};
use crate::testing::endpoints::paging::page;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::user_template::FakeUserTemplate;

const ONE: &str = "/was/v2/user-templates/{id}";

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListUserTemplateFilters, "GET", "/was/v2/user-templates/filters", 24, |_, _| {
        filter::list(FIELDS)
    }),
    Endpoint::new(Route::SearchUserTemplates, "POST", "/was/v2/user-templates/search", 24, search),
    Endpoint::new(Route::GetUserTemplate, "GET", ONE, 24, get),
    Endpoint::new(Route::UpdateUserTemplate, "PUT", ONE, 40, update),
    Endpoint::new(Route::DeleteUserTemplate, "DELETE", ONE, 40, delete),
];

const FIELDS: &[Field] = &[
    Field::words("template_name", &["eq", "neq"], TEMPLATES),
    Field::date("user_templates.created_at"),
    Field::date("user_templates.updated_at"),
    Field::text("user_templates.name"),
    Field::text("user_templates.description"),
];

fn search(state: &mut State, call: &Call) -> Response {
    let filter = match Filter::parse(&call.body, FIELDS) {
        Ok(filter) => filter,
        Err(reply) => return reply,
    };
    let all = state.tenant.user_templates.iter();
    let admitted = all.filter(|template| filter.admits(|field| values(state, template, field)));
    let wrapped = state.settings.wrapped_user_templates;
    let items = admitted.map(|template| template.json(wrapped, false)).collect();
    page(call, items, "name:asc,created_at:desc,updated_at:desc")
}

fn values(state: &State, template: &FakeUserTemplate, field: &str) -> Vec<String> {
    match field {
        "template_name" => {
            let of = state.tenant.templates.iter().find(|known| known.id == template.template_id);
            of.map(|known| known.name.clone()).into_iter().collect()
        }
        "user_templates.created_at" => vec![template.created_at.to_string()],
        "user_templates.updated_at" => vec![template.updated_at.to_string()],
        "user_templates.name" => vec![template.name.clone()],
        _ => template.description.clone().into_iter().collect(),
    }
}

fn get(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    match state.tenant.user_templates.iter().find(|template| template.id == id) {
        Some(template) => Response::ok(&template.json(state.settings.wrapped_user_templates, true)),
        None => Response::not_found(id),
    }
}

/// Replaces the user template. It takes effect at once, though the service only queues it; the 404 is
/// assumed.
fn update(state: &mut State, call: &Call) -> Response {
    let body = call.json();
    let required = ["name", "owner_id", "default_permissions", "results_visibility", "template_id"];
    let lacks = required.into_iter().any(|field| body[field].as_str().is_none_or(str::is_empty));
    if lacks || !body["permissions"].is_array() || !body["settings"].is_object() {
        return Response::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"));
    }
    let (now, wrapped, id) = (state.now(), state.settings.wrapped_user_templates, call.param(0));
    let Some(template) = state.tenant.user_templates.iter_mut().find(|template| template.id == id) else {
        return Response::not_found(id);
    };
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let required = |key: &str| text(key).unwrap_or_default();
    *template = FakeUserTemplate {
        id: id.to_owned(),
        name: required("name"),
        description: text("description"),
        template_id: required("template_id"),
        owner_id: required("owner_id"),
        created_at: template.created_at,
        updated_at: now,
        default_permissions: required("default_permissions"),
        results_visibility: required("results_visibility"),
        permissions: body["permissions"].clone(),
        settings: body["settings"].clone(),
    };
    Response::json(202, &template.json(wrapped, true))
}

fn delete(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    if state.tenant.user_templates.iter().all(|template| template.id != id) {
        return Response::not_found(id);
    }
    let follows = |config: &&FakeConfig| config.user_template.as_ref().is_some_and(|(of, _)| of == id);
    if let Some(config) = state.tenant.configs.iter().find(follows) {
        return Response::not_allowed(&format!("Can't delete template due to config '{}'", config.id));
    }
    state.tenant.user_templates.retain(|template| template.id != id);
    Response::accepted()
}
