//! Scans: launch, read, stop, list, their notes and targets.

use appsec_http::{ListedPage, Path, RecordKey, Request, Result, RetrySafety};
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::filter::{Filter, ScanField};
use crate::model::{ConfigId, Page, RequestedAction, Scan, ScanNote, ScanTarget, TenableScanId};

fn scan_path(id: TenableScanId) -> Result<Path> {
    Path::new("/was/v2/scans").join(&id.to_string())
}

fn config_scans_path(config: ConfigId) -> Result<Path> {
    Path::new("/was/v2/configs").join(&config.to_string())?.join("scans")
}

pub(super) fn launch(config: ConfigId) -> Result<Request> {
    // Retried only if it was never sent: it starts a scan.
    Ok(Request::post("tenable: launch scan", config_scans_path(config)?))
}

pub(super) fn get(id: TenableScanId) -> Result<Request> {
    Ok(Request::get("tenable: get scan", scan_path(id)?))
}

pub(super) fn update(id: TenableScanId, action: &RequestedAction) -> Result<Request> {
    #[derive(Serialize)]
    struct Update<'a> {
        requested_action: &'a RequestedAction,
    }
    Request::patch("tenable: update scan", scan_path(id)?).with_json(&Update { requested_action: action })
}

pub(super) fn delete(id: TenableScanId) -> Result<Request> {
    Ok(Request::delete("tenable: delete scan", scan_path(id)?))
}

pub(super) fn search(config: ConfigId, filter: &Filter<ScanField>, page: &PageQuery) -> Result<Request> {
    pages::search("tenable: search scans", config_scans_path(config)?.join("search")?, filter, page)
}

pub(super) fn notes(id: TenableScanId, page: &PageQuery) -> Result<Request> {
    Ok(page.apply_to(Request::get("tenable: list scan notes", scan_path(id)?.join("notes")?)))
}

pub(super) fn by_targets(id: TenableScanId, page: &PageQuery) -> Result<Request> {
    let path = scan_path(id)?.join("vulnerabilities")?.join("by-targets")?.join("search")?;
    let request =
        Request::post("tenable: search targets of scan", path).with_retry_safety(RetrySafety::Always);
    page.apply_to(request).with_json(&json!({}))
}

impl TenableWasClient {
    /// Launches a scan of a configuration. Requires the role Scan Operator. The scan may take some seconds
    /// to become visible. [`launch_or`](Self::launch_or) also handles a scan that is running already.
    ///
    /// # Errors
    /// `Conflict` if a scan is running already, whose id is the
    /// [`conflicting_id`](appsec_core::Error::conflicting_id); `NotFound`; those of every call, as for
    /// [`search_configs`](Self::search_configs). An error with
    /// [`outcome_unknown`](appsec_core::Error::outcome_unknown) may have started a scan.
    pub async fn launch_scan(&self, config: ConfigId) -> Result<TenableScanId> {
        #[derive(Deserialize)]
        struct Launched {
            scan_id: TenableScanId,
        }
        self.http().json::<Launched>(&launch(config)?).await.map(|launched| launched.scan_id)
    }

