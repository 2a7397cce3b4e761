//! Checks of `bind_targets`.

use std::collections::BTreeSet;

use super::bench::{Bench, Seen, ensure, failed, list, skipped};
use crate::testing::{Dataset, Fault};
use crate::{BindTargetQuery, DastApiScannerExt};

/// More than a page of any scanner known.
const MANY: usize = 250;

pub(super) async fn lazy(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(2, 1)).await?;
    let scanner = stage.scanner();
    let (stream, _) = stage.unsent(async { scanner.bind_targets(BindTargetQuery::new()) }).await?;
    let before = stage.requests().await;
    drop(stream);
    list(&*scanner, BindTargetQuery::new()).await?;
    if before.is_none() || before == stage.requests().await {
        return skipped("requests are not counted");
    }
    Ok("a stream made, nothing sent".to_owned())
}

pub(super) async fn complete(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(MANY, 1)).await?;
    let listed = stage.scanner().list_bind_targets(BindTargetQuery::new()).await?;
    let mut ids = BTreeSet::new();
    if let Some(twice) = listed.iter().find(|target| !ids.insert(&target.id)) {
        return failed(format!("{} is listed twice", twice.id));
    }
    if stage.world.is_none() {
        return skipped(format!("{} targets, none twice; the fixture cannot be seeded", listed.len()));
    }
    let missing: Vec<_> = stage.targets.values().filter(|id| !ids.contains(id)).collect();
    ensure(missing.is_empty(), || format!("{} are not listed, {} first", missing.len(), missing[0]))?;
    Ok(format!("{} seeded, {} listed", stage.targets.len(), listed.len()))
}

pub(super) async fn filter(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(MANY, 1)).await?;
    let scanner = stage.scanner();
    let all = scanner.list_bind_targets(BindTargetQuery::new()).await?;
    // The last one is not on the first page.
    let Some(wanted) = all.iter().rev().find(|target| stage.targets.values().any(|id| *id == target.id))
    else {
        return skipped("there is no target");
    };
    let query = BindTargetQuery::new().with_name_contains(wanted.name.to_uppercase());
    let expected: BTreeSet<_> =
        all.iter().filter(|target| query.matches(target)).map(|target| &target.id).collect();
    let listed = scanner.list_bind_targets(query.clone()).await?;
    let listed: BTreeSet<_> = listed.iter().map(|target| &target.id).collect();
    if let Some(id) = listed.difference(&expected).next() {
        return failed(format!("{id} is listed, and its name does not contain {:?}", wanted.name));
    }
    if let Some(id) = expected.difference(&listed).next() {
        return failed(format!("{id} is not listed, and its name contains {:?}, but for case", wanted.name));
    }
    Ok(format!("{} of {} listed", listed.len(), all.len()))
}

pub(super) async fn error_ends(bench: &Bench<'_>) -> Seen {
    let mut seen = Vec::new();
    for fault in [Fault::Down, Fault::DownAfter(1)] {
        let stage = bench.stage(&Dataset::new(MANY, 1)).await?;
        stage.break_with(fault).await?;
        let (targets, error, surplus) = list(&*stage.scanner(), BindTargetQuery::new()).await?;
        ensure(surplus == 0, || format!("{surplus} items came after the error"))?;
        let complete = stage.targets.values().all(|id| targets.iter().any(|target| target.id == *id));
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
