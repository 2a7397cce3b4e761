//! The tenant: its server and licence, and the user whose keys are used.

use std::collections::BTreeMap;

use appsec_core::Verbatim;
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::ids::ScannerId;
use super::{ApiTimestamp, LenientDeserialize, record};

appsec_core::open_enum! {
    /// How the server is.
    pub enum ServerState {
        /// It serves.
        Ready = "ready",
        /// It starts.
        Loading = "loading",
        /// Its database is damaged.
        CorruptDb = "corrupt-db",
        /// Its plugins are out of date.
        FeedExpired = "feed-expired",
        /// Its evaluation is over.
        EvalExpired = "eval-expired",
        /// It is locked.
        Locked = "locked",
        /// It is not registered.
        Register = "register",
        /// It is not registered, and locked.
        RegisterLocked = "register-locked",
        /// Its plugins could not be fetched.
        DownloadFailed = "download-failed",
        /// Its plugins could not be read.
        FeedError = "feed-error",
    }
}

record! {
    /// How the server is.
    pub struct ServerStatus {
        /// An HTTP status, 200 where all is well.
        pub code: Option<u64>,
        /// How it is, in a word.
        pub status: Option<Verbatim<ServerState>>,
    }

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
        pub expiration_date: Option<ApiTimestamp>,
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

    /// The scanners of a tenant.
    pub struct ScannerList {
        /// The scanners, and the groups of them.
        pub scanners: Vec<ListedScanner>,
    }

    /// A scanner, or a group of scanners.
    pub struct ListedScanner {
        /// Its number, by which a configuration names it.
        pub id: Option<ScannerId>,
        /// Its UUID.
        pub uuid: Option<String>,
        /// Its name.
        pub name: Option<String>,
        /// Its kind: `webapp`, `managed_webapp`, `local`, …
        pub kind: Option<String> as "type",
        /// `on` or `off`.
        pub status: Option<String>,
        /// True when it can scan web applications.
        pub supports_webapp: Option<bool>,
        /// True for a group.
        pub group: Option<bool>,
        /// True when it is a pool.
        pub pool: Option<bool>,
        /// True when others may use it.
        pub shared: Option<bool>,
        /// Who owns it.
        pub owner: Option<String>,
        /// The key by which a scanner links itself to the tenant, which is a secret.
        pub key: Withheld,
        /// What it is licensed for.
        pub license: Option<Value>,
    }
}

/// Something secret that an answer holds and nobody asked for: it is read past, and neither kept nor written.
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
    /// Those that can scan web applications: the ones to name in a configuration.
    pub fn for_web_applications(&self) -> impl Iterator<Item = &ListedScanner> {
        self.scanners.iter().filter(|scanner| scanner.supports_webapp == Some(true))
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
