//! Imports of reports of other scans.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use appsec_core::{Error, ErrorKind};
use appsec_http::{Request, Result};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::TenableWasClient;

const OPERATION: &str = "tenable: import report";

/// The maximum size of a report to import, in bytes. It is a limit of this client, not of the service: the
/// report is in memory twice, once in the request.
pub const MAX_IMPORT_BYTES: usize = 256 << 20;

pub(super) fn import(report: &[u8]) -> Result<Request> {
    check(report)?;
    let boundary = boundary(report);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"Filedata\"; filename=\"report.json\"\r\n\
         Content-Type: application/json\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), report, tail.as_bytes()].concat();
    // Retried only if it was never sent: it creates something new.
    Ok(Request::post(OPERATION, "/api/v3/was/import")
        .with_body(format!("multipart/form-data; boundary={boundary}"), body))
}

/// Returns a boundary that does not occur in the report.
fn boundary(report: &[u8]) -> String {
    loop {
        // Random, so that no report can be crafted to contain it.
        let boundary = format!("appsec-sdk-{:016x}", RandomState::new().build_hasher().finish());
        if memmem::find(report, boundary.as_bytes()).is_none() {
            return boundary;
        }
    }
}

fn check(report: &[u8]) -> Result<()> {
    /// The members that every report has.
    #[derive(Deserialize)]
    struct Report {
        #[serde(rename = "config")]
        _config: IgnoredAny,
        #[serde(rename = "scan")]
        _scan: IgnoredAny,
        #[serde(rename = "findings")]
        _findings: Vec<IgnoredAny>,
    }
    let invalid = |message: String| Error::new(ErrorKind::InvalidRequest, message).with_operation(OPERATION);
    if report.len() > MAX_IMPORT_BYTES {
        return Err(invalid(format!("the report is larger than {MAX_IMPORT_BYTES} bytes")));
    }
    // The decoder's error is not kept as the source: it quotes values.
    serde_json::from_slice::<Report>(report)
        .map(|_| ())
        .map_err(|cause| invalid(format!("not a JSON report of a scan: {cause}")))
}

impl TenableWasClient {
    /// Imports the JSON report of another scan, in the form that [`save_report`](Self::save_report) writes.
    /// Requires the role Basic, or the privilege `WAS.SCAN_WAS.IMPORT`.
    ///
    /// The service creates a configuration from it in the background and does not return its id: the
    /// configuration appears among [`configs`](Self::configs), with `imported` set. Attachments are not
    /// imported. The report is sent as a whole, within the time limit of a single call.
    ///
    /// # Errors
    /// `InvalidRequest`, before anything is sent, for something that is not such a report or is larger than
    /// [`MAX_IMPORT_BYTES`](crate::client::MAX_IMPORT_BYTES), and from the service for invalid ids in it;
    /// `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs). An error
    /// with [`outcome_unknown`](appsec_core::Error::outcome_unknown) may have imported it.
    pub async fn import_report(&self, report: &[u8]) -> Result<()> {
        self.http().send(&import(report)?).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;

    use super::*;

    const REPORT: &str = r#"{"config": {}, "scan": {}, "findings": [{"plugin_id": 1}], "notes": []}"#;

    #[test]
    fn the_request_is_a_form_with_one_file() {
        let request = import(REPORT.as_bytes()).unwrap();
        assert_eq!((request.method().as_str(), request.path().as_str()), ("POST", "/api/v3/was/import"));
        assert_eq!(request.retry_safety(), RetrySafety::IfUnsent);
        let [(name, kind)] = request.headers() else { panic!("{:?}", request.headers()) };
        assert_eq!(*name, "content-type");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let body = String::from_utf8(request.body().unwrap().to_vec()).unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"Filedata\"; filename=\"report.json\"\r\n\
             Content-Type: application/json\r\n\r\n{REPORT}\r\n--{boundary}--\r\n"
        );
        assert_eq!(body, expected);
        assert!(!REPORT.contains(boundary));
        assert_ne!(request.headers(), import(REPORT.as_bytes()).unwrap().headers(), "it is not predictable");
    }

    #[test]
    fn an_invalid_report_is_not_sent() {
        for report in ["", "[]", "{}", r#"{"config": {}, "scan": {}}"#, &REPORT[..REPORT.len() - 1]] {
            assert_eq!(import(report.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidRequest, "{report}");
        }
    }
}
