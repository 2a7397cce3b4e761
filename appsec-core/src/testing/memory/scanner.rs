//! The scanner: the methods of the trait over the service in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::findings_reader::FindingsReader;
use super::service::{KEY, Service, require};
use crate::{
    BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, Capabilities, Cause, ConnectionReport,
    ConnectionStep, DastApiScanner, Error, ErrorKind, Finding, FindingEvent, FindingQuery, FindingStatus,
    Fingerprint, Location, PartitionKey, Result, Rule, Scan, ScanId, ScanMode, ScanRequest, ScanStatus,
    ScannerInfo, Severity, StartedScan, StatusChange, StepKind, stream_error,
};

const TARGETS_PER_PAGE: usize = 100;

/// A scanner without a network: for tests of code that uses scanners, and as an example of an
/// implementation.
///
/// It has all capabilities unless [`MemoryScanner::with_capabilities`] takes some away. A started scan
/// advances one step each time it is read. Each page and each other call counts as one request. The scanner
/// is its own [`Fixture`](crate::testing::Fixture), so a test can count its requests and break it. Clones
/// share their state.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::{Fault, Fixture, MemoryScanner};
/// use appsec_core::{BindTarget, DastApiScannerExt, FindingQuery, Severity};
///
/// let scanner = MemoryScanner::new()
///     .with_target(BindTarget::new("app:shop", "Shop"))
///     .with_finding(MemoryScanner::finding("app:shop", "SQL injection", Severity::High, "https://shop.example.com/search"));
/// let (findings, coverage) = scanner.collect_findings(FindingQuery::target("app:shop")).await?;
/// assert_eq!((findings.len(), coverage.gap_count()), (1, 0));
///
/// scanner.break_with(Fault::Down).await;
/// assert!(scanner.collect_findings(FindingQuery::all()).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryScanner {
    info: ScannerInfo,
    pub(super) service: Service,
}

impl Default for MemoryScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.service.lock();
        f.debug_struct("MemoryScanner")
            .field("targets", &state.targets.len())
            .field("findings", &state.findings.len())
            .field("scans", &state.scans.len())
            .finish_non_exhaustive()
    }
}

impl MemoryScanner {
    /// An empty scanner with all capabilities.
    pub fn new() -> Self {
        let info = ScannerInfo::new(KEY, "Memory", ScanMode::Active, Capabilities::none());
        Self { info, service: Service::default() }.with_capabilities(
            Capabilities::none()
                .with_findings_by_scan(true)
                .with_findings_by_target(true)
                .with_findings_all(true)
                .with_findings_since(true)
                .with_start_scan(true)
                .with_stop_scan(true)
                .with_scans(true)
                .with_set_finding_status(true),
        )
    }

    /// Sets the capabilities. A scanner that cannot start scans is passive.
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.info.capabilities = capabilities;
        self.info.mode = if capabilities.start_scan { ScanMode::Active } else { ScanMode::Passive };
        self
    }

    /// Adds a target.
    pub fn with_target(self, target: BindTarget) -> Self {
        self.service.lock().targets.push(target);
        self
    }

    /// Adds a finding; [`MemoryScanner::finding`] makes one.
    pub fn with_finding(self, finding: Finding) -> Self {
        self.edit_findings(|findings| findings.push(finding));
        self
    }

    /// Makes the answers for some targets contain the findings of the others too, as those of a service do
    /// that can be asked only by something coarser than a target. The scanner returns them only for a query
    /// [with other targets](FindingQuery::with_other_targets).
    pub fn with_coarse_answers(self) -> Self {
        self.service.lock().coarse_answers = true;
        self
    }

    /// An open finding of the target. Its partition is the target's id, its alias the text of its
    /// fingerprint.
    pub fn finding(target: impl Into<BindTargetId>, rule: &str, severity: Severity, url: &str) -> Finding {
        let target = target.into();
        let place = Location::from_url(url);
        let fingerprint = Fingerprint::v1(KEY, rule, &place, &[]);
        let rule = Arc::new(Rule::new(rule, rule));
        let mut finding =
            Finding::new(KEY.into(), fingerprint, rule, severity, place, PartitionKey::new(target.as_str()));
        finding.aliases = vec![fingerprint.to_string()];
        finding.status = Some(FindingStatus::Open);
        finding.targets = vec![target];
        finding
    }

    /// Edits the list of findings. A stream of findings that was begun before
    /// ends in `ResumeExpired`.
    pub fn edit_findings(&self, change: impl FnOnce(&mut Vec<Finding>)) {
        let mut state = self.service.lock();
        change(&mut state.findings);
        state.edition += 1;
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        let mut state = self.service.lock();
        (state.fault, state.unreadable) = (None, None);
    }
}

#[async_trait]
impl DastApiScanner for MemoryScanner {
    fn info(&self) -> &ScannerInfo {
        &self.info
    }

