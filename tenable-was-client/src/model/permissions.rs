//! Permissions on configurations and templates.

use appsec_core::Verbatim;

use super::record;

appsec_core::open_enum! {
    /// A level of access to a configuration or template.
    pub enum PermissionLevel {
        /// No access.
        NoAccess = "no_access",
        /// Can view it.
        View = "view",
        /// Can view and launch it.
        Control = "control",
        /// Can do everything.
        Configure = "configure",
    }
}

appsec_core::open_enum! {
    /// Where the results of scans are visible.
    pub enum ResultsVisibility {
        /// Only with the scans.
        Private = "private",
        /// Also in the vendor's dashboards, the service's default.
        Dashboard = "dashboard",
    }
}

appsec_core::open_enum! {
    /// Whom a permission is given to.
    pub enum PermissionEntity {
        /// A user.
        User = "user",
        /// A group of users.
        Group = "group",
    }
}

record! {
    /// The permission of one user or group.
    pub struct Permission {
        /// Whether it is a user or a group.
        pub entity: Option<Verbatim<PermissionEntity>>,
        /// The id of the user or group.
        pub entity_id: Option<String>,
        /// The level of access.
        pub level: Option<Verbatim<PermissionLevel>>,
    }
}

impl Permission {
    /// Creates the permission of a user, by UUID.
    pub fn user(id: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new(PermissionEntity::User, id.into(), level)
    }

    /// Creates the permission of a group, by UUID.
    pub fn group(id: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new(PermissionEntity::Group, id.into(), level)
    }

    fn new(entity: PermissionEntity, id: String, level: PermissionLevel) -> Self {
        let extra = super::Extra::default();
        Self { entity: Some(entity.into()), entity_id: Some(id), level: Some(level.into()), extra }
    }
}
