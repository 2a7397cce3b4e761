//! Every file in `fixtures/` is read by its model, and its findings are those of the snapshots.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use appsec_core::FindingQuery;
use salt_client::testing::{FakeSalt, Reply, Route, Tenant, When, host};
use salt_client::{GapsQuery, ListQuery, Webhook};
use serde_json::{Value, json};
use support::{import, serve};

fn fixtures() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        })
        .collect()
}

#[test]
fn every_file_is_in_the_table() {
    let table = include_str!("../fixtures/README.md");
    for name in fixtures().keys() {
        assert!(table.contains(&format!("`{name}.json`")), "{name}");
    }
}

#[tokio::test]
async fn every_file_is_read() {
    let (fake, client) = serve(FakeSalt::builder(), Tenant::new(), 100).await;
    for (name, body) in fixtures() {
        let kind = name.split('_').next().unwrap();
        let status = name.split('_').nth(1).and_then(|status| status.parse().ok()).unwrap_or(200);
        fake.recover();
        fake.script(Route::Any, When::Always, Reply::Json(status, body.clone()));
        let records = ["response", "records", "data"].iter().find_map(|list| body.get(*list)?.as_array());
        let records = records.map_or(0, |records| records.len() as u64);
        let read = match kind {
            "gaps" => client.list_gaps(&GapsQuery::new()).await.map(|page| page.len()),
            "hosts" => client.list_hosts(&ListQuery::new()).await.map(|page| {
                assert!(page.records.iter().all(|record| record.host().is_some()), "{name}");
                page.len()
            }),
            "endpoints" => client.list_endpoints(&ListQuery::new()).await.map(|page| {
                for record in &page.records {
                    assert_eq!(record.host().as_deref(), Some("billing.example.test"), "{name}");
                    assert_eq!(record.method().as_deref(), Some("POST"), "{name}");
                    assert_eq!(record.path().as_deref(), Some("/v1/refunds"), "{name}");
                    assert_eq!(record.labels(), ["payments"], "{name}");
                }
                page.len()
            }),
            "assets" => client.list_cloud_assets(&ListQuery::new()).await.map(|page| {
                assert!(page.records.iter().all(|asset| asset.account().is_some()), "{name}");
                assert!(page.records.iter().all(|asset| asset.extra.is_empty()), "{name}");
                page.len()
            }),
            "asset" => {
                let asset = client.get_cloud_asset("any").await.unwrap();
                assert_eq!(asset.account(), Some("111122223333"), "{name}");
                assert_eq!(asset.first_discovered_at().unwrap().as_second(), 1_757_519_896, "{name}");
                assert_eq!(asset.additional_pairs(), [("stage".to_owned(), "prod".to_owned())], "{name}");
                assert!(asset.tag_pairs().contains(&("team".to_owned(), "orion".to_owned())), "{name}");
                continue;
            }
            "openapi" => {
                assert_eq!(client.get_openapi("any").await.unwrap(), body, "{name}");
                continue;
            }
            "webhook" => {
                let webhook = Webhook::new("the secret").with_field("webhook_token");
                let headers = [(Webhook::HEADER, "the secret")];
                let event = webhook.verify(headers, body.to_string().as_bytes()).unwrap();
                assert_eq!(event.host().as_deref(), Some("billing.example.test"), "{name}");
                assert_eq!(event.event().as_deref(), Some("PostureGap"), "{name}");
                continue;
            }
            "error" => {
                let error = client.list_gaps(&GapsQuery::new()).await.unwrap_err();
                assert_eq!(error.status(), Some(status), "{name}");
                let message = body.get("message").unwrap_or_else(|| &body["errors"][0]["message"]);
                assert!(error.message().contains(message.as_str().unwrap()), "{name}: {error}");
                continue;
            }
            other => panic!("no model reads {other}"),
        };
        assert_eq!(read.unwrap(), records, "{name}");
    }
}

/// Imports the gaps of one fixture.
async fn imported(name: &str) -> Value {
    let body = fixtures().remove(name).unwrap();
    let tenant = Tenant::new()
        .with_host(host("billing.example.test"))
        .with_gaps(body["response"].as_array().unwrap().iter().cloned());
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 100).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    json!({"findings": import.findings().collect::<Vec<_>>(), "coverage": import.coverage})
}

macro_rules! snapshots {
    ($($name:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            insta::assert_json_snapshot!(imported(stringify!($name)).await);
        }
    )+};
}

snapshots! {
    gaps_page,
    gaps_page_of_nulls,
    gaps_page_of_other_types,
    gaps_page_of_unknown_words,
    gaps_page_with_bad_records,
}
