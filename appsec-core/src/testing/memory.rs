//! The smallest real scanner: everything it knows is in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

mod fixture;
mod walk;

use self::walk::Walk;
use super::Fault;
use crate::{
    BindTarget, BindTargetId, BindTargetQuery, Capabilities, Cause, ConnectionReport, ConnectionStep,
    DastApiScanner, Error, ErrorKind, Finding, FindingEvent, FindingQuery, FindingStatus, Fingerprint,
    Location, PartitionKey, Result, Rule, Scan, ScanId, ScanMode, ScanRequest, ScanStatus, ScannerInfo,
    Severity, StartedScan, StatusChange, StepKind, stream_error,
};

const KEY: &str = "memory";
const TARGETS_PER_PAGE: usize = 100;

/// A scanner without a service: for the tests of whoever uses scanners, and an example for whoever writes one.
///
/// It can do everything a scanner can, unless [`MemoryScanner::with_capabilities`] says less. A scan that was started advances one
/// step each time it is looked at. Each page that is read and each other call counts as one request. It is its own [`Fixture`](super::Fixture), so
/// that a test can count its requests and break it. Clones share their state.
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
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    targets: Vec<BindTarget>,
    findings: Vec<Finding>,
    /// Oldest first.
    scans: Vec<Scan>,
    unreadable: Option<BindTargetId>,
    fault: Option<Fault>,
    requests: u64,
    /// Which list of findings it is: two lists are never mixed in one walk.
    edition: u64,
}

impl Default for MemoryScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryScanner")
            .field("targets", &state.targets.len())
            .field("findings", &state.findings.len())
            .field("scans", &state.scans.len())
            .finish_non_exhaustive()
    }
}

impl MemoryScanner {
    /// A scanner that can do everything and knows nothing.
    pub fn new() -> Self {
        let info = ScannerInfo::new(KEY, "Memory", ScanMode::Active, Capabilities::none());
        Self { info, state: Arc::default() }.with_capabilities(
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

    /// Sets what it can do. One that cannot start scans is passive.
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.info.capabilities = capabilities;
        self.info.mode = if capabilities.start_scan { ScanMode::Active } else { ScanMode::Passive };
        self
    }

    /// Adds a target.
    pub fn with_target(self, target: BindTarget) -> Self {
        self.lock().targets.push(target);
        self
    }

    /// Adds a finding; [`MemoryScanner::finding`] makes one.
    pub fn with_finding(self, finding: Finding) -> Self {
        self.edit_findings(|findings| findings.push(finding));
        self
    }

    /// An open finding of the target. Its partition is the target's id, its alias the text of its fingerprint.
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

    /// Changes what is found from now on. A walk that is under way ends in `ResumeExpired`.
    pub fn edit_findings(&self, change: impl FnOnce(&mut Vec<Finding>)) {
        let mut state = self.lock();
        change(&mut state.findings);
        state.edition += 1;
    }

    /// Ends every fault.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        (state.fault, state.unreadable) = (None, None);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request to the service that is not there.
    fn request(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.requests += 1;
        let down = || Error::new(ErrorKind::Server, "503 Service Unavailable").with_status(503);
        match &mut state.fault {
            Some(Fault::Unauthorized) => {
                return Err(Error::new(ErrorKind::Auth, "401 Unauthorized").with_status(401));
            }
            Some(Fault::Down | Fault::DownAfter(0)) => return Err(down()),
            Some(Fault::DownAfter(left)) => *left -= 1,
            _ => {}
        }
        Ok(state)
    }
}

fn able(able: bool, operation: &'static str) -> Result<()> {
    if able { Ok(()) } else { Err(Error::unsupported(operation)) }
}

impl State {
    fn target(&self, id: &BindTargetId) -> Result<&BindTarget> {
        let target = self.targets.iter().find(|target| target.id == *id);
        target.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no target has the id {id}")))
    }

    fn scan(&mut self, id: &ScanId) -> Result<&mut Scan> {
        let scan = self.scans.iter_mut().find(|scan| scan.id == *id);
        scan.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no scan has the id {id}")))
    }

