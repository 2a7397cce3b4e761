//! The findings export: a job at the service that makes chunks, and what is done so that none is lost in silence.

mod decode;
mod fetch;
mod job;
mod known;
mod ledger;
mod limit;
mod options;
mod poll;
mod record;
mod records;
mod text;

pub use job::ExportJob;
pub use ledger::{ExportEnding, LostChunk};
pub use options::ExportOptions;
pub use records::ExportRecords;

pub(crate) use decode::Decoder;
pub(crate) use fetch::{Event, Fetcher, Reader};
pub(crate) use known::KnownPlugins;
pub(crate) use limit::Throttling;
pub(crate) use records::OPERATION as CHUNK_OPERATION;
