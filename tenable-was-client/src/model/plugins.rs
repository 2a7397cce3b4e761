//! Plugins: the checks that produce findings.

use appsec_core::Severity;

use super::ids::PluginId;
use super::{ApiTimestamp, record};

record! {
    /// A plugin, as listed.
    pub struct PluginSummary {
        /// The plugin id.
        pub plugin_id: PluginId,
        /// The name.
        pub name: Option<String>,
        /// The plugin family.
        pub family: Option<String>,
        /// Policies that contain the plugin (observed as an empty list only).
        pub policy: Vec<String>,
    }

    /// A plugin with all its members.
    pub struct Plugin {
        /// The plugin id.
        pub plugin_id: PluginId,
        /// The name.
        pub name: Option<String>,
        /// The plugin family.
        pub family: Option<String>,
        /// A summary in one line.
        pub synopsis: Option<String>,
        /// The description of the weakness.
        pub description: Option<String>,
        /// How to fix it.
        pub solution: Option<String>,
        /// When it was published.
        pub published: Option<ApiTimestamp>,
        /// When the fix was published.
        pub patch_published: Option<ApiTimestamp>,
        /// When it was last changed.
        pub plugin_modified: Option<ApiTimestamp>,
        /// The severity.
        pub risk_factor: Option<Severity>,
        /// Links to further information.
        pub see_also: Vec<String>,
        /// CVSS 3 base score, the only score in this record.
        pub cvss3_base_score: Option<f64>,
        /// Names of WASC threat classes.
        pub wasc: Vec<String>,
        /// CWE ids.
        pub cwe: Vec<String>,
        /// OWASP categories.
        pub owasp: Vec<OwaspCategory>,
        /// Policies that contain the plugin.
        pub policy: Vec<String>,
    }

    /// A category of an OWASP Top Ten. The one of 2019 is that of APIs.
    pub struct OwaspCategory {
        /// The year of the Top Ten.
        pub year: Option<String>,
        /// The category, such as `A3` or `API8`.
        pub category: Option<String>,
    }
}
