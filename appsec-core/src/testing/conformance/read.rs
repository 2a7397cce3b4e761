//! Reads streams to their end.

use std::collections::BTreeSet;

use futures_util::StreamExt;

use super::check::{NotPassed, failed};
use crate::{
    BindTarget, BindTargetQuery, Coverage, DastApiScanner, Error, Finding, FindingBatch, FindingEvent,
    FindingQuery,
};

/// Where a seeded finding is: host and path.
pub(super) type Place = (String, String);

pub(super) fn place(finding: &Finding) -> Place {
    (finding.location.host.clone(), finding.location.path.clone())
}

/// The items of a stream of findings.
#[derive(Default)]
pub(super) struct StreamRecord {
    pub(super) batches: Vec<FindingBatch>,
    pub(super) end: Option<Coverage>,
    pub(super) error: Option<Error>,
    /// Items after the first `End` or error.
    pub(super) items_after_end: usize,
}

/// A stream with more items than this counts as endless.
const MAX_ITEMS: usize = 10_000;

pub(super) async fn read(
    scanner: &dyn DastApiScanner,
    query: &FindingQuery,
) -> Result<StreamRecord, NotPassed> {
    let mut run = StreamRecord::default();
    let mut events = scanner.findings(query.clone());
    for _ in 0..MAX_ITEMS {
        let Some(event) = events.next().await else { return Ok(run) };
        match event {
            _ if run.end.is_some() || run.error.is_some() => run.items_after_end += 1,
            Ok(FindingEvent::Batch(batch)) => run.batches.push(batch),
            Ok(FindingEvent::End(coverage)) => run.end = Some(coverage),
            Err(error) => run.error = Some(error),
        }
    }
    failed(format!("the stream had not ended after {MAX_ITEMS} items"))
}

/// The items of a stream that succeeded.
pub(super) struct CompleteRead {
    pub(super) batches: Vec<FindingBatch>,
    pub(super) coverage: Coverage,
}

/// Reads a stream that has no reason to fail.
pub(super) async fn read_complete(
    scanner: &dyn DastApiScanner,
    query: &FindingQuery,
) -> Result<CompleteRead, NotPassed> {
    let run = read(scanner, query).await?;
    match (run.end, run.error) {
        (Some(coverage), _) => Ok(CompleteRead { batches: run.batches, coverage }),
        (None, Some(error)) => failed(format!("an error: {error}")),
        (None, None) => failed("the stream stopped without an end"),
    }
}

impl StreamRecord {
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.batches.iter().flat_map(|batch| &batch.findings)
    }
}

impl CompleteRead {
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.batches.iter().flat_map(|batch| &batch.findings)
    }

    pub(super) fn places(&self) -> BTreeSet<Place> {
        self.findings().map(place).collect()
    }
}

/// What a listing of targets gave until its end: targets, error, and how many items came after the error.
pub(super) async fn list(
    scanner: &dyn DastApiScanner,
    query: BindTargetQuery,
) -> Result<(Vec<BindTarget>, Option<Error>, usize), NotPassed> {
    let (mut targets, mut failure, mut items_after_end) = (Vec::new(), None, 0);
    let mut pages = scanner.bind_targets(query);
    for _ in 0..MAX_ITEMS {
        let Some(page) = pages.next().await else { return Ok((targets, failure, items_after_end)) };
        match page {
            _ if failure.is_some() => items_after_end += 1,
            Ok(batch) => targets.extend(batch.targets),
            Err(error) => failure = Some(error),
        }
    }
    failed(format!("the listing had not ended after {MAX_ITEMS} items"))
}
