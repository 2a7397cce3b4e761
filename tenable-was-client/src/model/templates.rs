//! The vendor's scan templates.

use super::ids::TemplateId;
use super::plugins::PluginSummary;
use super::record;
use super::settings::ConfigSettings;

record! {
    /// A template of the vendor.
    pub struct Template {
        /// The id.
        pub template_id: TemplateId,
        /// The name: `scan`, `overview`, `pci`, `ssl_tls`, `config_audit`, `api`, `quick`, and others in
        /// future.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
        /// `locked` if settings cannot differ from the template, else `open`.
        pub plugin_state: Option<String>,
        /// The kinds of scanner that it supports: a list (observed; the vendor's document says text).
        pub scanner_types: Vec<String>,
        /// Settings with a fixed value.
        pub settings: Option<ConfigSettings>,
        /// Default settings.
        pub defaults: Option<ConfigSettings>,
        /// The plugins.
        pub plugins: Vec<PluginSummary>,
    }

    /// A reference to a template of the vendor.
    pub struct TemplateRef {
        /// The id.
        pub template_id: Option<TemplateId>,
        /// The name, such as `scan` or `config_audit`.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
    }
}
