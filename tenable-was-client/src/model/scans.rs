//! Scans, their notes and their targets.

use std::collections::BTreeMap;

use appsec_core::{Severity, Verbatim};

use super::ids::{AssetId, ConfigId, TenableScanId};
use super::templates::TemplateRef;
use super::user_templates::UserTemplateRef;
use super::{ApiTimestamp, record};

appsec_core::open_enum! {
    /// The status of a scan.
    pub enum ScanState {
        /// Created; can be started.
        Ready = "ready",
        /// Accepted, waiting for a slot (observed; not in the vendor's document).
        Queued = "queued",
        /// Requested, not running yet.
        Pending = "pending",
        /// Being scanned.
        Running = "running",
        /// Asked to pause.
        Pausing = "pausing",
        /// Paused; can be resumed.
        Paused = "paused",
        /// Asked to stop.
        Stopping = "stopping",
        /// The scanner has finished, and the results are being stored.
        Processing = "processing",
        /// Finished, possibly by reaching its time limit.
        Completed = "completed",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Ended for another reason, which the notes give.
        Aborted = "aborted",
    }
}

appsec_core::open_enum! {
    /// The last action that was requested of a scan.
    pub enum RequestedAction {
        /// Start.
        Start = "start",
        /// Pause.
        Pause = "pause",
        /// Resume.
        Resume = "resume",
        /// Stop.
        Stop = "stop",
    }
}

record! {
    /// A scan of a configuration, or of one target of a scan.
    ///
    /// A scan with several targets is a parent without asset and target, with one child per target.
    /// Findings, reports and notes of a target belong to the child.
    pub struct Scan {
        /// The id.
        pub scan_id: TenableScanId,
        /// The parent scan.
        pub parent_id: Option<TenableScanId>,
        /// The configuration.
        pub config_id: Option<ConfigId>,
        /// The asset. Absent for parents, and in some responses for other scans.
        pub asset_id: Option<AssetId>,
        /// The URL that was scanned. Absent when `asset_id` is.
        pub target: Option<String>,
        /// The URL that was scanned, by another name (observed in older responses).
        pub application_uri: Option<String>,
        /// The id of the user who started it.
        pub user_id: Option<String>,
        /// When it was requested.
        pub created_at: Option<ApiTimestamp>,
        /// When the status last changed.
        pub updated_at: Option<ApiTimestamp>,
        /// When the scanner started.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub finalized_at: Option<ApiTimestamp>,
        /// The last action that was requested.
        pub requested_action: Option<Verbatim<RequestedAction>>,
        /// The state.
        pub status: Option<Verbatim<ScanState>>,
        /// The progress.
        pub metadata: Option<ScanMetadata>,
        /// The scanner.
        pub scanner: Option<Scanner>,
        /// The name of the vendor's template.
        pub template_name: Option<String>,
        /// The templates.
        pub config_metadata: Option<ScanConfigMetadata>,
        /// The number of children by status; on parents only.
        pub target_scans: BTreeMap<String, u64>,
    }

    /// The progress of a scan.
    pub struct ScanMetadata {
        /// URLs found.
        pub found_urls: Option<u64>,
        /// URLs in the queue.
        pub queued_urls: Option<u64>,
        /// URLs that were crawled.
        pub crawled_urls: Option<u64>,
        /// URLs that were audited.
        pub audited_urls: Option<u64>,
        /// Pages in the queue.
        pub queued_pages: Option<u64>,
        /// Pages that were audited.
        pub audited_pages: Option<u64>,
        /// HTTP requests that were sent.
        pub request_count: Option<u64>,
        /// The mean response time of the target, in milliseconds.
        pub response_time: Option<u64>,
        /// The scanner's own status. It lags behind, and never shows the end.
        pub scan_status: Option<String>,
        /// The progress of the crawl, in percent.
        pub estimate_crawl_percent_complete: Option<u64>,
        /// The number of children that have ended; on parents only.
        pub finalized_children: Option<u64>,
        /// The number of children; on parents only.
        pub total_children: Option<u64>,
    }

    /// The scanner of a scan.
    pub struct Scanner {
        /// The name of the scanner group.
        pub group_name: Option<String>,
    }

    /// The templates of a scan.
    pub struct ScanConfigMetadata {
        /// The vendor's template.
        pub template: Option<TemplateRef>,
        /// The user template.
        pub user_template: Option<UserTemplateRef>,
    }

    /// A note of the scanner on a scan.
    pub struct ScanNote {
        /// The id.
        pub scan_note_id: Option<String>,
        /// The scan.
        pub scan_id: Option<TenableScanId>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
        /// The severity.
        pub severity: Option<Severity>,
        /// The title.
        pub title: Option<String>,
        /// The text.
        pub message: Option<String>,
    }

    /// A target of a scan, with its scan: a row of the by-targets search, which the vendor does not
    /// document.
    pub struct ScanTarget {
        /// The target.
        pub target: Option<TargetRef>,
        /// The scan of the target; absent if there was none.
        pub scan: Option<TargetScan>,
        /// The number of findings.
        pub findings: Option<FindingCounts>,
    }

    /// A target of a scan.
    pub struct TargetRef {
        /// The id within the configuration.
        pub target_id: Option<String>,
        /// The id of its asset.
        pub asset_id: Option<AssetId>,
        /// The URL.
        pub target_url: Option<String>,
    }

    /// The scan of one target.
    pub struct TargetScan {
        /// The id.
        pub scan_id: TenableScanId,
        /// When it was requested.
        pub created_at: Option<ApiTimestamp>,
        /// When the scanner started.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended (never observed).
        pub finalized_at: Option<ApiTimestamp>,
        /// The state.
        pub status: Option<Verbatim<ScanState>>,
        /// The progress.
        pub estimate_percent_complete: Option<u64>,
    }

    /// The number of findings of a target. `finding_count` does not include info findings.
    pub struct FindingCounts {
        /// All findings but info.
        pub finding_count: Option<u64>,
        /// Info.
        pub info_vulns: Option<u64>,
        /// Low.
        pub low_vulns: Option<u64>,
        /// Medium.
        pub medium_vulns: Option<u64>,
        /// High.
        pub high_vulns: Option<u64>,
        /// Critical.
        pub critical_vulns: Option<u64>,
    }
}

impl Scan {
    /// The URL that was scanned.
    pub fn url(&self) -> Option<&str> {
        self.target.as_deref().or(self.application_uri.as_deref())
    }

    /// Whether it is the scan of one target. A record without asset and target may be a parent, or one that
    /// omits them.
    pub fn is_of_one_target(&self) -> bool {
        self.asset_id.is_some() || self.parent_id.is_some()
    }

    /// Whether the scan has ended: by its status, or by its end time if the status is unknown.
    pub fn has_ended(&self) -> bool {
        match self.status.as_ref().map(Verbatim::value) {
            Some(ScanState::Completed | ScanState::Canceled | ScanState::Aborted) => true,
            None | Some(ScanState::Unknown(_)) => self.finalized_at.is_some(),
            Some(_) => false,
        }
    }
}
