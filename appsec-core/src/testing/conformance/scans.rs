//! Checks of `start_scan`, `scan`, `stop_scan` and `scans`.

use std::time::Duration;

use futures_util::TryStreamExt;

use super::bench::{Bench, Seen, Stage, Stop, ensure, failed, skipped, stranger};
use super::questions::{first_refusal, refusal};
use crate::testing::Dataset;
use crate::{
    BindTargetId, Capabilities, DastApiScanner, ErrorKind, Result, Scan, ScanId, ScanRequest, ScanStatus,
    StartedScan,
};

const UNKNOWN: &[ErrorKind] = &[ErrorKind::NotFound, ErrorKind::InvalidRequest];
const UNSUPPORTED: &[ErrorKind] = &[ErrorKind::Unsupported];
/// How often, and with what pause, a service is asked again for what it need not show at once.
const PATIENCE: (usize, Duration) = (100, Duration::from_millis(50));

/// A service as it is, for a scanner that lacks the ability.
async fn lacking(bench: &Bench<'_>, able: fn(&Capabilities) -> bool) -> Result<Stage, Stop> {
    let stage = bench.stage(&Dataset::new(1, 1)).await?;
    if able(&stage.capabilities()) { skipped("the scanner has the ability") } else { Ok(stage) }
}

/// A service for a scanner that has the abilities; what it holds may be someone's own.
async fn able(bench: &Bench<'_>, able: fn(&Capabilities) -> bool) -> Result<Stage, Stop> {
    let stage = bench.stage(&Dataset::new(2, 3)).await?;
    if able(&stage.capabilities()) { Ok(stage) } else { skipped("the scanner lacks the ability") }
}

/// A seeded service for a scanner that has the abilities: here scans may be started and stopped.
async fn ours(bench: &Bench<'_>, wanted: fn(&Capabilities) -> bool) -> Result<Stage, Stop> {
    let stage = able(bench, wanted).await?;
    if stage.world.is_some() { Ok(stage) } else { skipped("the fixture cannot be seeded") }
}

fn unknown_scan(stage: &Stage) -> ScanId {
    ScanId::new(stranger(stage.scans.values().map(ScanId::as_str)))
}

fn any_target(stage: &Stage) -> BindTargetId {
    stage.targets.values().next().cloned().unwrap_or_else(BindTargetId::all)
}

/// Starts a scan of the target, where none runs.
async fn started(scanner: &dyn DastApiScanner, target: &BindTargetId) -> Result<Scan, Stop> {
    match scanner.start_scan(&ScanRequest::new(target.clone())).await? {
        StartedScan::Started(scan) => Ok(scan),
        StartedScan::AlreadyRunning(scan) => failed(format!("{} is said to run already", scan.id)),
    }
}

/// Looks at a scan; a service may not show a new one at once.
async fn look(scanner: &dyn DastApiScanner, id: &ScanId) -> Result<Scan> {
    for _ in 1..PATIENCE.0 {
        match scanner.scan(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => tokio::time::sleep(PATIENCE.1).await,
            result => return result,
        }
    }
    scanner.scan(id).await
}

/// Looks until the scan has ended; one that never does meets the limit of the check.
async fn ended(scanner: &dyn DastApiScanner, id: &ScanId) -> Result<Scan> {
    loop {
        let scan = look(scanner, id).await?;
        if scan.is_ended() {
            return Ok(scan);
        }
        tokio::time::sleep(PATIENCE.1).await;
    }
}

/// Lists the scans of a target until the one with that id is among them.
async fn listed(scanner: &dyn DastApiScanner, target: &BindTargetId, id: &ScanId) -> Result<Vec<Scan>, Stop> {
    for _ in 0..PATIENCE.0 {
        let scans: Vec<Scan> = scanner.scans(target).try_concat().await?;
        if scans.iter().any(|scan| scan.id == *id) {
            return Ok(scans);
        }
        tokio::time::sleep(PATIENCE.1).await;
    }
    failed(format!("{id} is not listed"))
}

pub(super) async fn start_unsupported(bench: &Bench<'_>) -> Seen {
    let stage = lacking(bench, |can| can.start_scan).await?;
    let request = ScanRequest::new(any_target(&stage));
    let (result, counted) = stage.unsent(stage.scanner().start_scan(&request)).await?;
    Ok(format!("{}, {counted}", refusal(result, UNSUPPORTED)?))
}

pub(super) async fn start_visible(bench: &Bench<'_>) -> Seen {
    let stage = ours(bench, |can| can.start_scan && can.scans).await?;
    let scanner = stage.scanner();
    let scan = started(&*scanner, stage.first_target()?).await?;
    let seen = look(&*scanner, &scan.id).await?;
    ensure(seen.id == scan.id, || format!("{} was started, {} is seen", scan.id, seen.id))?;
    Ok(format!("{} is {}", seen.id, seen.status))
}

