//! Who may do what with a configuration or a template.

use appsec_core::Verbatim;

use super::record;

appsec_core::open_enum! {
    /// What the caller, or someone else, may do with a configuration.
    pub enum PermissionLevel {
        /// Nothing.
        NoAccess = "no_access",
        /// Look at it.
        View = "view",
        /// Look at it and launch it.
        Control = "control",
        /// Everything.
        Configure = "configure",
    }
}

appsec_core::open_enum! {
    /// Where the results of scans show.
    pub enum ResultsVisibility {
        /// With the scans alone.
        Private = "private",
        /// In the vendor's dashboards too, as happens where nothing is said.
        Dashboard = "dashboard",
    }
}

appsec_core::open_enum! {
    /// Who is given a permission.
    pub enum PermissionEntity {
        /// One user.
        User = "user",
        /// A group of users.
        Group = "group",
    }
}

record! {
    /// What one user or group may do.
    pub struct Permission {
        /// Whether it is a user or a group.
        pub entity: Option<Verbatim<PermissionEntity>>,
        /// The user or the group.
        pub entity_id: Option<String>,
        /// What is allowed.
        pub level: Option<Verbatim<PermissionLevel>>,
    }
}

impl Permission {
    /// Allows so much to a user, by the user's UUID.
    pub fn user(id: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new(PermissionEntity::User, id.into(), level)
    }

    /// Allows so much to a group, by the group's UUID.
    pub fn group(id: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new(PermissionEntity::Group, id.into(), level)
    }

    fn new(entity: PermissionEntity, id: String, level: PermissionLevel) -> Self {
        let extra = super::Extra::default();
        Self { entity: Some(entity.into()), entity_id: Some(id), level: Some(level.into()), extra }
    }
}
