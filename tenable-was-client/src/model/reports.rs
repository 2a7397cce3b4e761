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

/// The forms in which the service writes a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReportFormat {
    /// JSON, which [`ScanReport`] reads.
    Json,
    /// PDF.
    Pdf,
    /// A table, a line for each finding.
    Csv,
    /// A web page.
    Html,
    /// The vendor's own XML, `NessusClientData_v2`.
    Xml,
}

impl ReportFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::Pdf, Self::Csv, Self::Html, Self::Xml];

    /// The content type that a request for it has.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv",
            Self::Html => "text/html",
            Self::Xml => "text/xml",
        }
    }

    /// The usual end of a file's name, without the dot.
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
    /// What stands in a report beside its findings.
    pub struct ScanReport {
        /// What it says of itself.
        pub report: Option<ReportHeader>,
        /// The configuration.
        pub config: Option<ReportConfig>,
        /// The vendor's template that was followed.
        pub template: Option<TemplateRef>,
        /// The user's template; all its members may be absent.
        pub user_template: Option<UserTemplateRef>,
        /// The scan.
        pub scan: Option<ReportScan>,
        /// The scanner's remarks.
        pub notes: Vec<ReportNote>,
    }

    /// What a report says of itself.
    pub struct ReportHeader {
        /// The form's version, `1.1` so far.
        pub version: Option<String>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
    }

    /// The configuration as it was for the scan.
    pub struct ReportConfig {
        /// Its id.
        pub config_id: Option<ConfigId>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// How it scans.
        pub settings: Option<Value>,
        /// `cloud`, or another word.
        pub scanner_type: Option<String>,
        /// The scanner.
        pub scanner_instance_id: Option<String>,
    }

    /// The scan that a report is about.
    pub struct ReportScan {
        /// Its id.
        pub scan_id: Option<TenableScanId>,
        /// The user who started it.
        pub user_id: Option<String>,
        /// Where it stands.
        pub status: Option<Verbatim<ScanState>>,
        /// What was scanned.
        pub asset_id: Option<AssetId>,
        /// The URL that was scanned.
        pub target: Option<String>,
        /// When it was asked for.
        pub created_at: Option<ApiTimestamp>,
        /// When the scanner began.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub finalized_at: Option<ApiTimestamp>,
    }

    /// A remark of the scanner, as reports print it.
    pub struct ReportNote {
        /// How grave it is.
        pub severity: Option<Severity>,
        /// The cause in a few words.
        pub title: Option<String>,
        /// One sentence.
        pub message: Option<String>,
    }

    /// A finding of a report.
    pub struct ReportFinding {
        /// The plugin.
        pub plugin_id: PluginId,
        /// The plugin's name.
        pub name: Option<String>,
        /// The plugin's family.
        pub family: Option<String>,
        /// The plugin in one line.
        pub synopsis: Option<String>,
        /// What the weakness is.
        pub description: Option<String>,
        /// How to remedy it.
        pub solution: Option<String>,
        /// How grave it is.
        pub risk_factor: Option<Severity>,
        /// Where it is.
        pub uri: Option<String>,
        /// CVSS 2 base score.
        pub cvss: Option<f64>,
        /// CVSS 2 vector.
        pub cvss_vector: Option<String>,
        /// CVSS 3 base score.
        pub cvssv3: Option<f64>,
        /// CVSS 3 vector.
        pub cvssv3_vector: Option<String>,
        /// CVSS 4 base score (not seen so far; the export has one).
        pub cvssv4: Option<f64>,
        /// CVSS 4 vector (not seen so far; the export has one).
        pub cvssv4_vector: Option<String>,
        /// Places in the CVE list.
        pub cves: Vec<String>,
        /// Where to read on.
        pub see_also: Vec<String>,
        /// Names in WASC's list.
        pub wasc: Vec<String>,
        /// Numbers in the CWE list: integers here, text elsewhere (observed).
        pub cwe: Vec<String>,
        /// Places in OWASP's lists.
        pub owasp: Vec<OwaspCategory>,
        /// Numbers at Bugtraq.
        pub bid: Vec<String>,
        /// The vulnerable input's name.
        pub input_name: Option<String>,
        /// What the vulnerable input is.
        pub input_type: Option<String>,
        /// What of the answer proves it.
        pub proof: Option<String>,
        /// What was sent to provoke it.
        pub payload: Option<String>,
        /// What the plugin printed.
        pub output: Option<String>,
        /// The request's head.
        pub request_headers: Option<String>,
        /// The answer's head.
        pub response_headers: Option<String>,
        /// References to other lists.
        pub xrefs: Vec<ReportXref>,
        /// URLs of attached files.
        pub attachments: Vec<String>,
        /// When the plugin was published.
        pub plugin_publication_date: Option<ApiTimestamp>,
        /// When the plugin was changed.
        pub plugin_modification_date: Option<ApiTimestamp>,
    }

    /// A reference to another list.
    pub struct ReportXref {
        /// The list.
        pub xref_name: Option<String>,
        /// The place in it.
        pub xref_value: Option<String>,
    }
}

impl ReportConfig {
    /// How it scanned, by name; `None` where a report says it in another form than configurations do, which is no reason to refuse a report.
    pub fn typed_settings(&self) -> Option<ConfigSettings> {
        serde_json::from_value(self.settings.clone()?).ok()
    }
}

impl ScanReport {
    /// What was left of a report when its findings were taken out.
    pub(crate) fn from_rest(rest: &str, operation: &'static str) -> Result<Self> {
        serde_json::from_str(rest).map_err(|cause| {
            // The decoder quotes values of the report, of any length: its error is not kept as a source.
            let cause: String = mask(&cause.to_string()).chars().take(MAX_CAUSE).collect();
            let message = format!("what stands beside the findings is not understood: {cause}");
            Error::new(ErrorKind::Decode, message).with_operation(operation)
        })
    }
}

/// How much is told of why a report is not understood, in characters.
const MAX_CAUSE: usize = 200;
