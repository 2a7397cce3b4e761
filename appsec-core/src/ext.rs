//! Methods for callers of a scanner, built on the trait.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;

use crate::bind::{BindTarget, BindTargetBatch, BindTargetQuery};
use crate::coverage::{Coverage, CoverageGap};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::poll::Watch;
use crate::query::{FindingEvent, FindingQuery};
use crate::scan::ScanId;
use crate::scanner::DastApiScanner;

/// Methods for callers. Every scanner has them; no scanner implements them.
#[async_trait]
pub trait DastApiScannerExt: DastApiScanner {
    /// Watches a scan until it ends. Await the result, or stream the changes.
    fn watch(&self, id: &ScanId) -> Watch<'_, Self> {
        Watch::new(self, id.clone())
    }

    /// Collects all bind targets and the gaps of the listing in one batch. A large tenant has thousands of
    /// targets; the stream needs less memory.
    ///
    /// # Errors
    /// The first error of the listing.
    async fn list_bind_targets(&self, query: BindTargetQuery) -> Result<BindTargetBatch> {
        let mut all = BindTargetBatch::default();
        let mut batches = self.bind_targets(query);
        while let Some(batch) = batches.try_next().await? {
            all.targets.extend(batch.targets);
            all.gaps.extend(batch.gaps);
        }
        Ok(all)
    }

    /// Reads the bind targets one by one. [`BindTargetItems::into_gaps`] gives what the listing may lack,
    /// after the last one.
    fn bind_target_items(&self, query: BindTargetQuery) -> BindTargetItems {
        BindTargetItems {
            batches: Some(self.bind_targets(query)),
            batch: Vec::new().into_iter(),
            gaps: Vec::new(),
            is_complete: false,
        }
    }

    /// Finds the bind target with this id, or with exactly this name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Unexpected`, with the first [`gap`](Error::gap), when there is none in a listing that
    /// has gaps, since the target may be among what is missing; `InvalidRequest`, with the ids, when several
    /// have the name; errors of the listing.
    async fn find_target(&self, name: &str) -> Result<BindTarget> {
        let mut named = Vec::new();
        let mut first_gap: Option<CoverageGap> = None;
        let mut batches = self.bind_targets(BindTargetQuery::new());
        while let Some(batch) = batches.try_next().await? {
            first_gap = first_gap.or(batch.gaps.into_iter().next());
            for target in batch.targets {
                if target.id.as_str() == name {
                    return Ok(target);
                }
                if target.name == name {
                    named.push(target);
                }
            }
        }
        if named.len() > 1 {
            let ids: Vec<_> = named.iter().take(5).map(|target| target.id.as_str()).collect();
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("{} bind targets are named \"{name}\": {}", named.len(), ids.join(", ")),
            )
            .with_operation("find bind target"));
        }
        named.pop().ok_or_else(|| {
            let missing = format!("no bind target has the id or name \"{name}\"");
            match first_gap {
                None => Error::new(ErrorKind::NotFound, missing),
                Some(gap) => {
                    let message = format!("{missing}, in a list that has a gap: {gap}");
                    Error::new(ErrorKind::Unexpected, message).with_gap(gap)
                }
            }
            .with_operation("find bind target")
        })
    }

    /// Reads the findings one by one. [`FindingItems::into_coverage`] gives the coverage after the last
    /// one.
    ///
    /// An importer reads the events of [`DastApiScanner::findings`] instead, for their resume points.
    fn finding_items(&self, query: FindingQuery) -> FindingItems {
        FindingItems { events: Some(self.findings(query)), batch: Vec::new().into_iter(), coverage: None }
    }

    /// Collects all findings in memory, with their coverage.
    ///
    /// # Errors
    /// The first error of the stream; `Unexpected` when it stops without an end.
    async fn collect_findings(&self, query: FindingQuery) -> Result<(Vec<Finding>, Coverage)> {
        let mut findings = Vec::new();
        let mut events = self.findings(query);
        while let Some(event) = events.try_next().await? {
            match event {
                FindingEvent::Batch(batch) => findings.extend(batch.findings),
                FindingEvent::End(coverage) => return Ok((findings, coverage)),
            }
        }
        Err(unproven())
    }
}

impl<S: DastApiScanner + ?Sized> DastApiScannerExt for S {}

