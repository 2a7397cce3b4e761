//! The findings export: a job at the service that produces chunks, and the accounting that no chunk is lost
//! unnoticed.

mod chunk_fetcher;
mod chunk_records;
mod chunk_tracker;
mod concurrency_limit;
mod cooldown;
mod job;
mod json_string;
mod options;
mod plugin_cache;
mod poll_schedule;
mod recent_objects;
mod record_decoder;
mod record_members;

pub use chunk_records::ExportRecords;
pub use chunk_tracker::{ChunkLoss, ExportEnding};
pub use job::ExportJob;
pub use options::ExportOptions;

pub(crate) use chunk_fetcher::{ChunkEvent, ChunkFetcher, ChunkReader};
pub(crate) use chunk_records::OPERATION as CHUNK_OPERATION;
pub(crate) use cooldown::cooldown;
pub(crate) use plugin_cache::PluginCache;
pub(crate) use record_decoder::RecordDecoder;
