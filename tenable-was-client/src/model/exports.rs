//! The jobs of the findings export.

use appsec_core::Verbatim;

use super::export_request::ExportFilters;
use super::ids::{ChunkId, ExportId};
use super::{ApiTimestamp, record};

appsec_core::open_enum! {
    /// The state of an export job.
    pub enum ExportState {
        /// Waiting to be processed.
        Queued = "QUEUED",
        /// In progress; chunks may be available already.
        Processing = "PROCESSING",
        /// Finished; some chunks may have failed.
        Finished = "FINISHED",
        /// Cancelled.
        Cancelled = "CANCELLED",
        /// Failed; some chunks may be available.
        Error = "ERROR",
    }
}

impl ExportState {
    /// Whether the job has ended, so that no more chunks will come. An unknown state counts as not ended.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Error)
    }
}

record! {
    /// The export jobs of a tenant.
    pub struct ExportList {
        /// The jobs, without their chunks.
        pub exports: Vec<ExportStatus>,
    }

    /// An export job.
    pub struct ExportStatus {
        /// The id.
        pub uuid: Option<ExportId>,
        /// The state.
        pub status: Option<Verbatim<ExportState>>,
        /// Why the job failed.
        pub reason: Option<String>,
        /// Chunks that can be downloaded.
        pub chunks_available: Vec<ChunkId>,
        /// Chunks that failed.
        pub chunks_failed: Vec<ChunkId>,
        /// Chunks that were dropped after a failure or a cancellation.
        pub chunks_cancelled: Vec<ChunkId>,
        /// The total number of chunks.
        pub total_chunks: Option<u64>,
        /// The number of chunks that can be downloaded.
        pub chunks_available_count: Option<u64>,
        /// The number of empty chunks.
        pub empty_chunks_count: Option<u64>,
        /// The number of finished chunks.
        pub finished_chunks: Option<u64>,
        /// The filters of the request.
        pub filters: Option<ExportFilters>,
        /// The number of assets in a chunk.
        pub num_assets_per_chunk: Option<u64>,
        /// When it was requested.
        pub created: Option<ApiTimestamp>,
    }
}
