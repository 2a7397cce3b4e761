//! A read-only test with the real service, if keys are given.
//!
//! `TENABLE_LIVE=1 TENABLE_ACCESS_KEY=… TENABLE_SECRET_KEY=… cargo test -p tenable-was-client --test live
//! -- --nocapture`

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use appsec_core::{BindTargetQuery, DastApiScanner};
use futures_util::TryStreamExt;
use tenable_was_client::TenableWasClient;

#[tokio::test]
async fn the_connection_works_and_configurations_are_listed() {
    if std::env::var_os("TENABLE_LIVE").is_none() {
        println!("skipped: TENABLE_LIVE is not set");
        return;
    }
    let client = TenableWasClient::from_env().unwrap();
    let report = client.test_connection().await;
    println!("{report}");
    report.into_result().unwrap();
    let first = client.bind_targets(BindTargetQuery::new()).try_next().await.unwrap();
    println!("{} bind targets in the first batch", first.unwrap_or_default().targets.len());
}
