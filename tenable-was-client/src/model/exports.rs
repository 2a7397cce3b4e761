//! The jobs of the findings export.

use appsec_core::Verbatim;

use super::export_request::ExportFilters;
use super::ids::{ChunkId, ExportId};
use super::{ApiTimestamp, record};

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

record! {
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
        pub created: Option<ApiTimestamp>,
    }
}
