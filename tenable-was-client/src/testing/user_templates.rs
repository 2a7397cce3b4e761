//! Templates that users made.

use appsec_core::Timestamp;
use serde_json::{Value, json};

use super::calls::{Call, Route};
use super::configs::settings;
use super::filter::{self, Field, Filter, TEMPLATES};
use super::ids::uuid_of;
use super::paging::page;
use super::reply::Reply;
use super::server::Endpoint;
use super::state::State;
use super::tenant::{CONTAINER, USER};
use super::world::days_ago;

const ONE: &str = "/was/v2/user-templates/{id}";

pub(super) const ENDPOINTS: &[Endpoint] = &[
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

/// A template that a user made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeUserTemplate {
    /// Its id, a UUID made from the name; that of [`FakeConfig::with_user_template`](super::FakeConfig::with_user_template).
    pub id: String,
    /// Its name.
    pub name: String,
    /// A word on it.
    pub description: Option<String>,
    /// The id of the vendor's template that it builds on.
    pub template_id: String,
    /// The user who owns it.
    pub owner_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What those may do with it who are not named.
    pub default_permissions: String,
    /// `private` or `dashboard`.
    pub results_visibility: String,
    /// What others may do with it.
    pub permissions: Value,
    /// How it lets scan.
    pub settings: Value,
}

impl FakeUserTemplate {
    /// A template of the caller's that builds on the vendor's `scan`, the caller's alone.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: uuid_of(&["user template", &name]),
            name,
            description: None,
            template_id: uuid_of(&["template", "scan"]),
            owner_id: USER.to_owned(),
            created_at: days_ago(300),
            updated_at: days_ago(30),
            default_permissions: "no_access".to_owned(),
            results_visibility: "dashboard".to_owned(),
            permissions: json!([]),
            settings: settings(),
        }
    }

    /// Sets the vendor's template that it builds on, by name.
    pub fn with_template(mut self, name: &str) -> Self {
        self.template_id = uuid_of(&["template", name]);
        self
    }

    /// Sets a word on it.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Lets a group of users do so much with it: `view`, `control` or `configure`.
    pub fn shared_with_group(mut self, group_id: &str, level: &str) -> Self {
        if let Some(all) = self.permissions.as_array_mut() {
            all.push(json!({"entity": "group", "entity_id": group_id, "level": level}));
        }
        self
    }

    /// Sets when it was made.
    pub fn with_created_at(mut self, at: Timestamp) -> Self {
        self.created_at = at;
        self
    }

    /// What both forms have in one place or the other.
    fn data(&self) -> Value {
        json!({
            "template_id": self.template_id,
            "name": self.name,
            "description": self.description,
            "owner_id": self.owner_id,
            "default_permissions": self.default_permissions,
            "results_visibility": self.results_visibility,
            "permissions": self.permissions,
        })
    }

    fn json(&self, wrapped: bool, with_settings: bool) -> Value {
        let mut data = self.data();
        if with_settings {
            data["settings"] = self.settings.clone();
        }
        if wrapped {
            return json!({"user_template_id": self.id, "container_id": CONTAINER, "data": data});
        }
        let others = json!({
            "user_template_id": self.id,
            "container_id": CONTAINER,
            "created_at": self.created_at.to_string(),
            "updated_at": self.updated_at.to_string(),
            "user_permissions": "configure",
            "is_shared": self.permissions.as_array().is_some_and(|all| !all.is_empty()),
        });
        data.as_object_mut().into_iter().for_each(|data| data.extend(super::plugins::object(others.clone())));
        data
    }
}

fn search(state: &mut State, call: &Call) -> Reply {
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

fn get(state: &mut State, call: &Call) -> Reply {
    let id = call.param(0);
    match state.tenant.user_templates.iter().find(|template| template.id == id) {
        Some(template) => Reply::ok(&template.json(state.settings.wrapped_user_templates, true)),
        None => Reply::not_found(id),
    }
}

/// Replaces the whole. It takes effect at once, though the service only queues it; a 404 is assumed.
fn update(state: &mut State, call: &Call) -> Reply {
    let body = call.json();
    let required = ["name", "owner_id", "default_permissions", "results_visibility", "template_id"];
    let lacks = required.into_iter().any(|field| body[field].as_str().is_none_or(str::is_empty));
    if lacks || !body["permissions"].is_array() || !body["settings"].is_object() {
        return Reply::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"));
    }
    let (now, wrapped, id) = (state.now(), state.settings.wrapped_user_templates, call.param(0));
    let Some(template) = state.tenant.user_templates.iter_mut().find(|template| template.id == id) else {
        return Reply::not_found(id);
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
    Reply::json(202, &template.json(wrapped, true))
}

fn delete(state: &mut State, call: &Call) -> Reply {
    let id = call.param(0);
    if state.tenant.user_templates.iter().all(|template| template.id != id) {
        return Reply::not_found(id);
    }
    let follows = |config: &&super::FakeConfig| config.user_template.as_ref().is_some_and(|(of, _)| of == id);
    if let Some(config) = state.tenant.configs.iter().find(follows) {
        return Reply::not_allowed(&format!("Can't delete template due to config '{}'", config.id));
    }
    state.tenant.user_templates.retain(|template| template.id != id);
    Reply::accepted()
}
