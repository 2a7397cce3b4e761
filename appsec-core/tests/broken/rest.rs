//! Scanners that break a line of any method but `findings`.

use std::future::pending;
use std::time::Duration;

use appsec_core::{
    BindTargetBatch, BindTargetQuery, Cause, ConnectionReport, ConnectionStep, DastApiScanner,
    DastApiScannerExt, Error, ErrorKind, FindingStatus, Scan, ScanStatus, StartedScan, StepKind,
    stream_error,
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::kit::{Broken, breaks, send, with};

pub(crate) fn broken() -> Vec<Broken> {
    [descriptions(), connections(), targets(), starts(), looks(), stops(), listings(), states()].concat()
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "404")
}

fn descriptions() -> Vec<Broken> {
    vec![
        breaks("info/stable", "has another name at each look")
            .info(|info, look| with(info, |info| info.name = ["Memory", "Recall"][look])),
        breaks("info/well-formed", "has no name").info(|info, _| with(info, |info| info.name = " ")),
        breaks("info/well-formed", "has a key of two words")
            .also(&["findings/scanner-key"], "the findings keep the proper key")
            .info(|info, _| with(info, |info| info.key = "Memory Scanner")),
    ]
}

/// A report whose one step failed.
fn failing(kind: StepKind, cause: Cause, remedy: &str) -> ConnectionReport {
    let mut report = ConnectionReport::new("memory", "memory:");
    report.push(ConnectionStep::failed(kind, cause, Duration::ZERO, "it failed", remedy));
    report
}

/// A report whose steps all passed.
fn passing() -> ConnectionReport {
    let mut report = ConnectionReport::new("memory", "memory:");
    report.push(ConnectionStep::passed(StepKind::Configuration, Duration::ZERO, "fine"));
    report
}

/// Whether the failed step of a report is the credentials'.
fn is_refused(report: &ConnectionReport) -> bool {
    report.failure().is_some_and(|step| step.kind == StepKind::Credentials)
}

fn connections() -> Vec<Broken> {
    vec![
        breaks("connection/ok", "fails without a reason").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                if report.is_ok() { failing(StepKind::Dns, Cause::DnsFailed, "wait") } else { report }
            }
            .boxed()
        }),
        breaks("connection/ok", "takes no step").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                if report.is_ok() { ConnectionReport::new("memory", "memory:") } else { report }
            }
            .boxed()
        }),
        breaks("connection/refused", "blames the connection for the credentials").test_connection(
            |scanner, ()| {
                async move {
                    let report = scanner.test_connection().await;
                    if is_refused(&report) {
                        failing(StepKind::Tcp, Cause::ConnectRefused, "wait")
                    } else {
                        report
                    }
                }
                .boxed()
            },
        ),
        breaks("connection/refused", "does not look at the credentials").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                if is_refused(&report) { passing() } else { report }
            }
            .boxed()
        }),
        breaks("connection/refused", "knows no remedy").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                if is_refused(&report) {
                    failing(StepKind::Credentials, Cause::InvalidCredentials, "")
                } else {
                    report
                }
            }
            .boxed()
        }),
        breaks("connection/down", "hangs when the service is down").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                if report.has_failed() && !is_refused(&report) { pending().await } else { report }
            }
            .boxed()
        }),
        breaks("connection/down", "panics when the service is down").test_connection(|scanner, ()| {
            async move {
                let report = scanner.test_connection().await;
                assert!(is_refused(&report) || !report.has_failed(), "an unexpected state");
                report
            }
            .boxed()
        }),
        breaks("connection/down", "does not notice that the service is down").test_connection(
            |scanner, ()| {
                async move {
                    let report = scanner.test_connection().await;
                    if report.has_failed() && !is_refused(&report) { passing() } else { report }
                }
                .boxed()
            },
        ),
    ]
}

