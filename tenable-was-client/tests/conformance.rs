//! The contract of the trait, line by line, against the fake: on the usual route, and on each fall-back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use appsec_core::testing::{Fixture, conformance};
use tenable_was_client::testing::{FakeTenableWas, Reply, Route, TenableWasFixture, When};

/// What a scanner shows that lacks what this one has, and what one shows that writes statuses.
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
async fn the_client_keeps_the_contract() {
    let make = || async { Box::new(TenableWasFixture::start().await.unwrap()) as Box<dyn Fixture> };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
    report.assert_skipped(&OF_OTHERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn and_where_the_undocumented_search_is_missing_and_reports_are_refused() {
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
