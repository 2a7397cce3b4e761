//! The occurrences of a finding are counted alike, whatever the scanner and the way to read it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use appsec_core::{DastApiScannerExt as _, Finding, FindingQuery, ScanId, Severity, Timestamp};
use appsec_import::gate::{Gate, GateCount, GateCounts, GateOutcome, Thresholds};
use appsec_import::store::Page;
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore, Store as _, reconcile};
use salt_client::testing::{FakeSalt, Tenant, gap, host};
use tenable_was_client::testing::{
    FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Reply, Route, When,
};

/// A site whose pages differ by the query alone.
fn site() -> FakeConfig {
    let plugin = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let pages = ["users", "orders", "admin"].map(|page| {
        let url = format!("https://shop.example.com/index.php?page={page}");
        let mut finding = FakeFinding::new(&plugin, url.as_str());
        finding.url = url;
        finding
    });
    FakeConfig::new("storefront")
        .with_target(FakeTarget::new("https://shop.example.com/").with_findings(pages))
}

fn keys(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.occurrence_key().to_string()).collect()
}

#[tokio::test]
async fn tenables_report_detections_and_export_count_pages_that_differ_by_query_alike() {
    let config = site();
    let fake = FakeTenableWas::builder().with_config(config.clone()).start().await.unwrap();
    let client = fake.client().unwrap();
    let scan = ScanId::new(fake.scans_of(&config.id).pop().unwrap());
    let export = client.collect_findings(FindingQuery::all()).await.unwrap();
    let report = client.collect_findings(FindingQuery::scan(scan.clone())).await.unwrap();
    fake.script(Route::GetReport, When::Always, Reply::Forbidden);
    let detections = client.collect_findings(FindingQuery::scan(scan)).await.unwrap();
    assert_eq!(keys(&export.0).len(), 3);
    for (route, (findings, coverage)) in
        [("export", &export), ("report", &report), ("detections", &detections)]
    {
        assert_eq!(keys(findings), keys(&export.0), "{route}");
        let run = reconcile(Vec::new(), findings, coverage, Timestamp::now());
        let summary = &run.summary;
        assert_eq!((summary.received, summary.findings, summary.further_occurrences), (3, 1, 2), "{route}");
        assert_eq!(run.transitions[0].finding.occurrences, 3, "{route}");
        assert_eq!(run.transitions[0].finding.places().len(), 3, "{route}");
    }
}

#[tokio::test]
async fn salts_gaps_without_a_path_count_by_their_own_ids() {
    let gaps = (0..120).map(|number| {
        let mut gap = gap(&format!("g{number:03}"), "api.example");
        gap.as_object_mut().unwrap().remove("endpointPath");
        gap
    });
    let tenant = Tenant::new().with_host(host("api.example")).with_gaps(gaps);
    let fake = FakeSalt::builder().with_tenant(tenant).start().await.unwrap();
    let client = fake.client_builder().with_page_size(50).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("findings.db").display());
    let store = Arc::new(SqlStore::connect(&url).await.unwrap());
    let binding = Binding::new("shop", "saltsecurity", ScanConfiguration::new("host:api.example"));
    let import =
        Importer::new(Arc::new(client), store.clone()).run(&binding, &ImportOptions::new()).await.unwrap();
    let summary = &import.summary;
    assert_eq!((summary.new, summary.received), (1, 120), "{import}");
    assert_eq!((summary.further_occurrences, summary.repeats), (119, 0), "{import}");
    assert!(import.to_string().contains("(120 occurrences in all)"), "{import}");

    let (_, known) = store.known_findings(&binding, Page { after: 0, limit: 9 }).await.unwrap().remove(0);
    assert_eq!((known.occurrences, known.aliases.len()), (120, 120));
    assert!(known.places().any(|place| place == "g007") || known.places().len() == 100);
    let counts = GateCounts::from_store(&*store, &binding).await.unwrap();
    let gate = Gate::new().with_total(Thresholds::new().with_max(&Severity::High, 119));
    assert!(gate.check(&counts, []).is_passed());
    assert_eq!(gate.with_count(GateCount::Occurrences).check(&counts, []).outcome(), GateOutcome::Failed);
}
