//! Scan configurations.

use appsec_http::{ListedPage, Path, RecordKey, Request, Response, Result, RetrySafety};
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::filter::{ConfigField, Filter};
use crate::model::{
    AcceptedConfig, ConfigDetails, ConfigId, ConfigSummary, ConfigTracking, Page, RemediationConfig,
    ScanConfig, TrackingStatus, VulnId,
};

const CONFIGS: &str = "/was/v2/configs";
const CREATE: &str = "tenable: create config";

fn path(id: ConfigId) -> Result<Path> {
    Path::new(CONFIGS).join(&id.to_string())
}

pub(super) fn search(filter: &Filter<ConfigField>, page: &PageQuery) -> Result<Request> {
    pages::search("tenable: search configs", "/was/v2/configs/search", filter, page)
}

pub(super) fn get(id: ConfigId) -> Result<Request> {
    Ok(Request::get("tenable: get config", path(id)?))
}

pub(super) fn create(config: &ScanConfig) -> Result<Request> {
    config.check_complete()?;
    // Retried only if it was never sent: it creates something new.
    Request::post(CREATE, CONFIGS).with_json(config)
}

pub(super) fn create_remediation(config: &RemediationConfig) -> Result<Request> {
    Request::post(CREATE, CONFIGS).with_json(config)
}

pub(super) fn upsert(id: ConfigId, config: &ScanConfig) -> Result<Request> {
    config.check_complete()?;
    // Writing it twice has the same result.
    Request::put("tenable: upsert config", path(id)?).with_retry_safety(RetrySafety::Always).with_json(config)
}

pub(super) fn tracking(change: &ConfigTracking) -> Result<Request> {
    let path = path(change.config_id)?.join("status")?.join(&change.tracking_id.to_string())?;
    Ok(Request::get("tenable: get status of config", path))
}

pub(super) fn move_to(id: ConfigId, folder: &str) -> Result<Request> {
    #[derive(Serialize)]
    struct Move<'a> {
        folder_name: &'a str,
    }
    let request = Request::patch("tenable: move config", path(id)?).with_retry_safety(RetrySafety::Always);
    request.with_json(&Move { folder_name: folder })
}

pub(super) fn delete(id: ConfigId) -> Result<Request> {
    Ok(Request::delete("tenable: delete config", path(id)?))
}

pub(super) fn remediation(id: VulnId) -> Result<Request> {
    let path = Path::new("/api/v3/export/configs/remediation").join(&id.to_string())?;
    Ok(Request::get("tenable: get remediation config", path))
}

pub(super) fn cicd(id: ConfigId) -> Result<Request> {
    let path = Path::new("/api/v3/export/configs").join(&id.to_string())?;
    Ok(Request::get("tenable: download config for CI", path))
}

fn tracking_from(response: &Response) -> Option<ConfigTracking> {
    response.header("location").and_then(ConfigTracking::from_location)
}

impl TenableWasClient {
    /// Searches scan configurations. Requires the role Basic.
    ///
    /// # Errors
    /// `InvalidRequest` for a filter that the service refuses; those of every call: `Auth`,
    /// `PermissionDenied`, `RateLimited`, `Server`, `Transport`, `Deadline`, `Decode`.
    pub async fn search_configs(
        &self,
        filter: &Filter<ConfigField>,
        page: &PageQuery,
    ) -> Result<Page<ConfigSummary>> {
        self.page(&search(filter, page)?).await
    }

