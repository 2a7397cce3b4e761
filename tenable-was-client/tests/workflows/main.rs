//! Workflows: configurations created and changed, scans launched and stopped, reports saved and read again.
//! They run against the fake, and against servers with responses that the fake never sends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod configs;
mod launch;
mod reports;
mod saved_report;
mod scans;
mod services;

use appsec_core::Severity;
use tenable_was_client::TenableWasClient;
use tenable_was_client::model::{ConfigId, TenableScanId};
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas,
};

const SHOP: &str = "https://shop.example.com/";

/// A configuration whose only scan found two weaknesses.
fn shop() -> FakeConfig {
    let severe = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let harmless = FakePlugin::new(98_000, "Scan Information", Severity::Info).shared();
    let target = FakeTarget::new(SHOP)
        .with_finding(
            FakeFinding::new(&severe, format!("{SHOP}search?q=x"))
                .with_input("link", "q")
                .with_proof("<xss/>", "<xss/>")
                .with_exchange("GET /search HTTP/1.1\r\nCookie: session=abc\r\n", "HTTP/1.1 200 OK\r\n")
                .with_attachment("GET /search"),
        )
        .with_finding(FakeFinding::new(&harmless, SHOP));
    FakeConfig::new("shop").with_target(target)
}

async fn start(fake: FakeBuilder) -> (FakeTenableWas, TenableWasClient) {
    let fake = fake.start().await.unwrap();
    let client = fake.client().unwrap();
    (fake, client)
}

/// A fake with the shop, a client of it, and the ids of the shop's configuration and of its scan.
async fn with_shop() -> (FakeTenableWas, TenableWasClient, ConfigId, TenableScanId) {
    let config = shop();
    let id = config.id.parse().unwrap();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let scan = fake.scans_of(&config.id).pop().unwrap().parse().unwrap();
    (fake, client, id, scan)
}
