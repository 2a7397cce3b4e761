//! Checks of `start_scan`, `scan`, `stop_scan` and `scans`.

use std::time::Duration;

use futures_util::TryStreamExt;

use super::check::{
    CheckResult, NotPassed, ensure, expect_error, expect_stream_error, failed, skipped, unknown_id,
};
use super::fixture_run::{FixtureRun, Fixtures};
use crate::testing::Dataset;
use crate::{
    BindTargetId, Capabilities, DastApiScanner, ErrorKind, Result, Scan, ScanId, ScanRequest, ScanStatus,
    StartedScan,
};

const UNKNOWN: &[ErrorKind] = &[ErrorKind::NotFound, ErrorKind::InvalidRequest];
const UNSUPPORTED: &[ErrorKind] = &[ErrorKind::Unsupported];
/// How often, and with what pause, a scan that need not be visible immediately is read again.
const RETRIES: (usize, Duration) = (100, Duration::from_millis(50));

/// A fixture for a scanner that lacks the capability.
async fn without_ability(
    fixtures: &Fixtures<'_>,
    able: fn(&Capabilities) -> bool,
) -> Result<FixtureRun, NotPassed> {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 1)).await?;
    if able(&fixture_run.capabilities()) {
        skipped("the scanner has the capability")
    } else {
        Ok(fixture_run)
    }
}

/// A fixture for a scanner that has the capabilities. Its service may hold real data.
async fn able(fixtures: &Fixtures<'_>, able: fn(&Capabilities) -> bool) -> Result<FixtureRun, NotPassed> {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 3)).await?;
    if able(&fixture_run.capabilities()) {
        Ok(fixture_run)
    } else {
        skipped("the scanner lacks the capability")
    }
}

/// A seeded fixture for a scanner that has the capabilities, where scans may be started and stopped.
async fn seeded_with_ability(
    fixtures: &Fixtures<'_>,
    wanted: fn(&Capabilities) -> bool,
) -> Result<FixtureRun, NotPassed> {
    let fixture_run = able(fixtures, wanted).await?;
    if fixture_run.dataset.is_some() { Ok(fixture_run) } else { skipped("the fixture cannot be seeded") }
}

fn unknown_scan(fixture_run: &FixtureRun) -> ScanId {
    ScanId::new(unknown_id(fixture_run.scans.values().map(ScanId::as_str)))
}

fn any_target(fixture_run: &FixtureRun) -> BindTargetId {
    fixture_run.targets.values().next().cloned().unwrap_or_else(BindTargetId::all)
}

/// Starts a scan of the target, where none runs.
async fn started(scanner: &dyn DastApiScanner, target: &BindTargetId) -> Result<Scan, NotPassed> {
    match scanner.start_scan(&ScanRequest::new(target.clone())).await? {
        StartedScan::Started(scan) => Ok(scan),
        StartedScan::AlreadyRunning(scan) => failed(format!("{} is said to run already", scan.id)),
    }
}

/// Reads a scan. A service may not show a new one immediately.
async fn look(scanner: &dyn DastApiScanner, id: &ScanId) -> Result<Scan> {
    for _ in 1..RETRIES.0 {
        match scanner.scan(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => tokio::time::sleep(RETRIES.1).await,
            result => return result,
        }
    }
    scanner.scan(id).await
}

/// Reads the scan until it has ended. One that never ends meets the time limit of the check.
async fn ended(scanner: &dyn DastApiScanner, id: &ScanId) -> Result<Scan> {
    loop {
        let scan = look(scanner, id).await?;
        if scan.is_ended() {
            return Ok(scan);
        }
        tokio::time::sleep(RETRIES.1).await;
    }
}

/// Lists the scans of a target until the one with that id is among them.
async fn listed(
    scanner: &dyn DastApiScanner,
    target: &BindTargetId,
    id: &ScanId,
) -> Result<Vec<Scan>, NotPassed> {
    for _ in 0..RETRIES.0 {
        let scans: Vec<Scan> = scanner.scans(target).try_concat().await?;
        if scans.iter().any(|scan| scan.id == *id) {
            return Ok(scans);
        }
        tokio::time::sleep(RETRIES.1).await;
    }
    failed(format!("{id} is not listed"))
}

pub(super) async fn start_unsupported(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = without_ability(fixtures, |can| can.start_scan).await?;
    let request = ScanRequest::new(any_target(&fixture_run));
    let (result, counted) = fixture_run.without_requests(fixture_run.scanner().start_scan(&request)).await?;
    Ok(format!("{}, {counted}", expect_error(result, UNSUPPORTED)?))
}

pub(super) async fn start_visible(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = seeded_with_ability(fixtures, |can| can.start_scan && can.scans).await?;
    let scanner = fixture_run.scanner();
    let scan = started(&*scanner, fixture_run.first_target()?).await?;
    let seen = look(&*scanner, &scan.id).await?;
    ensure(seen.id == scan.id, || format!("{} was started, {} is seen", scan.id, seen.id))?;
    Ok(format!("{} is {}", seen.id, seen.status))
}

pub(super) async fn start_already_running(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = seeded_with_ability(fixtures, |can| can.start_scan).await?;
    let scanner = fixture_run.scanner();
    let target = fixture_run.first_target()?;
    let scan = started(&*scanner, target).await?;
    match scanner.start_scan(&ScanRequest::new(target.clone())).await? {
        StartedScan::AlreadyRunning(running) if running.id == scan.id => {
            Ok(format!("{} runs already", scan.id))
        }
        StartedScan::AlreadyRunning(other) => {
            failed(format!("{} is running, but {} was returned as running", scan.id, other.id))
        }
        StartedScan::Started(other) => {
            failed(format!("{} runs, and {} was started besides", scan.id, other.id))
        }
    }
}

