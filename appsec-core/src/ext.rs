//! What callers of a scanner like to have, built on the trait.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bind::{BindTarget, BindTargetQuery};
use crate::coverage::Coverage;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::poll::Watch;
use crate::query::{FindingEvent, FindingQuery};
use crate::scan::ScanId;
use crate::scanner::DastApiScanner;

/// Comfort for callers; every scanner has it, none implements it.
#[async_trait]
pub trait DastApiScannerExt: DastApiScanner {
    /// Watches a scan until it ends: await the result, or stream its changes.
    fn watch(&self, id: &ScanId) -> Watch<'_, Self> {
        Watch::new(self, id.clone())
    }

    /// All bind targets, collected. A large tenant has thousands: prefer the stream where order does not matter.
    ///
    /// # Errors
    /// The first error of the listing.
    async fn list_bind_targets(&self, query: BindTargetQuery) -> Result<Vec<BindTarget>> {
        self.bind_targets(query).try_concat().await
    }

    /// The one bind target with that id, or with exactly that name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidRequest` when several have the name, with their ids; errors of the listing.
    async fn find_target(&self, name: &str) -> Result<BindTarget> {
        let mut named = Vec::new();
        let mut pages = self.bind_targets(BindTargetQuery::new());
        while let Some(page) = pages.try_next().await? {
            for target in page {
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
            Error::new(ErrorKind::NotFound, format!("no bind target has the id or name \"{name}\""))
                .with_operation("find bind target")
        })
    }

    /// The findings one by one. The stream ends in an error when the scanner does not prove that it ended; what the silence
    /// means is lost on the way, so an importer reads the events instead.
    fn finding_items(&self, query: FindingQuery) -> BoxStream<'static, Result<Finding>> {
        let events = self.findings(query);
        stream::unfold(Some((events, Vec::new().into_iter())), |state| async move {
            let (mut events, mut batch) = state?;
            loop {
                if let Some(finding) = batch.next() {
                    return Some((Ok(finding), Some((events, batch))));
                }
                match events.next().await {
                    Some(Ok(FindingEvent::Batch(next))) => batch = next.findings.into_iter(),
                    Some(Ok(FindingEvent::End(_))) => return None,
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => return Some((Err(unproven()), None)),
                }
            }
        })
        .boxed()
    }

    /// All findings with their coverage, collected in memory.
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

fn unproven() -> Error {
    Error::new(ErrorKind::Unexpected, "the stream of findings stopped without proving its end")
        .with_operation("read findings")
}
