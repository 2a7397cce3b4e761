//! Decodes JSON, with the path of what cannot be decoded.

use appsec_core::{Error, ErrorKind};
use serde::de::DeserializeOwned;

use crate::redact::{Redactor, cut};

/// The longest message of a decoder that is kept, in bytes: it may quote a whole string of the response.
pub(crate) const MESSAGE_BYTES: usize = 200;

/// The longest path that is kept, in bytes: the names of members come from the response.
const PATH_BYTES: usize = 256;

/// Why JSON could not be decoded.
pub(crate) struct DecodeFailure {
    pub(crate) error: Error,
    /// True if the bytes are not JSON at all, as after a cut; false if they are JSON of another shape.
    pub(crate) malformed: bool,
}

impl DecodeFailure {
    /// A failure of bytes that are not JSON.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { error: Error::new(ErrorKind::Decode, message), malformed: true }
    }
}

/// Decodes JSON. `index` is the position of an element in its array.
pub(crate) fn from_json<T: DeserializeOwned>(
    bytes: &[u8],
    index: Option<u64>,
    redactor: &Redactor,
) -> Result<T, DecodeFailure> {
    // A byte order mark before the document is no part of it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Tracking the path costs an allocation per key, so it is done only after a failure.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut decoder = serde_json::Deserializer::from_slice(bytes);
    let (error, path) = match serde_path_to_error::deserialize(&mut decoder) {
        Ok(value) => match decoder.end() {
            Ok(()) => return Ok(value),
            Err(error) => (error, String::from(".")),
        },
        Err(error) => {
            let path = error.path().to_string();
            (error.into_inner(), path)
        }
    };
    let message = redactor.redact(&error.to_string());
    // The decoder's error is not kept as the source: it quotes values of the response.
    let failure = DecodeFailure::new(cut(&message, MESSAGE_BYTES));
    let path = redactor.redact(&json_path(index, &path));
    Err(DecodeFailure { error: failure.error.with_path(cut(&path, PATH_BYTES)), malformed: !error.is_data() })
}

/// `[7].uri`, from the index of an element and the path within it.
fn json_path(index: Option<u64>, path: &str) -> String {
    match (index, path) {
        (None, path) => path.to_owned(),
        (Some(index), ".") => format!("[{index}]"),
        (Some(index), path) if path.starts_with('[') => format!("[{index}]{path}"),
        (Some(index), path) => format!("[{index}].{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elements_index_precedes_the_path() {
        for (path, expected) in [(".", "[7]"), ("id", "[7].id"), ("[0].id", "[7][0].id")] {
            assert_eq!(json_path(Some(7), path), expected);
        }
    }
}
