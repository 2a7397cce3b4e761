//! Single detections, as the search of a scan lists them.

use super::ids::{AttachmentId, PluginId, TenableScanId, VulnId};
use super::{ApiTimestamp, record};

record! {
    /// One detection in one scan. Severity, state and the plugin's name are not in it.
    pub struct Vulnerability {
        /// Its id, of this scan only.
        pub vuln_id: VulnId,
        /// The scan.
        pub scan_id: Option<TenableScanId>,
        /// The plugin.
        pub plugin_id: PluginId,
        /// When it was detected.
        pub created_at: Option<ApiTimestamp>,
        /// The URL of the page or element.
        pub uri: Option<String>,
        /// True when it concerns a whole page.
        pub is_page: Option<bool>,
        /// What was seen.
        pub details: Option<VulnerabilityDetails>,
        /// Attached files.
        pub attachments: Vec<Attachment>,
    }

    /// What was seen of a detection.
    pub struct VulnerabilityDetails {
        /// The vulnerable input's name.
        pub input_name: Option<String>,
        /// What the vulnerable input is: `form`, `cookie`, `link`, …
        pub input_type: Option<String>,
        /// What the plugin printed.
        pub output: Option<String>,
        /// What of the answer proves it.
        pub proof: Option<String>,
        /// What was sent to provoke it.
        pub payload: Option<String>,
        /// The path to the element.
        pub selector: Option<String>,
        /// The page of the element.
        pub selector_url: Option<String>,
        /// The expression that matched.
        pub signature: Option<String>,
        /// The request; only where one detection is asked for.
        pub request: Option<HttpRequest>,
        /// The answer; only where one detection is asked for.
        pub response: Option<HttpResponse>,
    }

    /// A request of the scanner.
    pub struct HttpRequest {
        /// Its head, verbatim.
        pub headers: Option<String>,
        /// Its body.
        pub body: Option<String>,
    }

    /// An answer to the scanner.
    pub struct HttpResponse {
        /// Its head, verbatim.
        pub headers: Option<String>,
        /// Its body.
        pub body: Option<String>,
        /// How long it took, in seconds.
        pub time: Option<f64>,
    }

    /// A file attached to a detection.
    pub struct Attachment {
        /// Its id.
        pub attachment_id: Option<AttachmentId>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
        /// Its name.
        pub attachment_name: Option<String>,
        /// `md5:` and 32 hexadecimal digits.
        pub md5: Option<String>,
        /// Its media type.
        pub file_type: Option<String>,
        /// Its size in bytes; may be 0.
        pub size: Option<u64>,
    }
}

impl AttachmentId {
    /// The id at the end of an attachment's link, as reports hold them. Nothing else of the link is used: to whom requests go, and with them the
    /// keys, is not for an answer to say.
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
