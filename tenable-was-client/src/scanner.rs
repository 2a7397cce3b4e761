//! Tenable WAS as a scanner like any other: from what the service offers to what the trait promises, nothing else.

use appsec_core::{
    BindTarget, BindTargetId, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner,
    ErrorKind, FindingEvent, FindingQuery, Result, ScanId, ScanMode, ScanProblem, ScanRequest, ScanStatus,
    ScannerInfo, StartedScan, Timestamp, async_trait, once_err,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::TenableWasClient;
use crate::filter::Filter;
use crate::findings::{Child, children, findings};
use crate::map::{KEY, config_of, problem_of_note, scan_id_of, scan_of, with_child_progress};
use crate::model::{ConfigSummary, Moment, PermissionLevel, RequestedAction, Scan, TenableScanId};

static INFO: ScannerInfo = ScannerInfo::new(
    KEY,
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

/// How many notes are read at once: few, as the vendor asks.
const NOTES_AT_ONCE: usize = 2;

#[async_trait]
impl DastApiScanner for TenableWasClient {
    fn info(&self) -> &ScannerInfo {
        &INFO
    }

    async fn test_connection(&self) -> ConnectionReport {
        crate::connect::test(self).await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<Vec<BindTarget>>> {
        // The filter is ours: the service's own has other rules of likeness.
        self.configs(Filter::everything())
            .map_ok(move |page| {
                let visible = page.iter().filter(|config| config.in_trash != Some(true));
                visible.map(bind_target).filter(|target| query.admits(target)).collect()
            })
            .boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        findings(self, query)
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let config = config_of(&request.target)?;
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
        let scan = self.get_scan(scan_id_of(id)?).await?;
        let notes = self.problems(scan.scan_id).await?;
        let parent = scan_of(&scan, &notes, Timestamp::now());
        let runs = children(self, &scan).await?;
        // The only target of a scan may be listed as a run with the scan's own id.
        let runs: Vec<Child> = runs.into_iter().filter(|run| run.id != Some(scan.scan_id)).collect();
        let found = self.runs(runs, parent.target.as_ref()).await?;
        Ok(with_child_progress(parent, found))
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        let id = scan_id_of(id)?;
        match self.update_scan(id, &RequestedAction::Stop).await {
            // It may have ended, or be ending, by itself: that is what was wanted.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let scan = self.get_scan(id).await?;
                let stopping = scan_of(&scan, &[], Timestamp::now()).status == ScanStatus::Stopping;
                if stopping || scan.has_ended() { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<appsec_core::Scan>>> {
        let config = match config_of(target) {
            Ok(config) => config,
            Err(error) => return once_err(error),
        };
        let target = target.clone();
        self.scans_of_config(config, Filter::everything())
            .map_ok(move |page| {
                // Children are parts of the scan that names them.
                let whole = page.iter().filter(|scan| scan.parent_id.is_none());
                whole.map(|scan| of_target(scan, &target)).collect()
            })
            .boxed()
    }
}

impl TenableWasClient {
    /// The scan that was just launched. It may not show yet, and it was launched all the same: nothing that goes wrong here is an error.
    async fn launched(&self, id: TenableScanId, target: &BindTargetId) -> appsec_core::Scan {
        match self.get_scan(id).await {
            Ok(scan) => of_target(&scan, target),
            Err(error) => {
                tracing::debug!(scan = %id, %error, "the scan that was launched does not show yet");
                appsec_core::Scan::new(id.to_string(), ScanStatus::Queued).with_target(target.clone())
            }
        }
    }

    /// The troubles that a scan's notes tell of; none where the notes are refused.
    async fn problems(&self, id: TenableScanId) -> Result<Vec<ScanProblem>> {
        match self.scan_notes(id).try_concat().await {
            Ok(notes) => Ok(notes.iter().map(problem_of_note).collect()),
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

    /// The runs over single targets, with the troubles of those that have ended: those of the others may still change.
    async fn runs(&self, runs: Vec<Child>, target: Option<&BindTargetId>) -> Result<Vec<appsec_core::Scan>> {
        stream::iter(runs)
            .map(|run| async move {
                let Some(mut scan) = run.to_scan(target) else { return Ok(None) };
                if let Some(id) = run.id.filter(|_| scan.is_ended()) {
                    scan.problems = self.problems(id).await?;
                }
                Ok(Some(scan))
            })
            .buffered(NOTES_AT_ONCE)
            .try_filter_map(|scan| async move { Ok(scan) })
            .try_collect()
            .await
    }
}

/// A scan without children and notes, of a target that is known.
fn of_target(scan: &Scan, target: &BindTargetId) -> appsec_core::Scan {
    scan_of(scan, &[], Timestamp::now()).with_target(target.clone())
}

fn bind_target(config: &ConfigSummary) -> BindTarget {
    let id = BindTargetId::from(config.config_id);
    let name = config.name.clone().unwrap_or_else(|| config.config_id.to_string());
    let permission = config.user_permissions.as_ref().map(appsec_core::Verbatim::value);
    // An imported configuration has nothing to scan with. Where the permission is not said, the launch will tell.
    let may = !matches!(permission, Some(PermissionLevel::NoAccess | PermissionLevel::View));
    let mut target = BindTarget::new(id, name).with_can_start(may && config.imported != Some(true));
    target.description = config.description.clone().filter(|text| !text.is_empty());
    target.locations.extend(config.target.clone());
    target.location_count = config.target_count;
    target.last_seen = config.last_scan.as_ref().and_then(|scan| {
        [&scan.finalized_at, &scan.started_at, &scan.created_at]
            .into_iter()
            .find_map(|moment| moment.as_ref().and_then(Moment::at))
    });
    target
}