    fn add_scan(&mut self, target: &BindTargetId, status: ScanStatus) -> Scan {
        let mut scan =
            Scan::new(format!("scan-{}", self.scans.len() + 1), status).with_target(target.clone());
        scan.created_at = Some(Timestamp::now());
        self.scans.push(scan.clone());
        scan
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
        match self.request() {
            Ok(state) => {
                report.push(ConnectionStep::passed(StepKind::Http, now, "memory answers"));
                report.push(ConnectionStep::passed(StepKind::Credentials, now, "none are needed"));
                let saw = format!("{} targets", state.targets.len());
                report.push(ConnectionStep::passed(StepKind::BindTargets, now, saw));
            }
            Err(error) if error.kind() == ErrorKind::Auth => {
                report.push(ConnectionStep::passed(StepKind::Http, now, "memory answers"));
                let (cause, remedy) = (Cause::InvalidCredentials, "mend the scanner");
                report.push(ConnectionStep::failed(
                    StepKind::Credentials,
                    cause,
                    now,
                    error.message(),
                    remedy,
                ));
            }
            Err(error) => {
                let (cause, remedy) = (Cause::ServerFault, "mend the scanner");
                report.push(ConnectionStep::failed(StepKind::Http, cause, now, error.message(), remedy));
            }
        }
        report
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<Vec<BindTarget>>> {
        stream::try_unfold(Some((self.clone(), query, 0)), |walk| async move {
            let Some((scanner, query, offset)) = walk else { return Ok(None) };
            let state = scanner.request()?;
            let next = offset + TARGETS_PER_PAGE;
            let page = state.targets.iter().skip(offset).take(TARGETS_PER_PAGE);
            let page = page.filter(|target| query.matches(target)).cloned().collect();
            let more = next < state.targets.len();
            drop(state);
            Ok(Some((page, more.then_some((scanner, query, next)))))
        })
        .boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let walk = match Walk::new(self.clone(), query) {
            Ok(walk) => walk,
            Err(error) => return stream_error(error),
        };
        stream::try_unfold(Some(walk), |walk| async move {
            let Some(mut walk) = walk else { return Ok(None) };
            if walk.all_read {
                return Ok(Some((FindingEvent::End(walk.end()), None)));
            }
            let batch = walk.page()?;
            Ok(Some((FindingEvent::Batch(batch), Some(walk))))
        })
        .boxed()
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        able(self.info.capabilities.start_scan, "start_scan")?;
        let mut state = self.request()?;
        let target = state.target(&request.target)?.id.clone();
        let running =
            state.scans.iter().find(|scan| scan.target.as_ref() == Some(&target) && !scan.is_ended());
        if let Some(scan) = running {
            return Ok(StartedScan::AlreadyRunning(scan.clone()));
        }
        Ok(StartedScan::Started(state.add_scan(&target, ScanStatus::Queued)))
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        able(self.info.capabilities.scans, "scan")?;
        let mut state = self.request()?;
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
        able(self.info.capabilities.stop_scan, "stop_scan")?;
        let mut state = self.request()?;
        let scan = state.scan(id)?;
        if !scan.is_ended() {
            (scan.provider_status, scan.status) = (ScanStatus::Stopping.to_string(), ScanStatus::Stopping);
        }
        Ok(())
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        if let Err(error) = able(self.info.capabilities.scans, "scans") {
            return stream_error(error);
        }
        let (scanner, target) = (self.clone(), target.clone());
        stream::once(async move {
            let state = scanner.request()?;
            state.target(&target)?;
            let of_target = |scan: &&Scan| scan.target.as_ref() == Some(&target);
            Ok(state.scans.iter().rev().filter(of_target).cloned().collect())
        })
        .boxed()
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        able(self.info.capabilities.set_finding_status, "set_finding_status")?;
        if let FindingStatus::Unknown(word) = &change.status {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("there is no status {word}")));
        }
        let mut state = self.request()?;
        let finding = state.findings.iter_mut().find(|finding| finding.aliases.contains(&change.finding));
        let finding = finding.ok_or_else(|| Error::new(ErrorKind::NotFound, "no finding has that id"))?;
        finding.status = Some(change.status.clone());
        Ok(())
    }
}