fn targets() -> Vec<Broken> {
    vec![
        breaks("targets/lazy", "asks before it is polled").bind_targets(|scanner, query| {
            send(&scanner);
            scanner.bind_targets(query)
        }),
        breaks("targets/complete", "lists its first page only")
            .also(&["targets/error-ends"], "a page that is never asked for cannot fail")
            .bind_targets(|scanner, query| scanner.bind_targets(query).take(1).boxed()),
        breaks("targets/complete", "lists the last target of a page twice").bind_targets(|scanner, query| {
            let doubled = scanner.bind_targets(query).map_ok(|mut page| {
                page.targets.extend(page.targets.last().cloned());
                page
            });
            doubled.boxed()
        }),
        breaks("targets/filter", "ignores the filter")
            .bind_targets(|scanner, _| scanner.bind_targets(BindTargetQuery::new())),
        breaks("targets/filter", "tells upper from lower case").bind_targets(|scanner, query| {
            let listed = scanner.bind_targets(BindTargetQuery::new()).map_ok(move |mut page| {
                page.targets.retain(|target| {
                    query.name_contains.as_ref().is_none_or(|text| target.name.contains(text.as_str()))
                });
                page
            });
            listed.boxed()
        }),
        breaks("targets/error-ends", "takes a service that is down for an empty one").bind_targets(
            |scanner, query| {
                let listed = scanner.bind_targets(query).filter(|page| std::future::ready(page.is_ok()));
                listed.boxed()
            },
        ),
        breaks("targets/error-ends", "goes on after an error").bind_targets(|scanner, query| {
            let listed = scanner.bind_targets(query).flat_map(|page| {
                let further = page.is_err().then(|| Ok(BindTargetBatch::default()));
                stream::iter([page].into_iter().chain(further))
            });
            listed.boxed()
        }),
    ]
}

fn starts() -> Vec<Broken> {
    vec![
        breaks("start/unsupported", "has another error for what it lacks")
            .lacks(|can| can.with_start_scan(false))
            .start_scan(|_, _| async { Err(not_found()) }.boxed()),
        breaks("start/unsupported", "asks the service for what it lacks")
            .lacks(|can| can.with_start_scan(false))
            .start_scan(|scanner, request| {
                send(&scanner);
                async move { scanner.start_scan(&request).await }.boxed()
            }),
        breaks("start/visible", "shows another scan than the one started").scan(|scanner, id| {
            async move {
                let mut scan = scanner.scan(&id).await?;
                if scan.status == ScanStatus::Running {
                    scan.id = "another".into();
                }
                Ok(scan)
            }
            .boxed()
        }),
        breaks("start/already-running", "says that it started what was running").start_scan(
            |scanner, request| {
                async move { Ok(StartedScan::Started(scanner.start_scan(&request).await?.into_scan())) }
                    .boxed()
            },
        ),
        breaks("start/already-running", "does not say which scan is running").start_scan(
            |scanner, request| {
                async move {
                    match scanner.start_scan(&request).await? {
                        StartedScan::AlreadyRunning(_) => Err(Error::new(ErrorKind::Conflict, "409")),
                        started @ StartedScan::Started(_) => Ok(started),
                    }
                }
                .boxed()
            },
        ),
        breaks("start/already-running", "names another scan as running").start_scan(|scanner, request| {
            async move {
                match scanner.start_scan(&request).await? {
                    StartedScan::AlreadyRunning(scan) => {
                        Ok(StartedScan::AlreadyRunning(with(scan, |scan| scan.id = "another".into())))
                    }
                    started @ StartedScan::Started(_) => Ok(started),
                }
            }
            .boxed()
        }),
        breaks("start/unknown-target", "scans something else instead").start_scan(|scanner, mut request| {
            async move {
                let mut known = scanner.list_bind_targets(BindTargetQuery::new()).await?.targets;
                if known.iter().all(|target| target.id != request.target) {
                    request.target = known.swap_remove(0).id;
                }
                scanner.start_scan(&request).await
            }
            .boxed()
        }),
        breaks("start/unknown-target", "takes an unknown target for a fault of the service").start_scan(
            |scanner, request| {
                let broken = |_| Error::new(ErrorKind::Server, "500");
                async move { scanner.start_scan(&request).await.map_err(broken) }.boxed()
            },
        ),
    ]
}

