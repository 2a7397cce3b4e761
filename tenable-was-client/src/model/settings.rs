//! The settings of a scan configuration.
//!
//! Every member may be absent, in which case the template's value applies. An absent list is the template's
//! list; an empty list is empty.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::Verbatim;
use serde::Serialize;
use serde::de::Deserializer;
use serde_json::Value;

use super::ids::{CredentialId, PluginId, TenableScanId, VulnId};
use super::{LenientDeserialize, record};

appsec_core::open_enum! {
    /// Which URLs a scan may visit, relative to its targets.
    pub enum ScopeOption {
        /// All URLs that the crawl finds.
        All = "all",
        /// The given URLs, their siblings and everything below.
        Paths = "paths",
        /// The given URLs and everything below.
        Children = "children",
        /// The given URLs only.
        Urls = "urls",
    }
}

appsec_core::open_enum! {
    /// The meaning of a list of plugins.
    pub enum PluginMode {
        /// The listed plugins are off, all others on.
        Disable = "disable",
        /// The listed plugins are on, all others off.
        Enable = "enable",
    }
}

appsec_core::open_enum! {
    /// The list of common file names that a scan tries.
    pub enum Dictionary {
        /// A short list.
        Limited = "limited",
        /// The full list.
        Full = "full",
    }
}

record! {
    /// The settings of a scan configuration.
    #[derive(Default)]
    pub struct ConfigSettings {
        /// The description.
        pub description: Option<String>,
        /// The time limit of a scan, `HH:MM:SS`, at most `99:59:59`.
        pub timeout: Option<String>,
        /// The time limit for waiting in the queue, in the same form (observed; not in the vendor's
        /// document).
        pub queue_timeout: Option<String>,
        /// Whether the scan writes a log, which can be
        /// [downloaded](crate::TenableWasClient::download_scan_debug_zip).
        pub debug_mode: Option<bool>,
        /// Not explained by the vendor.
        pub input_force: Option<bool>,
        /// The credentials.
        pub credentials: Option<CredentialSettings>,
        /// The scope.
        pub scope: Option<ScopeSettings>,
        /// The plugins and the rate limit.
        pub plugin: Option<PluginSettings>,
        /// The crawling browser.
        pub browser: Option<BrowserSettings>,
        /// The HTTP requests.
        pub http: Option<HttpSettings>,
        /// The delays of the browser, as in the vendor's document.
        pub chrome_script: Option<ChromeScriptSettings>,
        /// The delays of the browser, as the service returns them (observed).
        pub chrome: Option<ChromeSettings>,
        /// The assessment.
        pub assessment: Option<AssessmentSettings>,
        /// The elements to test.
        pub audit: Option<AuditSettings>,
        /// The findings to check again, in a remediation scan (observed).
        pub remediation: Option<RemediationSettings>,
        /// Always empty so far (observed).
        pub session: Option<Value>,
        /// The target, in reports (observed).
        pub target: Option<String>,
    }

    /// The credentials of a scan.
    #[derive(Default)]
    pub struct CredentialSettings {
        /// Credentials that the tenant manages.
        pub credential_ids: Option<Vec<CredentialId>>,
    }

