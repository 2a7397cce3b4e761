//! User templates.

use appsec_core::{Error, ErrorKind, Verbatim};
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{TemplateId, UserTemplateId};
use super::permissions::{Permission, PermissionLevel, ResultsVisibility};
use super::settings::ConfigSettings;
use super::{ApiTimestamp, record};

record! {
    /// A user template.
    pub struct UserTemplate {
        /// The id.
        pub user_template_id: UserTemplateId,
        /// The vendor's template that it is based on.
        pub template_id: Option<TemplateId>,
        /// The name.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
        /// The id of the owner.
        pub owner_id: Option<String>,
        /// The id of the tenant.
        pub container_id: Option<String>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
        /// When it was last changed.
        pub updated_at: Option<ApiTimestamp>,
        /// The permission of users who are not named in `permissions`.
        pub default_permissions: Option<Verbatim<PermissionLevel>>,
        /// Where the results of the scans are visible.
        pub results_visibility: Option<Verbatim<ResultsVisibility>>,
        /// The permissions of single users and groups.
        pub permissions: Vec<Permission>,
        /// The caller's permission.
        pub user_permissions: Option<Verbatim<PermissionLevel>>,
        /// Whether other users can see it.
        pub is_shared: Option<bool>,
        /// The settings of the scans; not in listings.
        pub settings: Option<ConfigSettings>,
    }

    /// A reference to a user template.
    pub struct UserTemplateRef {
        /// The id.
        pub user_template_id: Option<UserTemplateId>,
        /// The name.
        pub name: Option<String>,
        /// The id of the owner.
        pub owner_id: Option<String>,
        /// The description.
        pub description: Option<String>,
    }
}

/// A user template to write. An update replaces all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserTemplateUpdate {
    /// The name.
    pub name: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The owner, by UUID.
    pub owner_id: String,
    /// The permission of users who are not named in `permissions`.
    pub default_permissions: Verbatim<PermissionLevel>,
    /// Where the results of the scans are visible.
    pub results_visibility: Verbatim<ResultsVisibility>,
    /// The permissions of single users and groups.
    pub permissions: Vec<Permission>,
    /// The vendor's template that it is based on.
    pub template_id: TemplateId,
    /// The settings of the scans.
    pub settings: ConfigSettings,
}

impl UserTemplateUpdate {
    /// Creates an update that gives access to the owner only and shows results in the dashboards.
    pub fn new(
        name: impl Into<String>,
        owner_id: impl Into<String>,
        template_id: TemplateId,
        settings: ConfigSettings,
    ) -> Self {
        Self {
            name: name.into(),
            description: None,
            owner_id: owner_id.into(),
            default_permissions: PermissionLevel::NoAccess.into(),
            results_visibility: ResultsVisibility::Dashboard.into(),
            permissions: Vec::new(),
            template_id,
            settings,
        }
    }

    /// Creates an update from a template, to change parts of it. Listings do not have the settings, so the
    /// template must come from [`get_user_template`](crate::TenableWasClient::get_user_template).
    ///
    /// # Errors
    /// `InvalidRequest` if the template lacks a member that an update must have.
    pub fn from_template(template: UserTemplate) -> Result<Self, Error> {
        let missing = |what: &str| {
            let id = template.user_template_id;
            Error::new(ErrorKind::InvalidRequest, format!("the user template {id} lacks its {what}"))
        };
        Ok(Self {
            name: template.name.clone().ok_or_else(|| missing("name"))?,
            owner_id: template.owner_id.clone().ok_or_else(|| missing("owner_id"))?,
            template_id: template.template_id.ok_or_else(|| missing("template_id"))?,
            settings: template.settings.clone().ok_or_else(|| missing("settings"))?,
            // No default is used here: it might give everyone access to a private template.
            default_permissions: template
                .default_permissions
                .clone()
                .ok_or_else(|| missing("default_permissions"))?,
            results_visibility: template
                .results_visibility
                .clone()
                .ok_or_else(|| missing("results_visibility"))?,
            description: template.description,
            permissions: template.permissions,
        })
    }

