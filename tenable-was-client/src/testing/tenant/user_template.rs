//! User templates.

use appsec_core::Timestamp;
use serde_json::{Value, json};

use crate::testing::tenant::dates::days_ago;
use crate::testing::tenant::ids::{CONTAINER, USER, uuid_of};
use crate::testing::tenant::settings::settings;

/// A user template.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeUserTemplate {
    /// Its id, a UUID derived from the name as in
    /// [`FakeConfig::with_user_template`](super::config::FakeConfig::with_user_template).
    pub id: String,
    /// Its name.
    pub name: String,
    /// A short description.
    pub description: Option<String>,
    /// The id of the vendor's template that it is based on.
    pub template_id: String,
    /// The user who owns it.
    pub owner_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The permission level of users who are not listed in `permissions`.
    pub default_permissions: String,
    /// `private` or `dashboard`.
    pub results_visibility: String,
    /// The permissions of other users.
    pub permissions: Value,
    /// Its scan settings.
    pub settings: Value,
}

impl FakeUserTemplate {
    /// A template of the caller, based on the vendor's `scan` and not shared.
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

    /// Sets the vendor's template that it is based on, by name.
    pub fn with_template(mut self, name: &str) -> Self {
        self.template_id = uuid_of(&["template", name]);
        self
    }

    /// Sets the description.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Grants a user group a permission level: `view`, `control` or `configure`.
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

    /// The members that both forms have, in different places.
    pub(crate) fn data(&self) -> Value {
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

    pub(crate) fn json(&self, wrapped: bool, with_settings: bool) -> Value {
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
        data.as_object_mut()
            .into_iter()
            .for_each(|data| data.extend(crate::testing::json::object(others.clone())));
        data
    }
}
