//! The position of the array in a response.

/// The position of the array in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayPath {
    /// The response is the array.
    Root,
    /// The response is an object, and the array is its member of this name.
    Field(&'static str),
    /// The response is an object, and the array is its member of one of these names, for a service that
    /// does not document which. The first of them that is an array in the response is meant. A member of
    /// one of the names that is not an array, or stands after the array, is kept beside the array; but a
    /// second array whose name comes earlier in this list is refused, since either could be meant.
    FirstOf(&'static [&'static str]),
}
