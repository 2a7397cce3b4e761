//! The contract of the trait, line by line, against the fake.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its table is worth reading"
)]

use appsec_core::testing::Fixture;
use appsec_core::testing::conformance::{self, Verdict};
use salt_client::testing::{EndOffset, FakeBuilder, FakeSalt, SaltFixture};

/// What only a scanner that scans, or takes a status back, can show.
const SKIPPED: [&str; 12] = [
    "start/visible",
    "start/already-running",
    "start/unknown-target",
    "scan/unknown",
    "scan/same-id",
    "stop/cancels",
    "stop/ended-is-ok",
    "stop/unknown",
    "scans/lists-started",
    "scans/newest-first",
    "status/no-word",
    "status/read-back",
];

async fn keeps_the_contract(fake: FakeBuilder) {
    let make = || {
        let fake = fake.clone();
        async { Box::new(SaltFixture::with_fake(fake.start().await.unwrap()).unwrap()) as Box<dyn Fixture> }
    };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
    assert_eq!(report.ids(Verdict::Skipped).collect::<Vec<_>>(), SKIPPED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_keeps_the_contract() {
    keeps_the_contract(FakeSalt::builder()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_it_where_pages_are_short_and_name_no_end() {
    keeps_the_contract(FakeSalt::builder().with_short_pages(60).with_end_offset(EndOffset::Missing)).await;
}
