//! Detections in single scans.

use super::ids::{AttachmentId, PluginId, TenableScanId, VulnId};
use super::{ApiTimestamp, record};

record! {
    /// One detection in one scan. It has no severity, state or plugin name.
    pub struct Vulnerability {
        /// The id, which is valid within this scan only.
        pub vuln_id: VulnId,
        /// The scan.
        pub scan_id: Option<TenableScanId>,
        /// The plugin.
        pub plugin_id: PluginId,
        /// When it was detected.
        pub created_at: Option<ApiTimestamp>,
        /// The URL of the page or element.
        pub uri: Option<String>,
        /// Whether it concerns a whole page.
        pub is_page: Option<bool>,
        /// The details.
        pub details: Option<VulnerabilityDetails>,
        /// Attached files.
        pub attachments: Vec<Attachment>,
    }

    /// The details of a detection.
    pub struct VulnerabilityDetails {
        /// The name of the vulnerable input.
        pub input_name: Option<String>,
        /// The kind of the vulnerable input: `form`, `cookie`, `link`, …
        pub input_type: Option<String>,
        /// The output of the plugin.
        pub output: Option<String>,
        /// The part of the response that proves the finding.
        pub proof: Option<String>,
        /// The payload that was sent.
        pub payload: Option<String>,
        /// The CSS selector of the element.
        pub selector: Option<String>,
        /// The URL of the element's page.
        pub selector_url: Option<String>,
        /// The regular expression that matched.
        pub signature: Option<String>,
        /// The request; only if a single detection is requested.
        pub request: Option<HttpRequest>,
        /// The response; only if a single detection is requested.
        pub response: Option<HttpResponse>,
    }

    /// A request that the scanner sent.
    pub struct HttpRequest {
        /// The headers, verbatim.
        pub headers: Option<String>,
        /// The body.
        pub body: Option<String>,
    }

    /// A response that the scanner received.
    pub struct HttpResponse {
        /// The headers, verbatim.
        pub headers: Option<String>,
        /// The body.
        pub body: Option<String>,
        /// The response time, in seconds.
        pub time: Option<f64>,
    }

    /// A file attached to a detection.
    pub struct Attachment {
        /// The id.
        pub attachment_id: Option<AttachmentId>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
        /// The name.
        pub attachment_name: Option<String>,
        /// `md5:` and 32 hexadecimal digits.
        pub md5: Option<String>,
        /// The media type.
        pub file_type: Option<String>,
        /// The size in bytes; may be 0.
        pub size: Option<u64>,
    }
}

impl AttachmentId {
    /// Reads the id from an attachment's URL in a report. Nothing else of the URL is used: a response must
    /// not decide where requests, and the keys with them, are sent.
    ///
    /// ```
    /// use tenable_was_client::model::AttachmentId;
    ///
    /// let link = "https://cloud.tenable.com/was/v2/attachments/0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d";
    /// assert_eq!(AttachmentId::from_link(link), "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().ok());
    /// assert_eq!(AttachmentId::from_link("https://cloud.tenable.com/was/v2/attachments/"), None);
    /// ```
    pub fn from_link(link: &str) -> Option<Self> {
        link.rsplit('/').next()?.parse().ok()
    }
}
