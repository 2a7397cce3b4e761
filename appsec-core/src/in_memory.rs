//! Streams for scanners that load everything at once. They keep the contract by construction.

use std::future::Future;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::bind::{BindTargetBatch, BindTargetQuery};
use crate::coverage::Coverage;
use crate::error::Result;
use crate::finding::{Finding, FindingStatus};
use crate::fingerprint::Fingerprint;
use crate::query::{Batcher, FindingBatch, FindingEvent, FindingQuery, FindingScope, Progress, ResumePoint};
use crate::scan::ScanId;

/// Makes the stream of findings of a scanner that loads them all at once.
///
/// `read` returns the findings, at least those of the query's scope, and their coverage. It runs when the
/// stream is polled. This function keeps the rest of the contract:
///
/// * It refuses an empty list of targets.
/// * It leaves out findings of other targets or other scans, and those that a filter excludes.
/// * It masks evidence, bounds the batches, and gives each one a resume point.
/// * It makes the coverage inconclusive for a query that filters or resumes.
/// * Of several findings with one fingerprint it yields the one with the highest severity.
///
/// The caller returns `Unsupported` for a scope that the scanner lacks, before the call. `read` returns the
/// error for an unknown target or scan, and sets the raw record of each finding where the query asks for
/// it.
///
/// Findings come in the order of their fingerprints. A resumed stream therefore continues where the first
/// one stopped, even when findings were added or removed in between.
pub fn stream_findings<R>(
    scanner: &'static str,
    query: FindingQuery,
    read: R,
) -> BoxStream<'static, Result<FindingEvent>>
where
    R: Future<Output = Result<(Vec<Finding>, Coverage)>> + Send + 'static,
{
    let events = async move {
        query.validate()?;
        let after = query.resume.as_ref().map(|point| point.state::<Position>(scanner)).transpose()?;
        let (findings, coverage) = read.await?;
        events(scanner, &query, after.as_ref(), findings, coverage)
    };
    stream::once(events)
        .flat_map(|events| match events {
            Ok(events) => stream::iter(events.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .boxed()
}

/// Makes the stream of bind targets of a scanner that lists them all at once. It applies the filter of the
/// query. `read` runs when the stream is polled. It returns the targets, or a [`BindTargetBatch`] where the
/// listing may have gaps.
pub fn stream_bind_targets<R, B>(
    query: BindTargetQuery,
    read: R,
) -> BoxStream<'static, Result<BindTargetBatch>>
where
    R: Future<Output = Result<B>> + Send + 'static,
    B: Into<BindTargetBatch>,
{
    stream::once(async move {
        let mut batch: BindTargetBatch = read.await?.into();
        batch.targets.retain(|target| query.matches(target));
        Ok(batch)
    })
    .boxed()
}

/// The state in a resume point.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    after: Option<Fingerprint>,
}

fn events(
    scanner: &str,
    query: &FindingQuery,
    after: Option<&Position>,
    mut findings: Vec<Finding>,
    mut coverage: Coverage,
) -> Result<Vec<FindingEvent>> {
    if let FindingScope::Scan(scan) = &query.scope {
        for finding in findings.iter().filter(|finding| is_of_another_scan(scan, finding)) {
            // The finding exists, and this stream does not yield it.
            let reason = "a later scan reported some of the findings that this scan may have had";
            coverage.mark_inconclusive(finding.partition.clone(), reason);
        }
    }
    findings.retain(|finding| in_scope(&query.scope, finding) && query.matches(finding));
    // Sorts the occurrences of one finding together, the most severe and most open first.
    let openness = |finding: &Finding| FindingStatus::precedence(finding.status.as_ref());
    findings.sort_by(|a, b| {
        a.fingerprint
            .cmp(&b.fingerprint)
            .then_with(|| b.severity.cmp(&a.severity))
            .then_with(|| openness(b).cmp(&openness(a)))
    });
    findings.dedup_by_key(|finding| finding.fingerprint);
    let total = findings.len();
    if let Some(after) = after.and_then(|position| position.after) {
        findings.retain(|finding| finding.fingerprint > after);
    }
    if let Some(reason) = query.inconclusive_reason() {
        coverage.mark_all_inconclusive(reason);
    }

    let (mut events, mut batcher) = (Vec::new(), Batcher::new());
    let mut done = (total - findings.len()) as u64;
    let mut flush = |batcher: &mut Batcher, events: &mut Vec<FindingEvent>| -> Result<()> {
        let batch = batcher.take();
        let position = Position { after: batch.last().map(|finding| finding.fingerprint) };
        done += batch.len() as u64;
        let batch = FindingBatch::new(batch, ResumePoint::new(scanner, &position)?)
            .with_gaps(coverage.gaps().to_vec())
            .with_progress(Progress::new(done, Some(total as u64)));
        events.push(FindingEvent::Batch(batch));
        Ok(())
    };
    for mut finding in findings {
        if !query.unmasked {
            finding.mask_evidence();
        }
        if batcher.is_full_for(&finding) {
            flush(&mut batcher, &mut events)?;
        }
        batcher.push(finding);
    }
    if !batcher.is_empty() {
        flush(&mut batcher, &mut events)?;
    }
    events.push(FindingEvent::End(coverage));
    Ok(events)
}

fn in_scope(scope: &FindingScope, finding: &Finding) -> bool {
    match scope {
        FindingScope::Targets(targets) => finding.targets.iter().any(|target| targets.contains(target)),
        FindingScope::Scan(scan) => !is_of_another_scan(scan, finding),
        FindingScope::All => true,
    }
}

fn is_of_another_scan(scan: &ScanId, finding: &Finding) -> bool {
    finding.scan.as_ref().is_some_and(|of| of != scan)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::{Absence, ErrorKind, Location, PartitionKey, Rule, Severity};

    fn finding(path: &str, severity: Severity) -> Finding {
        let place = Location::from_host_and_path("shop.example.com", path);
        let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
        let partition = PartitionKey::from("shop");
        let mut finding = Finding::new(
            "memory".into(),
            fingerprint,
            Rule::new("r", "r").into(),
            severity,
            place,
            partition,
        );
        finding.targets = vec!["host:shop".into()];
        finding
    }

    async fn read(query: FindingQuery, findings: Vec<Finding>) -> Result<Vec<FindingEvent>> {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(PartitionKey::from("shop"));
        stream_findings("memory", query, async { Ok((findings, coverage)) }).try_collect().await
    }

    fn findings(events: &[FindingEvent]) -> Vec<&Finding> {
        let batches = events.iter().filter_map(|event| match event {
            FindingEvent::Batch(batch) => Some(&batch.findings),
            FindingEvent::End(_) => None,
        });
        batches.flatten().collect()
    }

    #[tokio::test]
    async fn the_highest_severity_of_one_fingerprint_is_kept() {
        let twice = vec![finding("/a", Severity::Low), finding("/a", Severity::High)];
        let events = read(FindingQuery::all(), twice).await.unwrap();
        let found = findings(&events);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::High);
    }

    #[tokio::test]
    async fn a_resumed_stream_continues_although_the_findings_changed() {
        let all: Vec<_> = (0..600).map(|number| finding(&format!("/{number}"), Severity::Low)).collect();
        let events = read(FindingQuery::all(), all.clone()).await.unwrap();
        let Some(FindingEvent::Batch(first)) = events.first() else { panic!("a batch comes first") };
        assert_eq!(first.findings.len(), FindingBatch::MAX_FINDINGS);

        let mut later = all;
        let gone = first.findings[7].fingerprint;
        later.retain(|finding| finding.fingerprint != gone);
        let query = FindingQuery::all().with_resume(first.resume.clone());
        let rest = read(query, later).await.unwrap();
        assert_eq!(findings(&rest).len(), 600 - FindingBatch::MAX_FINDINGS);
        let Some(FindingEvent::End(coverage)) = rest.last() else { panic!("an end comes last") };
        assert_eq!(coverage.absence_of(&PartitionKey::from("shop")), Absence::Inconclusive);
    }

    #[tokio::test]
    async fn findings_that_name_another_scan_are_left_out() {
        let of = |path, scan: Option<&str>| {
            let mut finding = finding(path, Severity::Low);
            finding.scan = scan.map(Into::into);
            finding
        };
        let all = vec![of("/a", Some("1")), of("/b", Some("2")), of("/c", None)];
        let events = read(FindingQuery::scan("1"), all).await.unwrap();
        assert_eq!(findings(&events).len(), 2, "one that names no scan is taken for the scan's");
        let Some(FindingEvent::End(coverage)) = events.last() else { panic!("an end comes last") };
        let shop = PartitionKey::from("shop");
        assert_eq!(
            coverage.absence_of(&shop),
            Absence::Inconclusive,
            "what another scan saw last is not gone"
        );
    }

    #[tokio::test]
    async fn findings_of_other_targets_are_left_out() {
        let events =
            read(FindingQuery::target("host:other"), vec![finding("/a", Severity::Low)]).await.unwrap();
        assert!(findings(&events).is_empty());
        let query = FindingQuery::new(FindingScope::Targets(Vec::new()));
        assert_eq!(read(query, Vec::new()).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
