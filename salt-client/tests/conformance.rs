//! The contract of the trait, line by line, against the fake.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use appsec_core::testing::{Fixture, conformance};
use salt_client::testing::SaltFixture;

#[tokio::test(flavor = "multi_thread")]
async fn the_client_keeps_the_contract() {
    let make = || async { Box::new(SaltFixture::start().await.unwrap()) as Box<dyn Fixture> };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
}
