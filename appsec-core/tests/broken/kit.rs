//! A scanner that is broken in one place: the one in memory, with some of its methods replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use appsec_core::testing::{Dataset, Fault, Fixture, MemoryScanner, Seeded};
use appsec_core::{
    BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage,
    CoverageGap, DastApiScanner, Finding, FindingEvent, FindingQuery, Result, Scan, ScanId, ScanRequest,
    ScannerInfo, StartedScan, StatusChange, async_trait,
};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

type Call<A, T> = fn(MemoryScanner, A) -> BoxFuture<'static, T>;
type Listing<A, T> = fn(MemoryScanner, A) -> BoxStream<'static, Result<T>>;

/// A breach of the contract.
#[derive(Clone)]
pub(crate) struct Broken {
    /// The line that it breaks.
    pub(crate) id: &'static str,
    /// What the scanner does wrong.
    pub(crate) what: &'static str,
    /// Lines that cannot but break with it, and why.
    pub(crate) also: &'static [&'static str],
    pub(crate) why: &'static str,
    lacks: fn(Capabilities) -> Capabilities,
    info: fn(ScannerInfo, usize) -> ScannerInfo,
    test_connection: Option<Call<(), ConnectionReport>>,
    bind_targets: Option<Listing<BindTargetQuery, BindTargetBatch>>,
    findings: Option<Listing<FindingQuery, FindingEvent>>,
    start_scan: Option<Call<ScanRequest, Result<StartedScan>>>,
    scan: Option<Call<ScanId, Result<Scan>>>,
    stop_scan: Option<Call<ScanId, Result<()>>>,
    scans: Option<Listing<BindTargetId, Vec<Scan>>>,
    set_finding_status: Option<Call<StatusChange, Result<()>>>,
}

/// A scanner that breaks the line with that id, once one of its methods is replaced.
pub(crate) fn breaks(id: &'static str, what: &'static str) -> Broken {
    Broken {
        id,
        what,
        also: &[],
        why: "",
        lacks: |can| can,
        info: |info, _| info,
        test_connection: None,
        bind_targets: None,
        findings: None,
        start_scan: None,
        scan: None,
        stop_scan: None,
        scans: None,
        set_finding_status: None,
    }
}

impl Broken {
    pub(crate) fn also(mut self, ids: &'static [&'static str], why: &'static str) -> Self {
        (self.also, self.why) = (ids, why);
        self
    }

    pub(crate) fn lacks(mut self, change: fn(Capabilities) -> Capabilities) -> Self {
        self.lacks = change;
        self
    }

    /// Replaces the description, given the number of the call.
    pub(crate) fn info(mut self, replace: fn(ScannerInfo, usize) -> ScannerInfo) -> Self {
        self.info = replace;
        self
    }

    pub(crate) fn test_connection(mut self, replace: Call<(), ConnectionReport>) -> Self {
        self.test_connection = Some(replace);
        self
    }

    pub(crate) fn bind_targets(mut self, replace: Listing<BindTargetQuery, BindTargetBatch>) -> Self {
        self.bind_targets = Some(replace);
        self
    }

    pub(crate) fn findings(mut self, replace: Listing<FindingQuery, FindingEvent>) -> Self {
        self.findings = Some(replace);
        self
    }

    pub(crate) fn start_scan(mut self, replace: Call<ScanRequest, Result<StartedScan>>) -> Self {
        self.start_scan = Some(replace);
        self
    }

    pub(crate) fn scan(mut self, replace: Call<ScanId, Result<Scan>>) -> Self {
        self.scan = Some(replace);
        self
    }

    pub(crate) fn stop_scan(mut self, replace: Call<ScanId, Result<()>>) -> Self {
        self.stop_scan = Some(replace);
        self
    }

    pub(crate) fn scans(mut self, replace: Listing<BindTargetId, Vec<Scan>>) -> Self {
        self.scans = Some(replace);
        self
    }

    pub(crate) fn set_finding_status(mut self, replace: Call<StatusChange, Result<()>>) -> Self {
        self.set_finding_status = Some(replace);
        self
    }

    /// A service with this scanner before it.
    pub(crate) fn fixture(&self) -> Box<dyn Fixture> {
        let whole = MemoryScanner::new();
        let capabilities = (self.lacks)(whole.info().capabilities);
        let memory = whole.with_capabilities(capabilities);
        let info = memory.info().clone();
        let infos = [(self.info)(info.clone(), 0), (self.info)(info, 1)];
        Box::new(Service(Arc::new(Scanner {
            broken: self.clone(),
            memory,
            infos,
            looks: AtomicUsize::new(0),
        })))
    }
}

