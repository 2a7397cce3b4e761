//! A form with a file, as browsers send it (RFC 7578).

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};

use appsec_core::Result;

use super::report_file::{Framed, ReportFile};

/// The fields of a form.
pub(super) struct Form {
    boundary: String,
    fields: String,
}

impl Form {
    /// A form with a boundary that nobody can foresee, so that no text of a report, which may be an attacker's, can end it.
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self { boundary: format!("appsec-{:016x}{:016x}", random(), random()), fields: String::new() }
    }

    /// Adds a field. Names are the code's own.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let boundary = &self.boundary;
        // Writing to a string cannot fail.
        let _ = write!(
            self.fields,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }

    /// Adds a field where there is a value.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.field(name, value);
        }
    }

    /// The content type, and the body with the report as its last part.
    pub(super) async fn with_report(self, file_name: &str, report: &ReportFile) -> Result<(String, Framed)> {
        let Self { boundary, fields } = self;
        let before = format!(
            "{fields}--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/json\r\n\r\n"
        );
        let after = format!("\r\n--{boundary}--\r\n");
        let body = Framed::new(before, report, after).await?;
        Ok((format!("multipart/form-data; boundary={boundary}"), body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_differ() {
        assert_ne!(Form::new().boundary, Form::new().boundary);
    }
}
