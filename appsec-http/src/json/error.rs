//! Why a document cannot be split into elements.

use std::fmt;

/// Why a document is refused, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset})")]
pub struct SplitError {
    kind: SplitErrorKind,
    offset: u64,
}

impl SplitError {
    pub(crate) fn new(kind: SplitErrorKind, offset: u64) -> Self {
        Self { kind, offset }
    }

    /// What is wrong with the document.
    pub fn kind(&self) -> SplitErrorKind {
        self.kind
    }

    /// The number of bytes of the document before the error.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitErrorKind {
    /// An array is expected here, and another value begins.
    #[error("expected an array, found {0}")]
    NotAnArray(Found),
    /// An object that holds the array is expected, and another value begins.
    #[error("expected an object, found {0}")]
    NotAnObject(Found),
    /// The object has no member of the array's name.
    #[error("the object has no member {0:?}")]
    MissingField(&'static str),
    /// The array's member begins as `null` does. This is not an empty array: `null` means that the list is
    /// absent, and an absent list proves nothing.
    #[error("the member {0:?} is null instead of an array")]
    NullField(&'static str),
    /// The array's member occurs twice.
    #[error("the object has the member {0:?} twice")]
    DuplicateField(&'static str),
    /// A comma, colon, bracket or value is missing or superfluous.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What would be valid here.
        expected: &'static str,
        /// The byte found instead.
        found: Found,
    },
    /// A bracket closes a bracket of the other kind.
    #[error("{0} closes a bracket of the other kind")]
    Mismatched(Found),
    /// A member's name, or a member beside the array, is not valid JSON.
    #[error("the members beside the array are not valid JSON")]
    InvalidRest,
    /// The document is followed by something else.
    #[error("the document continues after its end with {0}")]
    Trailing(Found),
    /// The document stops before its end.
    #[error("the document is cut short")]
    Truncated,
    /// More nesting than [`Limits::with_depth`](crate::json::Limits::with_depth) allows.
    #[error("nested more than {0} deep")]
    TooDeep(u32),
    /// A larger element than [`Limits::with_element_bytes`](crate::json::Limits::with_element_bytes)
    /// allows.
    #[error("an element has more than {0} bytes")]
    ElementTooLarge(usize),
    /// More bytes beside the array than [`Limits::with_rest_bytes`](crate::json::Limits::with_rest_bytes)
    /// allows.
    #[error("the members beside the array have more than {0} bytes")]
    RestTooLarge(usize),
    /// A larger document than [`Limits::with_total_bytes`](crate::json::Limits::with_total_bytes) allows.
    #[error("the document has more than {0} bytes")]
    TotalTooLarge(u64),
}

/// The byte found where another one is expected. It prints as a character if it is a visible ASCII
/// character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found(pub u8);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_ascii_graphic() {
            write!(f, "`{}`", char::from(self.0))
        } else {
            write!(f, "byte 0x{:02x}", self.0)
        }
    }
}
