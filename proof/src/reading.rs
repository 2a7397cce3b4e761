//! Reads all findings of a service, directly or through an import.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{
    Coverage, DastApiScanner, Error, Finding, FindingEvent, FindingQuery, PartitionKey, Result, ResumePoint,
};
use appsec_import::reconcile::{KnownFinding, State};
use appsec_import::store::Page;
use appsec_import::{Binding, Import, ImportOptions, Importer, ScanConfiguration, SqlStore, Store};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::secrets::format_error_chain;
use crate::vendor::Vendor;

/// The time limit of any reading. The clients' own limits are far below.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The findings that were delivered, and how the stream ended.
#[derive(Debug)]
pub struct Reading {
    /// The ids that the scanner gives the findings, in the order of delivery.
    pub ids: Vec<String>,
    /// Their fingerprints, in the same order.
    pub fingerprints: Vec<String>,
    /// Their partitions, in the same order.
    pub partitions: Vec<PartitionKey>,
    /// How the stream ended; `None` if it did not end in time.
    pub end: Option<Result<Coverage>>,
    /// The resume point of the last batch.
    pub resume: Option<ResumePoint>,
    /// The elapsed time.
    pub elapsed: Duration,
    /// Everything printable about it, to search for secrets.
    pub output: String,
}

impl Reading {
    /// The error that ended the read.
    pub fn error(&self) -> Option<&Error> {
        self.end.as_ref().and_then(|end| end.as_ref().err())
    }

    /// Replaces the ids by the fingerprints, for routes whose findings have no id.
    pub fn by_fingerprint(mut self) -> Self {
        self.ids.clone_from(&self.fingerprints);
        self
    }
}

/// Reads all findings of the tenant.
pub async fn read_all(scanner: &dyn DastApiScanner) -> Reading {
    read_query(scanner, FindingQuery::all()).await
}

/// Reads the findings of a query.
pub async fn read_query(scanner: &dyn DastApiScanner, query: FindingQuery) -> Reading {
    let start = Instant::now();
    let mut reading = Reading {
        ids: Vec::new(),
        fingerprints: Vec::new(),
        partitions: Vec::new(),
        end: None,
        resume: None,
        elapsed: Duration::ZERO,
        output: format!("{scanner:?}"),
    };
    let mut events = scanner.findings(query);
    let read = async {
        while let Some(event) = events.next().await {
            match event {
                Ok(FindingEvent::Batch(batch)) => {
                    let findings = serde_json::to_string(&batch.findings).unwrap();
                    let _ = write!(reading.output, "{batch:?}\n{findings}");
                    reading.ids.extend(batch.findings.iter().map(finding_id));
                    reading
                        .fingerprints
                        .extend(batch.findings.iter().map(|finding| finding.fingerprint.to_string()));
                    reading.partitions.extend(batch.findings.iter().map(|finding| finding.partition.clone()));
                    reading.resume = Some(batch.resume);
                }
                Ok(FindingEvent::End(coverage)) => {
                    reading.output.push_str(&serde_json::to_string(&coverage).unwrap());
                    reading.end = Some(Ok(coverage));
                }
                Ok(_) => {}
                Err(error) => {
                    reading.output.push_str(&format_error_chain(&error));
                    reading.end = Some(Err(error));
                }
            }
        }
    };
    if timeout(TIME_LIMIT, read).await.is_err() {
        reading.end = None;
    }
    reading.elapsed = start.elapsed();
    reading
}

fn finding_id(finding: &Finding) -> String {
    finding.aliases.first().cloned().unwrap_or_else(|| finding.fingerprint.to_string())
}

/// The result of an import, and the state of the store afterwards.
#[derive(Debug)]
pub struct ImportResult {
    /// How the stream ended; `None` if it did not end in time.
    pub end: Option<Result<Import>>,
    /// The binding's findings afterwards, each with whether it is open.
    pub findings: Vec<(String, bool)>,
    /// The elapsed time.
    pub elapsed: Duration,
    /// Everything printable about it, to search for secrets.
    pub output: String,
}

/// Imports the whole tenant into a store.
pub async fn import(vendor: Vendor, scanner: Arc<dyn DastApiScanner>, store: &SqlStore) -> ImportResult {
    let start = Instant::now();
    let binding = Binding::new("proof", vendor.key(), ScanConfiguration::new("all"));
    let importer = Importer::new(scanner, Arc::new(store.clone()));
    let end = timeout(TIME_LIMIT, importer.run(&binding, &ImportOptions::new())).await.ok();
    let elapsed = start.elapsed();
    let findings = store.known_findings(&binding, Page { after: 0, limit: 10_000 }).await.unwrap();
    let mut output =
        format!("{importer:?} {store:?} {findings:?}\n{}", serde_json::to_string(&findings).unwrap());
    match &end {
        Some(Ok(import)) => {
            let _ = write!(output, "{import} {import:?} {}", serde_json::to_string(import).unwrap());
        }
        Some(Err(error)) => output.push_str(&format_error_chain(error)),
        None => {}
    }
    let findings =
        findings.into_iter().map(|(_, finding)| (known_finding_id(&finding), finding.state == State::Open));
    ImportResult { end, findings: findings.collect(), elapsed, output }
}

fn known_finding_id(finding: &KnownFinding) -> String {
    finding.aliases.first().cloned().unwrap_or_else(|| finding.fingerprint.to_string())
}
