//! Checks of resume points.

use std::collections::BTreeSet;

use super::check::{CheckResult, NotPassed, ensure, failed, skipped};
use super::fixture_run::{FixtureRun, Fixtures, Scope};
use super::read::{place, read, read_complete};
use crate::testing::Dataset;
use crate::{Absence, ErrorKind, FindingQuery, ResumePoint};

/// Takes the point out of memory and back, as an importer does that was restarted.
fn stored(query: &FindingQuery, point: &ResumePoint) -> Result<FindingQuery, NotPassed> {
    let text =
        serde_json::to_string(point).or_else(|error| failed(format!("a point cannot be stored: {error}")))?;
    match serde_json::from_str(&text) {
        Ok(point) => Ok(query.clone().with_resume(point)),
        Err(error) => failed(format!("a stored point cannot be read: {error}")),
    }
}

/// First, middle and last of so many batches.
fn some_of(batches: usize) -> BTreeSet<usize> {
    if batches == 0 { BTreeSet::new() } else { [0, batches / 2, batches - 1].into() }
}

pub(super) async fn resume(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 300)).await?;
    let mut seen = Vec::new();
    for Scope { name, query } in fixture_run.scopes()? {
        let whole = read_complete(&*fixture_run.scanner(), &query).await?;
        let all: BTreeSet<_> =
            whole.findings().map(|finding| (place(finding), finding.fingerprint)).collect();
        let points = some_of(whole.batches.len());
        for &number in &points {
            let rest =
                read_complete(&*fixture_run.scanner(), &stored(&query, &whole.batches[number].resume)?)
                    .await?;
            let before = whole.batches[..=number].iter().flat_map(|batch| &batch.findings);
            let came: BTreeSet<_> =
                before.chain(rest.findings()).map(|finding| (place(finding), finding.fingerprint)).collect();
            let lost = all.difference(&came).count();
            ensure(lost == 0, || {
                let (number, of) = (number + 1, whole.batches.len());
                format!("{name}: resumed after batch {number} of {of}, {lost} of {} did not come", all.len())
            })?;
        }
        seen.push(format!("{name}: from {} of {} points", points.len(), whole.batches.len()));
    }
    Ok(seen.join(", "))
}

/// A query, and the point after its first batch.
async fn first_point(fixture_run: &FixtureRun, scope: &Scope) -> Result<Option<ResumePoint>, NotPassed> {
    let whole = read_complete(&*fixture_run.scanner(), &scope.query).await?;
    Ok(whole.batches.into_iter().next().map(|batch| batch.resume))
}

pub(super) async fn resume_inconclusive(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 20)).await?;
    let mut count = 0;
    for scope in fixture_run.scopes()? {
        let Some(point) = first_point(&fixture_run, &scope).await? else { continue };
        let coverage = read_complete(&*fixture_run.scanner(), &stored(&scope.query, &point)?).await?.coverage;
        let mut partitions = coverage.partitions().map(|(key, _)| key);
        if let Some(gone) = partitions.find(|key| coverage.absence_of(key) == Absence::Conclusive) {
            return failed(format!("{}: the coverage is conclusive for {gone}, and must not be", scope.name));
        }
        count += 1;
    }
    if count == 0 { skipped("no batch came") } else { Ok(format!("{count} resumed queries close nothing")) }
}

pub(super) async fn foreign_resume(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 3)).await?;
    let scanner = fixture_run.scanner();
    let scopes = fixture_run.scopes()?;
    for scope in &scopes {
        // The scanner's own state under another name, so that only the name can tell.
        let own = match first_point(&fixture_run, scope).await? {
            Some(point) => serde_json::to_value(point).unwrap_or_default()["state"].clone(),
            None => serde_json::Value::Null,
        };
        let foreign = ResumePoint::new(&format!("another{}", scanner.info().key), &own)?;
        let run = read(&*scanner, &scope.query.clone().with_resume(foreign)).await?;
        match run.error {
            Some(error) if error.kind() == ErrorKind::ResumeExpired => {}
            Some(error) => return failed(format!("{}: another error: {error}", scope.name)),
            None => return failed(format!("{}: the foreign resume point was accepted", scope.name)),
        }
    }
    Ok(format!("refused by {} scopes", scopes.len()))
}
