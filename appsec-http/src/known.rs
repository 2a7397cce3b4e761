//! Objects that were decoded before, so that nobody looks at them again.

use std::fmt;

/// Recognises objects by their bytes. For answers whose elements repeat a large member: about four fifths of a record of Tenable's
/// export are its plugin, and many records share one.
///
/// A [`Splitter`](crate::splitter::Splitter) that has such a table steps over what it recognises, which is a comparison of
/// memory, instead of looking for its brackets and strings. So whatever is found must be one whole JSON object, and one that was
/// a member of an element which a splitter with the same limits let pass.
pub trait KnownBlocks: fmt::Debug + Send + Sync {
    /// The object that these bytes begin with, where it is known and whole, and is looked for as a member of this name: its length, and
    /// what the table knows it by, now and later. The bytes begin with `{` and may end anywhere.
    fn find(&self, name: &[u8], bytes: &[u8]) -> Option<(usize, usize)>;
}
