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

use crate::secrets::everything;
use crate::test_bed::Vendor;

/// The time limit of any reading. The clients' own limits are far below.
pub const BOUND: Duration = Duration::from_secs(30);

/// The findings that were delivered, and how the stream ended.
#[derive(Debug)]
pub struct Seen {
    /// The scanner's ids of the findings, in the order of delivery.
    pub ids: Vec<String>,
    /// Their fingerprints, in the same order.
    pub fingerprints: Vec<String>,
    /// Their partitions, in the same order.
    pub partitions: Vec<PartitionKey>,
    /// How the stream ended; `None` if it did not end in time.
    pub end: Option<Result<Coverage>>,
    /// The resume point of the last batch.
    pub resume: Option<ResumePoint>,
    /// How long it took.
    pub took: Duration,
    /// Everything printable about it, to search for secrets.
    pub shown: String,
}

impl Seen {
    /// Replaces the ids by the fingerprints, for routes whose findings have no id.
    pub fn by_fingerprint(mut self) -> Self {
        self.ids.clone_from(&self.fingerprints);
        self
    }
}

/// Reads all findings of the tenant.
pub async fn read_all(scanner: &dyn DastApiScanner) -> Seen {
    read_query(scanner, FindingQuery::all()).await
}

/// Reads the findings of a query.
pub async fn read_query(scanner: &dyn DastApiScanner, query: FindingQuery) -> Seen {
    let began = Instant::now();
    let mut seen = Seen {
        ids: Vec::new(),
        fingerprints: Vec::new(),
        partitions: Vec::new(),
        end: None,
        resume: None,
        took: Duration::ZERO,
        shown: format!("{scanner:?}"),
    };
    let mut events = scanner.findings(query);
    let reading = async {
        while let Some(event) = events.next().await {
            match event {
                Ok(FindingEvent::Batch(batch)) => {
                    let findings = serde_json::to_string(&batch.findings).unwrap();
                    let _ = write!(seen.shown, "{batch:?}\n{findings}");
                    seen.ids.extend(batch.findings.iter().map(id_of));
                    seen.fingerprints
                        .extend(batch.findings.iter().map(|finding| finding.fingerprint.to_string()));
                    seen.partitions.extend(batch.findings.iter().map(|finding| finding.partition.clone()));
                    seen.resume = Some(batch.resume);
                }
                Ok(FindingEvent::End(coverage)) => {
                    seen.shown.push_str(&serde_json::to_string(&coverage).unwrap());
                    seen.end = Some(Ok(coverage));
                }
                Ok(_) => {}
                Err(error) => {
                    seen.shown.push_str(&everything(&error));
                    seen.end = Some(Err(error));
                }
            }
        }
    };
    if timeout(BOUND, reading).await.is_err() {
        seen.end = None;
    }
    seen.took = began.elapsed();
    seen
}

fn id_of(finding: &Finding) -> String {
    finding.aliases.first().cloned().unwrap_or_else(|| finding.fingerprint.to_string())
}

/// The result of an import, and the state of the store afterwards.
#[derive(Debug)]
pub struct Imported {
    /// How the stream ended; `None` if it did not end in time.
    pub end: Option<Result<Import>>,
    /// The binding's findings afterwards, each with whether it is open.
    pub known: Vec<(String, bool)>,
    /// How long it took.
    pub took: Duration,
    /// Everything printable about it, to search for secrets.
    pub shown: String,
}

/// Imports the whole tenant into a store.
pub async fn import(vendor: Vendor, scanner: Arc<dyn DastApiScanner>, store: &SqlStore) -> Imported {
    let began = Instant::now();
    let binding = Binding::new("proof", vendor.key(), ScanConfiguration::new("all"));
    let importer = Importer::new(scanner, Arc::new(store.clone()));
    let end = timeout(BOUND, importer.run(&binding, &ImportOptions::new())).await.ok();
    let took = began.elapsed();
    let findings = store.known_findings(&binding, Page { after: 0, limit: 10_000 }).await.unwrap();
    let mut shown =
        format!("{importer:?} {store:?} {findings:?}\n{}", serde_json::to_string(&findings).unwrap());
    match &end {
        Some(Ok(import)) => {
            let _ = write!(shown, "{import} {import:?} {}", serde_json::to_string(import).unwrap());
        }
        Some(Err(error)) => shown.push_str(&everything(error)),
        None => {}
    }
    let known = findings.into_iter().map(|(_, finding)| (known_id(&finding), finding.state == State::Open));
    Imported { end, known: known.collect(), took, shown }
}

fn known_id(finding: &KnownFinding) -> String {
    finding.aliases.first().cloned().unwrap_or_else(|| finding.fingerprint.to_string())
}

/// The error of a result that ended with one.
pub(crate) fn error_of<T>(end: Option<&Result<T>>) -> Option<&Error> {
    end.and_then(|end| end.as_ref().err())
}
