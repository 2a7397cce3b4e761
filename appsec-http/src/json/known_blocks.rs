//! Recognises objects that were decoded before.

use std::fmt;

/// Recognises objects by their bytes, in responses whose elements repeat a large member: about four fifths
/// of a record of Tenable's export are its plugin, and many records share one. Not covered by the promise
/// of semantic versioning.
///
/// A [`Splitter`](crate::json::Splitter) with such a table skips what it recognises by comparing memory,
/// instead of looking for brackets and strings. So every object of the table must be one whole JSON object
/// that was a member of an element which a splitter with the same limits accepted.
pub trait KnownBlocks: fmt::Debug + Send + Sync {
    /// Returns the length and the key of the known object that these bytes begin with, as the value of a
    /// member of this name. The key stays the same. The bytes begin with `{` and may end anywhere.
    fn find(&self, name: &[u8], bytes: &[u8]) -> Option<(usize, usize)>;
}