    /// Reads a scan. Requires the role Basic.
    ///
    /// # Errors
    /// `NotFound`, also for some seconds after the launch; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn get_scan(&self, id: TenableScanId) -> Result<Scan> {
        self.http().json(&get(id)?).await
    }

    /// Asks a scan to stop, pause or resume. Requires the role Scan Operator. Stop and pause require a
    /// running scan, resume a paused one.
    ///
    /// # Errors
    /// `Conflict` if the scan's status does not allow it; `NotFound`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn update_scan(&self, id: TenableScanId, action: &RequestedAction) -> Result<()> {
        self.http().send(&update(id, action)?).await.map(|_| ())
    }

    /// Asks a running scan to pause: [`update_scan`](Self::update_scan) with that action. To stop a scan in
    /// any status, use [`stop_scan`](appsec_core::DastApiScanner::stop_scan).
    ///
    /// # Errors
    /// Those of [`update_scan`](Self::update_scan).
    pub async fn pause_scan(&self, id: TenableScanId) -> Result<()> {
        self.update_scan(id, &RequestedAction::Pause).await
    }

    /// Asks a paused scan to resume: [`update_scan`](Self::update_scan) with that action.
    ///
    /// # Errors
    /// Those of [`update_scan`](Self::update_scan).
    pub async fn resume_scan(&self, id: TenableScanId) -> Result<()> {
        self.update_scan(id, &RequestedAction::Resume).await
    }

    /// Deletes a scan and its findings. Requires the role Scan Operator. The service deletes it in the
    /// background.
    ///
    /// # Errors
    /// `Conflict` while it has not ended; `NotFound`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn delete_scan(&self, id: TenableScanId) -> Result<()> {
        self.http().send(&delete(id)?).await.map(|_| ())
    }

    /// Searches the scans of a configuration. Requires the role Basic.
    ///
    /// # Errors
    /// Those of [`search_configs`](Self::search_configs).
    pub async fn search_scans(
        &self,
        config: ConfigId,
        filter: &Filter<ScanField>,
        page: &PageQuery,
    ) -> Result<Page<Scan>> {
        self.page(&search(config, filter, page)?).await
    }

    /// Lists the notes of the scanner on a scan. Requires the role Basic.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_scan_notes(&self, id: TenableScanId, page: &PageQuery) -> Result<Page<ScanNote>> {
        self.page(&notes(id, page)?).await
    }

    /// Lists the targets of a scan, each with its scan. **Not documented by the vendor**; its web interface
    /// and its Python library use it.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn search_scan_targets(&self, id: TenableScanId, page: &PageQuery) -> Result<Page<ScanTarget>> {
        self.page(&by_targets(id, page)?).await
    }

    /// Streams the scans of a configuration that match a filter, page by page, each once, newest first.
    /// Children of multi-target scans are included.
    pub fn scans_of_config(
        &self,
        config: ConfigId,
        filter: impl Into<Filter<ScanField>>,
    ) -> BoxStream<'static, Result<ListedPage<Scan>>> {
        let filter = filter.into();
        let first = PageQuery::new().with_sort(Order::desc("created_at"));
        let key = |scan: &Scan| RecordKey::Id(scan.scan_id.to_string());
        pages::pages(self, first, key, move |page| search(config, &filter, page))
    }

    /// Streams the notes on a scan, page by page.
    pub fn scan_notes(&self, id: TenableScanId) -> BoxStream<'static, Result<ListedPage<ScanNote>>> {
        // A note may lack an id; then its text identifies it.
        let key = |note: &ScanNote| match &note.scan_note_id {
            Some(id) => RecordKey::Id(id.clone()),
            None => RecordKey::from_content(format!("{note:?}").as_bytes()),
        };
        pages::pages(self, PageQuery::new(), key, move |page| notes(id, page))
    }

    /// Streams the targets of a scan, page by page. Not documented by the vendor; see
    /// [`search_scan_targets`](Self::search_scan_targets).
    pub fn scan_targets(&self, id: TenableScanId) -> BoxStream<'static, Result<ListedPage<ScanTarget>>> {
        let key = |row: &ScanTarget| {
            let target = row.target.as_ref();
            let id = target.and_then(|target| target.target_id.clone().or_else(|| target.target_url.clone()));
            // It is not known that a target is listed only once.
            RecordKey::from_content(
                format!("{id:?} {:?}", row.scan.as_ref().map(|scan| scan.scan_id)).as_bytes(),
            )
        };
        pages::pages(self, PageQuery::new(), key, move |page| by_targets(id, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

    #[test]
    fn requests_match_the_document() {
        let scan: TenableScanId = ID.parse().unwrap();
        let config: ConfigId = ID.parse().unwrap();
        let page = PageQuery::new();
        for (request, method, path, body, repeat) in [
            (launch(config), "POST", format!("/was/v2/configs/{ID}/scans"), None, RetrySafety::IfUnsent),
            (get(scan), "GET", format!("/was/v2/scans/{ID}"), None, RetrySafety::Always),
            (
                update(scan, &RequestedAction::Stop),
                "PATCH",
                format!("/was/v2/scans/{ID}"),
                Some(r#"{"requested_action":"stop"}"#),
                RetrySafety::IfUnsent,
            ),
            (
                search(config, &Filter::everything(), &page),
                "POST",
                format!("/was/v2/configs/{ID}/scans/search"),
                Some("{}"),
                RetrySafety::Always,
            ),
            (delete(scan), "DELETE", format!("/was/v2/scans/{ID}"), None, RetrySafety::IfUnsent),
            (notes(scan, &page), "GET", format!("/was/v2/scans/{ID}/notes"), None, RetrySafety::Always),
            (
                by_targets(scan, &page),
                "POST",
                format!("/was/v2/scans/{ID}/vulnerabilities/by-targets/search"),
                Some("{}"),
                RetrySafety::Always,
            ),
        ] {
            let request = request.unwrap();
            assert_eq!(request.method().as_str(), method, "{path}");
            assert_eq!(request.path().as_str(), path);
            assert_eq!(request.body().map(AsRef::as_ref), body.map(str::as_bytes), "{path}");
            assert_eq!(request.retry_safety(), repeat, "{path}");
        }
    }
}
