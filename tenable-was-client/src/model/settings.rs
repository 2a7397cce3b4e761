//! How a configuration scans.
//!
//! Every member may be absent, which leaves it to the template. A list that is absent is the template's, one that is empty is empty.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::Verbatim;
use serde::Serialize;
use serde::de::Deserializer;
use serde_json::Value;

use super::ids::{CredentialId, PluginId, TenableScanId, VulnId};
use super::{LenientDeserialize, record};

appsec_core::open_enum! {
    /// How far a scan goes from its targets.
    pub enum ScopeOption {
        /// Wherever the crawl leads.
        All = "all",
        /// The given URLs, those beside them and those below.
        Paths = "paths",
        /// The given URLs and those below.
        Children = "children",
        /// The given URLs alone.
        Urls = "urls",
    }
}

appsec_core::open_enum! {
    /// What a list of plugins means.
    pub enum PluginMode {
        /// Those listed are off, all others on.
        Disable = "disable",
        /// Those listed are on, all others off.
        Enable = "enable",
    }
}

appsec_core::open_enum! {
    /// How long the list of common files is that a scan tries.
    pub enum Dictionary {
        /// Short.
        Limited = "limited",
        /// All of it.
        Full = "full",
    }
}

record! {
    /// How a configuration scans.
    #[derive(Default)]
    pub struct ConfigSettings {
        /// A word on them.
        pub description: Option<String>,
        /// The longest a scan may run, `HH:MM:SS`, at most `99:59:59`.
        pub timeout: Option<String>,
        /// The longest a scan may wait, in the same form (observed; not in the vendor's document).
        pub queue_timeout: Option<String>,
        /// Lets the scan write a log, which [can be fetched](crate::TenableWasClient::download_scan_debug_zip) afterwards.
        pub debug_mode: Option<bool>,
        /// Not explained by the vendor.
        pub input_force: Option<bool>,
        /// How the scan logs in.
        pub credentials: Option<CredentialSettings>,
        /// What is scanned.
        pub scope: Option<ScopeSettings>,
        /// Which plugins run, and how fast.
        pub plugin: Option<PluginSettings>,
        /// The browser that crawls.
        pub browser: Option<BrowserSettings>,
        /// The requests that are sent.
        pub http: Option<HttpSettings>,
        /// The browser's waits, as the vendor's document has them.
        pub chrome_script: Option<ChromeScriptSettings>,
        /// The browser's waits, as the service returns them (observed).
        pub chrome: Option<ChromeSettings>,
        /// What is tried.
        pub assessment: Option<AssessmentSettings>,
        /// What is tested for weaknesses.
        pub audit: Option<AuditSettings>,
        /// What is looked for again; in a scan that checks a remedy (observed).
        pub remediation: Option<RemediationSettings>,
        /// Always empty so far (observed).
        pub session: Option<Value>,
        /// The target; in reports (observed).
        pub target: Option<String>,
    }

    /// How a scan logs in.
    #[derive(Default)]
    pub struct CredentialSettings {
        /// Credentials that the tenant manages.
        pub credential_ids: Option<Vec<CredentialId>>,
    }

    /// What is scanned.
    #[derive(Default)]
    pub struct ScopeSettings {
        /// How far the scan goes from its targets.
        pub option: Option<Verbatim<ScopeOption>>,
        /// URLs to scan beside the targets.
        pub urls: Option<Vec<String>>,
        /// File extensions that are left out.
        pub exclude_file_extensions: Option<Vec<String>>,
        /// Patterns of paths that are left out.
        pub exclude_path_patterns: Option<Vec<String>>,
        /// How deep in a page's elements, from 1. The service takes 5 where nothing is said.
        pub dom_depth_limit: Option<u64>,
        /// How many folders deep, from 1. The service takes 10 where nothing is said.
        pub directory_depth_limit: Option<u64>,
        /// How many pages, from 1. The service takes 10 000 where nothing is said.
        pub page_limit: Option<u64>,
        /// A project of the Selenium IDE that leads the crawl. It may hold passwords, so that `Debug` leaves it out.
        pub crawl_script: Option<Redacted<Value>>,
        /// Its name, which ends in `.side`.
        pub crawl_script_filename: Option<String>,
        /// Whether the folders above a path are visited too.
        pub decompose_paths: Option<bool>,
        /// Whether binary files are left out.
        pub exclude_binaries: Option<bool>,
        /// How many paths that look alike are visited, from 1.
        pub auto_redundant_paths: Option<u64>,
        /// Whether pages that are alike are visited once (observed; not in the vendor's document).
        pub deduplicate_pages: Option<bool>,
        /// An OpenAPI document of version 2 or 3, in Base64. See [`ApiSpec`](super::ApiSpec) for this and the next members.
        pub openapi_file: Option<String>,
        /// Its name, which ends in `.json`, `.yaml` or `.yml`.
        pub openapi_filename: Option<String>,
        /// Where it is, in place of the file.
        pub openapi_file_url: Option<String>,
        /// A schema of GraphQL, in Base64.
        pub graphql_file: Option<String>,
        /// Its name, which ends in `.graphql`.
        pub graphql_filename: Option<String>,
        /// Where it is, in place of the file.
        pub graphql_file_url: Option<String>,
        /// Whether the API is asked for its schema.
        pub graphql_introspection: Option<bool>,
        /// A description of a SOAP service in WSDL 1.1, in Base64.
        pub soap_file: Option<String>,
        /// Its name, which ends in `.wsdl`, `.xml` or `/wsdl/`.
        pub soap_filename: Option<String>,
        /// Where it is, in place of the file.
        pub soap_file_url: Option<String>,
    }