pub(super) async fn start_unknown_target(fixtures: &Fixtures<'_>) -> CheckResult {
    // The target does not exist, so nothing real is scanned.
    let fixture_run = able(fixtures, |can| can.start_scan).await?;
    let unknown = unknown_id(fixture_run.targets.values().map(BindTargetId::as_str));
    expect_error(fixture_run.scanner().start_scan(&ScanRequest::new(unknown)).await, UNKNOWN)
}

pub(super) async fn scan_unsupported(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = without_ability(fixtures, |can| can.scans).await?;
    let (result, counted) =
        fixture_run.without_requests(fixture_run.scanner().scan(&unknown_scan(&fixture_run))).await?;
    Ok(format!("{}, {counted}", expect_error(result, UNSUPPORTED)?))
}

pub(super) async fn scan_unknown(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = able(fixtures, |can| can.scans).await?;
    expect_error(fixture_run.scanner().scan(&unknown_scan(&fixture_run)).await, UNKNOWN)
}

pub(super) async fn scan_same_id(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = able(fixtures, |can| can.scans).await?;
    for id in fixture_run.scans.values() {
        let seen = fixture_run.scanner().scan(id).await?.id;
        ensure(seen == *id, || format!("requested {id}, received {seen}"))?;
    }
    if fixture_run.scans.is_empty() {
        skipped("there is no scan")
    } else {
        Ok(format!("{} scans", fixture_run.scans.len()))
    }
}

pub(super) async fn stop_unsupported(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = without_ability(fixtures, |can| can.stop_scan).await?;
    let (result, counted) =
        fixture_run.without_requests(fixture_run.scanner().stop_scan(&unknown_scan(&fixture_run))).await?;
    Ok(format!("{}, {counted}", expect_error(result, UNSUPPORTED)?))
}

pub(super) async fn stop_cancels(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run =
        seeded_with_ability(fixtures, |can| can.start_scan && can.stop_scan && can.scans).await?;
    let scanner = fixture_run.scanner();
    let id = started(&*scanner, fixture_run.first_target()?).await?.id;
    look(&*scanner, &id).await?;
    scanner.stop_scan(&id).await?;
    let scan = ended(&*scanner, &id).await?;
    ensure(scan.status == ScanStatus::Canceled, || format!("{id} was stopped and ended as {}", scan.status))?;
    Ok(format!("{id} ended as {}", scan.status))
}

pub(super) async fn stop_ended_is_ok(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = seeded_with_ability(fixtures, |can| can.stop_scan).await?;
    let Some(id) = fixture_run.scans.values().next() else {
        return skipped("there is no scan that has ended");
    };
    fixture_run.scanner().stop_scan(id).await?;
    Ok(format!("{id} had ended"))
}

pub(super) async fn stop_unknown(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = able(fixtures, |can| can.stop_scan).await?;
    expect_error(fixture_run.scanner().stop_scan(&unknown_scan(&fixture_run)).await, UNKNOWN)
}

pub(super) async fn scans_unsupported(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = without_ability(fixtures, |can| can.scans).await?;
    let first = async {
        expect_stream_error(fixture_run.scanner().scans(&any_target(&fixture_run)), UNSUPPORTED).await
    };
    let (result, counted) = fixture_run.without_requests(first).await?;
    Ok(format!("{}, {counted}", result?))
}

pub(super) async fn scans_lists_started(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = seeded_with_ability(fixtures, |can| can.start_scan && can.scans).await?;
    let scanner = fixture_run.scanner();
    let target = fixture_run.first_target()?;
    let id = started(&*scanner, target).await?.id;
    let scans = listed(&*scanner, target, &id).await?;
    for scan in &scans {
        ensure(scan.target.as_ref() == Some(target), || {
            format!("{} is listed for {target} and names {:?}", scan.id, scan.target)
        })?;
    }
    Ok(format!("{id} is listed among {}", scans.len()))
}

pub(super) async fn scans_newest_first(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = able(fixtures, |can| can.scans).await?;
    let scanner = fixture_run.scanner();
    let target = fixture_run.first_target()?;
    // Oldest first, as far as this check knows.
    let name = fixture_run.targets.keys().next().map_or("", String::as_str);
    let mut known: Vec<ScanId> = fixture_run.scans.get(name).cloned().into_iter().collect();
    let can = fixture_run.capabilities();
    if fixture_run.dataset.is_some() && can.start_scan && can.stop_scan {
        for _ in 0..2 {
            let id = started(&*scanner, target).await?.id;
            look(&*scanner, &id).await?;
            scanner.stop_scan(&id).await?;
            ended(&*scanner, &id).await?;
            listed(&*scanner, target, &id).await?;
            known.push(id);
        }
    }
    let scans: Vec<Scan> = scanner.scans(target).try_concat().await?;
    known.reverse();
    let order: Vec<_> = scans.iter().map(|scan| &scan.id).filter(|id| known.contains(id)).collect();
    ensure(order.iter().copied().eq(&known), || format!("{known:?} is newest first, {order:?} is listed"))?;
    let times: Vec<_> = scans.iter().filter_map(|scan| scan.created_at).collect();
    ensure(times.is_sorted_by(|newer, older| newer >= older), || format!("not newest first: {times:?}"))?;
    if scans.len() < 2 {
        skipped(format!("{} scans show no order", scans.len()))
    } else {
        Ok(format!("{} scans", scans.len()))
    }
}
