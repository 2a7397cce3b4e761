//! Objects that were decoded before, so that nobody looks at them again.

use std::fmt;
use std::ops::Range;

/// Recognises objects by their bytes. For answers whose elements repeat a large member: about four fifths of a record of Tenable's
/// export are its plugin, and many records share one.
///
/// A [`Splitter`](crate::splitter::Splitter) that has such a table steps over what it recognises, which is a comparison of
/// memory, instead of looking for its brackets and strings. So whatever is found must be one whole JSON object, and one that was
/// a member of an element which a splitter with the same limits let pass.
pub trait KnownBlocks: fmt::Debug + Send + Sync {
    /// The object that these bytes begin with, where it is known and whole: its length, and what the table knows it by. The bytes
    /// begin with `{` and may end anywhere.
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)>;
}

/// A known object in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Where in the element's bytes.
    pub span: Range<usize>,
    /// What the table knows it by.
    pub key: usize,
}
