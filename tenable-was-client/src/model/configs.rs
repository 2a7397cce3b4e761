//! Scan configurations.

use appsec_core::Spelled;
use serde_json::Value;

use super::ids::{ConfigId, TemplateId, UserTemplateId};
use super::permissions::PermissionLevel;
use super::scans::Scan;
use super::{Moment, wire};

wire! {
    /// A scan configuration as listings show it.
    pub struct ConfigSummary {
        /// Its id.
        pub config_id: ConfigId,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// The tenant.
        pub container_id: Option<String>,
        /// True when others may see it.
        pub is_shared: Option<bool>,
        /// What the caller may do with it.
        pub user_permissions: Option<Spelled<PermissionLevel>>,
        /// Its URL, where it has one; the first or none where it has several.
        pub target: Option<String>,
        /// How many targets it has.
        pub target_count: Option<u64>,
        /// When it was made.
        pub created_at: Option<Moment>,
        /// When it was changed.
        pub updated_at: Option<Moment>,
        /// When it runs by itself; absent for one that runs on demand.
        pub schedule: Option<Schedule>,
        /// The vendor's template that it follows.
        pub template_id: Option<TemplateId>,
        /// The user's template that it follows.
        pub user_template: Option<UserTemplateRef>,
        /// Its newest scan; absent where it never ran.
        pub last_scan: Option<Scan>,
        /// True when it lies in the trash.
        pub in_trash: Option<bool>,
        /// True when it was made by the import of a report.
        pub imported: Option<bool>,
    }

    /// When a configuration runs by itself.
    pub struct Schedule {
        /// The rule of RFC 5545, as in `FREQ=WEEKLY;INTERVAL=1;BYDAY=MO`.
        pub rrule: Option<String>,
        /// The first run, `YYYYMMDDTHHMMSS`, with a `Z` for UTC.
        pub starttime: Option<String>,
        /// The time zone's name.
        pub timezone: Option<String>,
        /// False when it is switched off.
        pub enabled: Option<bool>,
        /// `DAILY`, `WEEKLY`, `MONTHLY` or `ONETIME`; only ever written.
        pub launch: Option<String>,
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

    /// A scan configuration in full.
    pub struct ConfigDetails {
        /// Its id; absent in an answer that only proposes a configuration.
        pub config_id: Option<ConfigId>,
        /// The tenant.
        pub container_id: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// The vendor's template that it follows.
        pub template_id: Option<TemplateId>,
        /// The user's template that it follows.
        pub user_template_id: Option<UserTemplateId>,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// The URLs it scans.
        pub targets: Vec<String>,
        /// The tags whose assets it scans.
        pub tag_targets: Vec<String>,
        /// The applications it scans.
        pub applications: Vec<String>,
        /// When it was made.
        pub created_at: Option<Moment>,
        /// When it was changed.
        pub updated_at: Option<Moment>,
        /// How it scans.
        pub settings: Option<Value>,
        /// The scanner or scanner group it runs on: a number, its text, or absent (observed).
        pub scanner_id: Option<String>,
        /// When it runs by itself.
        pub schedule: Option<Schedule>,
        /// True when it lies in the trash.
        pub in_trash: Option<bool>,
        /// What those may do with it who are not named.
        pub default_permissions: Option<Spelled<PermissionLevel>>,
    }
}