/// A stream of bind targets, made by [`DastApiScannerExt::bind_target_items`].
///
/// After an error the stream is over.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{BindTarget, BindTargetQuery, DastApiScannerExt};
/// use futures_util::TryStreamExt;
///
/// let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop"));
/// let mut targets = scanner.bind_target_items(BindTargetQuery::new());
/// while let Some(target) = targets.try_next().await? {
///     println!("{} {}", target.id, target.name);
/// }
/// assert!(targets.into_gaps()?.is_empty());
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct BindTargetItems {
    /// `None` after the end and after an error.
    batches: Option<BoxStream<'static, Result<BindTargetBatch>>>,
    batch: std::vec::IntoIter<BindTarget>,
    gaps: Vec<CoverageGap>,
    is_complete: bool,
}

impl BindTargetItems {
    /// Returns the gaps of the listing. Where there is one, the listing may lack targets.
    ///
    /// # Errors
    /// `Unexpected` when the stream has not been read to its end, or ended in an error.
    pub fn into_gaps(self) -> Result<Vec<CoverageGap>> {
        if self.is_complete {
            return Ok(self.gaps);
        }
        let message = "the bind targets have not been read to their end";
        Err(Error::new(ErrorKind::Unexpected, message).with_operation("list bind targets"))
    }
}

impl Stream for BindTargetItems {
    type Item = Result<BindTarget>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(target) = self.batch.next() {
                return Poll::Ready(Some(Ok(target)));
            }
            let Some(batches) = &mut self.batches else { return Poll::Ready(None) };
            match ready!(batches.as_mut().poll_next(cx)) {
                Some(Ok(batch)) => {
                    self.batch = batch.targets.into_iter();
                    self.gaps.extend(batch.gaps);
                }
                Some(Err(error)) => {
                    self.batches = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    (self.batches, self.is_complete) = (None, true);
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl fmt::Debug for BindTargetItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindTargetItems")
            .field("ended", &self.batches.is_none())
            .field("gaps", &self.gaps)
            .finish_non_exhaustive()
    }
}

/// A stream of findings, made by [`DastApiScannerExt::finding_items`].
///
/// The stream yields each finding of the query and ends when the scanner has proved that there are no more.
/// A scanner that stops without an end ends the stream with an `Unexpected` error. After an error the
/// stream is over.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{DastApiScannerExt, FindingQuery, Severity};
/// use futures_util::TryStreamExt;
///
/// let scanner = MemoryScanner::new()
///     .with_finding(MemoryScanner::finding("app:shop", "XSS", Severity::High, "https://shop.example.com/"));
/// let mut findings = scanner.finding_items(FindingQuery::all());
/// while let Some(finding) = findings.try_next().await? {
///     println!("{} {}", finding.severity, finding.location);
/// }
/// assert!(findings.into_coverage()?.is_complete());
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct FindingItems {
    /// `None` after the end and after an error.
    events: Option<BoxStream<'static, Result<FindingEvent>>>,
    batch: std::vec::IntoIter<Finding>,
    coverage: Option<Coverage>,
}

impl FindingItems {
    /// Returns what the stream covered: its gaps, and where the absence of a finding is conclusive.
    ///
    /// # Errors
    /// `Unexpected` when the stream has not been read to its end, or ended in an error.
    pub fn into_coverage(self) -> Result<Coverage> {
        self.coverage.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the findings have not been read to their end")
                .with_operation("read findings")
        })
    }
}

impl Stream for FindingItems {
    type Item = Result<Finding>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(finding) = self.batch.next() {
                return Poll::Ready(Some(Ok(finding)));
            }
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            let error = match ready!(events.as_mut().poll_next(cx)) {
                Some(Ok(FindingEvent::Batch(batch))) => {
                    self.batch = batch.findings.into_iter();
                    continue;
                }
                Some(Ok(FindingEvent::End(coverage))) => {
                    (self.coverage, self.events) = (Some(coverage), None);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => error,
                None => unproven(),
            };
            self.events = None;
            return Poll::Ready(Some(Err(error)));
        }
    }
}

impl fmt::Debug for FindingItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindingItems")
            .field("ended", &self.events.is_none())
            .field("coverage", &self.coverage)
            .finish_non_exhaustive()
    }
}

fn unproven() -> Error {
    Error::new(ErrorKind::Unexpected, "the stream of findings stopped without proving its end")
        .with_operation("read findings")
}
