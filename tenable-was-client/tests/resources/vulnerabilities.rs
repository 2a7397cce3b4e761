//! Detections: of one scan, of all scans, and single ones.

use std::collections::BTreeSet;

use appsec_core::{ErrorKind, Severity};
use futures_util::{StreamExt, TryStreamExt};
use tenable_was_client::PageQuery;
use tenable_was_client::filter::{Filter, ScanVulnerabilityField, VulnerabilityField};
use tenable_was_client::model::{PluginId, TenableScanId, VulnId};
use tenable_was_client::testing::{
    FakeConfig, FakeFinding, FakePlugin, FakeScan, FakeTarget, FakeTenableWas, Route, days_ago,
};

use crate::client;

async fn fake() -> FakeTenableWas {
    let xss = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let backup = FakePlugin::new(98_074, "Backup file", Severity::Medium).shared();
    let shop = "https://shop.example.com";
    let search = FakeFinding::new(&xss, format!("{shop}/search?q=x"))
        .with_input("link", "q")
        .with_exchange("GET /search HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    let old = FakeFinding::new(&backup, format!("{shop}/old.zip")).with_output("an old archive");
    let shop = FakeTarget::new(format!("{shop}/")).with_findings([search, old]);
    let login = FakeFinding::new(&xss, "https://login.example.com/").with_input("form", "user");
    let login = FakeTarget::new("https://login.example.com/").with_finding(login);
    let secret = FakeTarget::new("https://secret.example.com/")
        .with_finding(FakeFinding::new(&backup, "https://secret.example.com/x"));
    FakeTenableWas::builder()
        .with_config(
            FakeConfig::new("shop")
                .with_target(shop)
                .with_scans([FakeScan::completed(days_ago(30)), FakeScan::completed(days_ago(2))]),
        )
        .with_config(FakeConfig::new("login").with_target(login))
        .with_config(FakeConfig::new("hidden").with_user_permissions("no_access").with_target(secret))
        .start()
        .await
        .unwrap()
}

fn scan(fake: &FakeTenableWas, config: usize) -> TenableScanId {
    let id = fake.edit(|tenant| tenant.configs[config].id.clone());
    fake.scans_of(&id).pop().unwrap().parse().unwrap()
}

#[tokio::test]
async fn detections_of_all_scans_are_found_by_each_field() {
    let fake = fake().await;
    let asset = fake.edit(|tenant| tenant.configs[1].targets[0].asset_id.parse().unwrap());
    let client = client(&fake);
    for (condition, expected) in [
        (VulnerabilityField::ASSET_ID.is(asset), 1),
        (VulnerabilityField::PLUGIN_ID.is(PluginId(98_104)), 3),
        (VulnerabilityField::URI.matches("shop"), 4),
        (VulnerabilityField::INPUT_TYPE.is("form"), 1),
        (VulnerabilityField::INPUT_NAME.is("q"), 2),
        (VulnerabilityField::OUTPUT.matches("archive"), 2),
        (VulnerabilityField::CREATED_AT.before(days_ago(20)), 2),
        (VulnerabilityField::CREATED_AT.since(days_ago(20)), 3),
    ] {
        let shown = format!("{condition:?}");
        let found: Vec<_> = client.vulnerabilities(condition).try_collect().await.unwrap();
        assert_eq!(found.len(), expected, "{shown}");
    }
    let all: Vec<_> = client.vulnerabilities(Filter::everything()).try_collect().await.unwrap();
    assert_eq!(all.len(), 5, "invisible detections are not returned");
    let created: Vec<_> =
        all.iter().map(|record| record.created_at.as_ref().unwrap().timestamp().unwrap()).collect();
    assert!(created.is_sorted(), "oldest first");
}

#[tokio::test]
async fn detections_of_a_scan_belong_to_the_scan() {
    let fake = fake().await;
    let client = client(&fake);
    let scan = scan(&fake, 0);
    let all: Vec<_> = client.vulnerabilities_of_scan(scan, Filter::everything()).try_collect().await.unwrap();
    assert!(all.len() == 2 && all.iter().all(|record| record.scan_id == Some(scan)));
    let plugin = ScanVulnerabilityField::PLUGIN_ID.is(PluginId(98_074));
    let found: Vec<_> = client.vulnerabilities_of_scan(scan, plugin).try_collect().await.unwrap();
    assert_eq!(found[0].uri.as_deref(), Some("https://shop.example.com/old.zip"));
}

#[tokio::test]
async fn a_single_detection_has_the_request_and_the_response() {
    let fake = fake().await;
    let client = client(&fake);
    let condition = VulnerabilityField::INPUT_NAME.is("q");
    let listed = client.vulnerabilities(condition).try_next().await.unwrap().unwrap();
    assert!(listed.details.as_ref().unwrap().request.is_none());
    let full = client.get_vulnerability(listed.vuln_id).await.unwrap();
    let details = full.details.unwrap();
    assert_eq!(details.request.unwrap().headers.as_deref(), Some("GET /search HTTP/1.1\r\n\r\n"));
    assert_eq!(details.response.unwrap().time, Some(0.330_748));
    assert_eq!((full.vuln_id, full.uri), (listed.vuln_id, listed.uri));
    let unknown: VulnId = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().unwrap();
    assert_eq!(client.get_vulnerability(unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_undecodable_detection_is_an_error_item() {
    let fake = fake().await;
    fake.edit(|tenant| tenant.configs[0].targets[0].broken_records = 2);
    let scan = scan(&fake, 0);
    let client = client(&fake);
    let found: Vec<_> = client.vulnerabilities_of_scan(scan, Filter::everything()).collect().await;
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (2, 2));
    let error = bad.into_iter().next().unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Decode, Some("tenable: search vulnerabilities of scan"))
    );
    assert_eq!(error.path(), Some("items[2].details"), "the index in the page, and the member");
    // All scans have it twice, because there are two scans; the errors have the operation of that search.
    let found: Vec<_> = client.vulnerabilities(Filter::everything()).collect().await;
    let bad: Vec<_> = found.into_iter().filter_map(Result::err).collect();
    assert_eq!(bad.len(), 4);
    assert!(bad.iter().all(|error| error.operation() == Some("tenable: search vulnerabilities")));
}

#[tokio::test]
async fn many_detections_are_read_page_by_page_and_each_once() {
    let fake = fake().await;
    let plugin = FakePlugin::new(98_009, "Web Application Sitemap", Severity::Info).shared();
    let findings = (0..450).map(|n| FakeFinding::new(&plugin, format!("https://many.example.com/{n}")));
    let many = FakeTarget::new("https://many.example.com/").with_findings(findings);
    fake.edit(|tenant| tenant.configs.push(FakeConfig::new("many").with_target(many)));
    let stream = client(&fake).vulnerabilities(VulnerabilityField::URI.matches("many"));
    assert!(
        fake.calls_to(Route::SearchAllVulnerabilities).is_empty(),
        "nothing is asked for before it is polled"
    );
    let found: Vec<_> = stream.try_collect().await.unwrap();
    let ids: BTreeSet<_> = found.iter().map(|record| record.vuln_id).collect();
    assert_eq!((found.len(), ids.len()), (450, 450));
    let offsets: Vec<_> = fake
        .calls_to(Route::SearchAllVulnerabilities)
        .iter()
        .map(|call| call.query("offset").unwrap().to_owned())
        .collect();
    assert_eq!(offsets, ["0", "199", "398"]);
}

#[tokio::test]
async fn a_page_is_read_one_by_one_and_then_has_its_position() {
    let fake = fake().await;
    let page = PageQuery::new().with_limit(3).with_sort("plugin_id:asc");
    let mut page = client(&fake).search_vulnerabilities(&Filter::everything(), &page).unwrap();
    let mut plugins = Vec::new();
    while let Some(record) = page.next().await {
        plugins.push(record.unwrap().plugin_id.0);
    }
    assert_eq!(plugins, [98_074, 98_074, 98_104]);
    assert_eq!(page.pagination().unwrap().total, Some(5));
}