    /// Reads a scan configuration with all its members. Requires the role Scan Operator.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_config(&self, id: ConfigId) -> Result<ConfigDetails> {
        self.http().json(&get(id)?).await
    }

    /// Creates a configuration. Requires the role Scan Manager. The service writes it in the background, so
    /// it may not be visible yet; [`create_scan_config`](Self::create_scan_config) fills in what is left
    /// out, and waits.
    ///
    /// # Errors
    /// `InvalidRequest`, before anything is sent, for a configuration that the service would refuse and for
    /// a missing owner or template; also for one that the service refuses. `Conflict` for a name that
    /// exists (assumed); `PermissionDenied`, also for another owner; those of every call, as for
    /// [`search_configs`](Self::search_configs). An error with
    /// [`outcome_unknown`](appsec_core::Error::outcome_unknown) may have created one.
    pub async fn create_config(&self, config: &ScanConfig) -> Result<AcceptedConfig> {
        self.write_config(&create(config)?).await
    }

    /// Replaces a configuration, or creates it with this id. Requires the role Scan Manager. As for
    /// [`create_config`](Self::create_config), the service writes it in the background;
    /// [`update_scan_config`](Self::update_scan_config) waits.
    ///
    /// # Errors
    /// Those of [`create_config`](Self::create_config).
    pub async fn upsert_config(&self, id: ConfigId, config: &ScanConfig) -> Result<AcceptedConfig> {
        self.write_config(&upsert(id, config)?).await
    }

    async fn write_config(&self, request: &Request) -> Result<AcceptedConfig> {
        let response = self.http().send(request).await?;
        let tracking = tracking_from(&response);
        // The configuration was accepted, even if the response cannot be decoded.
        let config = response.json(request.operation()).map_err(|error| error.with_outcome_unknown(true))?;
        Ok(AcceptedConfig { config, tracking })
    }

    /// Reads the status of a change to a configuration. Requires the role Scan Operator.
    /// [`wait_for_config`](Self::wait_for_config) polls it until the change is written.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_config_status(&self, change: &ConfigTracking) -> Result<TrackingStatus> {
        #[derive(Deserialize)]
        struct Tracked {
            tracking_status: TrackingStatus,
        }
        self.http().json::<Tracked>(&tracking(change)?).await.map(|tracked| tracked.tracking_status)
    }

    /// Moves a configuration to a folder, by the folder's name. Requires the role Basic. A move to the
    /// trash happens in the background; the result then has the ids by which to ask for its status. The
    /// vendor does not document the name of the trash, which its web interface calls `Trash`.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid folder name; `NotFound`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn move_config(&self, id: ConfigId, folder: &str) -> Result<Option<ConfigTracking>> {
        self.http().send(&move_to(id, folder)?).await.map(|response| tracking_from(&response))
    }

    /// Deletes a configuration with its scans and their findings. Requires the role Scan Manager. The
    /// service deletes it in the background.
    ///
    /// # Errors
    /// `Conflict` while a scan of it has not ended; `NotFound`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn delete_config(&self, id: ConfigId) -> Result<()> {
        self.http().send(&delete(id)?).await.map(|_| ())
    }

    /// Asks the service to propose a configuration that checks one detection again. Requires the role Scan
    /// Manager. Nothing is created; [`create_remediation_config`](Self::create_remediation_config) does
    /// that.
    ///
    /// # Errors
    /// `InvalidRequest`, with status 422, for a plugin that does not support it; `NotFound` for an unknown
    /// detection; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_remediation_config(&self, id: VulnId) -> Result<RemediationConfig> {
        self.http().json(&remediation(id)?).await
    }

    /// Creates the configuration that [`get_remediation_config`](Self::get_remediation_config) returned,
    /// unchanged. Requires the role Scan Manager.
    ///
    /// # Errors
    /// Those of [`create_config`](Self::create_config).
    pub async fn create_remediation_config(&self, config: &RemediationConfig) -> Result<AcceptedConfig> {
        self.write_config(&create_remediation(config)?).await
    }

    /// Downloads a configuration for the vendor's CI scanner, in HOCON, into a writer. Returns its length
    /// in bytes. Requires the privilege `WAS.TOGGLE_WAS.USE` and the permission to configure it.
    ///
    /// # Errors
    /// `NotFound`; `Unexpected` if the writer fails; those of every call, as for
    /// [`search_configs`](Self::search_configs). The writer may hold a part by then.
    pub async fn download_cicd_config<W>(&self, id: ConfigId, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        self.download(&cicd(id)?, writer).await
    }

    /// Streams the configurations that match a filter, page by page, each once, oldest first. What the
    /// listing may lack is in the gaps of a page: a configuration that cannot be decoded, or a listing that
    /// changed twice while it was read.
    pub fn configs(
        &self,
        filter: impl Into<Filter<ConfigField>>,
    ) -> BoxStream<'static, Result<ListedPage<ConfigSummary>>> {
        let filter = filter.into();
        let first = PageQuery::new().with_sort(Order::asc("created_at"));
        let key = |config: &ConfigSummary| RecordKey::Id(config.config_id.to_string());
        pages::pages(self, first, key, move |page| search(&filter, page))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn requests_match_the_document() {
        let page = PageQuery::new().with_offset(200).with_sort("created_at:asc");
        let request = search(&Filter::everything(), &page).unwrap();
        assert_eq!(request.method().as_str(), "POST");
        assert_eq!(request.path().as_str(), "/was/v2/configs/search");
        let query = [("limit", "200"), ("offset", "200"), ("sort", "created_at:asc")];
        assert_eq!(request.query(), query.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(request.body().unwrap().as_ref(), b"{}");
        assert_eq!(request.retry_safety(), RetrySafety::Always, "a search changes nothing");
    }

    const ID: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

    fn shop() -> ScanConfig {
        ScanConfig::for_url("https://shop.example.com").with_owner("me").with_template_id(ID.parse().unwrap())
    }

    #[test]
    fn requests_that_change_a_configuration_match_the_document() {
        let id: ConfigId = ID.parse().unwrap();
        let change = ConfigTracking { config_id: id, tracking_id: ID.parse().unwrap() };
        let one = format!("/was/v2/configs/{ID}");
        let body = json!({"name": "shop.example.com", "targets": ["https://shop.example.com"], "owner_id": "me",
            "template_id": ID, "settings": {}});
        let export = "/api/v3/export/configs";
        for (request, method, path, body, repeat) in [
            (get(id), "GET", one.clone(), None, RetrySafety::Always),
            (
                create(&shop()),
                "POST",
                "/was/v2/configs".to_owned(),
                Some(body.clone()),
                RetrySafety::IfUnsent,
            ),
            (upsert(id, &shop()), "PUT", one.clone(), Some(body), RetrySafety::Always),
            (tracking(&change), "GET", format!("{one}/status/{ID}"), None, RetrySafety::Always),
            (
                move_to(id, "Team"),
                "PATCH",
                one.clone(),
                Some(json!({"folder_name": "Team"})),
                RetrySafety::Always,
            ),
            (delete(id), "DELETE", one, None, RetrySafety::IfUnsent),
            (
                remediation(ID.parse().unwrap()),
                "GET",
                format!("{export}/remediation/{ID}"),
                None,
                RetrySafety::Always,
            ),
            (cicd(id), "GET", format!("{export}/{ID}"), None, RetrySafety::Always),
        ] {
            let request = request.unwrap();
            assert_eq!((request.method().as_str(), request.path().as_str()), (method, path.as_str()));
            let sent = request.body().map(|body| serde_json::from_slice::<Value>(body).unwrap());
            assert_eq!((sent, request.retry_safety()), (body, repeat), "{method} {path}");
        }
    }

    #[test]
    fn an_incomplete_configuration_is_not_sent() {
        let open = ScanConfig::for_url("https://shop.example.com");
        for (config, path) in [
            (open.clone(), "owner_id"),
            (open.clone().with_owner("me"), "template_id"),
            (shop().with_name(""), "name"),
        ] {
            assert_eq!(create(&config).unwrap_err().path(), Some(path));
            assert_eq!(upsert(ID.parse().unwrap(), &config).unwrap_err().path(), Some(path));
        }
    }

    #[test]
    fn a_proposed_configuration_is_sent_back_unchanged() {
        let json = r#"{"z":1,"scanner_id":"36960339","in_remediation":true,"number":1.50}"#;
        let proposed = serde_json::from_str(json).unwrap();
        assert_eq!(create_remediation(&proposed).unwrap().body().unwrap().as_ref(), json.as_bytes());
    }
}
