//! A streamed body: capped, and guarded against stalls.

use appsec_core::Result;
use bytes::Bytes;

/// The body of an answer, piece by piece as it arrives.
#[derive(Debug)]
pub struct Body {}

impl Body {
    /// The next piece, or `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// `Transport` when the body breaks off, stalls or trickles; `Decode` when it is bigger than the options allow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::ready(Ok(None)).await
    }
}
