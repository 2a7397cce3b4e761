//! Scanners that break a line of `findings`.

use std::sync::atomic::{AtomicU64, Ordering};

use appsec_core::testing::MemoryScanner;
use appsec_core::{
    BoxStream, Coverage, CoverageGap, DastApiScanner, Error, ErrorKind, Finding, FindingBatch, FindingEvent,
    FindingQuery, FindingScope, FindingStatus, Fingerprint, GapKind, Location, Result, ResumePoint,
    stream_error,
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::kit::{Broken, at_end, breaks, each_batch, each_finding, send, sure, with};

type Events = BoxStream<'static, Result<FindingEvent>>;

/// The number in the path of a seeded finding; checks of other lines use smaller worlds.
fn number(finding: &Finding) -> usize {
    finding.location.path.rsplit('/').next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// The same query without its filters.
fn unfiltered(query: &FindingQuery) -> FindingQuery {
    let mut open = query.clone();
    (open.severities, open.statuses, open.seen_since) = (Vec::new(), Vec::new(), None);
    open
}

fn is_filtered(query: &FindingQuery) -> bool {
    unfiltered(query) != *query
}

/// The events up to the first error, and what comes in its place, given whether a batch came before.
fn instead_of_error(events: Events, replace: fn(Error, Vec<Finding>) -> Vec<Result<FindingEvent>>) -> Events {
    let mut seen = Vec::new();
    let changed = events.flat_map(move |event| {
        if let Ok(FindingEvent::Batch(batch)) = &event {
            seen.extend(batch.findings.iter().cloned());
        }
        stream::iter(match event {
            Err(error) => replace(error, seen.clone()),
            event => vec![event],
        })
    });
    changed.boxed()
}

/// The events, changed as a whole; nothing is asked before the first is wanted.
fn as_a_whole(events: Events, change: fn(Vec<Result<FindingEvent>>) -> Vec<Result<FindingEvent>>) -> Events {
    events.collect::<Vec<_>>().map(change).map(stream::iter).flatten_stream().boxed()
}

fn with_fingerprint(finding: &mut Finding, seed: &str) {
    finding.fingerprint = Fingerprint::v1(seed, &finding.rule.id, &finding.location, &[]);
}

pub(crate) fn broken() -> Vec<Broken> {
    [streams(), contents(), scopes(), filters(), resumes(), faults()].concat()
}

fn and_after_the_end(events: Events, more: fn(&Coverage) -> FindingEvent) -> Events {
    let longer = events.flat_map(move |event| {
        let further = match &event {
            Ok(FindingEvent::End(coverage)) => Some(Ok(more(coverage))),
            _ => None,
        };
        stream::iter([event].into_iter().chain(further))
    });
    longer.boxed()
}

/// The lines that are checked by reading findings to their end.
const READERS: &[&str] = &[
    "findings/lazy",
    "findings/error-ends",
    "findings/batch-size",
    "findings/complete",
    "findings/scanner-key",
    "findings/partition-covered",
    "findings/stable-fingerprint",
    "findings/names-target",
    "findings/other-targets",
    "findings/targets-once",
    "findings/unknown-target",
    "findings/filter",
    "findings/filter-inconclusive",
    "findings/resume",
    "findings/resume-inconclusive",
    "findings/foreign-resume",
    "findings/broken-inconclusive",
    "findings/bad-record",
    "findings/masked",
    "status/unsupported-status",
    "status/read-back",
];

fn streams() -> Vec<Broken> {
    vec![
        breaks("findings/lazy", "asks before it is polled").findings(|scanner, query| {
            if query.validate().is_ok() {
                send(&scanner);
            }
            scanner.findings(query)
        }),
        breaks("findings/end-last", "stops without an end")
            .also(READERS, "what has no end proves nothing to them either")
            .findings(|scanner, query| {
                let is_end = |event: &Result<FindingEvent>| matches!(event, Ok(FindingEvent::End(_)));
                scanner.findings(query).filter(move |event| std::future::ready(!is_end(event))).boxed()
            }),
        breaks("findings/end-last", "ends twice").findings(|scanner, query| {
            and_after_the_end(scanner.findings(query), |end| FindingEvent::End(end.clone()))
        }),
        breaks("findings/end-last", "goes on after its end").findings(|scanner, query| {
            and_after_the_end(scanner.findings(query), |_| {
                let point = ResumePoint::new("memory", &0).unwrap();
                FindingEvent::Batch(FindingBatch::new(Vec::new(), point))
            })
        }),
        breaks("findings/batch-size", "gives all in one batch").findings(|scanner, query| {
            as_a_whole(scanner.findings(query), |events| {
                let (mut whole, mut rest): (Option<FindingBatch>, _) = (None, Vec::new());
                for event in events {
                    match (event, &mut whole) {
                        (Ok(FindingEvent::Batch(batch)), Some(whole)) => {
                            whole.findings.extend(batch.findings);
                            whole.resume = batch.resume;
                        }
                        (Ok(FindingEvent::Batch(batch)), None) => whole = Some(batch),
                        (event, _) => rest.push(event),
                    }
                }
                whole.map(FindingEvent::Batch).map(Ok).into_iter().chain(rest).collect()
            })
        }),
    ]
}

fn contents() -> Vec<Broken> {
    static RUN: AtomicU64 = AtomicU64::new(0);
    vec![
        breaks("findings/complete", "loses a finding").findings(|scanner, query| {
            each_batch(scanner.findings(query), |findings| findings.retain(|finding| number(finding) != 299))
        }),
        breaks("findings/complete", "gives a finding twice").findings(|scanner, query| {
            each_batch(scanner.findings(query), |findings| {
                if let Some(last) = findings.last().filter(|last| number(last) == 299).cloned() {
                    findings[0] = last;
                }
            })
        }),
        breaks("findings/complete", "gives the findings of every target for one scan").findings(
            |scanner, query| match &query.scope {
                FindingScope::Scan(_) => {
                    scanner.findings(with(query, |query| query.scope = FindingScope::All))
                }
                _ => scanner.findings(query),
            },
        ),
        breaks("findings/scanner-key", "names another scanner").findings(|scanner, query| {
            each_finding(scanner.findings(query), |finding| finding.scanner = "another".into())
        }),
        breaks("findings/partition-covered", "does not cover what it read last").findings(
            |scanner, query| {
                each_finding(scanner.findings(query), |finding| {
                    if number(finding) > 250 {
                        finding.partition = "elsewhere".into();
                    }
                })
            },
        ),
        breaks("findings/stable-fingerprint", "has another fingerprint by scan").findings(
            |scanner, query| {
                let seed = if matches!(query.scope, FindingScope::Scan(_)) { "scan" } else { "memory" };
                each_finding(scanner.findings(query), move |finding| with_fingerprint(finding, seed))
            },
        ),
        breaks("findings/stable-fingerprint", "has one fingerprint for all").findings(|scanner, query| {
            each_finding(scanner.findings(query), |finding| {
                finding.fingerprint = Fingerprint::v1("memory", "rule", &Location::from_url("/"), &[]);
            })
        }),
        breaks("findings/stable-fingerprint", "has another fingerprint in each run")
            .also(
                &["findings/filter", "findings/resume", "findings/broken-inconclusive", "status/read-back"],
                "they recognise a finding by its fingerprint",
            )
            .findings(|scanner, query| {
                let seed = RUN.fetch_add(1, Ordering::SeqCst).to_string();
                each_finding(scanner.findings(query), move |finding| with_fingerprint(finding, &seed))
            }),
        breaks("findings/names-target", "does not name the target")
            .also(&["findings/other-targets"], "a finding that names no target is of another one")
            .findings(|scanner, query| {
                each_finding(scanner.findings(query), |finding| finding.targets.clear())
            }),
        breaks("findings/other-targets", "returns the others alone").findings(|scanner, query| {
            let others = query.other_targets;
            each_batch(scanner.findings(query), move |findings| findings.retain(|_| !others))
        }),
        breaks("findings/other-targets", "says that the others are of the targets asked for").findings(
            |scanner, query| match &query.scope {
                FindingScope::Targets(asked) if query.other_targets => {
                    let asked = asked.clone();
                    let all = scanner.findings(with(query, |query| query.scope = FindingScope::All));
                    each_finding(all, move |finding| finding.targets.clone_from(&asked))
                }
                _ => scanner.findings(query),
            },
        ),
        breaks("findings/masked", "never masks")
            .findings(|scanner, query| scanner.findings(with(query, |query| query.unmasked = true))),
        breaks("findings/masked", "always masks")
            .findings(|scanner, query| scanner.findings(with(query, |query| query.unmasked = false))),
        breaks("findings/masked", "does not mask the raw record").findings(|scanner, query| {
            if query.unmasked || !query.raw {
                return scanner.findings(query);
            }
            each_batch(scanner.findings(with(query, |query| query.unmasked = true)), |findings| {
                for finding in findings {
                    let raw = finding.raw.take();
                    finding.mask_evidence();
                    finding.raw = raw;
                }
            })
        }),
    ]
}

fn scopes() -> Vec<Broken> {
    /// Removes the gaps of missing targets.
    fn quiet(events: Events) -> Events {
        at_end(events, |coverage| *coverage = sure(coverage, |gap| gap.kind != GapKind::TargetMissing))
    }
    vec![
        breaks("findings/targets-once", "reads a target again that is named again").findings(
            |scanner, query| {
                let FindingScope::Targets(targets) = &query.scope else { return scanner.findings(query) };
                let again = targets.iter().skip(1).any(|target| target == &targets[0]);
                each_batch(scanner.findings(query), move |findings| {
                    if again {
                        findings.extend_from_within(..1);
                    }
                })
            },
        ),
        breaks("findings/empty-targets", "reads an empty list as everything").findings(|scanner, query| {
            match query.validate() {
                Ok(()) => scanner.findings(query),
                Err(_) => scanner.findings(FindingQuery::all()),
            }
        }),
        breaks("findings/empty-targets", "asks the service about an empty list").findings(
            |scanner, query| {
                if query.validate().is_err() {
                    send(&scanner);
                }
                scanner.findings(query)
            },
        ),
        breaks("findings/unknown-target", "is silent about unknown targets").findings(|scanner, query| {
            if is_filtered(&query) || query.resume.is_some() || matches!(query.scope, FindingScope::Scan(_)) {
                return scanner.findings(query);
            }
            quiet(scanner.findings(query))
        }),
        breaks("findings/unknown-target", "is silent about an unknown target beside a known one").findings(
            |scanner, query| match &query.scope {
                FindingScope::Targets(targets)
                    if targets.len() > 1 && !is_filtered(&query) && query.resume.is_none() =>
                {
                    quiet(scanner.findings(query))
                }
                _ => scanner.findings(query),
            },
        ),
        breaks("findings/unsupported-scope", "has another error for a scope that it lacks")
            .lacks(|can| can.with_findings_all(false))
            .findings(|scanner, query| match &query.scope {
                FindingScope::All => stream_error(Error::new(ErrorKind::NotFound, "404")),
                _ => scanner.findings(query),
            }),
        breaks("findings/unsupported-scope", "asks the service about a scope that it lacks")
            .lacks(|can| can.with_findings_by_scan(false))
            .findings(|scanner, query| {
                if matches!(query.scope, FindingScope::Scan(_)) {
                    send(&scanner);
                }
                scanner.findings(query)
            }),
        breaks("findings/unsupported-scope", "reads another scope than the one that it lacks")
            .lacks(|can| can.with_findings_by_target(false))
            .findings(|scanner, query| match &query.scope {
                FindingScope::Targets(_) => {
                    scanner.findings(with(query, |query| query.scope = FindingScope::All))
                }
                _ => scanner.findings(query),
            }),
    ]
}

fn filters() -> Vec<Broken> {
    vec![
        breaks("findings/filter", "ignores its filters").findings(|scanner, query| {
            let events = scanner.findings(unfiltered(&query));
            if is_filtered(&query) {
                at_end(events, |coverage| coverage.mark_all_inconclusive("filtered"))
            } else {
                events
            }
        }),
        breaks("findings/filter", "lets no unknown severity through").findings(|scanner, query| {
            let filtered = !query.severities.is_empty();
            each_batch(scanner.findings(query), move |findings| {
                findings.retain(|finding| !(filtered && finding.severity.is_unknown()));
            })
        }),
        breaks("findings/filter", "lets no unknown status through").findings(|scanner, query| {
            let filtered = !query.statuses.is_empty();
            each_batch(scanner.findings(query), move |findings| {
                findings.retain(|finding| {
                    !(filtered && finding.status.as_ref().is_some_and(FindingStatus::is_unknown))
                });
            })
        }),
        breaks("findings/filter", "ignores the time").findings(|scanner, query| {
            let filtered = query.seen_since.is_some();
            let events = scanner.findings(with(query, |query| query.seen_since = None));
            if filtered {
                at_end(events, |coverage| coverage.mark_all_inconclusive("filtered"))
            } else {
                events
            }
        }),
        breaks("findings/filter-inconclusive", "closes by what a filter hides").findings(|scanner, query| {
            if !is_filtered(&query) {
                return scanner.findings(query);
            }
            at_end(scanner.findings(query), |coverage| *coverage = sure(coverage, |_| true))
        }),
        breaks("findings/filter-inconclusive", "does not say that a filter left something out").findings(
            |scanner, query| {
                if !is_filtered(&query) {
                    return scanner.findings(query);
                }
                at_end(scanner.findings(query), |coverage| {
                    let mut silent = Coverage::new();
                    for (partition, _) in coverage.partitions() {
                        silent.mark_inconclusive(partition.clone(), "filtered");
                    }
                    *coverage = silent;
                })
            },
        ),
    ]
}

fn resumes() -> Vec<Broken> {
    vec![
        breaks("findings/resume", "goes on one batch too late").findings(|scanner, query| {
            let resumed = query.resume.is_some();
            let mut number = 0;
            each_batch(scanner.findings(query), move |findings| {
                number += 1;
                if resumed && number == 1 {
                    findings.clear();
                }
            })
        }),
        breaks("findings/resume", "does not know its own points")
            .also(&["findings/resume-inconclusive"], "nothing can be resumed")
            .findings(|scanner, query| match &query.resume {
                Some(point) if point.state::<serde_json::Value>("memory").is_ok() => {
                    stream_error(Error::new(ErrorKind::ResumeExpired, "no such point"))
                }
                _ => scanner.findings(query),
            }),
        breaks("findings/resume-inconclusive", "closes by what came before the point").findings(
            |scanner, query| {
                if query.resume.is_none() {
                    return scanner.findings(query);
                }
                at_end(scanner.findings(query), |coverage| *coverage = sure(coverage, |_| true))
            },
        ),
        breaks("findings/foreign-resume", "takes any scanner's point").findings(|scanner, mut query| {
            let state = query.resume.as_ref().and_then(|point| serde_json::to_value(point).ok());
            query.resume = state.and_then(|point| ResumePoint::new("memory", &point["state"]).ok());
            scanner.findings(query)
        }),
        breaks("findings/foreign-resume", "starts over from another scanner's point").findings(
            |scanner, mut query| {
                let own = |point: &ResumePoint| point.state::<serde_json::Value>("memory").is_ok();
                query.resume = query.resume.filter(own);
                scanner.findings(query)
            },
        ),
    ]
}

fn faults() -> Vec<Broken> {
    /// A coverage by which everything that did not come is gone.
    fn end(seen: &[Finding]) -> FindingEvent {
        let mut coverage = Coverage::new();
        for finding in seen {
            coverage.mark_conclusive(finding.partition.clone());
        }
        FindingEvent::End(coverage)
    }
    fn is_server_fault(error: &Error) -> bool {
        error.kind() == ErrorKind::Server
    }
    vec![
        breaks("findings/error-ends", "ends after an error as if all were well").findings(
            |scanner, query| {
                instead_of_error(scanner.findings(query), |error, _| {
                    if is_server_fault(&error) { vec![Err(error), Ok(end(&[]))] } else { vec![Err(error)] }
                })
            },
        ),
        breaks("findings/error-ends", "goes on after an error").findings(|scanner, query| {
            instead_of_error(scanner.findings(query), |error, _| {
                let again = Error::new(ErrorKind::Server, "503");
                if is_server_fault(&error) { vec![Err(error), Err(again)] } else { vec![Err(error)] }
            })
        }),
        breaks("findings/error-ends", "takes a service that is down for an empty one").findings(
            |scanner, query| {
                instead_of_error(scanner.findings(query), |error, seen| {
                    if is_server_fault(&error) && seen.is_empty() {
                        vec![Ok(end(&[]))]
                    } else {
                        vec![Err(error)]
                    }
                })
            },
        ),
        breaks("findings/broken-inconclusive", "takes what it has for all there is").findings(
            |scanner, query| {
                instead_of_error(scanner.findings(query), |error, seen| {
                    if is_server_fault(&error) && !seen.is_empty() {
                        vec![Ok(end(&seen))]
                    } else {
                        vec![Err(error)]
                    }
                })
            },
        ),
        breaks("findings/bad-record", "leaves an undecodable record out")
            .findings(|scanner, query| without_record_gaps(&scanner, query)),
        breaks("findings/bad-record", "fails at an undecodable record").findings(|scanner, query| {
            let events = scanner.findings(query).map(|event| match event {
                Ok(FindingEvent::Batch(batch)) if has_bad_record(&batch.gaps) => {
                    Err(Error::new(ErrorKind::Decode, "a record"))
                }
                event => event,
            });
            events.boxed()
        }),
        breaks("findings/bad-record", "loses the neighbours of an undecodable record").findings(
            |scanner, query| {
                let events = scanner.findings(query).map_ok(|event| match event {
                    FindingEvent::Batch(batch) if has_bad_record(&batch.gaps) => {
                        FindingEvent::Batch(with(batch, |batch| batch.findings.clear()))
                    }
                    event => event,
                });
                events.boxed()
            },
        ),
        breaks("findings/bad-record", "blames another partition").findings(|scanner, query| {
            at_end(scanner.findings(query), |coverage| {
                if has_bad_record(coverage.gaps()) {
                    *coverage = sure(coverage, |gap| gap.kind != GapKind::Record);
                    coverage
                        .add_gap(CoverageGap::new(GapKind::Record, "unreadable").with_partition("elsewhere"));
                }
            })
        }),
    ]
}

fn has_bad_record(gaps: &[CoverageGap]) -> bool {
    gaps.iter().any(|gap| gap.kind == GapKind::Record)
}

fn without_record_gaps(scanner: &MemoryScanner, query: FindingQuery) -> Events {
    at_end(scanner.findings(query), |coverage| {
        if has_bad_record(coverage.gaps()) {
            *coverage = sure(coverage, |gap| gap.kind != GapKind::Record);
        }
    })
}
