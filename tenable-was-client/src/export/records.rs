//! The records of one chunk, one by one.

use std::fmt;

use appsec_core::{Error, Result};
use appsec_http::ElementStream;

use super::decode::Decoder;
use crate::model::{ChunkId, ExportFinding};

pub(crate) const OPERATION: &str = "tenable: download export chunk";

/// The records of one chunk, decoded while they arrive. A chunk may have hundreds of megabytes and is never held whole.
pub struct ExportRecords {
    elements: ElementStream,
    decoder: Decoder,
    chunk: ChunkId,
}

impl ExportRecords {
    pub(crate) fn new(elements: ElementStream, decoder: Decoder, chunk: ChunkId) -> Self {
        Self { elements, decoder, chunk }
    }

    /// The next record, or `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a record that cannot be decoded, with its path; the next call goes on after it. `NotFound` for a chunk that has expired and
    /// `InvalidRequest` for one that is not ready (vendor document); other errors of the download. These end the stream.
    pub async fn next(&mut self) -> Option<Result<ExportFinding>> {
        match self.elements.next().await? {
            Ok(element) => Some(self.decoder.decode(&element, OPERATION)),
            Err(error) => Some(Err(in_chunk(error, self.chunk))),
        }
    }
}

/// Leaves out what was decoded before: megabytes of it.
impl fmt::Debug for ExportRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportRecords")
            .field("elements", &self.elements)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

/// The error with the chunk's number in its message.
pub(crate) fn in_chunk(error: Error, chunk: ChunkId) -> Error {
    let mut named = Error::new(error.kind(), format!("chunk {chunk}: {}", error.message()))
        .with_operation(error.operation().unwrap_or(OPERATION))
        .with_attempts(error.attempts())
        .with_retryable(error.is_retryable());
    if let Some(status) = error.status() {
        named = named.with_status(status);
    }
    if let Some(code) = error.code() {
        named = named.with_code(code);
    }
    if let Some(id) = error.request_id() {
        named = named.with_request_id(id);
    }
    if let Some(wait) = error.retry_after() {
        named = named.with_retry_after(wait);
    }
    if let Some(path) = error.path() {
        named = named.with_path(path);
    }
    if let Some(excerpt) = error.body_excerpt() {
        named = named.with_body_excerpt(excerpt);
    }
    named.with_source(error)
}
