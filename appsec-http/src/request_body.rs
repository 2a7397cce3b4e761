//! The body of a request: bytes in memory, or a source that is read when it is sent.

use std::{fmt, io};

use bytes::Bytes;
use futures_core::stream::BoxStream;

/// A request body that is not held in memory, such as a file. It is opened anew for each attempt.
pub trait BodySource: fmt::Debug + Send + Sync {
    /// The length in bytes, sent as the `content-length`. If the source yields another number of bytes, the
    /// request fails.
    fn length(&self) -> u64;

    /// Opens the body at its first byte.
    fn open(&self) -> BoxStream<'static, io::Result<Bytes>>;
}

/// The body of a request. Clones share the bytes.
#[derive(Clone)]
pub(crate) enum RequestBody {
    Held(Bytes),
    Source(std::sync::Arc<dyn BodySource>),
}

impl RequestBody {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Source(source) => source.length(),
        }
    }

    pub(crate) fn into_reqwest(self) -> reqwest::Body {
        match self {
            Self::Held(bytes) => bytes.into(),
            Self::Source(source) => reqwest::Body::wrap_stream(source.open()),
        }
    }
}
