//! Scans: runs of a configuration, their notes, and the runs over the single targets of one.

use std::collections::BTreeMap;

use appsec_core::{Severity, Verbatim};

use super::ids::{AssetId, ConfigId, TenableScanId};
use super::templates::TemplateRef;
use super::user_templates::UserTemplateRef;
use super::{ApiTimestamp, record};

appsec_core::open_enum! {
    /// Where a scan stands.
    pub enum ScanState {
        /// Made, may be started.
        Ready = "ready",
        /// Accepted, waiting for a slot (observed; not in the vendor's document).
        Queued = "queued",
        /// Asked for, not yet running.
        Pending = "pending",
        /// The scanner is at work.
        Running = "running",
        /// Asked to pause.
        Pausing = "pausing",
        /// Held; it can be resumed.
        Paused = "paused",
        /// Asked to stop.
        Stopping = "stopping",
        /// The scanner is done, its results are being stored.
        Processing = "processing",
        /// Finished, also by its time limit.
        Completed = "completed",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Ended for another reason; its notes say which.
        Aborted = "aborted",
    }
}

appsec_core::open_enum! {
    /// What was last asked of a scan.
    pub enum RequestedAction {
        /// To start.
        Start = "start",
        /// To pause.
        Pause = "pause",
        /// To go on.
        Resume = "resume",
        /// To stop.
        Stop = "stop",
    }
}

record! {
    /// One run of a configuration, or of one target within such a run.
    ///
    /// A configuration with several targets makes a parent, without asset and target, and a child for each target. Findings,
    /// reports and notes of a target belong to the child.
    pub struct Scan {
        /// Its id.
        pub scan_id: TenableScanId,
        /// The run over all targets that it is a part of.
        pub parent_id: Option<TenableScanId>,
        /// The configuration.
        pub config_id: Option<ConfigId>,
        /// What was scanned. Absent on parents, and in some answers about others.
        pub asset_id: Option<AssetId>,
        /// The URL that was scanned. Absent as `asset_id` is.
        pub target: Option<String>,
        /// The same, by another name (observed in older answers).
        pub application_uri: Option<String>,
        /// The user who started it.
        pub user_id: Option<String>,
        /// When it was asked for.
        pub created_at: Option<ApiTimestamp>,
        /// When its status changed last.
        pub updated_at: Option<ApiTimestamp>,
        /// When the scanner began.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub finalized_at: Option<ApiTimestamp>,
        /// What was last asked of it.
        pub requested_action: Option<Verbatim<RequestedAction>>,
        /// Where it stands.
        pub status: Option<Verbatim<ScanState>>,
        /// How far it is.
        pub metadata: Option<ScanMetadata>,
        /// Where it runs.
        pub scanner: Option<Scanner>,
        /// The name of the vendor's template it follows.
        pub template_name: Option<String>,
        /// The templates it follows.
        pub config_metadata: Option<ScanConfigMetadata>,
        /// How many children stand where; on parents.
        pub target_scans: BTreeMap<String, u64>,
    }

    /// How far a scan is.
    pub struct ScanMetadata {
        /// URLs found.
        pub found_urls: Option<u64>,
        /// URLs waiting.
        pub queued_urls: Option<u64>,
        /// URLs visited.
        pub crawled_urls: Option<u64>,
        /// URLs examined.
        pub audited_urls: Option<u64>,
        /// Pages waiting.
        pub queued_pages: Option<u64>,
        /// Pages examined.
        pub audited_pages: Option<u64>,
        /// HTTP requests sent.
        pub request_count: Option<u64>,
        /// Mean time of the target's answers, in milliseconds.
        pub response_time: Option<u64>,
        /// The scanner's own word. It lags, and never tells the end.
        pub scan_status: Option<String>,
        /// How much of the crawl is done, in percent.
        pub estimate_crawl_percent_complete: Option<u64>,
        /// Children that have ended; on parents.
        pub finalized_children: Option<u64>,
        /// Children in all; on parents.
        pub total_children: Option<u64>,
    }

    /// Where a scan runs.
    pub struct Scanner {
        /// The group's name.
        pub group_name: Option<String>,
    }

    /// The templates that a scan follows.
    pub struct ScanConfigMetadata {
        /// The vendor's.
        pub template: Option<TemplateRef>,
        /// The user's.
        pub user_template: Option<UserTemplateRef>,
    }

    /// A remark of the scanner on a scan.
    pub struct ScanNote {
        /// Its id.
        pub scan_note_id: Option<String>,
        /// The scan.
        pub scan_id: Option<TenableScanId>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
        /// How grave it is.
        pub severity: Option<Severity>,
        /// The cause in a few words.
        pub title: Option<String>,
        /// One sentence.
        pub message: Option<String>,
    }

    /// A target of a scan with the run over it: a row of the by-targets search, which the vendor does not document.
    pub struct ScanTarget {
        /// The target.
        pub target: Option<TargetRef>,
        /// The run over it; absent where there was none.
        pub scan: Option<TargetScan>,
        /// How much was found.
        pub findings: Option<FindingCounts>,
    }

    /// A target of a scan.
    pub struct TargetRef {
        /// Its id within the configuration.
        pub target_id: Option<String>,
        /// Its asset.
        pub asset_id: Option<AssetId>,
        /// Its URL.
        pub target_url: Option<String>,
    }

    /// The run over one target.
    pub struct TargetScan {
        /// Its id.
        pub scan_id: TenableScanId,
        /// When it was asked for.
        pub created_at: Option<ApiTimestamp>,
        /// When the scanner began.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended (not seen so far).
        pub finalized_at: Option<ApiTimestamp>,
        /// Where it stands.
        pub status: Option<Verbatim<ScanState>>,
        /// How far it is.
        pub estimate_percent_complete: Option<u64>,
    }

    /// How much was found at a target. Info findings are left out of `finding_count`.
    pub struct FindingCounts {
        /// All but info.
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

    /// True when it is the run over one target. An answer that names neither asset nor target may be a parent, or an answer that left
    /// them out.
    pub fn is_of_one_target(&self) -> bool {
        self.asset_id.is_some() || self.parent_id.is_some()
    }

    /// True when it has ended: by its status, or by the time of its end where the status is a word nobody knows.
    pub fn has_ended(&self) -> bool {
        match self.status.as_ref().map(Verbatim::value) {
            Some(ScanState::Completed | ScanState::Canceled | ScanState::Aborted) => true,
            None | Some(ScanState::Unknown(_)) => self.finalized_at.is_some(),
            Some(_) => false,
        }
    }
}
