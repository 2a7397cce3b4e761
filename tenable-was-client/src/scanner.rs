//! The implementation of [`DastApiScanner`].

use appsec_core::{
    BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, CoverageGap,
    DastApiScanner, Error, ErrorKind, FindingEvent, FindingQuery, Result, ScanId, ScanMode, ScanProblem,
    ScanRequest, ScanStatus, ScannerInfo, StartedScan, Timestamp, async_trait, stream_error,
};
use appsec_http::ListedPage;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::TenableWasClient;
use crate::filter::Filter;
use crate::findings::{ChildScan, ChildScans, child_scans, findings};
use crate::map::{map_scan, parse_config_target, parse_scan_id, with_child_progress};
use crate::model::{RequestedAction, Scan, TenableScanId};

static INFO: ScannerInfo = ScannerInfo::new(
    TenableWasClient::KEY,
    "Tenable Web App Scanning",
    ScanMode::Active,
    Capabilities::none()
        .with_findings_by_scan(true)
        .with_findings_by_target(true)
        .with_findings_all(true)
        .with_findings_since(true)
        .with_start_scan(true)
        .with_stop_scan(true)
        .with_scans(true),
);

/// The number of scans whose notes are read concurrently. The vendor asks for few requests at a time.
const CONCURRENT_NOTES: usize = 2;

#[async_trait]
impl DastApiScanner for TenableWasClient {
    fn info(&self) -> &ScannerInfo {
        &INFO
    }

    async fn test_connection(&self) -> ConnectionReport {
        crate::connect::test(self).await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        crate::bind_targets::bind_targets(self, query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        findings(self, query)
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let config = parse_config_target(&request.target)?;
        match self.launch_scan(config).await {
            Ok(id) => Ok(StartedScan::Started(self.launched(id, &request.target).await)),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let Some(running) = self.running_scan(config, &error).await? else { return Err(error) };
                Ok(StartedScan::AlreadyRunning(self.launched(running, &request.target).await))
            }
            Err(error) => Err(error),
        }
    }

    async fn scan(&self, id: &ScanId) -> Result<appsec_core::Scan> {
        let scan = self.get_scan(parse_scan_id(id)?).await?;
        let notes = self.problems(scan.scan_id).await?;
        let parent = map_scan(&scan, &notes, Timestamp::now());
        let ChildScans { children, gaps } = child_scans(self, &scan).await?;
        if let Some(gap) = gaps.first() {
            tracing::warn!(scan = %id, %gap, "some targets of the scan may be missing");
        }
        // The only target of a scan may be listed as a child with the scan's own id.
        let children: Vec<ChildScan> =
            children.into_iter().filter(|child| child.id != Some(scan.scan_id)).collect();
        let children = self.child_scans(children, parent.target.as_ref()).await?;
        Ok(with_child_progress(parent, children))
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        let id = parse_scan_id(id)?;
        match self.update_scan(id, &RequestedAction::Stop).await {
            // A scan that has ended or is stopping already is what the caller wants.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let scan = self.get_scan(id).await?;
                let stopping = map_scan(&scan, &[], Timestamp::now()).status == ScanStatus::Stopping;
                if stopping || scan.has_ended() { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<appsec_core::Scan>>> {
        let config = match parse_config_target(target) {
            Ok(config) => config,
            Err(error) => return stream_error(error),
        };
        let target = target.clone();
        self.scans_of_config(config, Filter::everything())
            .flat_map(move |page| {
                let (page, gap) = match page {
                    Ok(ListedPage { records, gaps, .. }) => {
                        // Children are reported with their parent.
                        let parents = records.iter().filter(|scan| scan.parent_id.is_none());
                        (
                            Ok(parents.map(|scan| scan_of_target(scan, &target)).collect()),
                            gaps.into_iter().next(),
                        )
                    }
                    Err(error) => (Err(error), None),
                };
                // A listing of scans has no place for gaps: what it lacks is an error at its end.
                stream::iter([page].into_iter().chain(gap.map(|gap| Err(incomplete(gap)))))
            })
            .scan(false, |ended, page| {
                let item = (!*ended).then_some(page);
                *ended |= matches!(item, Some(Err(_)));
                std::future::ready(item)
            })
            .boxed()
    }
}

impl TenableWasClient {
    /// The stable key of this scanner: that of Invicti `AppSec`'s integration.
    pub const KEY: &'static str = "tenableiowas";

    /// Reads the scan that was just launched. No failure is returned: the scan was launched even if it is
    /// not visible yet.
    async fn launched(&self, id: TenableScanId, target: &BindTargetId) -> appsec_core::Scan {
        match self.get_scan(id).await {
            Ok(scan) => scan_of_target(&scan, target),
            Err(error) => {
                tracing::debug!(scan = %id, %error, "the launched scan is not visible yet");
                appsec_core::Scan::new(id.to_string(), ScanStatus::Queued).with_target(target.clone())
            }
        }
    }

    /// Reads the problems in a scan's notes; none if the notes cannot be read.
    async fn problems(&self, id: TenableScanId) -> Result<Vec<ScanProblem>> {
        match self.scan_notes(id).try_concat().await {
            Ok(notes) => Ok(notes.records.iter().map(ScanProblem::from).collect()),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::InvalidRequest
                ) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Converts child scans, with the problems of those that have ended: the notes of the others may still
    /// change.
    async fn child_scans(
        &self,
        children: Vec<ChildScan>,
        target: Option<&BindTargetId>,
    ) -> Result<Vec<appsec_core::Scan>> {
        stream::iter(children)
            .map(|child| async move {
                let Some(mut scan) = child.to_scan(target) else { return Ok(None) };
                if let Some(id) = child.id.filter(|_| scan.is_ended()) {
                    scan.problems = self.problems(id).await?;
                }
                Ok(Some(scan))
            })
            .buffered(CONCURRENT_NOTES)
            .try_filter_map(|scan| async move { Ok(scan) })
            .try_collect()
            .await
    }
}

/// The error of a listing that may lack scans.
fn incomplete(gap: CoverageGap) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the list of scans may lack some: {gap}"))
        .with_operation("tenable: search scans")
        .with_gap(gap)
}

/// Converts a scan of a known target, without children and notes.
fn scan_of_target(scan: &Scan, target: &BindTargetId) -> appsec_core::Scan {
    map_scan(scan, &[], Timestamp::now()).with_target(target.clone())
}
