//! The records of the findings export.

use std::sync::Arc;

use appsec_core::{Severity, Verbatim};

use super::export_plugins::ExportPlugin;
use super::ids::AssetId;
use super::{ApiTimestamp, record};

appsec_core::open_enum! {
    /// The state of a finding.
    pub enum FindingState {
        /// Found.
        Open = "OPEN",
        /// Found; the name of this state in the vendor's data stream.
        Active = "ACTIVE",
        /// Found again after it was fixed.
        Reopened = "REOPENED",
        /// Fixed.
        Fixed = "FIXED",
    }
}

appsec_core::open_enum! {
    /// Whether a rule of the tenant changed the severity of a finding.
    pub enum SeverityModification {
        /// No rule did.
        None = "NONE",
        /// A rule set another severity.
        Recasted = "RECASTED",
        /// A rule accepts the risk.
        Accepted = "ACCEPTED",
    }
}

record! {
    /// A finding of an export: one weakness at one location, across scans.
    pub struct ExportFinding {
        /// The id, which stays the same across scans.
        pub finding_id: Option<String>,
        /// The URL.
        pub url: Option<String>,
        /// The kind of the vulnerable input.
        pub input_type: Option<String>,
        /// The name of the vulnerable input.
        pub input_name: Option<String>,
        /// The HTTP method (never observed).
        pub http_method: Option<String>,
        /// The output of the plugin, at most 1 MB.
        pub output: Option<String>,
        /// The part of the response that proves the finding.
        pub proof: Option<String>,
        /// The payload that was sent.
        pub payload: Option<String>,
        /// The state.
        pub state: Option<Verbatim<FindingState>>,
        /// The current severity.
        pub severity: Option<Severity>,
        /// The current severity as a number, 0 (info) to 4 (critical).
        pub severity_id: Option<u64>,
        /// The severity before any rule changed it, as a number.
        pub severity_default_id: Option<u64>,
        /// Whether a rule changed the severity.
        pub severity_modification_type: Option<Verbatim<SeverityModification>>,
        /// The comment of that rule.
        pub recast_reason: Option<String>,
        /// The id of that rule.
        pub recast_rule_uuid: Option<String>,
        /// When it was first found.
        pub first_found: Option<ApiTimestamp>,
        /// When it was last found.
        pub last_found: Option<ApiTimestamp>,
        /// When it was fixed.
        pub last_fixed: Option<ApiTimestamp>,
        /// When it was last observed.
        pub last_observed: Option<ApiTimestamp>,
        /// When it was indexed: text (observed; the vendor's document says a number).
        pub indexed_at: Option<ApiTimestamp>,
        /// The plugin. Equal plugins of an export share one allocation.
        pub plugin: Option<Arc<ExportPlugin>>,
        /// The asset. Most equal assets of a chunk share one allocation.
        pub asset: Option<Arc<ExportAsset>>,
        /// The last scan that found it. Most equal scans of a chunk share one allocation.
        pub scan: Option<Arc<ExportScan>>,
    }

    /// The asset.
    pub struct ExportAsset {
        /// The id of the asset.
        pub uuid: Option<AssetId>,
        /// The host name.
        pub fqdn: Option<String>,
        /// The IP address.
        pub ipv4: Option<String>,
        /// The IP addresses.
        pub ipv4s: Vec<String>,
    }

    /// The last scan that found a finding.
    pub struct ExportScan {
        /// The id.
        pub uuid: Option<String>,
        /// The id of the schedule that started it.
        pub schedule_uuid: Option<String>,
        /// When it started.
        pub started_at: Option<ApiTimestamp>,
        /// When it ended.
        pub completed_at: Option<ApiTimestamp>,
    }
}
