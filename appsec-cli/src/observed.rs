//! A scanner that tells what passes by: the scan that is watched, and how many findings came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use appsec_core::{
    BindTarget, BindTargetId, BindTargetQuery, BoxStream, ConnectionReport, DastApiScanner, FindingEvent,
    FindingQuery, Result, Scan, ScanId, ScanRequest, ScannerInfo, StartedScan, StatusChange,
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::progress::Progress;

#[derive(Debug)]
pub(crate) struct Observed {
    scanner: Arc<dyn DastApiScanner>,
    progress: Arc<Progress>,
    last: Mutex<Option<Scan>>,
}

impl Observed {
    pub(crate) fn new(scanner: Arc<dyn DastApiScanner>, progress: Arc<Progress>) -> Self {
        Self { scanner, progress, last: Mutex::default() }
    }

    /// The scan that was started or watched, as it was last seen.
    pub(crate) fn last_scan(&self) -> Option<Scan> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, scan: &Scan) {
        self.progress.scan(scan);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(scan.clone());
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl DastApiScanner for Observed {
    fn info(&self) -> &ScannerInfo {
        self.scanner.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.scanner.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<Vec<BindTarget>>> {
        self.scanner.bind_targets(query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let (progress, received) = (Arc::clone(&self.progress), AtomicU64::new(0));
        self.scanner
            .findings(query)
            .inspect_ok(move |event| {
                if let FindingEvent::Batch(batch) = event {
                    let came = batch.findings.len() as u64;
                    let before = received.fetch_add(came, Ordering::Relaxed);
                    progress.findings(before + came, batch.progress);
                }
            })
            .boxed()
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let started = self.scanner.start_scan(request).await?;
        self.progress.say(&match &started {
            StartedScan::Started(scan) => format!("started the scan {}", scan.id),
            StartedScan::AlreadyRunning(scan) => {
                format!("the scan {} was running already: joined it", scan.id)
            }
        });
        self.see(started.scan());
        Ok(started)
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        let scan = self.scanner.scan(id).await?;
        self.see(&scan);
        Ok(scan)
    }

    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        self.scanner.stop_scan(id).await
    }

    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        self.scanner.scans(target)
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        self.scanner.set_finding_status(change).await
    }
}
