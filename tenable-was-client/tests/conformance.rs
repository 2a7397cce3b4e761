//! The conformance suite of the trait, against the fake: on the usual route, and on each fallback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use appsec_core::testing::{Fixture, conformance};
use tenable_was_client::testing::{FakeTenableWas, Reply, Route, TenableWasFixture, When};

/// The checks for scanners without this one's abilities, and for scanners that write statuses.
const OF_OTHERS: [&str; 7] = [
    "findings/unsupported-scope",
    "start/unsupported",
    "scan/unsupported",
    "stop/unsupported",
    "scans/unsupported",
    "status/unsupported-status",
    "status/read-back",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_client_passes_the_conformance_suite() {
    let make = || async { Box::new(TenableWasFixture::start().await.unwrap()) as Box<dyn Fixture> };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
    report.assert_skipped(&OF_OTHERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_without_the_undocumented_search_and_without_reports() {
    let make = || async {
        let fake = FakeTenableWas::builder().with_by_targets(false);
        let fixture = TenableWasFixture::over(fake).await.unwrap();
        fixture.fake().script(Route::GetReport, When::Always, Reply::Forbidden);
        Box::new(fixture) as Box<dyn Fixture>
    };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
    report.assert_skipped(&OF_OTHERS);
}
