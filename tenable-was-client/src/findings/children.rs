//! The runs over the single targets of a scan.

use appsec_core::{BindTargetId, ErrorKind, Result, ScanId, ScanStatus, Timestamp, Verbatim};
use futures_util::TryStreamExt;

use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::status_of;
use crate::model::{ApiTimestamp, AssetId, ConfigId, Scan, ScanTarget, TenableScanId};

/// The run over one target of a scan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Child {
    /// The run; `None` where the target has none.
    pub(crate) id: Option<TenableScanId>,
    pub(crate) asset: Option<AssetId>,
    pub(crate) url: Option<String>,
    pub(crate) status: ScanStatus,
    pub(crate) word: String,
    pub(crate) percent: Option<u8>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

impl Child {
    /// A run that is a scan of its own, or a child in a listing of scans.
    pub(crate) fn of_scan(scan: &Scan) -> Self {
        let at = |moment: &Option<ApiTimestamp>| moment.as_ref().and_then(ApiTimestamp::timestamp);
        Self {
            id: Some(scan.scan_id),
            asset: scan.asset_id,
            url: scan.url().map(str::to_owned),
            status: status_of(scan.status.as_ref(), scan.finalized_at.is_some()),
            word: scan.status.as_ref().map(Verbatim::to_string).unwrap_or_default(),
            percent: None,
            created_at: at(&scan.created_at),
            started_at: at(&scan.started_at),
            ended_at: at(&scan.finalized_at),
        }
    }

    fn of_row(row: &ScanTarget) -> Self {
        let at = |moment: Option<&ApiTimestamp>| moment.and_then(ApiTimestamp::timestamp);
        let target = row.target.as_ref();
        let run = row.scan.as_ref();
        let state = run.and_then(|run| run.status.as_ref());
        Self {
            id: run.map(|run| run.scan_id),
            asset: target.and_then(|target| target.asset_id),
            url: target.and_then(|target| target.target_url.clone()),
            status: status_of(state, run.is_some_and(|run| run.finalized_at.is_some())),
            word: state.map(Verbatim::to_string).unwrap_or_default(),
            percent: run
                .and_then(|run| run.estimate_percent_complete)
                .and_then(|percent| u8::try_from(percent).ok()),
            created_at: at(run.and_then(|run| run.created_at.as_ref())),
            started_at: at(run.and_then(|run| run.started_at.as_ref())),
            ended_at: at(run.and_then(|run| run.finalized_at.as_ref())),
        }
    }

    /// The run as a scan; `None` where the target has none.
    pub(crate) fn to_scan(&self, target: Option<&BindTargetId>) -> Option<appsec_core::Scan> {
        let mut scan = appsec_core::Scan::new(ScanId::new(self.id?.to_string()), self.status.clone());
        scan.target = target.cloned();
        scan.provider_status.clone_from(&self.word);
        scan.percent =
            if self.status == ScanStatus::Completed { Some(100) } else { self.percent.map(|p| p.min(99)) };
        (scan.created_at, scan.started_at, scan.ended_at) = (self.created_at, self.started_at, self.ended_at);
        scan.location.clone_from(&self.url);
        Some(scan)
    }
}

/// The runs over the targets of a scan; empty where it is the run over its only target.
///
/// By the search by targets, which the vendor does not document, and where that is refused or knows nothing by the scans of the configuration.
pub(crate) async fn children(client: &TenableWasClient, scan: &Scan) -> Result<Vec<Child>> {
    if scan.is_of_one_target() {
        return Ok(Vec::new());
    }
    let rows = client.scan_targets(scan.scan_id).try_concat().await;
    let found: Vec<Child> = match rows {
        Ok(rows) => rows.iter().map(Child::of_row).collect(),
        Err(error) => match error.kind() {
            ErrorKind::Auth | ErrorKind::RateLimited | ErrorKind::Transport | ErrorKind::Deadline => {
                return Err(error);
            }
            _ => {
                tracing::debug!(scan = %scan.scan_id, %error, "the search by targets is refused; listing scans instead");
                Vec::new()
            }
        },
    };
    match (found.is_empty(), scan.config_id) {
        (true, Some(config)) => by_parent(client, config, scan).await,
        _ => Ok(found),
    }
}

/// The scans of a configuration that name the scan as their parent.
async fn by_parent(client: &TenableWasClient, config: ConfigId, parent: &Scan) -> Result<Vec<Child>> {
    let mut pages = client.scans_of_config(config, Filter::everything());
    let mut found = Vec::new();
    while let Some(page) = pages.try_next().await? {
        // To the last page: the order is one that the service may refuse, and a date one that it may leave out.
        found.extend(page.iter().filter(|scan| scan.parent_id == Some(parent.scan_id)).map(Child::of_scan));
    }
    Ok(found)
}
