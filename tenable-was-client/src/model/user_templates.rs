//! Templates that users made.

use appsec_core::{Error, ErrorKind, Verbatim};
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{TemplateId, UserTemplateId};
use super::permissions::{Permission, PermissionLevel, ResultsVisibility};
use super::settings::ConfigSettings;
use super::{ApiTimestamp, record};

record! {
    /// A template that a user made.
    pub struct UserTemplate {
        /// Its id.
        pub user_template_id: UserTemplateId,
        /// The vendor's template that it builds on.
        pub template_id: Option<TemplateId>,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// The tenant.
        pub container_id: Option<String>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
        /// When it was changed.
        pub updated_at: Option<ApiTimestamp>,
        /// What those may do with it who are not named.
        pub default_permissions: Option<Verbatim<PermissionLevel>>,
        /// Where the results of its scans show.
        pub results_visibility: Option<Verbatim<ResultsVisibility>>,
        /// What others may do with it.
        pub permissions: Vec<Permission>,
        /// What the caller may do with it.
        pub user_permissions: Option<Verbatim<PermissionLevel>>,
        /// True when others may see it.
        pub is_shared: Option<bool>,
        /// How configurations that follow it scan; not in listings.
        pub settings: Option<ConfigSettings>,
    }

    /// A user's template, by name.
    pub struct UserTemplateRef {
        /// Its id.
        pub user_template_id: Option<UserTemplateId>,
        /// Its name.
        pub name: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// A word on it.
        pub description: Option<String>,
    }
}

/// What a user's template becomes: all of it, since an update replaces the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserTemplateUpdate {
    /// Its name.
    pub name: String,
    /// A word on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The user who owns it, by UUID.
    pub owner_id: String,
    /// What those may do with it who are not named.
    pub default_permissions: Verbatim<PermissionLevel>,
    /// Where the results of its scans show.
    pub results_visibility: Verbatim<ResultsVisibility>,
    /// What others may do with it.
    pub permissions: Vec<Permission>,
    /// The vendor's template that it builds on.
    pub template_id: TemplateId,
    /// How configurations that follow it scan.
    pub settings: ConfigSettings,
}

impl UserTemplateUpdate {
    /// A template that is its owner's alone, and whose results show in the dashboards.
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

    /// A template as it is, for a change to some of it. Listings do not show settings, so it must come from
    /// [`get_user_template`](crate::TenableWasClient::get_user_template).
    ///
    /// # Errors
    /// `InvalidRequest` where something that an update must say was not in the answer.
    pub fn from_template(template: UserTemplate) -> Result<Self, Error> {
        let lacks = |what: &str| {
            let id = template.user_template_id;
            Error::new(ErrorKind::InvalidRequest, format!("the user template {id} does not show its {what}"))
        };
        Ok(Self {
            name: template.name.clone().ok_or_else(|| lacks("name"))?,
            owner_id: template.owner_id.clone().ok_or_else(|| lacks("owner_id"))?,
            template_id: template.template_id.ok_or_else(|| lacks("template_id"))?,
            settings: template.settings.clone().ok_or_else(|| lacks("settings"))?,
            // Nothing is taken for the default here: that might open to all what is closed.
            default_permissions: template
                .default_permissions
                .clone()
                .ok_or_else(|| lacks("default_permissions"))?,
            results_visibility: template
                .results_visibility
                .clone()
                .ok_or_else(|| lacks("results_visibility"))?,
            description: template.description,
            permissions: template.permissions,
        })
    }

    /// Sets its name.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets a word on it.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets what those may do with it who are not named.
    pub fn with_default_permissions(mut self, level: PermissionLevel) -> Self {
        self.default_permissions = level.into();
        self
    }

    /// Sets where the results of its scans show.
    pub fn with_results_visibility(mut self, visibility: ResultsVisibility) -> Self {
        self.results_visibility = visibility.into();
        self
    }

    /// Adds what a user or a group may do with it.
    pub fn with_permission(mut self, permission: Permission) -> Self {
        self.permissions.push(permission);
        self
    }

    /// Sets how configurations that follow it scan.
    pub fn with_settings(mut self, settings: ConfigSettings) -> Self {
        self.settings = settings;
        self
    }
}

/// Lets serde read a record whose members stand in a `data` of their own, as the vendor's schema has it, or beside its id, as the service has
/// been seen to send it.
pub(crate) struct Unwrapped<T>(pub(crate) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Unwrapped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        if let Some(Value::Object(_)) = members.get("data")
            && let Some(Value::Object(data)) = members.remove("data")
        {
            for (name, value) in data {
                // What stands outside wins: there it is the id.
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
    fn flat_and_wrapped_are_the_same_template() {
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
    fn data_that_is_no_wrapper_is_kept_and_a_missing_id_is_named() {
        let template = read(json!({"user_template_id": ID, "data": 7})).unwrap();
        assert_eq!(template.extra.get("data"), Some(&json!(7)));
        assert!(read(json!({"data": {"name": "x"}})).unwrap_err().to_string().contains("user_template_id"));
    }

    #[test]
    fn an_update_of_a_template_changes_what_it_is_told_to() {
        let template = read(json!({"user_template_id": ID, "template_id": ID, "name": "a", "owner_id": "o",
            "default_permissions": "View", "results_visibility": "private", "settings": {"x": 1}}))
        .unwrap();
        let update = UserTemplateUpdate::from_template(template).unwrap().with_name("b");
        assert_eq!(
            serde_json::to_value(update).unwrap(),
            json!({"name": "b", "owner_id": "o", "default_permissions": "View", "results_visibility": "private",
                "permissions": [], "template_id": ID, "settings": {"x": 1}}),
            "what must be said is said, empty or not"
        );
    }

    #[test]
    fn a_template_of_a_listing_is_not_enough_for_an_update() {
        let listed =
            read(json!({"user_template_id": ID, "template_id": ID, "name": "a", "owner_id": "o"})).unwrap();
        let error = UserTemplateUpdate::from_template(listed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains("settings"), "{error}");
    }
}
