//! For each contract line a scanner that breaks it, and proof that the suite sees that and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is there to be read")]

mod findings;
mod kit;
mod rest;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use appsec_core::testing::conformance::{self, CheckStatus, ConformanceReport};
use appsec_core::{FindingBatch, FindingEvent, ResumePoint};
use futures_util::{StreamExt, stream};

use self::kit::{Broken, breaks};

/// Runs the suite on a paused clock, so that what hangs meets its limit at once.
fn judge(broken: &Broken) -> ConformanceReport {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(conformance::run(|| async { broken.fixture() }))
}

/// Each scanner must fail its line, and besides only those that it is said to.
fn assert_caught(broken: &[Broken]) {
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for broken in broken {
        let report = judge(broken);
        let failed: BTreeSet<_> = report.ids(CheckStatus::Failed).collect();
        let expected: BTreeSet<_> = broken.also.iter().copied().chain([broken.id]).collect();
        let saw = report.outcomes().iter().find(|outcome| outcome.id == broken.id).map(|o| o.detail.as_str());
        let _ = writeln!(table, "{:<30} {}: {}", broken.id, broken.what, saw.unwrap_or_default());
        if !broken.also.is_empty() {
            let _ = writeln!(table, "{:<30} and {}: {}", "", broken.also.join(", "), broken.why);
        }
        if failed != expected {
            wrong.push(format!("{}: expected {expected:?}\n{report}", broken.what));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_breach_of_reading_findings_is_caught_where_it_is() {
    assert_caught(&findings::broken());
}

#[test]
fn each_other_breach_is_caught_where_it_is() {
    assert_caught(&rest::broken());
}

#[test]
fn every_line_has_a_scanner_that_breaks_it() {
    let broken: BTreeSet<_> =
        findings::broken().iter().chain(&rest::broken()).map(|broken| broken.id).collect();
    let lines: BTreeSet<_> = conformance::ids().collect();
    assert_eq!(broken, lines);
}

#[test]
fn a_scanner_that_hangs_never_ends_or_panics_fails_and_the_suite_goes_on() {
    let hanging = breaks("findings/end-last", "hangs").findings(|_, _| stream::pending().boxed());
    let endless = breaks("findings/end-last", "never ends").findings(|_, _| {
        let batch = FindingBatch::new(Vec::new(), ResumePoint::new("memory", &0).unwrap());
        stream::repeat_with(move || Ok(FindingEvent::Batch(batch.clone()))).boxed()
    });
    let panicking = breaks("findings/end-last", "panics").findings(|_, _| panic!("a bug"));
    for (broken, why) in [
        (hanging, "it had not ended after 30 s"),
        (endless, "the stream had not ended after 10000 items"),
        (panicking, "it panicked: a bug"),
    ] {
        let report = judge(&broken);
        let outcome = report.outcomes().iter().find(|outcome| outcome.id == broken.id).unwrap();
        assert_eq!((outcome.status, outcome.detail.as_str()), (CheckStatus::Failed, why), "{}", broken.what);
        assert_eq!(report.outcomes().len(), conformance::ids().len());
        assert!(
            report.ids(CheckStatus::Passed).any(|id| id == "scans/newest-first"),
            "later checks are made"
        );
    }
}