pub(super) async fn start_already_running(bench: &Bench<'_>) -> Seen {
    let stage = ours(bench, |can| can.start_scan).await?;
    let scanner = stage.scanner();
    let target = stage.first_target()?;
    let scan = started(&*scanner, target).await?;
    match scanner.start_scan(&ScanRequest::new(target.clone())).await? {
        StartedScan::AlreadyRunning(running) if running.id == scan.id => {
            Ok(format!("{} runs already", scan.id))
        }
        StartedScan::AlreadyRunning(other) => failed(format!("{} runs, {} is said to", scan.id, other.id)),
        StartedScan::Started(other) => {
            failed(format!("{} runs, and {} was started besides", scan.id, other.id))
        }
    }
}

pub(super) async fn start_unknown_target(bench: &Bench<'_>) -> Seen {
    // Nobody has this target, so that nothing real can be scanned.
    let stage = able(bench, |can| can.start_scan).await?;
    let unknown = stranger(stage.targets.values().map(BindTargetId::as_str));
    refusal(stage.scanner().start_scan(&ScanRequest::new(unknown)).await, UNKNOWN)
}

pub(super) async fn scan_unsupported(bench: &Bench<'_>) -> Seen {
    let stage = lacking(bench, |can| can.scans).await?;
    let (result, counted) = stage.unsent(stage.scanner().scan(&unknown_scan(&stage))).await?;
    Ok(format!("{}, {counted}", refusal(result, UNSUPPORTED)?))
}

pub(super) async fn scan_unknown(bench: &Bench<'_>) -> Seen {
    let stage = able(bench, |can| can.scans).await?;
    refusal(stage.scanner().scan(&unknown_scan(&stage)).await, UNKNOWN)
}

pub(super) async fn scan_same_id(bench: &Bench<'_>) -> Seen {
    let stage = able(bench, |can| can.scans).await?;
    for id in stage.scans.values() {
        let seen = stage.scanner().scan(id).await?.id;
        ensure(seen == *id, || format!("{id} was asked for, {seen} came"))?;
    }
    if stage.scans.is_empty() {
        skipped("there is no scan")
    } else {
        Ok(format!("{} scans", stage.scans.len()))
    }
}

pub(super) async fn stop_unsupported(bench: &Bench<'_>) -> Seen {
    let stage = lacking(bench, |can| can.stop_scan).await?;
    let (result, counted) = stage.unsent(stage.scanner().stop_scan(&unknown_scan(&stage))).await?;
    Ok(format!("{}, {counted}", refusal(result, UNSUPPORTED)?))
}

pub(super) async fn stop_cancels(bench: &Bench<'_>) -> Seen {
    let stage = ours(bench, |can| can.start_scan && can.stop_scan && can.scans).await?;
    let scanner = stage.scanner();
    let id = started(&*scanner, stage.first_target()?).await?.id;
    look(&*scanner, &id).await?;
    scanner.stop_scan(&id).await?;
    let scan = ended(&*scanner, &id).await?;
    ensure(scan.status == ScanStatus::Canceled, || format!("{id} was stopped and ended as {}", scan.status))?;
    Ok(format!("{id} ended as {}", scan.status))
}

pub(super) async fn stop_ended_is_ok(bench: &Bench<'_>) -> Seen {
    let stage = ours(bench, |can| can.stop_scan).await?;
    let Some(id) = stage.scans.values().next() else { return skipped("there is no scan that has ended") };
    stage.scanner().stop_scan(id).await?;
    Ok(format!("{id} had ended"))
}

pub(super) async fn stop_unknown(bench: &Bench<'_>) -> Seen {
    let stage = able(bench, |can| can.stop_scan).await?;
    refusal(stage.scanner().stop_scan(&unknown_scan(&stage)).await, UNKNOWN)
}

pub(super) async fn scans_unsupported(bench: &Bench<'_>) -> Seen {
    let stage = lacking(bench, |can| can.scans).await?;
    let first = async { first_refusal(stage.scanner().scans(&any_target(&stage)), UNSUPPORTED).await };
    let (result, counted) = stage.unsent(first).await?;
    Ok(format!("{}, {counted}", result?))
}

pub(super) async fn scans_lists_started(bench: &Bench<'_>) -> Seen {
    let stage = ours(bench, |can| can.start_scan && can.scans).await?;
    let scanner = stage.scanner();
    let target = stage.first_target()?;
    let id = started(&*scanner, target).await?.id;
    let scans = listed(&*scanner, target, &id).await?;
    for scan in &scans {
        ensure(scan.target.as_ref() == Some(target), || {
            format!("{} is listed for {target} and names {:?}", scan.id, scan.target)
        })?;
    }
    Ok(format!("{id} is listed among {}", scans.len()))
}

pub(super) async fn scans_newest_first(bench: &Bench<'_>) -> Seen {
    let stage = able(bench, |can| can.scans).await?;
    let scanner = stage.scanner();
    let target = stage.first_target()?;
    // Oldest first, as far as this check knows.
    let name = stage.targets.keys().next().map_or("", String::as_str);
    let mut known: Vec<ScanId> = stage.scans.get(name).cloned().into_iter().collect();
    let can = stage.capabilities();
    if stage.world.is_some() && can.start_scan && can.stop_scan {
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