    /// The scope.
    #[derive(Default)]
    pub struct ScopeSettings {
        /// Which URLs the scan may visit, relative to its targets.
        pub option: Option<Verbatim<ScopeOption>>,
        /// URLs to scan in addition to the targets.
        pub urls: Option<Vec<String>>,
        /// File extensions to exclude.
        pub exclude_file_extensions: Option<Vec<String>>,
        /// Patterns of paths to exclude.
        pub exclude_path_patterns: Option<Vec<String>>,
        /// The maximum depth in the page's DOM, at least 1. The service's default is 5.
        pub dom_depth_limit: Option<u64>,
        /// The maximum depth of directories, at least 1. The service's default is 10.
        pub directory_depth_limit: Option<u64>,
        /// The maximum number of pages, at least 1. The service's default is 10 000.
        pub page_limit: Option<u64>,
        /// A Selenium IDE project that guides the crawl. It may contain passwords, so `Debug` omits it.
        pub crawl_script: Option<Redacted<Value>>,
        /// The file name, which ends in `.side`.
        pub crawl_script_filename: Option<String>,
        /// Whether the directories above a path are visited too.
        pub decompose_paths: Option<bool>,
        /// Whether binary files are excluded.
        pub exclude_binaries: Option<bool>,
        /// The maximum number of similar paths to visit, at least 1.
        pub auto_redundant_paths: Option<u64>,
        /// Whether similar pages are visited only once (observed; not in the vendor's document).
        pub deduplicate_pages: Option<bool>,
        /// An OpenAPI document of version 2 or 3, in Base64. [`ApiSpec`](super::ApiSpec) sets this and the
        /// next members.
        pub openapi_file: Option<String>,
        /// The file name, which ends in `.json`, `.yaml` or `.yml`.
        pub openapi_filename: Option<String>,
        /// The URL, instead of the file.
        pub openapi_file_url: Option<String>,
        /// A GraphQL schema, in Base64.
        pub graphql_file: Option<String>,
        /// The file name, which ends in `.graphql`.
        pub graphql_filename: Option<String>,
        /// The URL, instead of the file.
        pub graphql_file_url: Option<String>,
        /// Whether the schema is read from the API by introspection.
        pub graphql_introspection: Option<bool>,
        /// A WSDL 1.1 description of a SOAP service, in Base64.
        pub soap_file: Option<String>,
        /// The file name, which ends in `.wsdl`, `.xml` or `/wsdl/`.
        pub soap_filename: Option<String>,
        /// The URL, instead of the file.
        pub soap_file_url: Option<String>,
    }

    /// The plugins and the rate limit.
    #[derive(Default)]
    pub struct PluginSettings {
        /// The rate limit.
        pub rate_limiter: Option<RateLimiter>,
        /// The meaning of the lists.
        pub mode: Option<Verbatim<PluginMode>>,
        /// Plugins by id.
        pub ids: Option<Vec<PluginId>>,
        /// Plugins by name.
        pub names: Option<Vec<String>>,
        /// Plugins by family.
        pub families: Option<Vec<String>>,
    }

    /// The rate limit of a scan.
    #[derive(Default)]
    pub struct RateLimiter {
        /// Requests per second. The service's default is 25.
        pub requests_per_second: Option<u64>,
        /// Whether the scan slows down automatically, the service's default.
        pub autothrottle: Option<bool>,
        /// The number of consecutive timeouts that ends the scan. The service's default is 100.
        pub timeout_threshold: Option<u64>,
    }

    /// The crawling browser.
    #[derive(Default)]
    pub struct BrowserSettings {
        /// The size in pixels.
        pub screen_width: Option<u64>,
        /// The size in pixels.
        pub screen_height: Option<u64>,
        /// Whether images are ignored.
        pub ignore_images: Option<bool>,
        /// The time limit of a page: in milliseconds by the vendor's document, in seconds by the observed
        /// values. It is not converted.
        pub job_timeout: Option<u64>,
        /// Whether the elements of the page are analyzed.
        pub analysis: Option<bool>,
        /// The number of browsers.
        pub pool_size: Option<u64>,
    }

    /// The HTTP requests of a scan.
    #[derive(Default)]
    pub struct HttpSettings {
        /// The maximum size of a response in bytes, at least 1. The service's default is 500 000.
        pub response_max_size: Option<u64>,
        /// The maximum number of redirects to follow, at least 1. The service's default is 1.
        pub request_redirect_limit: Option<u64>,
        /// The user agent; `%v` stands for the scanner's version.
        pub user_agent: Option<String>,
        /// Whether a user set the user agent.
        pub custom_user_agent: Option<bool>,
        /// Headers, by name. A user agent among them overrides `user_agent`. Values may be secrets, so
        /// `Debug` omits them.
        pub request_headers: Option<Redacted<BTreeMap<String, String>>>,
        /// The number of concurrent requests. The service's default is 10.
        pub request_concurrency: Option<u64>,
        /// The time limit of a request: in milliseconds by the vendor's document, in seconds by the
        /// observed values. It is not converted.
        pub request_timeout: Option<u64>,
        /// Whether requests contain the id of the scan (observed; not in the vendor's document).
        pub include_scan_id: Option<bool>,
    }

    /// The delays of the browser in milliseconds, as in the vendor's document.
    #[derive(Default)]
    pub struct ChromeScriptSettings {
        /// The delay after the last command.
        pub finish_wait: Option<u64>,
        /// The delay for a page to load.
        pub page_load_wait: Option<u64>,
        /// The delay between two commands.
        pub command_wait: Option<u64>,
        /// Whether the browser's web security is disabled.
        pub disable_web_security: Option<bool>,
    }

