//! Checks of `findings` where nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Bench, Seen, ensure, failed, place, read, read_well, skipped};
use crate::testing::Dataset;
use crate::{BindTargetId, FindingBatch, FindingQuery, FindingScope};

/// More than two batches in all, and more than one of each target.
const LARGE: (usize, usize) = (2, 300);

pub(super) async fn lazy(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(2, 3)).await?;
    let scanner = stage.scanner();
    let scopes = stage.scopes()?;
    for scope in &scopes {
        let (stream, _) = stage.unsent(async { scanner.findings(scope.query.clone()) }).await?;
        let before = stage.requests().await;
        drop(stream);
        read_well(&*scanner, &scope.query).await?;
        if before.is_none() || before == stage.requests().await {
            return skipped(format!("{}: requests are not counted", scope.name));
        }
    }
    Ok(format!("{} streams made, nothing sent", scopes.len()))
}

pub(super) async fn end_last(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in stage.scopes()? {
        let run = read(&*stage.scanner(), &scope.query).await?;
        if let Some(error) = run.error {
            return failed(format!("{}: an error: {error}", scope.name));
        }
        ensure(run.end.is_some(), || format!("{}: the stream stopped without an end", scope.name))?;
        ensure(run.surplus == 0, || format!("{}: {} items came after the end", scope.name, run.surplus))?;
        seen.push(format!("{}: {} batches", scope.name, run.batches.len()));
    }
    Ok(seen.join(", "))
}

pub(super) async fn batch_size(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut largest = 0;
    for scope in stage.scopes()? {
        for batch in read_well(&*stage.scanner(), &scope.query).await?.batches {
            largest = largest.max(batch.findings.len());
        }
    }
    ensure(largest <= FindingBatch::MAX_FINDINGS, || format!("a batch holds {largest} findings"))?;
    Ok(format!("at most {largest} in a batch"))
}

pub(super) async fn complete(bench: &Bench<'_>) -> Seen {
    let stage = bench.seeded(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in stage.scopes()? {
        let success = read_well(&*stage.scanner(), &scope.query).await?;
        let expected = stage.expected(&scope.query.scope).unwrap_or_default();
        exactly_once(success.findings().map(place), &expected)
            .or_else(|why| failed(format!("{}: {why}", scope.name)))?;
        seen.push(format!("{}: {}", scope.name, expected.len()));
    }
    Ok(seen.join(", "))
}

/// Says what is doubled, foreign or missing.
fn exactly_once<T: Ord + std::fmt::Debug>(
    came: impl Iterator<Item = T>,
    expected: &BTreeSet<T>,
) -> Result<(), String> {
    let mut places = BTreeSet::new();
    for place in came {
        if !expected.contains(&place) {
            return Err(format!("{place:?} came and is not of the scope"));
        }
        if let Some(place) = places.replace(place) {
            return Err(format!("{place:?} came twice"));
        }
    }
    match expected.difference(&places).next() {
        Some(first) => {
            let missing = expected.len() - places.len();
            Err(format!("{missing} of {} did not come, {first:?} first", expected.len()))
        }
        None => Ok(()),
    }
}

pub(super) async fn scanner_key(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(2, 20)).await?;
    let scanner = stage.scanner();
    let key = scanner.info().key;
    let mut count = 0;
    for scope in stage.scopes()? {
        for finding in read_well(&*scanner, &scope.query).await?.findings() {
            count += 1;
            ensure(&*finding.scanner == key, || {
                format!("{}: a finding names {:?}, the scanner is {key:?}", scope.name, finding.scanner)
            })?;
        }
    }
    if count == 0 { skipped("no finding came") } else { Ok(format!("{count} findings name {key}")) }
}

pub(super) async fn partition_covered(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in stage.scopes()? {
        let success = read_well(&*stage.scanner(), &scope.query).await?;
        let covered: BTreeSet<_> = success.coverage.partitions().map(|(key, _)| key).collect();
        let mut partitions = success.findings().map(|finding| &finding.partition);
        if let Some(other) = partitions.find(|partition| !covered.contains(partition)) {
            return failed(format!(
                "{}: findings of {other} came, and the coverage does not know it",
                scope.name
            ));
        }
        seen.push(format!("{}: {} partitions", scope.name, covered.len()));
    }
    Ok(seen.join(", "))
}

pub(super) async fn stable_fingerprint(bench: &Bench<'_>) -> Seen {
    let world = Dataset::new(2, 60);
    let mut known = BTreeMap::new();
    let mut runs = 0;
    // The second service is another one with the same world: an identity does not hang on ids that a service draws.
    for stage in [bench.seeded(&world).await?, bench.seeded(&world).await?] {
        for scope in stage.scopes()? {
            runs += 1;
            for finding in read_well(&*stage.scanner(), &scope.query).await?.findings() {
                let place = place(finding);
                let first = *known.entry(place.clone()).or_insert(finding.fingerprint);
                ensure(first == finding.fingerprint, || {
                    format!("{}: {place:?} was {first}, and is {}", scope.name, finding.fingerprint)
                })?;
            }
        }
    }
    let distinct: BTreeSet<_> = known.values().collect();
    ensure(distinct.len() == known.len(), || {
        format!("{} places have {} fingerprints", known.len(), distinct.len())
    })?;
    Ok(format!("{} fingerprints, the same in {runs} runs", distinct.len()))
}

pub(super) async fn names_target(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(2, 20)).await?;
    let mut count = 0;
    for scope in stage.scopes()? {
        let FindingScope::Targets(asked) = &scope.query.scope else { continue };
        for finding in read_well(&*stage.scanner(), &scope.query).await?.findings() {
            count += 1;
            ensure(finding.targets.iter().any(|target| asked.contains(target)), || {
                format!("{asked:?} were asked for, and a finding names {:?}", finding.targets)
            })?;
        }
    }
    if count == 0 { skipped("no finding came by target") } else { Ok(format!("{count} findings")) }
}

pub(super) async fn targets_once(bench: &Bench<'_>) -> Seen {
    let stage = bench.seeded(&Dataset::new(3, 100)).await?;
    if !stage.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let mut asked: Vec<BindTargetId> = stage.targets.values().cloned().collect();
    asked.push(stage.first_target()?.clone());
    let query = FindingQuery::new(FindingScope::Targets(asked));
    let expected = stage.expected(&query.scope).unwrap_or_default();
    let success = read_well(&*stage.scanner(), &query).await?;
    exactly_once(success.findings().map(place), &expected).or_else(failed)?;
    Ok(format!("{} findings of 3 targets, one of them named twice", expected.len()))
}
