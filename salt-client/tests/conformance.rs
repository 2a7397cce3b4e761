//! The contract of the trait, line by line, against the fake.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its table is worth reading"
)]

use appsec_core::testing::{Fixture, conformance};
use salt_client::testing::{EndOffset, FakeBuilder, FakeSalt, SaltFixture, WriteBody, WriteResponse};
use salt_client::{SaltClientBuilder, SpeculativeBody};

/// What only a scanner that scans can show.
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

/// What only a client that was told how to write a status back can show.
const WRITES: [&str; 2] = ["status/no-word", "status/read-back"];

async fn keeps_the_contract(
    fake: FakeBuilder,
    clients: fn(SaltClientBuilder) -> SaltClientBuilder,
    lacks: &[&str],
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
    report.assert_skipped(&[&SCANS, lacks].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_keeps_the_contract() {
    keeps_the_contract(FakeSalt::builder(), |clients| clients, &WRITES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_it_where_pages_are_short_and_name_no_end() {
    let fake = FakeSalt::builder().with_short_pages(60).with_end_offset(EndOffset::Missing);
    keeps_the_contract(fake, |clients| clients, &WRITES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_it_where_it_writes_statuses_back() {
    let fake =
        FakeSalt::builder().with_write_body(WriteBody::List).with_write_response(WriteResponse::NoContent);
    let writing = |clients: SaltClientBuilder| clients.with_write_back(SpeculativeBody::List);
    keeps_the_contract(fake, writing, &["status/unsupported"]).await;
}
