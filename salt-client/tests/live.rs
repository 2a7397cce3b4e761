//! Reads from the real service and prints where it differs from the assumptions. Runs only if `SALT_LIVE`
//! is set, with the token in `SALT_API_TOKEN` and the base URL in `SALT_BASE_URL`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and this one prints what it reads"
)]

use appsec_core::DastApiScanner;
use salt_client::{GapsQuery, ListQuery, SaltClient};

#[tokio::test]
async fn the_service_is_as_assumed() {
    if std::env::var_os("SALT_LIVE").is_none() {
        println!("skipped: SALT_LIVE is not set");
        return;
    }
    let client = SaltClient::from_env().unwrap();
    let report = client.test_connection().await;
    println!("{report}");
    assert!(report.is_ok());

    let page = client.list_gaps(&GapsQuery::new().with_limit(5).with_details(true)).await.unwrap();
    println!("gaps: end offset {:?}, beside the list {:?}", page.end_offset, page.extra.keys());
    assert!(page.bad.is_empty(), "{:?}", page.bad);
    for gap in &page.records {
        println!("  unknown fields: {:?}; dates read: {}", gap.extra.keys(), gap.detected_at().is_some());
        assert!(gap.posture_gap_id.is_some() && gap.host.is_some());
    }
    let page = client.list_hosts(&ListQuery::new().with_limit(5)).await.unwrap();
    println!("hosts: end offset {:?}, beside the list {:?}", page.end_offset, page.extra.keys());
    let hosts: Vec<_> = page.records.iter().filter_map(salt_client::Host::host).collect();
    for host in &page.records {
        println!("  fields {:?}; named: {}", host.fields().keys(), host.host().is_some());
    }
    let page = client.list_endpoints(&ListQuery::new().with_limit(5)).await.unwrap();
    println!("endpoints: end offset {:?}, beside the list {:?}", page.end_offset, page.extra.keys());
    for endpoint in &page.records {
        let read = (endpoint.host().is_some(), endpoint.method().is_some(), endpoint.path().is_some());
        println!("  fields {:?}; host, method, path: {read:?}", endpoint.fields().keys());
    }
    let page = client.list_cloud_assets(&ListQuery::new().with_limit(5)).await.unwrap();
    println!("cloud assets: end offset {:?}, beside the list {:?}", page.end_offset, page.extra.keys());
    for asset in page.records.iter().take(1) {
        println!("  unknown fields: {:?}", asset.extra.keys());
        let asset = client.get_cloud_asset(asset.id.as_deref().unwrap()).await.unwrap();
        println!(
            "  unknown fields of a single asset: {:?}; date read: {}",
            asset.extra.keys(),
            asset.first_discovered_at().is_some()
        );
    }
    if let Some(host) = hosts.first() {
        // The response for a host without a document is unknown, so nothing is asserted.
        match client.get_openapi(host).await {
            Ok(document) => println!(
                "OpenAPI document: {:?}",
                document.as_object().map(|map| map.keys().collect::<Vec<_>>())
            ),
            Err(error) => println!("OpenAPI document: {error}"),
        }
    }
}
