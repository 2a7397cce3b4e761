//! Errors of the checks that are done before a request is sent.

use appsec_core::{Error, ErrorKind};

/// The error for a member that the service would refuse.
pub(crate) fn invalid_member(path: &str, message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{path}: {}", message.as_ref())).with_path(path)
}
