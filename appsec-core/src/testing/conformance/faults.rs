//! Checks of `findings` over a service that breaks.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Bench, Run, Scope, Seen, Stage, Stop, ensure, failed, read, read_well};
use crate::testing::{Fault, World};
use crate::{Absence, Fingerprint, GapKind, PartitionKey};

/// More than one batch in all; small, since many services are filled with it.
fn world() -> World {
    World::new(2, 150)
}

/// A fresh service with the scope of that number, while there is one.
async fn staged(bench: &Bench<'_>, world: &World, number: usize) -> Result<Option<(Stage, Scope)>, Stop> {
    let stage = bench.stage(world).await?;
    let scope = stage.scopes()?.into_iter().nth(number);
    Ok(scope.map(|scope| (stage, scope)))
}

pub(super) async fn error_ends(bench: &Bench<'_>) -> Seen {
    let (mut errors, mut ends) = (0, 0);
    for fault in [Fault::Down, Fault::DownAfter(1), Fault::DownAfter(2), Fault::Unauthorized] {
        let mut number = 0;
        while let Some((stage, scope)) = staged(bench, &world(), number).await? {
            number += 1;
            stage.break_with(fault).await?;
            let name = format!("{}, {fault:?}", scope.name);
            let run = read(&*stage.scanner(), &scope.query).await?;
            let over = matches!(fault, Fault::Down | Fault::Unauthorized);
            match (&run.error, &run.end) {
                (Some(_), None) => errors += 1,
                (Some(_), Some(_)) => return failed(format!("{name}: an error and an end")),
                (None, Some(_)) if !over => ends += 1,
                (None, Some(_)) => return failed(format!("{name}: the stream ended well")),
                (None, None) => return failed(format!("{name}: the stream stopped without an error")),
            }
            let surplus = if run.error.is_some() { run.surplus } else { 0 };
            ensure(surplus == 0, || format!("{name}: {surplus} items came after the error"))?;
        }
    }
    Ok(format!("{errors} streams ended in an error, {ends} ended before they met one"))
}

pub(super) async fn broken_proves_nothing(bench: &Bench<'_>) -> Seen {
    let world = world();
    let (mut errors, mut ends, mut number) = (0, 0, 0);
    while let Some((stage, Scope { name, query })) = staged(bench, &world, number).await? {
        let before = stage.requests().await;
        read_well(&*stage.scanner(), &query).await?;
        let after = stage.requests().await;
        let moments: BTreeSet<u64> = match (before, after) {
            (Some(before), Some(after)) if after > before => {
                let needed = after - before;
                [0, 1, needed / 2, needed.saturating_sub(2), needed - 1].into()
            }
            _ => [0, 1, 2, 4, 8].into(),
        };
        for moment in moments {
            let Some((stage, _)) = staged(bench, &world, number).await? else { break };
            let healthy = by_partition(&read(&*stage.scanner(), &query_of(&stage, number)?).await?);
            stage.break_with(Fault::DownAfter(moment)).await?;
            let run = read(&*stage.scanner(), &query_of(&stage, number)?).await?;
            if run.error.is_some() {
                errors += 1;
                continue;
            }
            let Some(coverage) = &run.end else {
                return failed(format!("{name}, down after {moment}: the stream stopped without an end"));
            };
            ends += 1;
            let came = by_partition(&run);
            for (partition, findings) in &healthy {
                let missing = findings.difference(came.get(partition).unwrap_or(&BTreeSet::new())).count();
                let gone = coverage.absence_of(partition) == Absence::MeansGone;
                ensure(missing == 0 || !gone, || {
                    format!(
                        "{name}, down after {moment}: {missing} of {partition} did not come and count as gone"
                    )
                })?;
            }
        }
        number += 1;
    }
    Ok(format!("{errors} streams ended in an error, {ends} with a coverage"))
}

fn query_of(stage: &Stage, number: usize) -> Result<crate::FindingQuery, Stop> {
    match stage.scopes()?.into_iter().nth(number) {
        Some(scope) => Ok(scope.query),
        None => failed("the scopes of two services differ"),
    }
}

fn by_partition(run: &Run) -> BTreeMap<PartitionKey, BTreeSet<Fingerprint>> {
    let mut partitions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for finding in run.findings() {
        partitions.entry(finding.partition.clone()).or_default().insert(finding.fingerprint);
    }
    partitions
}

pub(super) async fn bad_record(bench: &Bench<'_>) -> Seen {
    let stage = bench.seeded(&World::new(2, 20)).await?;
    stage.break_with(Fault::BadRecord).await?;
    let host = stage.targets.keys().next().cloned().unwrap_or_default();
    let mut seen = String::new();
    for Scope { name, query } in stage.scopes()? {
        let success = read_well(&*stage.scanner(), &query).await?;
        let expected = stage.expected(&query.scope).unwrap_or_default();
        let places = success.places();
        let missing = expected.difference(&places).count();
        ensure(missing == 0, || format!("{name}: {missing} of {} others did not come", expected.len()))?;
        let gap = success.coverage.gaps().iter().find(|gap| gap.kind == GapKind::Record);
        let Some(gap) = gap else { return failed(format!("{name}: no gap of kind Record")) };
        let mut partitions = success.findings().filter(|f| f.location.host == host).map(|f| &f.partition);
        if let Some(gone) = partitions.find(|key| success.coverage.absence_of(key) == Absence::MeansGone) {
            return failed(format!("{name}: absence still means gone in {gone}"));
        }
        seen = format!("the others came, and {gap}");
    }
    Ok(seen)
}
