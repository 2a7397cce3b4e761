//! The elements of a JSON array, one by one, while the answer arrives.

use appsec_core::Result;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::client::HttpClient;
use crate::request::Request;

/// Where in an answer the array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The answer is the array.
    Root,
    /// The answer is an object, and the array is this member of it.
    Field(&'static str),
}

/// One element of a streamed array.
#[derive(Debug, Clone)]
pub struct Element {
    /// Its place in the array, from 0.
    pub index: u64,
    /// Its bytes, one JSON value.
    pub bytes: Bytes,
}

impl Element {
    /// The element decoded.
    ///
    /// # Errors
    /// `Decode`, with the path, which begins with the element's index.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        crate::answer::from_json(&self.bytes, Some(self.index), &crate::redact::Redactor::default())
            .map_err(|undecodable| undecodable.error.with_operation(operation))
    }
}

/// The elements of an array in an answer. Lazy: nothing is sent before the first is asked for.
#[derive(Debug)]
#[allow(dead_code, reason = "the signatures come first")]
pub struct ElementStream {
    client: HttpClient,
    request: Request,
    at: At,
}

impl ElementStream {
    pub(crate) fn new(client: HttpClient, request: Request, at: At) -> Self {
        Self { client, request, at }
    }

    /// The next element, or `None` after the last one or after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Element>> {
        std::future::ready(None).await
    }

    /// What stands beside the array: the answer's object without the array's member. `None` before the end, and for
    /// [`At::Root`].
    pub fn rest(&self) -> Option<&RawValue> {
        None
    }
}
