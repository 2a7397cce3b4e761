//! What the checks are written with: services to look at, streams read to their end, and the three ways to end a check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::testing::{Dataset, Fault, Fixture};
use crate::{
    BindTarget, BindTargetId, BindTargetQuery, Capabilities, Coverage, DastApiScanner, Error, Finding,
    FindingBatch, FindingEvent, FindingQuery, FindingScope, Result, ScanId,
};

/// What a passing check saw, or how else it ended.
pub(super) type Seen = Result<String, Stop>;

#[derive(Debug)]
pub(super) enum Stop {
    Failed(String),
    Skipped(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(format!("an error: {error}"))
    }
}

pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(why.into()))
}

pub(super) fn skipped<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skipped(why.into()))
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { failed(why()) }
}

type Make<'a> = dyn Fn() -> BoxFuture<'a, Box<dyn Fixture>> + Send + Sync + 'a;

/// Makes the services that checks look at.
pub(super) struct Bench<'a> {
    make: &'a Make<'a>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(make: &'a Make<'a>) -> Self {
        Self { make }
    }

    /// A service with that world in it, or with what it holds where it cannot be seeded.
    pub(super) async fn stage(&self, world: &Dataset) -> Result<Stage, Stop> {
        let fixture = (self.make)().await;
        let mut stage = Stage { fixture, world: None, targets: BTreeMap::new(), scans: BTreeMap::new() };
        if let Some(seeded) = stage.fixture.seed(world).await? {
            stage.world = Some(world.clone());
            (stage.targets, stage.scans) = (seeded.targets, seeded.scans);
            return Ok(stage);
        }
        let scanner = stage.scanner();
        let first =
            scanner.bind_targets(BindTargetQuery::new()).next().await.transpose()?.unwrap_or_default();
        for target in first.into_iter().take(2) {
            stage.targets.insert(target.id.to_string(), target.id);
        }
        if scanner.info().capabilities.scans {
            for (name, target) in &stage.targets {
                let page = scanner.scans(target).next().await.transpose()?.unwrap_or_default();
                if let Some(scan) = page.into_iter().find(crate::Scan::is_ended) {
                    stage.scans.insert(name.clone(), scan.id);
                }
            }
        }
        Ok(stage)
    }

    /// A service with exactly that world in it.
    pub(super) async fn seeded(&self, world: &Dataset) -> Result<Stage, Stop> {
        let stage = self.stage(world).await?;
        if stage.world.is_none() {
            return skipped("the fixture cannot be seeded");
        }
        Ok(stage)
    }
}

/// A service and what is known to be in it.
pub(super) struct Stage {
    fixture: Box<dyn Fixture>,
    /// `None` where the service could not be seeded.
    pub(super) world: Option<Dataset>,
    pub(super) targets: BTreeMap<String, BindTargetId>,
    pub(super) scans: BTreeMap<String, ScanId>,
}

/// A question for findings, with its name for a person.
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) query: FindingQuery,
}

/// Where a seeded finding is: host and path.
pub(super) type Place = (String, String);

pub(super) fn place(finding: &Finding) -> Place {
    (finding.location.host.clone(), finding.location.path.clone())
}

impl Stage {
    /// A handle, where the fixture makes them a new one.
    pub(super) fn scanner(&self) -> Arc<dyn DastApiScanner> {
        self.fixture.scanner()
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.scanner().info().capabilities
    }

    pub(super) async fn requests(&self) -> Option<u64> {
        self.fixture.requests().await
    }

    pub(super) async fn break_with(&self, fault: Fault) -> Result<(), Stop> {
        if self.fixture.break_with(fault).await {
            Ok(())
        } else {
            skipped(format!("the fixture cannot be broken with {fault:?}"))
        }
    }

    /// The target of the first seeded name.
    pub(super) fn first_target(&self) -> Result<&BindTargetId, Stop> {
        match self.targets.values().next() {
            Some(target) => Ok(target),
            None => skipped("there is no target"),
        }
    }

    /// Every question for findings that the scanner's abilities allow.
    pub(super) fn scopes(&self) -> Result<Vec<Scope>, Stop> {
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
        let targets = self.world.as_ref()?.targets.iter().filter(|target| in_scope(&target.name));
        let places = targets.flat_map(|target| {
            target.findings.iter().map(|finding| (target.name.clone(), finding.path.clone()))
        });
        Some(places.collect())
    }

    /// The result of a call that must send nothing, and how that is known.
    pub(super) async fn unsent<T>(&self, call: impl Future<Output = T>) -> Result<(T, &'static str), Stop> {
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

/// What a stream of findings gave until its end.
#[derive(Default)]
pub(super) struct Run {
    pub(super) batches: Vec<FindingBatch>,
    pub(super) end: Option<Coverage>,
    pub(super) error: Option<Error>,
    /// Items after the first `End` or error.
    pub(super) surplus: usize,
}

/// Streams that give more than this are taken for endless.
const MAX_ITEMS: usize = 10_000;

pub(super) async fn read(scanner: &dyn DastApiScanner, query: &FindingQuery) -> Result<Run, Stop> {
    let mut run = Run::default();
    let mut events = scanner.findings(query.clone());
    for _ in 0..MAX_ITEMS {
        let Some(event) = events.next().await else { return Ok(run) };
        match event {
            _ if run.end.is_some() || run.error.is_some() => run.surplus += 1,
            Ok(FindingEvent::Batch(batch)) => run.batches.push(batch),
            Ok(FindingEvent::End(coverage)) => run.end = Some(coverage),
            Err(error) => run.error = Some(error),
        }
    }
    failed(format!("the stream had not ended after {MAX_ITEMS} items"))
}

/// A run that succeeded.
pub(super) struct Success {
    pub(super) batches: Vec<FindingBatch>,
    pub(super) coverage: Coverage,
}

/// Reads a stream that has no reason to fail.
pub(super) async fn read_well(scanner: &dyn DastApiScanner, query: &FindingQuery) -> Result<Success, Stop> {
    let run = read(scanner, query).await?;
    match (run.end, run.error) {
        (Some(coverage), _) => Ok(Success { batches: run.batches, coverage }),
        (None, Some(error)) => failed(format!("an error: {error}")),
        (None, None) => failed("the stream stopped without an end"),
    }
}

impl Run {
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.batches.iter().flat_map(|batch| &batch.findings)
    }
}

impl Success {
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
) -> Result<(Vec<BindTarget>, Option<Error>, usize), Stop> {
    let (mut targets, mut failure, mut surplus) = (Vec::new(), None, 0);
    let mut pages = scanner.bind_targets(query);
    for _ in 0..MAX_ITEMS {
        let Some(page) = pages.next().await else { return Ok((targets, failure, surplus)) };
        match page {
            _ if failure.is_some() => surplus += 1,
            Ok(page) => targets.extend(page),
            Err(error) => failure = Some(error),
        }
    }
    failed(format!("the listing had not ended after {MAX_ITEMS} items"))
}

/// An id of the same form as those given that is none of them: the last digit or letter is another.
pub(super) fn stranger<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: BTreeSet<_> = known.into_iter().collect();
    let mut id = known.first().map_or("00000000-0000-4000-8000-000000000000", |id| id).to_owned();
    while let Some(last) = id.pop() {
        let others: &str = match last {
            '0'..='9' => "0123456789",
            'a'..='f' | 'A'..='F' => "abcdef",
            _ => "xyz",
        };
        if let Some(other) = others.chars().find(|c| !known.contains(format!("{id}{c}").as_str())) {
            id.push(other);
            break;
        }
    }
    id
}
