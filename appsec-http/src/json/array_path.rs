//! The position of the array in a response.

/// The position of the array in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayPath {
    /// The response is the array.
    Root,
    /// The response is an object, and the array is its member of this name.
    Field(&'static str),
}
