//! A scanner that shows progress: the state of the scan that is watched, and how many findings were
//! received.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use appsec_core::{
    BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, ConnectionReport, DastApiScanner,
    FindingEvent, FindingQuery, Result, Scan, ScanId, ScanRequest, ScannerInfo, StartedScan, StatusChange,
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::progress::Progress;

/// Forwards every call to a scanner, and shows the progress of scans and of reading findings.
#[derive(Debug)]
pub(crate) struct ProgressScanner {
    scanner: Arc<dyn DastApiScanner>,
    progress: Arc<Progress>,
    last_scan: Mutex<Option<Scan>>,
}

impl ProgressScanner {
    pub(crate) fn new(scanner: Arc<dyn DastApiScanner>, progress: Arc<Progress>) -> Self {
        Self { scanner, progress, last_scan: Mutex::default() }
    }

    /// The last known state of the scan that was started or watched.
    pub(crate) fn last_scan(&self) -> Option<Scan> {
        self.last_scan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, scan: &Scan) {
        self.progress.scan(scan);
        *self.last_scan.lock().unwrap_or_else(PoisonError::into_inner) = Some(scan.clone());
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl DastApiScanner for ProgressScanner {
    fn info(&self) -> &ScannerInfo {
        self.scanner.info()
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.scanner.test_connection().await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        self.scanner.bind_targets(query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let (progress, received) = (Arc::clone(&self.progress), AtomicU64::new(0));
        self.scanner
            .findings(query)
            .inspect_ok(move |event| {
                if let FindingEvent::Batch(batch) = event {
                    let count = batch.findings.len() as u64;
                    let before = received.fetch_add(count, Ordering::Relaxed);
                    progress.findings(before + count, batch.progress);
                }
            })
            .boxed()
    }

    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let started = self.scanner.start_scan(request).await?;
        self.progress.message(&match &started {
            StartedScan::Started(scan) => format!("started the scan {}", scan.id),
            StartedScan::AlreadyRunning(scan) => {
                format!("the scan {} is running already: waiting for it", scan.id)
            }
        });
        self.record(started.scan());
        Ok(started)
    }

    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        let scan = self.scanner.scan(id).await?;
        self.record(&scan);
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
