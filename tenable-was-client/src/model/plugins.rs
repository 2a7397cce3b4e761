//! Plugins: the rules that findings break.

use appsec_core::Severity;

use super::ids::PluginId;
use super::{ApiTimestamp, record};

record! {
    /// A plugin as listings and templates show it.
    pub struct PluginSummary {
        /// Its number.
        pub plugin_id: PluginId,
        /// Its name.
        pub name: Option<String>,
        /// Its family.
        pub family: Option<String>,
        /// Policies that it belongs to (observed; seen empty only).
        pub policy: Vec<String>,
    }

    /// A plugin in full.
    pub struct Plugin {
        /// Its number.
        pub plugin_id: PluginId,
        /// Its name.
        pub name: Option<String>,
        /// Its family.
        pub family: Option<String>,
        /// It in one line.
        pub synopsis: Option<String>,
        /// What the weakness is.
        pub description: Option<String>,
        /// How to remedy it.
        pub solution: Option<String>,
        /// When it was published.
        pub published: Option<ApiTimestamp>,
        /// When the remedy was published.
        pub patch_published: Option<ApiTimestamp>,
        /// When it was changed.
        pub plugin_modified: Option<ApiTimestamp>,
        /// How grave it is.
        pub risk_factor: Option<Severity>,
        /// Where to read on.
        pub see_also: Vec<String>,
        /// CVSS 3 base score, the only rating here.
        pub cvss3_base_score: Option<f64>,
        /// Names in WASC's list.
        pub wasc: Vec<String>,
        /// Numbers in the CWE list.
        pub cwe: Vec<String>,
        /// Places in OWASP's lists.
        pub owasp: Vec<OwaspCategory>,
        /// Policies that it belongs to.
        pub policy: Vec<String>,
    }

    /// A place in one of OWASP's lists. The list of 2019 is that of APIs.
    pub struct OwaspCategory {
        /// The list's year.
        pub year: Option<String>,
        /// The place, as in `A3` or `API8`.
        pub category: Option<String>,
    }
}
