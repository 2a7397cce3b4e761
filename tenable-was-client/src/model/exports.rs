//! The findings export: its jobs, and their records.

use std::sync::Arc;

use appsec_core::{Severity, Verbatim};

use super::export_filters::ExportFilters;
use super::export_plugins::ExportPlugin;
use super::ids::{AssetId, ChunkId, ExportId};
use super::{Moment, wire};

appsec_core::open_enum! {
    /// Where an export job stands.
    pub enum ExportState {
        /// Waiting for its turn.
        Queued = "QUEUED",
        /// Under way; chunks may be there already.
        Processing = "PROCESSING",
        /// Ended. Chunks may have failed all the same.
        Finished = "FINISHED",
        /// Ended by someone.
        Cancelled = "CANCELLED",
        /// Ended by a fault. Chunks may be there all the same.
        Error = "ERROR",
    }
}

impl ExportState {
    /// True when no more chunks will come. A word this version does not know is not an end.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Error)
    }
}

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
    pub enum SeverityChange {
        /// None did.
        None = "NONE",
        /// One set another severity.
        Recasted = "RECASTED",
        /// One accepts the risk.
        Accepted = "ACCEPTED",
    }
}

wire! {
    /// The export jobs of a tenant.
    pub struct ExportList {
        /// The jobs. Which chunks they have is not said here.
        pub exports: Vec<ExportStatus>,
    }

    /// An export job.
    pub struct ExportStatus {
        /// Its id.
        pub uuid: Option<ExportId>,
        /// Where it stands.
        pub status: Option<Verbatim<ExportState>>,
        /// What went wrong.
        pub reason: Option<String>,
        /// Chunks that can be fetched.
        pub chunks_available: Vec<ChunkId>,
        /// Chunks that could not be made.
        pub chunks_failed: Vec<ChunkId>,
        /// Chunks that were dropped after a failure or a cancellation.
        pub chunks_cancelled: Vec<ChunkId>,
        /// How many chunks there are in all.
        pub total_chunks: Option<u64>,
        /// How many can be fetched.
        pub chunks_available_count: Option<u64>,
        /// How many hold nothing.
        pub empty_chunks_count: Option<u64>,
        /// How many are done.
        pub finished_chunks: Option<u64>,
        /// What was asked for.
        pub filters: Option<ExportFilters>,
        /// How many assets a chunk covers.
        pub num_assets_per_chunk: Option<u64>,
        /// When it was asked for.
        pub created: Option<Moment>,
    }

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
        pub severity_modification_type: Option<Verbatim<SeverityChange>>,
        /// That rule's comment.
        pub recast_reason: Option<String>,
        /// That rule.
        pub recast_rule_uuid: Option<String>,
        /// When it was first found.
        pub first_found: Option<Moment>,
        /// When it was last found.
        pub last_found: Option<Moment>,
        /// When it was fixed.
        pub last_fixed: Option<Moment>,
        /// When it was last looked at.
        pub last_observed: Option<Moment>,
        /// When it was stored: text (observed; the vendor's document says a number).
        pub indexed_at: Option<Moment>,
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
        pub started_at: Option<Moment>,
        /// When it ended.
        pub completed_at: Option<Moment>,
    }
}