    /// Sets the name.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the description.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the permission of users who are not named.
    pub fn with_default_permissions(mut self, level: PermissionLevel) -> Self {
        self.default_permissions = level.into();
        self
    }

    /// Sets where the results of the scans are visible.
    pub fn with_results_visibility(mut self, visibility: ResultsVisibility) -> Self {
        self.results_visibility = visibility.into();
        self
    }

    /// Adds the permission of a user or a group.
    pub fn with_permission(mut self, permission: Permission) -> Self {
        self.permissions.push(permission);
        self
    }

    /// Sets the settings of the scans.
    pub fn with_settings(mut self, settings: ConfigSettings) -> Self {
        self.settings = settings;
        self
    }
}

/// Reads a record whose members are either inside a `data` object, as in the vendor's schema, or beside the
/// id, as observed.
pub(crate) struct Unwrapped<T>(pub(crate) T);

impl From<Unwrapped<UserTemplate>> for UserTemplate {
    fn from(template: Unwrapped<UserTemplate>) -> Self {
        template.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Unwrapped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        if let Some(Value::Object(_)) = members.get("data")
            && let Some(Value::Object(data)) = members.remove("data")
        {
            for (name, value) in data {
                // Members outside `data` take precedence: the id is one of them.
                members.entry(name).or_insert(value);
            }
        }
        T::deserialize(Value::Object(members)).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "aaaabbbb-cccc-4ddd-8eee-ffff00001111";

    fn read(json: Value) -> Result<UserTemplate, serde_json::Error> {
        serde_json::from_value::<Unwrapped<UserTemplate>>(json).map(|unwrapped| unwrapped.0)
    }

    #[test]
    fn flat_and_wrapped_members_are_read_alike() {
        let data = json!({"template_id": ID, "name": "house rules", "owner_id": "o", "settings": {"timeout": "08:00:00"},
            "default_permissions": "no_access", "results_visibility": "dashboard", "permissions": [], "later": 1});
        let mut flat = data.clone();
        flat["user_template_id"] = json!(ID);
        flat["container_id"] = json!("c");
        let wrapped = json!({"user_template_id": ID, "container_id": "c", "data": data});
        let template = read(wrapped).unwrap();
        assert_eq!(template, read(flat).unwrap());
        assert_eq!(template.settings.as_ref().unwrap().timeout.as_deref(), Some("08:00:00"));
        assert_eq!(template.extra.get("later"), Some(&json!(1)));
    }

    #[test]
    fn other_data_is_kept_and_a_missing_id_is_an_error() {
        let template = read(json!({"user_template_id": ID, "data": 7})).unwrap();
        assert_eq!(template.extra.get("data"), Some(&json!(7)));
        assert!(read(json!({"data": {"name": "x"}})).unwrap_err().to_string().contains("user_template_id"));
    }

    #[test]
    fn an_update_changes_only_what_is_set() {
        let template = read(json!({"user_template_id": ID, "template_id": ID, "name": "a", "owner_id": "o",
            "default_permissions": "View", "results_visibility": "private", "settings": {"x": 1}}))
        .unwrap();
        let update = UserTemplateUpdate::from_template(template).unwrap().with_name("b");
        assert_eq!(
            serde_json::to_value(update).unwrap(),
            json!({"name": "b", "owner_id": "o", "default_permissions": "View", "results_visibility": "private",
                "permissions": [], "template_id": ID, "settings": {"x": 1}}),
            "required members are written even if they are empty"
        );
    }

    #[test]
    fn a_listed_template_is_not_enough_for_an_update() {
        let listed =
            read(json!({"user_template_id": ID, "template_id": ID, "name": "a", "owner_id": "o"})).unwrap();
        let error = UserTemplateUpdate::from_template(listed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains("settings"), "{error}");
    }
}
