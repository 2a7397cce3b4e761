//! The JSON report of a scan.

use appsec_core::{Error, ErrorKind, Result, Severity, Verbatim, mask};
use serde_json::Value;

use super::ids::{AssetId, ConfigId, PluginId, TenableScanId};
use super::plugins::OwaspCategory;
use super::scans::ScanState;
use super::settings::ConfigSettings;
use super::templates::TemplateRef;
use super::user_templates::UserTemplateRef;
use super::{ApiTimestamp, record};

/// The formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReportFormat {
    /// JSON, which [`ScanReport`] reads.
    Json,
    /// PDF.
    Pdf,
    /// CSV, one line per finding.
    Csv,
    /// HTML.
    Html,
    /// The vendor's XML format `NessusClientData_v2`.
    Xml,
}

impl ReportFormat {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Json, Self::Pdf, Self::Csv, Self::Html, Self::Xml];

    /// Returns the content type that requests this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv",
            Self::Html => "text/html",
            Self::Xml => "text/xml",
        }
    }

    /// Returns the usual file extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Xml => "xml",
        }
    }
}

record! {
    /// A report without its findings.
    pub struct ScanReport {
        /// The format version and creation time.
        pub report: Option<ReportHeader>,
        /// The configuration.
        pub config: Option<ReportConfig>,
        /// The vendor's template.
        pub template: Option<TemplateRef>,
        /// The user template; all its members may be absent.
        pub user_template: Option<UserTemplateRef>,
        /// The scan.
        pub scan: Option<ReportScan>,
        /// The notes of the scanner.
        pub notes: Vec<ReportNote>,
    }

    /// The format version and creation time of a report.
    pub struct ReportHeader {
        /// The version of the format; always `1.1` so far.
        pub version: Option<String>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
    }

    /// The configuration at the time of the scan.
    pub struct ReportConfig {
        /// The id.
        pub config_id: Option<ConfigId>,
        /// The id of the owner.
        pub owner_id: Option<String>,
        /// The name.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
        /// The settings of the scans.
        pub settings: Option<Value>,
        /// The kind of scanner, such as `cloud`.
        pub scanner_type: Option<String>,
        /// The id of the scanner.
        pub scanner_instance_id: Option<String>,
    }

    /// The scan of a report.
    pub struct ReportScan {
        /// The id.
        pub scan_id: Option<TenableScanId>,
        /// The id of the user who started it.
        pub user_id: Option<String>,
        /// The state.
        pub status: Option<Verbatim<ScanState>>,
        /// The asset.
        pub asset_id: Option<AssetId>,
        /// The URL that was scanned.
        pub target: Option<String>,
        /// When it was requested.
        pub created_at: Option<ApiTimestamp>,
        /// When the scanner started.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub finalized_at: Option<ApiTimestamp>,
    }

    /// A note of the scanner, in a report.
    pub struct ReportNote {
        /// The severity.
        pub severity: Option<Severity>,
        /// The title.
        pub title: Option<String>,
        /// The text.
        pub message: Option<String>,
    }

    /// A finding of a report.
    pub struct ReportFinding {
        /// The plugin.
        pub plugin_id: PluginId,
        /// The name of the plugin.
        pub name: Option<String>,
        /// The family of the plugin.
        pub family: Option<String>,
        /// The summary of the plugin.
        pub synopsis: Option<String>,
        /// The description of the weakness.
        pub description: Option<String>,
        /// How to fix it.
        pub solution: Option<String>,
        /// The severity.
        pub risk_factor: Option<Severity>,
        /// The URL.
        pub uri: Option<String>,
        /// CVSS 2 base score.
        pub cvss: Option<f64>,
        /// CVSS 2 vector.
        pub cvss_vector: Option<String>,
        /// CVSS 3 base score.
        pub cvssv3: Option<f64>,
        /// CVSS 3 vector.
        pub cvssv3_vector: Option<String>,
        /// CVSS 4 base score (never observed here; the export has one).
        pub cvssv4: Option<f64>,
        /// CVSS 4 vector (never observed here; the export has one).
        pub cvssv4_vector: Option<String>,
        /// CVE ids.
        pub cves: Vec<String>,
        /// Links to further information.
        pub see_also: Vec<String>,
        /// Names of WASC threat classes.
        pub wasc: Vec<String>,
        /// CWE ids: integers here, text elsewhere (observed).
        pub cwe: Vec<String>,
        /// OWASP categories.
        pub owasp: Vec<OwaspCategory>,
        /// Bugtraq ids.
        pub bid: Vec<String>,
        /// The name of the vulnerable input.
        pub input_name: Option<String>,
        /// The kind of the vulnerable input.
        pub input_type: Option<String>,
        /// The part of the response that proves the finding.
        pub proof: Option<String>,
        /// The payload that was sent.
        pub payload: Option<String>,
        /// The output of the plugin.
        pub output: Option<String>,
        /// The headers of the request.
        pub request_headers: Option<String>,
        /// The headers of the response.
        pub response_headers: Option<String>,
        /// References to other catalogues.
        pub xrefs: Vec<ReportXref>,
        /// URLs of attached files.
        pub attachments: Vec<String>,
        /// When the plugin was published.
        pub plugin_publication_date: Option<ApiTimestamp>,
        /// When the plugin was last changed.
        pub plugin_modification_date: Option<ApiTimestamp>,
    }

    /// A reference to another catalogue.
    pub struct ReportXref {
        /// The catalogue.
        pub xref_name: Option<String>,
        /// The id in the catalogue.
        pub xref_value: Option<String>,
    }
}

impl ReportConfig {
    /// Decodes the settings; `None` if they do not have the form of a configuration's settings, which does
    /// not invalidate the report.
    pub fn typed_settings(&self) -> Option<ConfigSettings> {
        serde_json::from_value(self.settings.clone()?).ok()
    }
}

impl ScanReport {
    /// Decodes a report whose findings were taken out.
    pub(crate) fn from_rest(rest: &str, operation: &'static str) -> Result<Self> {
        serde_json::from_str(rest).map_err(|cause| {
            // The decoder's error quotes values of the report, of any length, so it is not kept as the
            // source.
            let cause: String = mask(&cause.to_string()).chars().take(MAX_CAUSE).collect();
            let message = format!("the report without its findings cannot be decoded: {cause}");
            Error::new(ErrorKind::Decode, message).with_operation(operation)
        })
    }
}

/// The maximum length of the reason why a report cannot be decoded, in characters.
const MAX_CAUSE: usize = 200;
