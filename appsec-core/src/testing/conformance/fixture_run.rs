//! The fixtures that the checks run over: made, seeded and broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::check::{NotPassed, failed, skipped};
use super::read::Place;
use crate::testing::{Dataset, Fault, Fixture};
use crate::{
    BindTargetId, BindTargetQuery, Capabilities, DastApiScanner, FindingQuery, FindingScope, ScanId,
};

type Make<'a> = dyn Fn() -> BoxFuture<'a, Box<dyn Fixture>> + Send + Sync + 'a;

/// Makes a fixture for each check.
pub(super) struct Fixtures<'a> {
    make: &'a Make<'a>,
}

impl<'a> Fixtures<'a> {
    pub(super) fn new(make: &'a Make<'a>) -> Self {
        Self { make }
    }

    /// Prepares a fixture with the dataset, or with the data that its service holds where it cannot be
    /// seeded.
    pub(super) async fn prepare(&self, dataset: &Dataset) -> Result<FixtureRun, NotPassed> {
        let fixture = (self.make)().await;
        let mut fixture_run =
            FixtureRun { fixture, dataset: None, targets: BTreeMap::new(), scans: BTreeMap::new() };
        if let Some(seeded) = fixture_run.fixture.seed(dataset).await? {
            fixture_run.dataset = Some(dataset.clone());
            (fixture_run.targets, fixture_run.scans) = (seeded.targets, seeded.scans);
            return Ok(fixture_run);
        }
        let scanner = fixture_run.scanner();
        let first =
            scanner.bind_targets(BindTargetQuery::new()).next().await.transpose()?.unwrap_or_default();
        for target in first.targets.into_iter().take(2) {
            fixture_run.targets.insert(target.id.to_string(), target.id);
        }
        if scanner.info().capabilities.scans {
            for (name, target) in &fixture_run.targets {
                let page = scanner.scans(target).next().await.transpose()?.unwrap_or_default();
                if let Some(scan) = page.into_iter().find(crate::Scan::is_ended) {
                    fixture_run.scans.insert(name.clone(), scan.id);
                }
            }
        }
        Ok(fixture_run)
    }

    /// Prepares a fixture with exactly the dataset. Skips the check where it cannot be seeded.
    pub(super) async fn prepare_seeded(&self, dataset: &Dataset) -> Result<FixtureRun, NotPassed> {
        let fixture_run = self.prepare(dataset).await?;
        if fixture_run.dataset.is_none() {
            return skipped("the fixture cannot be seeded");
        }
        Ok(fixture_run)
    }
}

/// A fixture, and the data that its service is known to hold.
pub(super) struct FixtureRun {
    fixture: Box<dyn Fixture>,
    /// `None` where the service could not be seeded.
    pub(super) dataset: Option<Dataset>,
    pub(super) targets: BTreeMap<String, BindTargetId>,
    pub(super) scans: BTreeMap<String, ScanId>,
}

/// A query for findings, and its name in the report.
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) query: FindingQuery,
}

impl FixtureRun {
    /// Returns a handle; a new one where the fixture makes new ones.
    pub(super) fn scanner(&self) -> Arc<dyn DastApiScanner> {
        self.fixture.scanner()
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.scanner().info().capabilities
    }

    pub(super) async fn requests(&self) -> Option<u64> {
        self.fixture.requests().await
    }

    pub(super) async fn break_with(&self, fault: Fault) -> Result<(), NotPassed> {
        if self.fixture.break_with(fault).await {
            Ok(())
        } else {
            skipped(format!("the fixture cannot be broken with {fault:?}"))
        }
    }

    /// The target whose name sorts first.
    pub(super) fn first_target(&self) -> Result<&BindTargetId, NotPassed> {
        match self.targets.values().next() {
            Some(target) => Ok(target),
            None => skipped("there is no target"),
        }
    }

    /// Every query for findings that the capabilities of the scanner allow.
    pub(super) fn scopes(&self) -> Result<Vec<Scope>, NotPassed> {
        let can = self.capabilities();
        let mut scopes = Vec::new();
        if can.findings_all {
            scopes.push(Scope { name: "all", query: FindingQuery::all() });
        }
        if let (true, Some(first)) = (can.findings_by_target, self.targets.values().next()) {
            let every = FindingScope::Targets(self.targets.values().cloned().collect());
            scopes.push(Scope { name: "all targets", query: FindingQuery::new(every) });
            scopes.push(Scope { name: "one target", query: FindingQuery::target(first.clone()) });
        }
        if let (true, Some(scan)) = (can.findings_by_scan, self.scans.values().next()) {
            scopes.push(Scope { name: "scan", query: FindingQuery::scan(scan.clone()) });
        }
        if scopes.is_empty() { skipped("there is no scope to read") } else { Ok(scopes) }
    }

    /// The places of the seeded findings that belong to the scope; `None` where nothing was seeded.
    pub(super) fn expected(&self, scope: &FindingScope) -> Option<BTreeSet<Place>> {
        let in_scope = |name: &str| match scope {
            FindingScope::All => true,
            FindingScope::Targets(ids) => self.targets.get(name).is_some_and(|id| ids.contains(id)),
            FindingScope::Scan(scan) => self.scans.get(name) == Some(scan),
        };
        let targets = self.dataset.as_ref()?.targets.iter().filter(|target| in_scope(&target.name));
        let places = targets.flat_map(|target| {
            target.findings.iter().map(|finding| (target.name.clone(), finding.path.clone()))
        });
        Some(places.collect())
    }

    /// Returns the result of a call that must send nothing, and how that was checked.
    pub(super) async fn without_requests<T>(
        &self,
        call: impl Future<Output = T>,
    ) -> Result<(T, &'static str), NotPassed> {
        let before = self.requests().await;
        let result = call.await;
        // What was sent in the background has time to arrive.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match (before, self.requests().await) {
            (Some(before), Some(after)) if before != after => {
                failed(format!("{} requests were sent", after.abs_diff(before)))
            }
            (Some(_), Some(_)) => Ok((result, "nothing was sent")),
            _ => Ok((result, "requests are not counted")),
        }
    }
}
