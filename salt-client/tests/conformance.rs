//! The contract of the trait, against the fake.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its table is worth reading"
)]

use appsec_core::testing::{Fixture, conformance};
use salt_client::testing::{EndOffset, FakeBuilder, FakeSalt, SaltFixture, WriteBody, WriteResponse};
use salt_client::{SaltClientBuilder, SpeculativeBody};

/// The checks for scanners that scan.
const SCANS: [&str; 10] = [
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
];

/// The checks for clients with write-back.
const WRITE_BACK: [&str; 2] = ["status/unsupported-status", "status/read-back"];

async fn assert_contract(
    fake: FakeBuilder,
    clients: fn(SaltClientBuilder) -> SaltClientBuilder,
    skipped: &[&str],
) {
    let make = || {
        let fake = fake.clone();
        async move {
            let fake = fake.start().await.unwrap();
            let clients = clients(fake.client_builder());
            Box::new(SaltFixture::with_clients(fake, clients).unwrap()) as Box<dyn Fixture>
        }
    };
    let report = conformance::run(make).await;
    println!("{report}");
    report.assert_passed();
    report.assert_skipped(&[&SCANS, skipped].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    assert_contract(FakeSalt::builder(), |clients| clients, &WRITE_BACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_with_short_pages_and_without_end_offsets() {
    let fake = FakeSalt::builder().with_short_pages(60).with_end_offset(EndOffset::Missing);
    assert_contract(fake, |clients| clients, &WRITE_BACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_with_write_back() {
    let fake =
        FakeSalt::builder().with_write_body(WriteBody::List).with_write_response(WriteResponse::NoContent);
    let writing = |clients: SaltClientBuilder| clients.with_write_back(SpeculativeBody::List);
    assert_contract(fake, writing, &["status/unsupported"]).await;
}
