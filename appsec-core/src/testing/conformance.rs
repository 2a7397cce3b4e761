//! The conformance suite: every contract line of [`DastApiScanner`](crate::DastApiScanner) as a check.

mod check;
mod connection;
mod faults;
mod findings;
mod fixture_run;
mod queries;
mod read;
mod report;
mod resume;
mod scans;
mod targets;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::check::{CheckResult, NotPassed};
use self::fixture_run::Fixtures;
pub use self::report::{CheckOutcome, CheckStatus, ConformanceReport};
use super::Fixture;

/// The time limit of one check. A check that takes longer fails.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

struct Check {
    id: &'static str,
    run: for<'a> fn(&'a Fixtures<'a>) -> BoxFuture<'a, CheckResult>,
}

macro_rules! checks {
    ($($id:literal => $check:path,)+) => {
        const CHECKS: &[Check] = &[$(Check { id: $id, run: |fixtures| Box::pin($check(fixtures)) },)+];
    };
}

// In the order of the contract lists.
checks! {
    "info/stable" => connection::info_stable,
    "info/well-formed" => connection::info_well_formed,
    "connection/ok" => connection::ok,
    "connection/refused" => connection::refused,
    "connection/down" => connection::down,
    "targets/lazy" => targets::lazy,
    "targets/complete" => targets::complete,
    "targets/filter" => targets::filter,
    "targets/error-ends" => targets::error_ends,
    "findings/lazy" => findings::lazy,
    "findings/end-last" => findings::end_last,
    "findings/error-ends" => faults::error_ends,
    "findings/batch-size" => findings::batch_size,
    "findings/complete" => findings::complete,
    "findings/scanner-key" => findings::scanner_key,
    "findings/partition-covered" => findings::partition_covered,
    "findings/stable-fingerprint" => findings::stable_fingerprint,
    "findings/names-target" => findings::names_target,
    "findings/other-targets" => findings::other_targets,
    "findings/targets-once" => findings::targets_once,
    "findings/empty-targets" => queries::empty_targets,
    "findings/unknown-target" => queries::unknown_target,
    "findings/unsupported-scope" => queries::unsupported_scope,
    "findings/filter" => queries::filter,
    "findings/filter-inconclusive" => queries::filter_inconclusive,
    "findings/resume" => resume::resume,
    "findings/resume-inconclusive" => resume::resume_inconclusive,
    "findings/foreign-resume" => resume::foreign_resume,
    "findings/broken-inconclusive" => faults::broken_inconclusive,
    "findings/bad-record" => faults::bad_record,
    "findings/masked" => queries::masked,
    "start/unsupported" => scans::start_unsupported,
    "start/visible" => scans::start_visible,
    "start/already-running" => scans::start_already_running,
    "start/unknown-target" => scans::start_unknown_target,
    "scan/unsupported" => scans::scan_unsupported,
    "scan/unknown" => scans::scan_unknown,
    "scan/same-id" => scans::scan_same_id,
    "stop/unsupported" => scans::stop_unsupported,
    "stop/cancels" => scans::stop_cancels,
    "stop/ended-is-ok" => scans::stop_ended_is_ok,
    "stop/unknown" => scans::stop_unknown,
    "scans/unsupported" => scans::scans_unsupported,
    "scans/lists-started" => scans::scans_lists_started,
    "scans/newest-first" => scans::scans_newest_first,
    "status/unsupported" => queries::status_unsupported,
    "status/unsupported-status" => queries::status_unsupported_status,
    "status/read-back" => queries::status_read_back,
}

/// The ids of all checks, in the order of the contract lists.
pub fn ids() -> impl ExactSizeIterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.id)
}

/// Runs every check, each over a fresh fixture, and some over several.
///
/// A check that needs more than the fixture or the scanner supports is skipped, and the report says why.
/// Where the fixture cannot be seeded, the suite reads the existing data, and starts, stops and writes
/// nothing. It needs a tokio runtime with time.
pub async fn run<F, Fut>(make: F) -> ConformanceReport
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Box<dyn Fixture>> + Send,
{
    let make = || make().boxed();
    let fixtures = Fixtures::new(&make);
    let mut report = ConformanceReport::new(make().await.scanner().info().key);
    for check in CHECKS {
        report.push(CheckOutcome::new(check.id, run_check((check.run)(&fixtures)).await));
    }
    report
}

async fn run_check(check: BoxFuture<'_, CheckResult>) -> CheckResult {
    let guarded = AssertUnwindSafe(check).catch_unwind();
    match tokio::time::timeout(CHECK_TIMEOUT, guarded).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Err(NotPassed::Failed(format!("it panicked: {text}")))
        }
        Err(_elapsed) => {
            Err(NotPassed::Failed(format!("it had not ended after {} s", CHECK_TIMEOUT.as_secs())))
        }
    }
}
