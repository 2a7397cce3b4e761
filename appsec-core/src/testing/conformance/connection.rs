//! Checks of `info` and `test_connection`.

use super::check::{CheckResult, NotPassed, ensure, failed};
use super::fixture_run::Fixtures;
use crate::testing::{Dataset, Fault};
use crate::{ConnectionReport, StepKind, StepOutcome};

pub(super) async fn info_stable(fixtures: &Fixtures<'_>) -> CheckResult {
    let scanner = fixtures.prepare(&Dataset::new(1, 1)).await?.scanner();
    let first = scanner.info().clone();
    let _ = scanner.test_connection().await;
    for _ in 0..2 {
        let again = scanner.info();
        ensure(*again == first, || format!("{first:?} became {again:?}"))?;
    }
    Ok("three times the same".to_owned())
}

pub(super) async fn info_well_formed(fixtures: &Fixtures<'_>) -> CheckResult {
    let scanner = fixtures.prepare(&Dataset::new(1, 1)).await?.scanner();
    let info = scanner.info();
    let well_formed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    ensure(!info.key.is_empty() && info.key.chars().all(well_formed), || {
        format!("the key is {:?}", info.key)
    })?;
    ensure(!info.name.trim().is_empty(), || "the name is empty".to_owned())?;
    Ok(format!("{}, \"{}\"", info.key, info.name))
}

pub(super) async fn ok(fixtures: &Fixtures<'_>) -> CheckResult {
    let report = fixtures.prepare(&Dataset::new(1, 1)).await?.scanner().test_connection().await;
    ensure(!report.steps().is_empty(), || "no step was taken".to_owned())?;
    if let Some(step) = report.failure() {
        return failed(format!("the {} step failed: {}", step.kind, step.detail));
    }
    let passed = report.steps().iter().filter(|step| step.outcome == StepOutcome::Passed).count();
    Ok(format!("{passed} steps passed, {} warned", report.warnings().count()))
}

pub(super) async fn refused(fixtures: &Fixtures<'_>) -> CheckResult {
    let (kind, seen) = diagnosed(&broken(fixtures, Fault::Unauthorized).await?)?;
    ensure(kind == StepKind::Credentials, || format!("another step than the credentials' failed: {seen}"))?;
    Ok(seen)
}

pub(super) async fn down(fixtures: &Fixtures<'_>) -> CheckResult {
    Ok(diagnosed(&broken(fixtures, Fault::Down).await?)?.1)
}

async fn broken(fixtures: &Fixtures<'_>, fault: Fault) -> Result<ConnectionReport, NotPassed> {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 1)).await?;
    fixture_run.break_with(fault).await?;
    Ok(fixture_run.scanner().test_connection().await)
}

/// The step that failed, with its cause and remedy.
fn diagnosed(report: &ConnectionReport) -> Result<(StepKind, String), NotPassed> {
    let Some(step) = report.failure() else { return failed("no step failed") };
    let Some(cause) = step.cause else { return failed(format!("the {} step names no cause", step.kind)) };
    let remedy = step.remedy.as_deref().unwrap_or_default();
    ensure(!remedy.trim().is_empty(), || format!("the {} step names no remedy", step.kind))?;
    let mut later = report.steps().iter().filter(|later| later.kind > step.kind);
    if let Some(taken) = later.find(|later| later.outcome != StepOutcome::Skipped) {
        return failed(format!("the {} step was taken after the {} step had failed", taken.kind, step.kind));
    }
    Ok((step.kind, format!("{} step: {cause:?}; {remedy}", step.kind)))
}
