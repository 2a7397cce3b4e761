//! The tenant: its server and licence, and the user whose keys are used.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Moment, wire};

wire! {
    /// What the server says of itself.
    pub struct ServerProperties {
        /// The licence.
        pub license: Option<Licence>,
        /// The region.
        pub region: Option<String>,
        /// The platform's kind.
        pub nessus_type: Option<String>,
        /// The platform's version.
        pub server_version: Option<String>,
    }

    /// What the tenant has licensed.
    pub struct Licence {
        /// The products, by name; `was` is Web App Scanning.
        pub apps: BTreeMap<String, Value>,
        /// True for an evaluation.
        pub evaluation: Option<Value>,
    }

    /// The licence of one product.
    pub struct AppLicence {
        /// `eval` or `standard`.
        pub mode: Option<String>,
        /// When it ends, in seconds of Unix time.
        pub expiration_date: Option<Moment>,
        /// The licence's kind.
        pub kind: Option<String> as "type",
    }

    /// The user whose keys are used.
    pub struct Session {
        /// The user's id.
        pub uuid: Option<String>,
        /// The user's login.
        pub username: Option<String>,
        /// The user's name.
        pub name: Option<String>,
        /// The user's mail address.
        pub email: Option<String>,
        /// The number of the user's role.
        pub permissions: Option<u64>,
        /// The tenant's id.
        pub container_uuid: Option<String>,
        /// The tenant's name.
        pub container_name: Option<String>,
    }
}

impl Licence {
    /// The licence of Web App Scanning; `None` where the tenant has none, or none that can be read.
    pub fn was(&self) -> Option<AppLicence> {
        serde_json::from_value(self.apps.get("was")?.clone()).ok()
    }
}

/// A user's role, by its number. A role includes those below it; tenants may have roles of their own in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(pub u64);

impl Role {
    /// Reads.
    pub const BASIC: Self = Self(16);
    /// Reads and launches scans.
    pub const SCAN_OPERATOR: Self = Self(24);
    /// Sees templates too.
    pub const STANDARD: Self = Self(32);
    /// Makes configurations.
    pub const SCAN_MANAGER: Self = Self(40);
    /// Everything.
    pub const ADMINISTRATOR: Self = Self(64);

    /// The vendor's word for the number, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::BASIC => "Basic",
            Self::SCAN_OPERATOR => "Scan Operator",
            Self::STANDARD => "Standard",
            Self::SCAN_MANAGER => "Scan Manager",
            Self::ADMINISTRATOR => "Administrator",
            _ => "a role of the tenant's own",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}
