//! Reads a large JSON array element by element, while its bytes arrive.
//!
//! [`ElementStream`] is what a client uses. [`Splitter`] below it works on bytes alone, without a
//! connection.

mod array_path;
mod chunks;
pub(crate) mod decode;
mod digest;
mod element_stream;
mod error;
mod known_blocks;
mod limits;
mod members;
mod splitter;
mod tokenizer;

pub use array_path::ArrayPath;
pub use element_stream::{Element, ElementStream};
pub use error::{Found, SplitError, SplitErrorKind};
#[doc(hidden)]
pub use known_blocks::KnownBlocks;
pub use limits::Limits;
#[doc(hidden)]
pub use members::{Member, MemberKind};
pub use splitter::Splitter;
