//! The one stream that core makes itself.

use futures_core::stream::BoxStream;
use futures_util::stream;

use crate::error::{Error, Result};

/// A stream that yields the error and ends: the answer of a listing that cannot begin.
pub fn once_err<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    Box::pin(stream::iter([Err(error)]))
}