struct Scanner {
    broken: Broken,
    memory: MemoryScanner,
    infos: [ScannerInfo; 2],
    looks: AtomicUsize,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.broken.what)
    }
}

#[async_trait]
impl DastApiScanner for Scanner {
    fn info(&self) -> &ScannerInfo {
        &self.infos[self.looks.fetch_add(1, Ordering::SeqCst) % 2]
    }

    async fn test_connection(&self) -> ConnectionReport {
        match self.broken.test_connection {
            Some(replaced) => replaced(self.memory.clone(), ()).await,
            None => self.memory.test_connection().await,
        }
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        match self.broken.bind_targets {
            Some(replaced) => replaced(self.memory.clone(), query),
            None => self.memory.bind_targets(query),
        }
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        match self.broken.findings {
            Some(replaced) => replaced(self.memory.clone(), query),
            None => self.memory.findings(query),
        }
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        match self.broken.start_scan {
            Some(replaced) => replaced(self.memory.clone(), request.clone()).await,
            None => self.memory.start_scan(request).await,
        }
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        match self.broken.scan {
            Some(replaced) => replaced(self.memory.clone(), id.clone()).await,
            None => self.memory.scan(id).await,
        }
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        match self.broken.stop_scan {
            Some(replaced) => replaced(self.memory.clone(), id.clone()).await,
            None => self.memory.stop_scan(id).await,
        }
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        match self.broken.scans {
            Some(replaced) => replaced(self.memory.clone(), target.clone()),
            None => self.memory.scans(target),
        }
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        match self.broken.set_finding_status {
            Some(replaced) => replaced(self.memory.clone(), change.clone()).await,
            None => self.memory.set_finding_status(change).await,
        }
    }
}

struct Service(Arc<Scanner>);

#[async_trait]
impl Fixture for Service {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::clone(&self.0) as Arc<dyn DastApiScanner>
    }

    async fn seed(&self, world: &Dataset) -> Result<Option<Seeded>> {
        self.0.memory.seed(world).await
    }

    async fn requests(&self) -> Option<u64> {
        self.0.memory.requests().await
    }

    async fn break_with(&self, fault: Fault) -> bool {
        self.0.memory.break_with(fault).await
    }
}

/// The value, changed.
pub(crate) fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

/// Sends one request, now.
pub(crate) fn send(scanner: &MemoryScanner) {
    let _ = scanner.test_connection().now_or_never();
}

/// The events, with each batch's findings changed.
pub(crate) fn each_batch(
    events: BoxStream<'static, Result<FindingEvent>>,
    mut change: impl FnMut(&mut Vec<Finding>) + Send + 'static,
) -> BoxStream<'static, Result<FindingEvent>> {
    each_event(events, move |event| {
        if let FindingEvent::Batch(batch) = event {
            change(&mut batch.findings);
        }
    })
}

/// The events, with each finding changed.
pub(crate) fn each_finding(
    events: BoxStream<'static, Result<FindingEvent>>,
    mut change: impl FnMut(&mut Finding) + Send + 'static,
) -> BoxStream<'static, Result<FindingEvent>> {
    each_batch(events, move |findings| findings.iter_mut().for_each(&mut change))
}

/// The events, with another coverage at their end.
pub(crate) fn at_end(
    events: BoxStream<'static, Result<FindingEvent>>,
    mut change: impl FnMut(&mut Coverage) + Send + 'static,
) -> BoxStream<'static, Result<FindingEvent>> {
    each_event(events, move |event| {
        if let FindingEvent::End(coverage) = event {
            change(coverage);
        }
    })
}

fn each_event(
    events: BoxStream<'static, Result<FindingEvent>>,
    mut change: impl FnMut(&mut FindingEvent) + Send + 'static,
) -> BoxStream<'static, Result<FindingEvent>> {
    let changed = events.map(move |event| {
        event.map(|mut event| {
            change(&mut event);
            event
        })
    });
    changed.boxed()
}

/// A coverage of the same partitions in which absence means gone, with the gaps that are kept.
pub(crate) fn sure(coverage: &Coverage, keep: impl Fn(&CoverageGap) -> bool) -> Coverage {
    let mut sure = Coverage::new();
    for (partition, _) in coverage.partitions() {
        sure.mark_conclusive(partition.clone());
    }
    for gap in coverage.gaps().iter().filter(|gap| keep(gap)) {
        sure.add_gap(gap.clone());
    }
    sure
}