    async fn test_connection(&self) -> ConnectionReport {
        let now = Duration::ZERO;
        let mut report = ConnectionReport::new(KEY, "memory:");
        report.push(ConnectionStep::passed(StepKind::Configuration, now, "there is nothing to set"));
        match self.service.request() {
            Ok(state) => {
                report.push(ConnectionStep::passed(StepKind::Http, now, "the service in memory responds"));
                report.push(ConnectionStep::passed(StepKind::Credentials, now, "none are needed"));
                let saw = format!("{} targets", state.targets.len());
                report.push(ConnectionStep::passed(StepKind::BindTargets, now, saw));
            }
            Err(error) if error.kind() == ErrorKind::Auth => {
                report.push(ConnectionStep::passed(StepKind::Http, now, "the service in memory responds"));
                let (cause, remedy) = (Cause::InvalidCredentials, "clear the fault");
                report.push(ConnectionStep::failed(
                    StepKind::Credentials,
                    cause,
                    now,
                    error.message(),
                    remedy,
                ));
            }
            Err(error) => {
                let (cause, remedy) = (Cause::ServerFault, "clear the fault");
                report.push(ConnectionStep::failed(StepKind::Http, cause, now, error.message(), remedy));
            }
        }
        report
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        stream::try_unfold(Some((self.service.clone(), query, 0)), |position| async move {
            let Some((service, query, offset)) = position else { return Ok(None) };
            let state = service.request()?;
            let next = offset + TARGETS_PER_PAGE;
            let page = state.targets.iter().skip(offset).take(TARGETS_PER_PAGE);
            let page = page.filter(|target| query.matches(target)).cloned().collect();
            let page = BindTargetBatch::new(page);
            let more = next < state.targets.len();
            drop(state);
            Ok(Some((page, more.then_some((service, query, next)))))
        })
        .boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let reader = match FindingsReader::new(self.service.clone(), self.info.capabilities, query) {
            Ok(reader) => reader,
            Err(error) => return stream_error(error),
        };
        stream::try_unfold(Some(reader), |reader| async move {
            let Some(mut reader) = reader else { return Ok(None) };
            if reader.all_read {
                return Ok(Some((FindingEvent::End(reader.finish()), None)));
            }
            let batch = reader.next_batch()?;
            Ok(Some((FindingEvent::Batch(batch), Some(reader))))
        })
        .boxed()
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        require(self.info.capabilities.start_scan, "start_scan")?;
        let mut state = self.service.request()?;
        let target = state.target(&request.target)?.id.clone();
        let running =
            state.scans.iter().find(|scan| scan.target.as_ref() == Some(&target) && !scan.is_ended());
        if let Some(scan) = running {
            return Ok(StartedScan::AlreadyRunning(scan.clone()));
        }
        Ok(StartedScan::Started(state.add_scan(&target, ScanStatus::Queued)))
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        require(self.info.capabilities.scans, "scan")?;
        let mut state = self.service.request()?;
        let scan = state.scan(id)?;
        let next = match scan.status {
            ScanStatus::Queued => ScanStatus::Running,
            ScanStatus::Running => ScanStatus::Processing,
            ScanStatus::Processing => ScanStatus::Completed,
            ScanStatus::Stopping => ScanStatus::Canceled,
            _ => return Ok(scan.clone()),
        };
        scan.ended_at = next.is_ended().then(Timestamp::now);
        (scan.provider_status, scan.status) = (next.to_string(), next);
        Ok(scan.clone())
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        require(self.info.capabilities.stop_scan, "stop_scan")?;
        let mut state = self.service.request()?;
        let scan = state.scan(id)?;
        if !scan.is_ended() {
            (scan.provider_status, scan.status) = (ScanStatus::Stopping.to_string(), ScanStatus::Stopping);
        }
        Ok(())
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        if let Err(error) = require(self.info.capabilities.scans, "scans") {
            return stream_error(error);
        }
        let (service, target) = (self.service.clone(), target.clone());
        stream::once(async move {
            let state = service.request()?;
            state.target(&target)?;
            let of_target = |scan: &&Scan| scan.target.as_ref() == Some(&target);
            Ok(state.scans.iter().rev().filter(of_target).cloned().collect())
        })
        .boxed()
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        require(self.info.capabilities.set_finding_status, "set_finding_status")?;
        if let FindingStatus::Unknown(word) = &change.status {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("there is no status {word}")));
        }
        let mut state = self.service.request()?;
        let finding = state.findings.iter_mut().find(|finding| finding.aliases.contains(&change.finding));
        let finding = finding.ok_or_else(|| Error::new(ErrorKind::NotFound, "no finding has that id"))?;
        finding.status = Some(change.status.clone());
        Ok(())
    }
}
