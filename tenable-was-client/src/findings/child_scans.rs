//! The child scans of a scan: one for each of its targets.

use appsec_core::{BindTargetId, CoverageGap, ErrorKind, Result, ScanId, ScanStatus, Timestamp, Verbatim};
use futures_util::TryStreamExt;

use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::map_status;
use crate::model::{ApiTimestamp, AssetId, ConfigId, Scan, ScanTarget, TenableScanId};

/// The part of a scan that examines one target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChildScan {
    /// The child's own scan; `None` if the target was not scanned.
    pub(crate) id: Option<TenableScanId>,
    pub(crate) asset: Option<AssetId>,
    pub(crate) url: Option<String>,
    pub(crate) status: ScanStatus,
    /// The status as the service spells it; empty if it gives none.
    pub(crate) provider_status: String,
    pub(crate) percent: Option<u8>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

impl ChildScan {
    /// Makes a child of a scan of one target, or of a child in a listing of scans.
    pub(crate) fn from_scan(scan: &Scan) -> Self {
        let at = |moment: &Option<ApiTimestamp>| moment.as_ref().and_then(ApiTimestamp::timestamp);
        Self {
            id: Some(scan.scan_id),
            asset: scan.asset_id,
            url: scan.url().map(str::to_owned),
            status: map_status(scan.status.as_ref(), scan.finalized_at.is_some()),
            provider_status: scan.status.as_ref().map(Verbatim::to_string).unwrap_or_default(),
            percent: None,
            created_at: at(&scan.created_at),
            started_at: at(&scan.started_at),
            ended_at: at(&scan.finalized_at),
        }
    }

    fn from_row(row: &ScanTarget) -> Self {
        let at = |moment: Option<&ApiTimestamp>| moment.and_then(ApiTimestamp::timestamp);
        let target = row.target.as_ref();
        let scan = row.scan.as_ref();
        let status = scan.and_then(|scan| scan.status.as_ref());
        Self {
            id: scan.map(|scan| scan.scan_id),
            asset: target.and_then(|target| target.asset_id),
            url: target.and_then(|target| target.target_url.clone()),
            status: map_status(status, scan.is_some_and(|scan| scan.finalized_at.is_some())),
            provider_status: status.map(Verbatim::to_string).unwrap_or_default(),
            percent: scan
                .and_then(|scan| scan.estimate_percent_complete)
                .and_then(|percent| u8::try_from(percent).ok()),
            created_at: at(scan.and_then(|scan| scan.created_at.as_ref())),
            started_at: at(scan.and_then(|scan| scan.started_at.as_ref())),
            ended_at: at(scan.and_then(|scan| scan.finalized_at.as_ref())),
        }
    }

    /// Returns the child as a scan of the contract, or `None` if the target was not scanned.
    pub(crate) fn to_scan(&self, target: Option<&BindTargetId>) -> Option<appsec_core::Scan> {
        let mut scan = appsec_core::Scan::new(ScanId::new(self.id?.to_string()), self.status.clone());
        scan.target = target.cloned();
        scan.provider_status.clone_from(&self.provider_status);
        scan.percent =
            if self.status == ScanStatus::Completed { Some(100) } else { self.percent.map(|p| p.min(99)) };
        (scan.created_at, scan.started_at, scan.ended_at) = (self.created_at, self.started_at, self.ended_at);
        scan.location.clone_from(&self.url);
        Some(scan)
    }
}

/// The child scans of a scan, and what their listing may lack.
#[derive(Debug, Default)]
pub(crate) struct ChildScans {
    pub(crate) children: Vec<ChildScan>,
    pub(crate) gaps: Vec<CoverageGap>,
}

/// Lists the child scans of a scan. A scan of one target has none.
///
/// They come from the search by targets, which the vendor does not document. If it is refused or empty,
/// they come from the scans of the configuration.
pub(crate) async fn child_scans(client: &TenableWasClient, scan: &Scan) -> Result<ChildScans> {
    if scan.is_of_one_target() {
        return Ok(ChildScans::default());
    }
    let rows = client.scan_targets(scan.scan_id).try_concat().await;
    let found = match rows {
        Ok(rows) => {
            ChildScans { children: rows.records.iter().map(ChildScan::from_row).collect(), gaps: rows.gaps }
        }
        Err(error) => match error.kind() {
            ErrorKind::Auth | ErrorKind::RateLimited | ErrorKind::Transport | ErrorKind::Deadline => {
                return Err(error);
            }
            _ => {
                tracing::debug!(scan = %scan.scan_id, %error, "the search by targets failed; listing scans instead");
                ChildScans::default()
            }
        },
    };
    match (found.children.is_empty(), scan.config_id) {
        (true, Some(config)) => scans_with_parent(client, config, scan).await,
        _ => Ok(found),
    }
}

/// Lists the scans of a configuration whose parent is the given scan.
async fn scans_with_parent(client: &TenableWasClient, config: ConfigId, parent: &Scan) -> Result<ChildScans> {
    let mut pages = client.scans_of_config(config, Filter::everything());
    let mut found = ChildScans::default();
    while let Some(page) = pages.try_next().await? {
        // All pages are read: the service may refuse the sort order, and may omit the dates that are sorted
        // by.
        let children = page.records.iter().filter(|scan| scan.parent_id == Some(parent.scan_id));
        found.children.extend(children.map(ChildScan::from_scan));
        found.gaps.extend(page.gaps);
    }
    Ok(found)
}
