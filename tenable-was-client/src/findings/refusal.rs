//! Which errors allow another way to the same data.

use appsec_core::{Error, ErrorKind};

/// Whether the service refuses this one resource, so that another request for the same data may succeed.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidRequest | ErrorKind::Conflict
    )
}
