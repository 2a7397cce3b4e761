//! Checks of `findings` over a service that breaks.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{CheckResult, NotPassed, ensure, failed};
use super::fixture_run::{FixtureRun, Fixtures, Scope};
use super::read::{read, read_complete};
use crate::testing::{Dataset, Fault};
use crate::{Absence, Finding, Fingerprint, GapKind, PartitionKey};

/// More than one batch in all; small, since many services are filled with it.
fn dataset() -> Dataset {
    Dataset::new(2, 150)
}

/// How many scopes the scanner has.
async fn scopes(fixtures: &Fixtures<'_>) -> Result<usize, NotPassed> {
    Ok(fixtures.prepare(&Dataset::new(2, 1)).await?.scopes()?.len())
}

/// A fresh service, with the scope of that number.
async fn prepare_scope(fixtures: &Fixtures<'_>, number: usize) -> Result<(FixtureRun, Scope), NotPassed> {
    let fixture_run = fixtures.prepare(&dataset()).await?;
    match fixture_run.scopes()?.into_iter().nth(number) {
        Some(scope) => Ok((fixture_run, scope)),
        None => failed("the scopes of two services differ"),
    }
}

pub(super) async fn error_ends(fixtures: &Fixtures<'_>) -> CheckResult {
    let (mut errors, mut ends) = (0, 0);
    for number in 0..scopes(fixtures).await? {
        for fault in [Fault::Down, Fault::Unauthorized, Fault::DownAfter(1), Fault::DownAfter(2)] {
            let (fixture_run, scope) = prepare_scope(fixtures, number).await?;
            fixture_run.break_with(fault).await?;
            let name = format!("{}, {fault:?}", scope.name);
            let run = read(&*fixture_run.scanner(), &scope.query).await?;
            let over = matches!(fault, Fault::Down | Fault::Unauthorized);
            match (&run.error, &run.end) {
                (Some(_), None) if run.items_after_end == 0 => errors += 1,
                (Some(_), _) => {
                    return failed(format!("{name}: {} items came after the error", run.items_after_end));
                }
                (None, Some(_)) if !over => ends += 1,
                (None, Some(_)) => return failed(format!("{name}: the stream ended well")),
                (None, None) => return failed(format!("{name}: the stream stopped without an error")),
            }
        }
    }
    Ok(format!("{errors} streams ended in an error, {ends} ended before they met one"))
}

pub(super) async fn broken_inconclusive(fixtures: &Fixtures<'_>) -> CheckResult {
    let (mut errors, mut ends) = (0, 0);
    for number in 0..scopes(fixtures).await? {
        // Early, in the middle and at the last request, once it is known how many there are.
        let mut moments = vec![1];
        while let Some(moment) = moments.pop() {
            let (fixture_run, Scope { name, query }) = prepare_scope(fixtures, number).await?;
            let before = fixture_run.requests().await;
            let healthy = read_complete(&*fixture_run.scanner(), &query).await?;
            if moment == 1 {
                moments = match (before, fixture_run.requests().await) {
                    (Some(before), Some(after)) => {
                        [after.abs_diff(before) / 2, after.abs_diff(before).saturating_sub(1)]
                            .into_iter()
                            .filter(|at| *at > 1)
                            .collect()
                    }
                    _ => vec![2, 4, 8],
                };
            }
            fixture_run.break_with(Fault::DownAfter(moment)).await?;
            let run = read(&*fixture_run.scanner(), &query).await?;
            let Some(coverage) = &run.end else {
                ensure(run.error.is_some(), || {
                    format!("{name}, down after {moment}: the stream stopped without an end")
                })?;
                errors += 1;
                continue;
            };
            ends += 1;
            let came = by_partition(run.findings());
            for (partition, findings) in by_partition(healthy.findings()) {
                let missing = findings.difference(came.get(&partition).unwrap_or(&BTreeSet::new())).count();
                let gone = coverage.absence_of(&partition) == Absence::Conclusive;
                ensure(missing == 0 || !gone, || {
                    format!(
                        "{name}, down after {moment}: {missing} of {partition} did not come and count as gone"
                    )
                })?;
            }
        }
    }
    Ok(format!("{errors} streams ended in an error, {ends} with a coverage"))
}

fn by_partition<'a>(
    findings: impl Iterator<Item = &'a Finding>,
) -> BTreeMap<PartitionKey, BTreeSet<Fingerprint>> {
    let mut partitions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for finding in findings {
        partitions.entry(finding.partition.clone()).or_default().insert(finding.fingerprint);
    }
    partitions
}

pub(super) async fn bad_record(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare_seeded(&Dataset::new(2, 20)).await?;
    fixture_run.break_with(Fault::BadRecord).await?;
    let host = fixture_run.targets.keys().next().cloned().unwrap_or_default();
    let mut seen = String::new();
    for Scope { name, query } in fixture_run.scopes()? {
        let success = read_complete(&*fixture_run.scanner(), &query).await?;
        let expected = fixture_run.expected(&query.scope).unwrap_or_default();
        let places = success.places();
        let missing = expected.difference(&places).count();
        ensure(missing == 0, || {
            format!("{name}: {missing} of {} others were not delivered", expected.len())
        })?;
        let gap = success.coverage.gaps().iter().find(|gap| gap.kind == GapKind::Record);
        let Some(gap) = gap else { return failed(format!("{name}: no gap of kind Record")) };
        let mut partitions = success.findings().filter(|f| f.location.host == host).map(|f| &f.partition);
        if let Some(gone) = partitions.find(|key| success.coverage.absence_of(key) == Absence::Conclusive) {
            return failed(format!("{name}: the coverage is conclusive for {gone}, and must not be"));
        }
        seen = format!("the others came, and {gap}");
    }
    Ok(seen)
}
