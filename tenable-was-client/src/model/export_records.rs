//! The records of the findings export.

use std::sync::Arc;

use appsec_core::{Severity, Verbatim};

use super::export_plugins::ExportPlugin;
use super::ids::AssetId;
use super::{ApiTimestamp, record};

appsec_core::open_enum! {
    /// Where a finding stands.
    pub enum FindingState {
        /// Found.
        Open = "OPEN",
        /// Found; a word of the vendor's data stream for the same.
        Active = "ACTIVE",
        /// Was fixed and is back.
        Reopened = "REOPENED",
        /// Fixed.
        Fixed = "FIXED",
    }
}

appsec_core::open_enum! {
    /// Whether a rule of the tenant's changed a finding's severity.
    pub enum SeverityModification {
        /// None did.
        None = "NONE",
        /// One set another severity.
        Recasted = "RECASTED",
        /// One accepts the risk.
        Accepted = "ACCEPTED",
    }
}

record! {
    /// A finding of an export: the record of one weakness at one place, kept across scans.
    pub struct ExportFinding {
        /// Its long-lived id.
        pub finding_id: Option<String>,
        /// Where it is.
        pub url: Option<String>,
        /// What the vulnerable input is.
        pub input_type: Option<String>,
        /// The vulnerable input's name.
        pub input_name: Option<String>,
        /// The HTTP method (not seen so far).
        pub http_method: Option<String>,
        /// What the plugin printed, at most 1 MB.
        pub output: Option<String>,
        /// What of the answer proves it.
        pub proof: Option<String>,
        /// What was sent to provoke it.
        pub payload: Option<String>,
        /// Where it stands.
        pub state: Option<Verbatim<FindingState>>,
        /// How grave it is now.
        pub severity: Option<Severity>,
        /// The same as a number, 0 (info) to 4 (critical).
        pub severity_id: Option<u64>,
        /// How grave it was before any rule changed it.
        pub severity_default_id: Option<u64>,
        /// Whether a rule changed it.
        pub severity_modification_type: Option<Verbatim<SeverityModification>>,
        /// That rule's comment.
        pub recast_reason: Option<String>,
        /// That rule.
        pub recast_rule_uuid: Option<String>,
        /// When it was first found.
        pub first_found: Option<ApiTimestamp>,
        /// When it was last found.
        pub last_found: Option<ApiTimestamp>,
        /// When it was fixed.
        pub last_fixed: Option<ApiTimestamp>,
        /// When it was last looked at.
        pub last_observed: Option<ApiTimestamp>,
        /// When it was stored: text (observed; the vendor's document says a number).
        pub indexed_at: Option<ApiTimestamp>,
        /// The plugin. Equal plugins of an export are one.
        pub plugin: Option<Arc<ExportPlugin>>,
        /// What was scanned. Equal ones of a chunk are one, mostly.
        pub asset: Option<Arc<ExportAsset>>,
        /// The latest scan that saw it. Equal ones of a chunk are one, mostly.
        pub scan: Option<Arc<ExportScan>>,
    }

    /// What was scanned.
    pub struct ExportAsset {
        /// The asset.
        pub uuid: Option<AssetId>,
        /// Its host name.
        pub fqdn: Option<String>,
        /// Its address.
        pub ipv4: Option<String>,
        /// Its addresses.
        pub ipv4s: Vec<String>,
    }

    /// The latest scan that saw a finding.
    pub struct ExportScan {
        /// Its id.
        pub uuid: Option<String>,
        /// The schedule that started it.
        pub schedule_uuid: Option<String>,
        /// When it began.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub completed_at: Option<ApiTimestamp>,
    }
}
