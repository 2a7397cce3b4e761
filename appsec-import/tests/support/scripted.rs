//! A scripted scanner.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage,
    CoverageGap, DastApiScanner, Error, ErrorKind, Finding, FindingBatch, FindingEvent, FindingQuery,
    PartitionKey, Progress, Result, ResumePoint, ScanMode, ScannerInfo, async_trait,
};
use futures_util::{StreamExt, stream};

/// What the scanner returns for one query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// The findings of each batch.
    pub(crate) batches: Vec<Vec<Finding>>,
    /// The total that each batch reports.
    pub(crate) totals: Vec<u64>,
    /// The gaps that each batch reports.
    pub(crate) gaps: Vec<CoverageGap>,
    /// The coverage at the end; `None` ends the stream without one.
    pub(crate) end: Option<Coverage>,
    /// The number of batches after which the stream fails.
    pub(crate) fails_after: Option<usize>,
    /// The kind of the error; `Server` by default.
    pub(crate) fails_as: Option<ErrorKind>,
}

impl Script {
    /// A stream that ends with a coverage in which the partitions are conclusive.
    pub(crate) fn conclusive(batches: Vec<Vec<Finding>>, partitions: &[&str]) -> Self {
        let mut end = Coverage::new();
        for partition in partitions {
            end.mark_conclusive(PartitionKey::from(*partition));
        }
        Self { batches, end: Some(end), ..Self::default() }
    }
}

/// Returns the scripts one after the other, one for each query; the last one is repeated. It supports resume
/// points.
#[derive(Debug, Clone)]
pub(crate) struct ScriptedScanner {
    info: ScannerInfo,
    scripts: Arc<Mutex<Vec<Script>>>,
    /// The queries that were received.
    pub(crate) queries: Arc<Mutex<Vec<FindingQuery>>>,
    pub(crate) resume_expires: bool,
    /// The result of a connection test.
    pub(crate) report: ConnectionReport,
    /// The number of connection tests.
    pub(crate) tests: Arc<AtomicU32>,
    targets: Vec<BindTarget>,
    /// A pause before each batch.
    pub(crate) pause: std::time::Duration,
}

impl ScriptedScanner {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let can = Capabilities::none()
            .with_findings_by_target(true)
            .with_findings_all(true)
            .with_findings_since(true);
        let mut scripts: Vec<_> = scripts.into_iter().collect();
        scripts.reverse();
        Self {
            info: ScannerInfo::new("memory", "Scripted", ScanMode::Passive, can),
            scripts: Arc::new(Mutex::new(scripts)),
            queries: Arc::default(),
            resume_expires: false,
            report: ConnectionReport::new("memory", "memory:"),
            tests: Arc::default(),
            targets: vec![BindTarget::new("app:shop", "Shop")],
            pause: std::time::Duration::ZERO,
        }
    }

    /// Sets the bind targets that it lists; the one with the id `app:shop` and the name `Shop` unless set.
    pub(crate) fn with_targets(mut self, targets: impl IntoIterator<Item = BindTarget>) -> Self {
        self.targets = targets.into_iter().collect();
        self
    }
}

#[async_trait]
impl DastApiScanner for ScriptedScanner {
    fn info(&self) -> &ScannerInfo {
        &self.info
    }

    async fn test_connection(&self) -> ConnectionReport {
        self.tests.fetch_add(1, Ordering::SeqCst);
        self.report.clone()
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        let targets = self.targets.clone();
        stream::once(async { Ok(BindTargetBatch::new(targets)) }).boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        self.queries.lock().unwrap().push(query.clone());
        if self.resume_expires && query.resume.is_some() {
            return appsec_core::stream_error(Error::new(ErrorKind::ResumeExpired, "the export is gone"));
        }
        let mut scripts = self.scripts.lock().unwrap();
        let script = if scripts.len() > 1 { scripts.pop().unwrap() } else { scripts[0].clone() };
        let skip = query.resume.as_ref().map_or(0, |point| point.state::<usize>("memory").unwrap());
        let mut events: Vec<Result<FindingEvent>> = Vec::new();
        for (number, batch) in script.batches.iter().enumerate() {
            if script.fails_after == Some(number) {
                let kind = script.fails_as.unwrap_or(ErrorKind::Server);
                events.push(Err(Error::new(kind, "503 Service Unavailable")));
                break;
            }
            if number < skip {
                continue;
            }
            let findings = batch.iter().filter(|finding| query.matches(finding)).cloned().collect();
            let mut batch = FindingBatch::new(findings, ResumePoint::new("memory", &(number + 1)).unwrap());
            batch.progress = Some(Progress::new(number as u64, script.totals.get(number).copied()));
            events.push(Ok(FindingEvent::Batch(batch.with_gaps(script.gaps.clone()))));
        }
        if script.fails_after.is_none() {
            events.extend(script.end.clone().map(|mut coverage| {
                if let Some(reason) = query.inconclusive_reason() {
                    coverage.mark_all_inconclusive(reason);
                }
                Ok(FindingEvent::End(coverage))
            }));
        }
        let pause = self.pause;
        stream::iter(events)
            .then(move |event| async move {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                event
            })
            .boxed()
    }
}
