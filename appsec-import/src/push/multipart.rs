//! A `multipart/form-data` body with a file (RFC 7578).

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};

use appsec_core::Result;

use super::report_file::{ReportBody, ReportFile};

/// The fields of a form.
pub(super) struct MultipartForm {
    boundary: String,
    fields: String,
}

impl MultipartForm {
    /// An empty form. Its boundary is random, so that no text of a report, which an attacker may control,
    /// can end the form.
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self { boundary: format!("appsec-{:016x}{:016x}", random(), random()), fields: String::new() }
    }

    /// Adds a field. The name is not escaped.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let boundary = &self.boundary;
        // Writing to a string cannot fail.
        let _ = write!(
            self.fields,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }

    /// Adds a field, unless its value is absent or empty.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.field(name, value);
        }
    }

    /// Returns the content type, and the body with the report as its last part.
    pub(super) async fn with_report(
        self,
        file_name: &str,
        report: &ReportFile,
    ) -> Result<(String, ReportBody)> {
        let Self { boundary, fields } = self;
        let prefix = format!(
            "{fields}--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/json\r\n\r\n"
        );
        let suffix = format!("\r\n--{boundary}--\r\n");
        let body = ReportBody::new(prefix, report, suffix).await?;
        Ok((format!("multipart/form-data; boundary={boundary}"), body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_differ() {
        assert_ne!(MultipartForm::new().boundary, MultipartForm::new().boundary);
    }
}