    /// Which plugins run, and how fast.
    #[derive(Default)]
    pub struct PluginSettings {
        /// How fast.
        pub rate_limiter: Option<RateLimiter>,
        /// What the lists mean.
        pub mode: Option<Verbatim<PluginMode>>,
        /// Plugins by number.
        pub ids: Option<Vec<PluginId>>,
        /// Plugins by name.
        pub names: Option<Vec<String>>,
        /// Plugins by family.
        pub families: Option<Vec<String>>,
    }

    /// How fast a scan goes.
    #[derive(Default)]
    pub struct RateLimiter {
        /// Requests per second. The service takes 25 where nothing is said.
        pub requests_per_second: Option<u64>,
        /// Whether it slows down by itself, as happens where nothing is said.
        pub autothrottle: Option<bool>,
        /// How many timeouts in a row end the scan. The service takes 100 where nothing is said.
        pub timeout_threshold: Option<u64>,
    }

    /// The browser that crawls.
    #[derive(Default)]
    pub struct BrowserSettings {
        /// In pixels.
        pub screen_width: Option<u64>,
        /// In pixels.
        pub screen_height: Option<u64>,
        /// Whether images are not loaded.
        pub ignore_images: Option<bool>,
        /// The longest a page may take: milliseconds by the vendor's document, seconds by the values observed. Nothing is converted here.
        pub job_timeout: Option<u64>,
        /// Whether the page's elements are examined.
        pub analysis: Option<bool>,
        /// How many browsers run.
        pub pool_size: Option<u64>,
    }

    /// The requests that a scan sends.
    #[derive(Default)]
    pub struct HttpSettings {
        /// The most that is read of an answer, in bytes, from 1. The service takes 500 000 where nothing is said.
        pub response_max_size: Option<u64>,
        /// How many redirects are followed, from 1. The service takes 1 where nothing is said.
        pub request_redirect_limit: Option<u64>,
        /// The user agent; `%v` stands for the scanner's version.
        pub user_agent: Option<String>,
        /// Whether the user agent was set by a user.
        pub custom_user_agent: Option<bool>,
        /// Headers, by name. A user agent among them wins over `user_agent`. Values may be secrets, so that `Debug` leaves them out.
        pub request_headers: Option<Redacted<BTreeMap<String, String>>>,
        /// How many requests are under way at once. The service takes 10 where nothing is said.
        pub request_concurrency: Option<u64>,
        /// The longest a request may take: milliseconds by the vendor's document, seconds by the values observed. Nothing is converted here.
        pub request_timeout: Option<u64>,
        /// Whether requests name the scan (observed; not in the vendor's document).
        pub include_scan_id: Option<bool>,
    }

    /// The browser's waits in milliseconds, as the vendor's document has them.
    #[derive(Default)]
    pub struct ChromeScriptSettings {
        /// After the last command.
        pub finish_wait: Option<u64>,
        /// For a page.
        pub page_load_wait: Option<u64>,
        /// Between two commands.
        pub command_wait: Option<u64>,
        /// Whether the browser's own protections are off.
        pub disable_web_security: Option<bool>,
    }

    /// The browser's waits in milliseconds, as the service returns them.
    #[derive(Default)]
    pub struct ChromeSettings {
        /// After the last command.
        pub script_finish_wait: Option<u64>,
        /// For a page.
        pub script_page_load_wait: Option<u64>,
        /// Between two commands.
        pub script_command_wait: Option<u64>,
        /// Whether the browser's own protections are off.
        pub disable_web_security: Option<bool>,
    }

    /// What a scan tries.
    #[derive(Default)]
    pub struct AssessmentSettings {
        /// False for a scan that only looks.
        pub enable: Option<bool>,
        /// How many common files are tried.
        pub dictionary: Option<Verbatim<Dictionary>>,
        /// Whether the target's software is made out.
        pub fingerprinting: Option<bool>,
        /// A file on another host by which remote inclusion is tested.
        pub rfi_remote_url: Option<String>,
        /// Elements of pages that are not touched.
        pub element_exclusions: Option<Vec<ElementExclusion>>,
    }

