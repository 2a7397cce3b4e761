//! Scan configurations.

use appsec_http::{Path, Request, Response, Result, RetrySafety};
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
    // Repeated only where it was never sent: it makes something new.
    Request::post(CREATE, CONFIGS).with_json(config)
}

pub(super) fn create_remediation(config: &RemediationConfig) -> Result<Request> {
    Request::post(CREATE, CONFIGS).with_json(config)
}

pub(super) fn upsert(id: ConfigId, config: &ScanConfig) -> Result<Request> {
    config.check_complete()?;
    // Written twice it is the same.
    Request::put("tenable: upsert config", path(id)?).with_repeat(RetrySafety::Always).with_json(config)
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
    let request = Request::patch("tenable: move config", path(id)?).with_repeat(RetrySafety::Always);
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

fn tracking_of(answer: &Response) -> Option<ConfigTracking> {
    answer.header("location").and_then(ConfigTracking::from_location)
}

impl TenableWasClient {
    /// Searches scan configurations. Needs the role Basic.
    ///
    /// # Errors
    /// `InvalidRequest` for a filter that the service refuses; those of every call: `Auth`, `PermissionDenied`, `RateLimited`, `Server`,
    /// `Transport`, `Deadline`, `Decode`.
    pub async fn search_configs(
        &self,
        filter: &Filter<ConfigField>,
        page: &PageQuery,
    ) -> Result<Page<ConfigSummary>> {
        self.http().json(&search(filter, page)?).await
    }

    /// A scan configuration in full. Needs the role Scan Operator.
    ///
    /// # Errors
    /// `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_config(&self, id: ConfigId) -> Result<ConfigDetails> {
        self.http().json(&get(id)?).await
    }

    /// Makes a configuration. Needs the role Scan Manager. The service writes it in the background, so that it may not show yet;
    /// [`create_scan_config`](Self::create_scan_config) fills in what is left open, and waits.
    ///
    /// # Errors
    /// `InvalidRequest`, before anything is sent, for what the service would refuse, and for an owner or a template that is left open; and for what
    /// the service does refuse. `Conflict` for a name that is taken (assumed); `PermissionDenied` for a foreign owner too; those of every call, as
    /// for [`search_configs`](Self::search_configs). An error with [`outcome_unknown`](appsec_core::Error::outcome_unknown) may have made one.
    pub async fn create_config(&self, config: &ScanConfig) -> Result<AcceptedConfig> {
        self.write_config(&create(config)?).await
    }

    /// Replaces a configuration by this one, or makes it with this id. Needs the role Scan Manager. As for
    /// [`create_config`](Self::create_config), the service writes it in the background; [`update_scan_config`](Self::update_scan_config) waits.
    ///
    /// # Errors
    /// Those of [`create_config`](Self::create_config).
    pub async fn upsert_config(&self, id: ConfigId, config: &ScanConfig) -> Result<AcceptedConfig> {
        self.write_config(&upsert(id, config)?).await
    }

    async fn write_config(&self, request: &Request) -> Result<AcceptedConfig> {
        let answer = self.http().send(request).await?;
        let tracking = tracking_of(&answer);
        // It was accepted, whatever the answer looks like.
        let config = answer.json(request.operation()).map_err(|error| error.with_outcome_unknown(true))?;
        Ok(AcceptedConfig { config, tracking })
    }

    /// Looks how far the service is with a change to a configuration. Needs the role Scan Operator.
    /// [`wait_for_config`](Self::wait_for_config) does this until it is done.
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

    /// Moves a configuration to a folder, by the folder's name. Needs the role Basic. What is moved to the trash is moved in the background, and
    /// gives where to ask how far that is; the vendor does not write down the name for it, which its web interface calls `Trash`.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that no folder can have; `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn move_config(&self, id: ConfigId, folder: &str) -> Result<Option<ConfigTracking>> {
        self.http().send(&move_to(id, folder)?).await.map(|answer| tracking_of(&answer))
    }

    /// Deletes a configuration with its scans and what they found. Needs the role Scan Manager. The service does so in the background.
    ///
    /// # Errors
    /// `Conflict` while a scan of it has not ended; `NotFound`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn delete_config(&self, id: ConfigId) -> Result<()> {
        self.http().send(&delete(id)?).await.map(|_| ())
    }

    /// Lets the service propose a configuration that looks for one detection again. Needs the role Scan Manager. Nothing is made;
    /// [`create_remediation_config`](Self::create_remediation_config) makes it.
    ///
    /// # Errors
    /// `InvalidRequest`, with status 422, for a plugin that cannot be checked so; `NotFound` for a detection that is not known; those of every
    /// call, as for [`search_configs`](Self::search_configs).
    pub async fn get_remediation_config(&self, id: VulnId) -> Result<RemediationConfig> {
        self.http().json(&remediation(id)?).await
    }

    /// Makes the configuration that [`get_remediation_config`](Self::get_remediation_config) gave, as it came. Needs the role Scan Manager.
    ///
    /// # Errors
    /// Those of [`create_config`](Self::create_config).
    pub async fn create_remediation_config(&self, config: &RemediationConfig) -> Result<AcceptedConfig> {
        self.write_config(&create_remediation(config)?).await
    }

    /// Writes a configuration out in the form that the vendor's scanner for CI reads, which is HOCON; gives its length in bytes. Needs the
    /// privilege `WAS.TOGGLE_WAS.USE` and the permission to configure it.
    ///
    /// # Errors
    /// `NotFound`; `Unexpected` where the writer fails; those of every call, as for [`search_configs`](Self::search_configs). The writer may
    /// hold a part by then.
    pub async fn download_cicd_config<W>(&self, id: ConfigId, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        self.download(&cicd(id)?, writer).await
    }

    /// Streams the configurations that a filter lets through, page by page, each once, oldest first.
    ///
    /// The oldest come first because that order does not change while the listing is read.
    pub fn configs(
        &self,
        filter: impl Into<Filter<ConfigField>>,
    ) -> BoxStream<'static, Result<Vec<ConfigSummary>>> {
        let (client, filter) = (self.clone(), filter.into());
        let first = PageQuery::new().with_sort(Order::asc("created_at"));
        pages::pages(
            first,
            |config: &ConfigSummary| config.config_id,
            move |page| {
                let (client, filter) = (client.clone(), filter.clone());
                async move { client.search_configs(&filter, &page).await }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn requests_are_those_of_the_document() {
        let page = PageQuery::new().with_offset(200).with_sort("created_at:asc");
        let request = search(&Filter::everything(), &page).unwrap();
        assert_eq!(request.method().as_str(), "POST");
        assert_eq!(request.path().as_str(), "/was/v2/configs/search");
        let query = [("limit", "200"), ("offset", "200"), ("sort", "created_at:asc")];
        assert_eq!(request.query(), query.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(request.body().unwrap().as_ref(), b"{}");
        assert_eq!(request.repeat(), RetrySafety::Always, "a search changes nothing");
    }

    const ID: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

    fn shop() -> ScanConfig {
        ScanConfig::for_url("https://shop.example.com").with_owner("me").with_template_id(ID.parse().unwrap())
    }

    #[test]
    fn what_a_configuration_is_changed_by_is_that_of_the_document() {
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
            assert_eq!((sent, request.repeat()), (body, repeat), "{method} {path}");
        }
    }

    #[test]
    fn what_is_left_open_is_not_sent() {
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
    fn what_the_service_proposes_goes_back_byte_by_byte() {
        let json = r#"{"z":1,"scanner_id":"36960339","in_remediation":true,"number":1.50}"#;
        let proposed = serde_json::from_str(json).unwrap();
        assert_eq!(create_remediation(&proposed).unwrap().body().unwrap().as_ref(), json.as_bytes());
    }
}
