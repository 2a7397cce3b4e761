//! The limits of a document.

/// The limits that a [`Splitter`](crate::json::Splitter) enforces on a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    depth: u32,
    element_bytes: usize,
    rest_bytes: usize,
    total_bytes: u64,
}

impl Limits {
    /// The largest depth that can be set.
    pub const MAX_DEPTH: u32 = 128;

    /// How many arrays and objects may be open at once within an element that is skipped because it exceeds
    /// a limit. Its brackets are still matched, with one bit for each.
    pub const MAX_SKIPPED_DEPTH: u32 = 1 << 20;

    /// The default limits, as documented at each `with_` method.
    pub const fn new() -> Self {
        Self { depth: Self::MAX_DEPTH, element_bytes: 8 << 20, rest_bytes: 8 << 20, total_bytes: u64::MAX }
    }

    /// Sets how many arrays and objects may be open at once within one element. Default and maximum:
    /// [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub const fn with_depth(mut self, depth: u32) -> Self {
        self.depth = if depth < Self::MAX_DEPTH { depth } else { Self::MAX_DEPTH };
        self
    }

    /// Sets the largest size of one element, in bytes. Default: 8 MiB.
    pub const fn with_element_bytes(mut self, bytes: usize) -> Self {
        self.element_bytes = bytes;
        self
    }

    /// Sets the largest size of all members beside the array, in bytes. Default: 8 MiB.
    pub const fn with_rest_bytes(mut self, bytes: usize) -> Self {
        self.rest_bytes = bytes;
        self
    }

    /// Sets the largest size of the document, in bytes. Default: unlimited.
    pub const fn with_total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }

    /// The nesting allowed within one element.
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// The largest size of one element, in bytes.
    pub const fn element_bytes(&self) -> usize {
        self.element_bytes
    }

    /// The largest size of all members beside the array, in bytes.
    pub const fn rest_bytes(&self) -> usize {
        self.rest_bytes
    }

    /// The largest size of the document, in bytes.
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
