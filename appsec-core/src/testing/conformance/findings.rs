//! Checks of `findings` where nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{CheckResult, ensure, failed, skipped};
use super::fixture_run::Fixtures;
use super::read::{place, read, read_complete};
use crate::testing::Dataset;
use crate::{BindTargetId, FindingBatch, FindingQuery, FindingScope};

/// More than two batches in all, and more than one of each target.
const LARGE: (usize, usize) = (2, 300);

pub(super) async fn lazy(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 3)).await?;
    let scanner = fixture_run.scanner();
    let scopes = fixture_run.scopes()?;
    for scope in &scopes {
        let (stream, _) =
            fixture_run.without_requests(async { scanner.findings(scope.query.clone()) }).await?;
        let before = fixture_run.requests().await;
        drop(stream);
        read_complete(&*scanner, &scope.query).await?;
        if before.is_none() || before == fixture_run.requests().await {
            return skipped(format!("{}: requests are not counted", scope.name));
        }
    }
    Ok(format!("{} streams made, nothing sent", scopes.len()))
}

pub(super) async fn end_last(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in fixture_run.scopes()? {
        let run = read(&*fixture_run.scanner(), &scope.query).await?;
        if let Some(error) = run.error {
            return failed(format!("{}: an error: {error}", scope.name));
        }
        ensure(run.end.is_some(), || format!("{}: the stream stopped without an end", scope.name))?;
        ensure(run.items_after_end == 0, || {
            format!("{}: {} items came after the end", scope.name, run.items_after_end)
        })?;
        seen.push(format!("{}: {} batches", scope.name, run.batches.len()));
    }
    Ok(seen.join(", "))
}

pub(super) async fn batch_size(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut largest = 0;
    for scope in fixture_run.scopes()? {
        for batch in read_complete(&*fixture_run.scanner(), &scope.query).await?.batches {
            largest = largest.max(batch.findings.len());
        }
    }
    ensure(largest <= FindingBatch::MAX_FINDINGS, || format!("a batch holds {largest} findings"))?;
    Ok(format!("at most {largest} in a batch"))
}

pub(super) async fn complete(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare_seeded(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in fixture_run.scopes()? {
        let success = read_complete(&*fixture_run.scanner(), &scope.query).await?;
        let expected = fixture_run.expected(&scope.query.scope).unwrap_or_default();
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
            return Err(format!("{place:?} is outside the scope"));
        }
        if let Some(place) = places.replace(place) {
            return Err(format!("{place:?} was delivered twice"));
        }
    }
    match expected.difference(&places).next() {
        Some(first) => {
            let missing = expected.len() - places.len();
            Err(format!("{missing} of {} were not delivered, such as {first:?}", expected.len()))
        }
        None => Ok(()),
    }
}

pub(super) async fn scanner_key(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 20)).await?;
    let scanner = fixture_run.scanner();
    let key = scanner.info().key;
    let mut count = 0;
    for scope in fixture_run.scopes()? {
        for finding in read_complete(&*scanner, &scope.query).await?.findings() {
            count += 1;
            ensure(&*finding.scanner == key, || {
                format!("{}: a finding names {:?}, the scanner is {key:?}", scope.name, finding.scanner)
            })?;
        }
    }
    if count == 0 { skipped("no finding came") } else { Ok(format!("{count} findings name {key}")) }
}

pub(super) async fn partition_covered(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(LARGE.0, LARGE.1)).await?;
    let mut seen = Vec::new();
    for scope in fixture_run.scopes()? {
        let success = read_complete(&*fixture_run.scanner(), &scope.query).await?;
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

pub(super) async fn stable_fingerprint(fixtures: &Fixtures<'_>) -> CheckResult {
    let dataset = Dataset::new(2, 60);
    let mut known = BTreeMap::new();
    let mut runs = 0;
    // The second service holds the same dataset: an identity must not depend on ids that a service generates.
    for fixture_run in [fixtures.prepare_seeded(&dataset).await?, fixtures.prepare_seeded(&dataset).await?] {
        for scope in fixture_run.scopes()? {
            runs += 1;
            for finding in read_complete(&*fixture_run.scanner(), &scope.query).await?.findings() {
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

pub(super) async fn names_target(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 20)).await?;
    let mut count = 0;
    for scope in fixture_run.scopes()? {
        let FindingScope::Targets(asked) = &scope.query.scope else { continue };
        for finding in read_complete(&*fixture_run.scanner(), &scope.query).await?.findings() {
            count += 1;
            ensure(finding.targets.iter().any(|target| asked.contains(target)), || {
                format!("{asked:?} were asked for, and a finding names {:?}", finding.targets)
            })?;
        }
    }
    if count == 0 { skipped("no finding came by target") } else { Ok(format!("{count} findings")) }
}

pub(super) async fn other_targets(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 20)).await?;
    let scanner = fixture_run.scanner();
    let (mut asked_for, mut others) = (0, 0);
    for scope in fixture_run.scopes()? {
        if !matches!(scope.query.scope, FindingScope::Targets(_)) {
            continue;
        }
        let query = scope.query.clone().with_other_targets(true);
        let (alone, with_others) =
            (read_complete(&*scanner, &scope.query).await?, read_complete(&*scanner, &query).await?);
        let expected: BTreeSet<_> = alone.findings().map(place).collect();
        let came: Vec<_> = with_others.findings().filter(|finding| query.asks_for(finding)).collect();
        others += with_others.findings().count() - came.len();
        asked_for += came.len();
        exactly_once(came.into_iter().map(place), &expected)
            .or_else(|why| failed(format!("{}: {why}", scope.name)))?;
    }
    if asked_for == 0 {
        return skipped("no finding came by target");
    }
    Ok(format!("{asked_for} findings of the targets, and {others} of others"))
}

pub(super) async fn targets_once(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare_seeded(&Dataset::new(3, 100)).await?;
    if !fixture_run.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let mut asked: Vec<BindTargetId> = fixture_run.targets.values().cloned().collect();
    asked.push(fixture_run.first_target()?.clone());
    let query = FindingQuery::new(FindingScope::Targets(asked));
    let expected = fixture_run.expected(&query.scope).unwrap_or_default();
    let success = read_complete(&*fixture_run.scanner(), &query).await?;
    exactly_once(success.findings().map(place), &expected).or_else(failed)?;
    Ok(format!("{} findings of 3 targets, one of them named twice", expected.len()))
}
