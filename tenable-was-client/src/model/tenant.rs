//! The tenant: its server, licence and scanners, and the user of the API keys.

use std::collections::BTreeMap;

use appsec_core::Verbatim;
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::ids::ScannerId;
use super::{ApiTimestamp, LenientDeserialize, record};

appsec_core::open_enum! {
    /// The status of the server.
    pub enum ServerState {
        /// Ready.
        Ready = "ready",
        /// Starting.
        Loading = "loading",
        /// The database is damaged.
        CorruptDb = "corrupt-db",
        /// The plugins are out of date.
        FeedExpired = "feed-expired",
        /// The evaluation has expired.
        EvalExpired = "eval-expired",
        /// Locked.
        Locked = "locked",
        /// Not registered.
        Register = "register",
        /// Not registered, and locked.
        RegisterLocked = "register-locked",
        /// The plugins could not be downloaded.
        DownloadFailed = "download-failed",
        /// The plugins could not be read.
        FeedError = "feed-error",
    }
}

record! {
    /// The status of the server.
    pub struct ServerStatus {
        /// An HTTP status; 200 if the server is ready.
        pub code: Option<u64>,
        /// The state.
        pub status: Option<Verbatim<ServerState>>,
    }

    /// The properties of the server.
    pub struct ServerProperties {
        /// The licence.
        pub license: Option<Licence>,
        /// The region.
        pub region: Option<String>,
        /// The kind of the platform.
        pub nessus_type: Option<String>,
        /// The version of the platform.
        pub server_version: Option<String>,
    }

    /// The licence of the tenant.
    pub struct Licence {
        /// The products, by name; `was` is Web App Scanning.
        pub apps: BTreeMap<String, Value>,
        /// Whether it is an evaluation licence.
        pub evaluation: Option<Value>,
    }

    /// The licence of one product.
    pub struct AppLicence {
        /// `eval` or `standard`.
        pub mode: Option<String>,
        /// When the licence expires, in seconds since the Unix epoch.
        pub expiration_date: Option<ApiTimestamp>,
        /// The kind of the licence.
        pub kind: Option<String> as "type",
    }

    /// The user of the API keys.
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

    /// The scanners of a tenant.
    pub struct ScannerList {
        /// The scanners and scanner groups.
        pub scanners: Vec<ListedScanner>,
    }

    /// A scanner or a scanner group.
    pub struct ListedScanner {
        /// The number by which a configuration refers to it.
        pub id: Option<ScannerId>,
        /// The UUID.
        pub uuid: Option<String>,
        /// The name.
        pub name: Option<String>,
        /// The kind: `webapp`, `managed_webapp`, `local`, …
        pub kind: Option<String> as "type",
        /// `on` or `off`.
        pub status: Option<String>,
        /// Whether it can scan web applications.
        pub supports_webapp: Option<bool>,
        /// Whether it is a group.
        pub group: Option<bool>,
        /// Whether it is a pool.
        pub pool: Option<bool>,
        /// Whether other users can use it.
        pub shared: Option<bool>,
        /// The owner.
        pub owner: Option<String>,
        /// The key by which a scanner links itself to the tenant, a secret.
        pub key: Withheld,
        /// The licence of the scanner.
        pub license: Option<Value>,
    }
}

/// A secret in a response that no caller needs: it is skipped when reading, and neither kept nor written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Withheld;

impl LenientDeserialize for Withheld {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }

    fn absent() -> Option<Self> {
        Some(Self)
    }

    fn is_absent(&self) -> bool {
        true
    }
}

impl Serialize for Withheld {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl ScannerList {
    /// The scanners that can scan web applications, which a configuration can use.
    pub fn for_web_applications(&self) -> impl Iterator<Item = &ListedScanner> {
        self.scanners.iter().filter(|scanner| scanner.supports_webapp == Some(true))
    }
}

impl Licence {
    /// Returns the licence of Web App Scanning; `None` if there is none, or if it cannot be decoded.
    pub fn was(&self) -> Option<AppLicence> {
        serde_json::from_value(self.apps.get("was")?.clone()).ok()
    }
}

/// A user's role, by its number. A role includes the roles below it. Tenants can define roles in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(pub u64);

impl Role {
    /// Can read.
    pub const BASIC: Self = Self(16);
    /// Can read and launch scans.
    pub const SCAN_OPERATOR: Self = Self(24);
    /// Can also read templates.
    pub const STANDARD: Self = Self(32);
    /// Can create configurations.
    pub const SCAN_MANAGER: Self = Self(40);
    /// Can do everything.
    pub const ADMINISTRATOR: Self = Self(64);

    /// Returns the vendor's name of the role, if the number is one of the vendor's.
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
