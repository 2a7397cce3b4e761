//! Checks of `bind_targets`.

use std::collections::BTreeSet;

use super::check::{CheckResult, ensure, failed, skipped};
use super::fixture_run::Fixtures;
use super::read::list;
use crate::testing::{Dataset, Fault};
use crate::{BindTargetQuery, DastApiScannerExt};

/// More than a page of any scanner known.
const MANY: usize = 250;

pub(super) async fn lazy(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 1)).await?;
    let scanner = fixture_run.scanner();
    let (stream, _) =
        fixture_run.without_requests(async { scanner.bind_targets(BindTargetQuery::new()) }).await?;
    let before = fixture_run.requests().await;
    drop(stream);
    list(&*scanner, BindTargetQuery::new()).await?;
    if before.is_none() || before == fixture_run.requests().await {
        return skipped("requests are not counted");
    }
    Ok("a stream made, nothing sent".to_owned())
}

pub(super) async fn complete(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(MANY, 1)).await?;
    let listed = fixture_run.scanner().list_bind_targets(BindTargetQuery::new()).await?.targets;
    let mut ids = BTreeSet::new();
    if let Some(twice) = listed.iter().find(|target| !ids.insert(&target.id)) {
        return failed(format!("{} is listed twice", twice.id));
    }
    if fixture_run.dataset.is_none() {
        return skipped(format!("{} targets, none twice; the fixture cannot be seeded", listed.len()));
    }
    let missing: Vec<_> = fixture_run.targets.values().filter(|id| !ids.contains(id)).collect();
    ensure(missing.is_empty(), || format!("{} are not listed, {} first", missing.len(), missing[0]))?;
    Ok(format!("{} seeded, {} listed", fixture_run.targets.len(), listed.len()))
}

pub(super) async fn filter(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(MANY, 1)).await?;
    let scanner = fixture_run.scanner();
    let all = scanner.list_bind_targets(BindTargetQuery::new()).await?.targets;
    // The last one is not on the first page.
    let Some(wanted) =
        all.iter().rev().find(|target| fixture_run.targets.values().any(|id| *id == target.id))
    else {
        return skipped("there is no target");
    };
    let query = BindTargetQuery::new().with_name_contains(wanted.name.to_uppercase());
    let expected: BTreeSet<_> =
        all.iter().filter(|target| query.matches(target)).map(|target| &target.id).collect();
    let listed = scanner.list_bind_targets(query.clone()).await?.targets;
    let listed: BTreeSet<_> = listed.iter().map(|target| &target.id).collect();
    if let Some(id) = listed.difference(&expected).next() {
        return failed(format!("{id} is listed, and its name does not contain {:?}", wanted.name));
    }
    if let Some(id) = expected.difference(&listed).next() {
        return failed(format!("{id} is not listed, and its name contains {:?}, but for case", wanted.name));
    }
    Ok(format!("{} of {} listed", listed.len(), all.len()))
}

pub(super) async fn error_ends(fixtures: &Fixtures<'_>) -> CheckResult {
    let mut seen = Vec::new();
    for fault in [Fault::Down, Fault::DownAfter(1)] {
        let fixture_run = fixtures.prepare(&Dataset::new(MANY, 1)).await?;
        fixture_run.break_with(fault).await?;
        let (targets, error, items_after_end) = list(&*fixture_run.scanner(), BindTargetQuery::new()).await?;
        ensure(items_after_end == 0, || format!("{items_after_end} items came after the error"))?;
        let complete = fixture_run.targets.values().all(|id| targets.iter().any(|target| target.id == *id));
        match error {
            Some(error) => seen.push(format!("{fault:?}: {}", error.kind())),
            None if complete && fault != Fault::Down => seen.push(format!("{fault:?}: all listed before")),
            None => {
                return failed(format!("{fault:?}: the listing ended well with {} targets", targets.len()));
            }
        }
    }
    Ok(seen.join(", "))
}
