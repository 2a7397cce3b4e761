//! Single detections.

use appsec_core::{Error, ErrorKind};
use appsec_http::{At, ElementStream, Path, Repeat, Request, Result};
use serde_json::{Value, json};

use super::{PageQuery, TenableWasClient};
use crate::model::{Pagination, TenableScanId, Vulnerability};

pub(crate) const OPERATION: &str = "tenable: search vulnerabilities of scan";

fn search(scan: TenableScanId, filter: &Value, page: &PageQuery) -> Result<Request> {
    let path = Path::new("/was/v2/scans").join(&scan.to_string())?.join("vulnerabilities")?.join("search")?;
    page.on(Request::post(OPERATION, path).with_repeat(Repeat::Always)).with_json(filter)
}

impl TenableWasClient {
    /// Searches the detections of a scan, one by one while the page arrives. Needs the role Basic. For a multi-target scan ask for its children.
    /// For the filter see [`search_configs`](Self::search_configs).
    ///
    /// # Errors
    /// Of the page: those of [`search_configs`](Self::search_configs).
    pub fn search_scan_vulnerabilities(
        &self,
        scan: TenableScanId,
        filter: &Value,
        page: &PageQuery,
    ) -> Result<VulnerabilityPage> {
        Ok(VulnerabilityPage {
            elements: self.http().elements(&search(scan, filter, page)?, At::Field("items")),
        })
    }

    /// The same with everything let through, for the walks of the scanner.
    pub(crate) fn vulnerability_page(&self, scan: TenableScanId, offset: u64) -> Result<VulnerabilityPage> {
        self.search_scan_vulnerabilities(scan, &json!({}), &PageQuery::new().with_offset(offset))
    }
}

/// A page of detections, one by one.
#[derive(Debug)]
pub struct VulnerabilityPage {
    pub(crate) elements: ElementStream,
}

impl VulnerabilityPage {
    /// The next detection, or `None` after the page's last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a detection that cannot be decoded, with its path; the next call goes on after it. Others end the page.
    pub async fn next(&mut self) -> Option<Result<Vulnerability>> {
        Some(self.elements.next().await?.and_then(|element| element.json(OPERATION)))
    }

    /// Where the page lies, once it was read to its end.
    ///
    /// # Errors
    /// `Decode` where the answer does not say.
    pub fn pagination(&self) -> Result<Pagination> {
        #[derive(serde::Deserialize)]
        struct Rest {
            pagination: Pagination,
        }
        let rest = self.elements.rest().and_then(|rest| serde_json::from_str::<Rest>(rest.get()).ok());
        rest.map(|rest| rest.pagination).ok_or_else(|| {
            Error::new(ErrorKind::Decode, "the page does not say where it lies in its listing")
                .with_operation(OPERATION)
                .with_path("pagination")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_that_of_the_document() {
        let id = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
        let request = search(id.parse().unwrap(), &json!({}), &PageQuery::new().with_offset(200)).unwrap();
        assert_eq!(request.path().as_str(), format!("/was/v2/scans/{id}/vulnerabilities/search"));
        assert_eq!(request.query(), [("limit", "200".to_owned()), ("offset", "200".to_owned())]);
        assert_eq!(request.repeat(), Repeat::Always);
    }
}
