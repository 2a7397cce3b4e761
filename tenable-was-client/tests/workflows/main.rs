//! What people do with scans: configurations made and changed, scans led to their end, reports taken and read again. Through the client
//! against the fake, and against servers that answer as the fake never does.

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

/// A configuration that has run once, and found two weaknesses.
fn shop() -> FakeConfig {
    let grave = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let harmless = FakePlugin::new(98_000, "Scan Information", Severity::Info).shared();
    let target = FakeTarget::new(SHOP)
        .with_finding(
            FakeFinding::new(&grave, format!("{SHOP}search?q=x"))
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

/// A fake with the shop, a client of it, the shop's id and that of its scan.
async fn with_shop() -> (FakeTenableWas, TenableWasClient, ConfigId, TenableScanId) {
    let config = shop();
    let id = config.id.parse().unwrap();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let scan = fake.scans_of(&config.id).pop().unwrap().parse().unwrap();
    (fake, client, id, scan)
}