fn looks() -> Vec<Broken> {
    vec![
        breaks("scan/unsupported", "has another error for what it lacks")
            .lacks(|can| can.with_scans(false))
            .scan(|_, _| async { Err(not_found()) }.boxed()),
        breaks("scan/unknown", "invents a scan").scan(|scanner, id| {
            let invented = Scan::new(id.clone(), ScanStatus::Completed);
            async move { Ok(scanner.scan(&id).await.unwrap_or(invented)) }.boxed()
        }),
        breaks("scan/same-id", "shows another scan").scan(|scanner, id| {
            async move {
                let scan = scanner.scan(&id).await?;
                let other = scan.status == ScanStatus::Completed;
                Ok(if other { with(scan, |scan| scan.id = "another".into()) } else { scan })
            }
            .boxed()
        }),
    ]
}

fn stops() -> Vec<Broken> {
    vec![
        breaks("stop/unsupported", "says that it did what it cannot")
            .lacks(|can| can.with_stop_scan(false))
            .stop_scan(|_, _| async { Ok(()) }.boxed()),
        breaks("stop/cancels", "lets the scan run on").stop_scan(|scanner, id| {
            // Looking at it is all that this does: an unknown scan is still unknown.
            async move { scanner.scan(&id).await.map(drop) }.boxed()
        }),
        breaks("stop/ended-is-ok", "fails where there is nothing to stop").stop_scan(|scanner, id| {
            async move {
                if scanner.scan(&id).await?.status == ScanStatus::Completed {
                    return Err(Error::new(ErrorKind::Conflict, "409"));
                }
                scanner.stop_scan(&id).await
            }
            .boxed()
        }),
        breaks("stop/unknown", "says that it stopped a scan that is not there").stop_scan(|scanner, id| {
            async move {
                let _ = scanner.stop_scan(&id).await;
                Ok(())
            }
            .boxed()
        }),
    ]
}

fn listings() -> Vec<Broken> {
    vec![
        breaks("scans/unsupported", "lists nothing where it cannot list")
            .lacks(|can| can.with_scans(false))
            .scans(|_, _| stream::iter([Ok(Vec::new())]).boxed()),
        breaks("scans/unsupported", "has another error for what it lacks")
            .lacks(|can| can.with_scans(false))
            .scans(|_, _| stream_error(not_found())),
        breaks("scans/lists-started", "lists what has ended only").scans(|scanner, target| {
            let ended = scanner.scans(&target).map_ok(|mut page| {
                page.retain(Scan::is_ended);
                page
            });
            ended.boxed()
        }),
        breaks("scans/lists-started", "does not say what was scanned").scans(|scanner, target| {
            let bare = scanner.scans(&target).map_ok(|mut page| {
                for scan in &mut page {
                    scan.target = None;
                }
                page
            });
            bare.boxed()
        }),
        breaks("scans/newest-first", "lists the oldest first").scans(|scanner, target| {
            let reversed = scanner.scans(&target).map_ok(|mut page| {
                page.reverse();
                page
            });
            reversed.boxed()
        }),
    ]
}

fn states() -> Vec<Broken> {
    vec![
        breaks("status/unsupported", "says that it did what it cannot")
            .lacks(|can| can.with_set_finding_status(false))
            .set_finding_status(|_, _| async { Ok(()) }.boxed()),
        breaks("status/unsupported-status", "writes another status instead").set_finding_status(
            |scanner, mut change| {
                if change.status.is_unknown() {
                    change.status = FindingStatus::Ignored;
                }
                async move { scanner.set_finding_status(&change).await }.boxed()
            },
        ),
        breaks("status/unsupported-status", "lets the service refuse the word").set_finding_status(
            |scanner, change| {
                send(&scanner);
                async move { scanner.set_finding_status(&change).await }.boxed()
            },
        ),
        breaks("status/read-back", "forgets what it wrote").set_finding_status(|scanner, change| {
            async move {
                if change.status.is_unknown() { scanner.set_finding_status(&change).await } else { Ok(()) }
            }
            .boxed()
        }),
        breaks("status/read-back", "has a word for nothing").set_finding_status(|_, _| {
            async { Err(Error::new(ErrorKind::InvalidRequest, "no such status")) }.boxed()
        }),
    ]
}
