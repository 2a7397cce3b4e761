//! What a request sends: bytes that are held, or a source that is read when it is sent.

use std::{fmt, io};

use bytes::Bytes;
use futures_core::stream::BoxStream;

/// A body that is not held: a file, or what is made of one. Opened anew for each attempt.
pub trait BodySource: fmt::Debug + Send + Sync {
    /// Its length in bytes, announced as the request's `content-length`. A source that gives another number breaks the request off.
    fn length(&self) -> u64;

    /// The bytes, from the first one on.
    fn open(&self) -> BoxStream<'static, io::Result<Bytes>>;
}

/// The body of a request. Clones share what they hold.
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
