//! The error of a schedule that cannot be parsed.

use appsec_core::{Error, ErrorKind};

/// The error of one field of a schedule.
pub(super) fn invalid_field(field: &'static str, message: impl AsRef<str>) -> Error {
    let message = format!("{field} of the schedule: {}", message.as_ref());
    Error::new(ErrorKind::Config, message).with_path(field)
}
