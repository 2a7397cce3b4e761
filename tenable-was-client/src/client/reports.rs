//! The JSON report of a scan.

use appsec_core::{Error, ErrorKind};
use appsec_http::{At, ElementStream, Path, Request, Result};

use super::TenableWasClient;
use crate::model::{ReportFinding, ScanReport, TenableScanId};

pub(crate) const OPERATION: &str = "tenable: download report";

fn json(id: TenableScanId) -> Result<Request> {
    let path = Path::new("/was/v2/scans").join(&id.to_string())?.join("report")?;
    // The request's content type chooses the form of the answer, on a GET too (vendor document).
    Ok(Request::get(OPERATION, path).with_header("content-type", "application/json"))
}

impl TenableWasClient {
    /// The JSON report of a scan that has ended: its findings one by one while they arrive, then what stands beside them. Needs the
    /// role Basic. A multi-target scan has no report of its own, its children have.
    ///
    /// # Errors
    /// Of the stream: `Conflict` while the scan has not ended, `NotFound` where the report is not ready or the scan not known,
    /// `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs).
    pub fn scan_report(&self, id: TenableScanId) -> Result<ReportFindings> {
        Ok(ReportFindings { elements: self.http().elements(&json(id)?, At::Field("findings")) })
    }
}

/// The findings of a report, one by one, and then the rest of it.
#[derive(Debug)]
pub struct ReportFindings {
    pub(crate) elements: ElementStream,
}

impl ReportFindings {
    /// The next finding, or `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a finding that cannot be decoded, with its path; the next call goes on after it. Others, as for
    /// [`TenableWasClient::scan_report`], end the stream.
    pub async fn next(&mut self) -> Option<Result<ReportFinding>> {
        Some(self.elements.next().await?.and_then(|element| element.json(OPERATION)))
    }

    /// What stands beside the findings, once the last one was read.
    ///
    /// # Errors
    /// `Unexpected` before the end; `Decode` where it has another shape.
    pub fn rest(&self) -> Result<ScanReport> {
        let rest = self.elements.rest().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the report was not read to its end").with_operation(OPERATION)
        })?;
        serde_json::from_str(rest.get()).map_err(|cause| {
            // The decoder's words are not kept as a source: they quote values of the answer.
            Error::new(
                ErrorKind::Decode,
                format!("what stands beside the findings is not understood: {cause}"),
            )
            .with_operation(OPERATION)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_of_the_request_asks_for_json() {
        let id = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
        let request = json(id.parse().unwrap()).unwrap();
        assert_eq!(request.path().as_str(), format!("/was/v2/scans/{id}/report"));
        assert_eq!(request.headers(), [("content-type", "application/json".to_owned())]);
    }
}