    /// The delays of the browser in milliseconds, as the service returns them.
    #[derive(Default)]
    pub struct ChromeSettings {
        /// The delay after the last command.
        pub script_finish_wait: Option<u64>,
        /// The delay for a page to load.
        pub script_page_load_wait: Option<u64>,
        /// The delay between two commands.
        pub script_command_wait: Option<u64>,
        /// Whether the browser's web security is disabled.
        pub disable_web_security: Option<bool>,
    }

    /// The assessment of a scan.
    #[derive(Default)]
    pub struct AssessmentSettings {
        /// Whether the scan attacks; false for a passive scan.
        pub enable: Option<bool>,
        /// Which list of common file names is tried.
        pub dictionary: Option<Verbatim<Dictionary>>,
        /// Whether the software of the target is identified.
        pub fingerprinting: Option<bool>,
        /// The URL of a file by which remote file inclusion is tested.
        pub rfi_remote_url: Option<String>,
        /// Page elements to exclude.
        pub element_exclusions: Option<Vec<ElementExclusion>>,
    }

    /// A page element to exclude.
    #[derive(Default)]
    pub struct ElementExclusion {
        /// `dom_element`.
        pub element_type: Option<String>,
        /// `text` or `attribute`.
        pub selector_type: Option<String>,
        /// A text, or an object with one attribute and its value.
        pub selector: Option<Value>,
    }

    /// The elements that a scan tests.
    #[derive(Default)]
    pub struct AuditSettings {
        /// Forms.
        pub forms: Option<bool>,
        /// Cookies.
        pub cookies: Option<bool>,
        /// Cookies, extensively.
        pub cookies_extensively: Option<bool>,
        /// Forms that are created by scripts.
        pub ui_forms: Option<bool>,
        /// Inputs that are created by scripts.
        pub ui_inputs: Option<bool>,
        /// Headers.
        pub headers: Option<bool>,
        /// Links.
        pub links: Option<bool>,
        /// Parameter names.
        pub parameter_names: Option<bool>,
        /// Parameter values.
        pub parameter_values: Option<bool>,
        /// Path parameters (observed; not in the vendor's document).
        pub path_parameters: Option<bool>,
        /// JSON.
        pub jsons: Option<bool>,
        /// XML.
        pub xmls: Option<bool>,
        /// With raw payloads.
        pub with_raw_payloads: Option<bool>,
        /// With both GET and POST.
        pub with_both_http_methods: Option<bool>,
        /// With an extra parameter.
        pub with_extra_parameter: Option<bool>,
        /// Always empty so far (observed).
        pub include_vector_patterns: Option<Vec<Value>>,
    }

    /// The findings that a remediation scan checks again.
    #[derive(Default)]
    pub struct RemediationSettings {
        /// The findings.
        pub findings: Option<Vec<RemediationFinding>>,
    }

    /// A finding that a remediation scan checks again.
    #[derive(Default)]
    pub struct RemediationFinding {
        /// The id of the detection.
        pub vuln_id: Option<VulnId>,
        /// The scan that found it.
        pub scan_id: Option<TenableScanId>,
        /// The plugin.
        pub plugin_id: Option<PluginId>,
        /// The URL where it was found.
        pub found_on_url: Option<String>,
        /// The vulnerable input.
        pub details: Option<RemediationInput>,
    }

    /// The vulnerable input of such a finding.
    #[derive(Default)]
    pub struct RemediationInput {
        /// The kind of input.
        pub input_type: Option<String> as "inputType",
        /// The name.
        pub input_name: Option<String> as "inputName",
        /// How it was created.
        pub creation_type: Option<String>,
    }
}

impl ElementExclusion {
    /// Excludes the elements with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::by("text", Value::String(text.into()))
    }

    /// Excludes the elements whose attribute has this value, such as `id` and `logout`.
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

/// A value that may be a secret, or is too long for a log. It is read and written like any other, but
/// `Debug` omits it.
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
    fn settings_round_trip_and_empty_lists_stay() {
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
    fn possible_secrets_are_not_in_debug_output() {
        let settings: ConfigSettings = serde_json::from_value(json!({
            "http": {"request_headers": {"Authorization": "Bearer canary"}},
            "scope": {"crawl_script": {"commands": ["canary"]}},
        }))
        .unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
