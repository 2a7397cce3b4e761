//! The vendor's scan templates.

use super::ids::TemplateId;
use super::plugins::PluginSummary;
use super::record;
use super::settings::ConfigSettings;

record! {
    /// A template of the vendor's.
    pub struct Template {
        /// Its id.
        pub template_id: TemplateId,
        /// Its name: `scan`, `overview`, `pci`, `ssl_tls`, `config_audit`, `api`, `quick`, and what may come.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// `locked` where settings cannot deviate, else `open`.
        pub plugin_state: Option<String>,
        /// The kinds of scanner it runs on: a list (observed; the vendor's document says text).
        pub scanner_types: Vec<String>,
        /// Settings that are fixed; those that are absent are not.
        pub settings: Option<ConfigSettings>,
        /// Settings to begin with.
        pub defaults: Option<ConfigSettings>,
        /// Its plugins.
        pub plugins: Vec<PluginSummary>,
    }

    /// A template of the vendor's, by name.
    pub struct TemplateRef {
        /// Its id.
        pub template_id: Option<TemplateId>,
        /// Its name, as in `scan` or `config_audit`.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
    }
}
