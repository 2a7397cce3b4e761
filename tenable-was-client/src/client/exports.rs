//! The findings export: its single calls, and the start of a job.

use appsec_http::{ArrayPath, ElementStream, Path, Request, Result};
use serde::Deserialize;

use super::TenableWasClient;
use crate::export::{ExportJob, ExportRecords, RecordDecoder};
use crate::model::{ChunkId, ExportId, ExportList, ExportRequest, ExportStatus};

const EXPORTS: &str = "/was/v1/export/vulns";
const EXPORTS_STATUS: &str = "/was/v1/export/vulns/status";

fn path(id: ExportId) -> Result<Path> {
    Path::new(EXPORTS).join(&id.to_string())
}

fn request(what: &ExportRequest) -> Result<Request> {
    const OPERATION: &str = "tenable: request export";
    what.check().map_err(|error| error.with_operation(OPERATION))?;
    // Retried only if it was never sent: it creates a job, of which a tenant can have few.
    Request::post(OPERATION, EXPORTS).with_json(what)
}

fn list() -> Request {
    Request::get("tenable: list exports", Path::new(EXPORTS_STATUS))
}

fn status(id: ExportId) -> Result<Request> {
    Ok(Request::get("tenable: get export", path(id)?.join("status")?))
}

fn chunk(id: ExportId, chunk: ChunkId) -> Result<Request> {
    let path = path(id)?.join("chunks")?.join(&chunk.to_string())?;
    Ok(Request::get(crate::export::CHUNK_OPERATION, path))
}

fn cancel(id: ExportId) -> Result<Request> {
    Ok(Request::post("tenable: cancel export", path(id)?.join("cancel")?))
}

impl TenableWasClient {
    /// Requests an export of findings. Requires the role Basic. Findings of assets that the user cannot see
    /// are left out.
    ///
    /// [`start_export`](Self::start_export) also handles an export that is running already.
    ///
    /// # Errors
    /// `InvalidRequest` for a request that breaks a rule of the service, before it is sent, or that the
    /// service refuses; `Conflict` when an equal export is running, whose id is the
    /// [`conflicting_id`](appsec_core::Error::conflicting_id); those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn request_export(&self, what: &ExportRequest) -> Result<ExportId> {
        #[derive(Deserialize)]
        struct Accepted {
            export_uuid: ExportId,
        }
        self.http().json::<Accepted>(&request(what)?).await.map(|accepted| accepted.export_uuid)
    }

    /// Lists the exports of the tenant: at most the thousand newest, and of those that have ended only
    /// those of the last three days (vendor document). Requires the role Basic. The list does not contain
    /// the chunks of a job; [`get_export`](Self::get_export) returns them.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_exports(&self) -> Result<ExportList> {
        self.http().json(&list()).await
    }

    /// Reads the status of an export. Requires the role Basic.
    ///
    /// # Errors
    /// `NotFound`, also for an expired one; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn get_export(&self, id: ExportId) -> Result<ExportStatus> {
        self.http().json(&status(id)?).await
    }

    /// Reads the records of a chunk, one by one as they arrive. Requires the role Basic. Chunks are kept
    /// for a day (vendor document).
    ///
    /// # Errors
    /// Only for a request that cannot be sent. [`ExportRecords::next`] returns the errors of the records.
    pub fn export_chunk(&self, id: ExportId, chunk: ChunkId) -> Result<ExportRecords> {
        let decoder = RecordDecoder::new(self.inner.plugin_cache.clone());
        Ok(ExportRecords::new(self.chunk_elements(id, chunk)?, decoder, chunk))
    }

    pub(crate) fn chunk_elements(&self, id: ExportId, number: ChunkId) -> Result<ElementStream> {
        Ok(self
            .http()
            .elements(&chunk(id, number)?, ArrayPath::Root)
            .with_known_blocks(self.inner.plugin_cache.clone()))
    }

    /// Cancels an export. Returns the state of the job and nothing else of it (vendor document). Requires
    /// the role Basic. The current chunk is finished; finished chunks are kept for three days.
    ///
    /// # Errors
    /// `InvalidRequest` if it cannot be cancelled, for example because it has ended; `NotFound`; those of
    /// every call, as for [`search_configs`](Self::search_configs).
    pub async fn cancel_export(&self, id: ExportId) -> Result<ExportStatus> {
        self.http().json(&cancel(id)?).await
    }

    /// Requests an export and returns its job. An equal export that is running already is adopted; another
    /// one that conflicts is waited for.
    ///
    /// # Errors
    /// `Conflict` if another export conflicts for too long; otherwise those of
    /// [`request_export`](Self::request_export).
    pub async fn start_export(&self, what: &ExportRequest) -> Result<ExportJob> {
        ExportJob::start(self.clone(), what).await
    }

    /// Resumes an export of which these chunks were read before: an own one, or one from
    /// [`list_exports`](Self::list_exports). Nothing is sent until the job is polled. [`ExportJob::resume`]
    /// does the same from a stored point.
    pub fn resume_export(&self, id: ExportId, delivered: impl IntoIterator<Item = ChunkId>) -> ExportJob {
        ExportJob::resumed(self.clone(), id, delivered)
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;

    use super::*;

    #[test]
    fn requests_match_the_document() {
        let id: ExportId = "bf000000-53aa-4e70-9ef3-87cfca1d2be0".parse().unwrap();
        let base = format!("/was/v1/export/vulns/{id}");
        for (request, method, path, repeat) in [
            (Ok(list()), "GET", EXPORTS_STATUS.to_owned(), RetrySafety::Always),
            (status(id), "GET", format!("{base}/status"), RetrySafety::Always),
            (chunk(id, ChunkId(7)), "GET", format!("{base}/chunks/7"), RetrySafety::Always),
            (cancel(id), "POST", format!("{base}/cancel"), RetrySafety::IfUnsent),
        ] {
            let request = request.unwrap();
            assert_eq!(
                (request.method().as_str(), request.path().as_str(), request.retry_safety()),
                (method, path.as_str(), repeat)
            );
        }
    }

    #[test]
    fn a_request_that_breaks_a_rule_is_not_sent() {
        let error = request(&ExportRequest::everything().with_assets([])).unwrap_err();
        assert_eq!(error.kind(), appsec_core::ErrorKind::InvalidRequest);
        assert_eq!(error.operation(), Some("tenable: request export"));
        assert_eq!(error.status(), None);
    }

    #[test]
    fn an_export_of_everything_has_a_time_bound_and_all_states() {
        let asset = "77778888-9999-4aaa-8bbb-ccccddddeeee";
        let what = ExportRequest::everything().with_assets([asset.parse().unwrap(), asset.parse().unwrap()]);
        let request = request(&what).unwrap();
        assert_eq!(request.retry_safety(), RetrySafety::IfUnsent);
        let body: serde_json::Value = serde_json::from_slice(request.body().unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"num_assets": 500, "include_unlicensed": true,
                "filters": {"state": ["OPEN", "REOPENED", "FIXED"], "since": 1_000_000_000, "asset_uuid": [asset]}})
        );
    }
}