    /// An element of pages that a scan does not touch.
    #[derive(Default)]
    pub struct ElementExclusion {
        /// `dom_element`.
        pub element_type: Option<String>,
        /// `text` or `attribute`.
        pub selector_type: Option<String>,
        /// A text, or an object of one attribute and its value.
        pub selector: Option<Value>,
    }

    /// What a scan tests for weaknesses.
    #[derive(Default)]
    pub struct AuditSettings {
        /// Forms.
        pub forms: Option<bool>,
        /// Cookies.
        pub cookies: Option<bool>,
        /// Cookies, at length.
        pub cookies_extensively: Option<bool>,
        /// Forms that scripts make.
        pub ui_forms: Option<bool>,
        /// Inputs that scripts make.
        pub ui_inputs: Option<bool>,
        /// Headers.
        pub headers: Option<bool>,
        /// Links.
        pub links: Option<bool>,
        /// The names of parameters.
        pub parameter_names: Option<bool>,
        /// The values of parameters.
        pub parameter_values: Option<bool>,
        /// Parameters in paths (observed; not in the vendor's document).
        pub path_parameters: Option<bool>,
        /// JSON.
        pub jsons: Option<bool>,
        /// XML.
        pub xmls: Option<bool>,
        /// With payloads as they are.
        pub with_raw_payloads: Option<bool>,
        /// By GET and by POST.
        pub with_both_http_methods: Option<bool>,
        /// With parameters that do not exist.
        pub with_extra_parameter: Option<bool>,
        /// Always empty so far (observed).
        pub include_vector_patterns: Option<Vec<Value>>,
    }

    /// What a scan that checks a remedy looks for again.
    #[derive(Default)]
    pub struct RemediationSettings {
        /// The detections.
        pub findings: Option<Vec<RemediationFinding>>,
    }

    /// A detection that is looked for again.
    #[derive(Default)]
    pub struct RemediationFinding {
        /// The detection.
        pub vuln_id: Option<VulnId>,
        /// The scan that made it.
        pub scan_id: Option<TenableScanId>,
        /// The plugin.
        pub plugin_id: Option<PluginId>,
        /// Where it was.
        pub found_on_url: Option<String>,
        /// The input.
        pub details: Option<RemediationInput>,
    }

    /// The input of a detection that is looked for again.
    #[derive(Default)]
    pub struct RemediationInput {
        /// What it is.
        pub input_type: Option<String> as "inputType",
        /// Its name.
        pub input_name: Option<String> as "inputName",
        /// How it was found.
        pub creation_type: Option<String>,
    }
}

impl ElementExclusion {
    /// Elements with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::by("text", Value::String(text.into()))
    }

    /// Elements whose attribute has this value, as in `id` and `logout`.
    pub fn attribute(name: impl Into<String>, value: impl Into<String>) -> Self {
        let pair = (name.into(), Value::String(value.into()));
        Self::by("attribute", Value::Object(std::iter::once(pair).collect()))
    }

    fn by(kind: &str, selector: Value) -> Self {
        Self {
            element_type: Some("dom_element".to_owned()),
            selector_type: Some(kind.to_owned()),
            selector: Some(selector),
            ..Self::default()
        }
    }
}

/// A value that may be a secret, or is too long for a log: it is read and written like any other, and `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Redacted<T>(pub T);

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T: LenientDeserialize> LenientDeserialize for Redacted<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_lost_or_added_and_empty_lists_stay() {
        let settings = json!({
            "timeout": "08:00:00", "session": {}, "later": [1],
            "plugin": {"mode": "disable", "ids": [], "rate_limiter": {"requests_per_second": 25}},
            "http": {"request_headers": {"Accept": "*/*"}, "request_timeout": 5},
            "chrome": {"script_finish_wait": 5000}, "chrome_script": {"finish_wait": 5000},
            "audit": {"forms": true, "include_vector_patterns": []},
            "assessment": {"element_exclusions": [
                {"element_type": "dom_element", "selector_type": "attribute", "selector": {"id": "logout"}}]},
            "remediation": {"findings": [{"plugin_id": 115_540, "details": {"inputType": "cookie"}}]},
        });
        let typed: ConfigSettings = serde_json::from_value(settings.clone()).unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap(), settings);
        assert_eq!(serde_json::to_value(ConfigSettings::default()).unwrap(), json!({}));
        let exclusions = typed.assessment.unwrap().element_exclusions.unwrap();
        assert_eq!(exclusions, [ElementExclusion::attribute("id", "logout")]);
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let settings: ConfigSettings = serde_json::from_value(json!({
            "http": {"request_headers": {"Authorization": "Bearer canary"}},
            "scope": {"crawl_script": {"commands": ["canary"]}},
        }))
        .unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
