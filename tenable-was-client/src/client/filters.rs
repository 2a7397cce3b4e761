//! The filter fields of each search, as the service lists them.

use appsec_http::{Path, Request, Result};

use super::TenableWasClient;
use crate::model::{ConfigId, FilterList, TenableScanId};

pub(super) fn list_for_configs() -> Request {
    Request::get("tenable: list config filters", "/was/v2/configs/filters")
}

pub(super) fn list_for_scans(config: ConfigId) -> Result<Request> {
    let path = Path::new("/was/v2/configs").join(&config.to_string())?.join("scans")?.join("filters")?;
    Ok(Request::get("tenable: list scan filters", path))
}

pub(super) fn list_for_user_templates() -> Request {
    Request::get("tenable: list user template filters", "/was/v2/user-templates/filters")
}

pub(super) fn list_for_vulnerabilities() -> Request {
    Request::get("tenable: list vulnerability filters", "/was/v2/vulnerabilities/filters")
}

pub(super) fn list_for_scan_vulnerabilities(scan: TenableScanId) -> Result<Request> {
    let path =
        Path::new("/was/v2/scans").join(&scan.to_string())?.join("vulnerabilities")?.join("filters")?;
    Ok(Request::get("tenable: list vulnerability filters of scan", path))
}

/// The fields are those of the typed filters, [`ConfigField`](crate::filter::ConfigField) and the others,
/// unless the service has added some.
impl TenableWasClient {
    /// Lists the fields of [`search_configs`](Self::search_configs). Requires the role Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_config_filters(&self) -> Result<FilterList> {
        self.http().json(&list_for_configs()).await
    }

    /// Lists the fields of [`search_scans`](Self::search_scans). Requires the role Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_scan_filters(&self, config: ConfigId) -> Result<FilterList> {
        self.http().json(&list_for_scans(config)?).await
    }

    /// Lists the fields of [`search_user_templates`](Self::search_user_templates). Requires the role Scan
    /// Operator.
    ///
    /// # Errors
    /// `PermissionDenied` below that role; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn list_user_template_filters(&self) -> Result<FilterList> {
        self.http().json(&list_for_user_templates()).await
    }

    /// Lists the fields of [`search_vulnerabilities`](Self::search_vulnerabilities). Requires the role
    /// Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_vulnerability_filters(&self) -> Result<FilterList> {
        self.http().json(&list_for_vulnerabilities()).await
    }

    /// Lists the fields of [`search_scan_vulnerabilities`](Self::search_scan_vulnerabilities). Requires the
    /// role Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_scan_vulnerability_filters(&self, scan: TenableScanId) -> Result<FilterList> {
        self.http().json(&list_for_scan_vulnerabilities(scan)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

    #[test]
    fn requests_match_the_document() {
        for (request, path) in [
            (list_for_configs(), "/was/v2/configs/filters".to_owned()),
            (list_for_scans(ID.parse().unwrap()).unwrap(), format!("/was/v2/configs/{ID}/scans/filters")),
            (list_for_user_templates(), "/was/v2/user-templates/filters".to_owned()),
            (list_for_vulnerabilities(), "/was/v2/vulnerabilities/filters".to_owned()),
            (
                list_for_scan_vulnerabilities(ID.parse().unwrap()).unwrap(),
                format!("/was/v2/scans/{ID}/vulnerabilities/filters"),
            ),
        ] {
            assert_eq!((request.method().as_str(), request.path().as_str()), ("GET", path.as_str()));
        }
    }
}
