//! The records of one chunk, decoded one by one.

use std::fmt;

use appsec_core::{Error, Result};
use appsec_http::ElementStream;

use super::record_decoder::RecordDecoder;
use crate::model::{ChunkId, ExportFinding};

pub(crate) const OPERATION: &str = "tenable: download export chunk";

/// The records of one chunk, decoded while they arrive. A chunk may have hundreds of megabytes and is never
/// in memory as a whole.
pub struct ExportRecords {
    elements: ElementStream,
    decoder: RecordDecoder,
    chunk: ChunkId,
}

impl ExportRecords {
    pub(crate) fn new(elements: ElementStream, decoder: RecordDecoder, chunk: ChunkId) -> Self {
        Self { elements, decoder, chunk }
    }

    /// Returns the next record, or `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a record that cannot be decoded, with its path; the next call continues after it. Any
    /// other error ends the stream: `NotFound` for a chunk that has expired, `InvalidRequest` for one
    /// that is not ready (vendor document), and those of the download.
    pub async fn next(&mut self) -> Option<Result<ExportFinding>> {
        match self.elements.next().await? {
            Ok(element) => Some(self.decoder.decode(&element, OPERATION)),
            Err(error) => Some(Err(in_chunk(error, self.chunk))),
        }
    }
}

/// Omits the decoder, whose cache may have megabytes.
impl fmt::Debug for ExportRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportRecords")
            .field("elements", &self.elements)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

/// Adds the chunk to an error's context.
pub(super) fn in_chunk(error: Error, chunk: ChunkId) -> Error {
    error.with_context(format!("chunk {chunk}"))
}
