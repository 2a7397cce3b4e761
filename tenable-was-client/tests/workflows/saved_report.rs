//! A saved report has the same findings as the scan itself.

use std::io::Cursor;

use appsec_core::{DastApiScannerExt, Finding, FindingQuery, ScanId, Severity};
use tenable_was_client::TenableWasClient;
use tenable_was_client::model::{ReportFormat, ScanReport, TenableScanId};
use tenable_was_client::testing::{FakeTenableWas, demo_tenant};

use crate::{start, with_shop};

/// The findings of a scan, each with the profile that the coverage names for its partition. A report is in one
/// file, so its findings name the profile themselves.
async fn findings_of_scan(client: &TenableWasClient, query: &FindingQuery) -> Vec<Finding> {
    let (mut findings, coverage) = client.collect_findings(query.clone()).await.unwrap();
    for finding in &mut findings {
        assert_eq!(finding.profile, None);
        finding.profile.clone_from(&coverage.partition(&finding.partition).unwrap().profile);
        assert!(finding.profile.is_some());
    }
    findings
}

async fn saved(client: &TenableWasClient, scan: TenableScanId) -> Cursor<Vec<u8>> {
    let mut file = Vec::new();
    client.save_report(scan, ReportFormat::Json, &mut file).await.unwrap();
    Cursor::new(file)
}

#[tokio::test]
async fn the_findings_of_a_saved_report_equal_those_of_the_scan() {
    let (_fake, client, _, scan) = with_shop().await;
    let mut report = ScanReport::read(saved(&client, scan).await).unwrap();
    let scope = FindingQuery::scan(scan);
    for query in [
        scope.clone(),
        scope.clone().with_raw(true),
        scope.clone().with_unmasked_evidence(true),
        scope.with_severities([Severity::High]),
    ] {
        let expected = findings_of_scan(&client, &query).await;
        assert!(!expected.is_empty());
        let found: Vec<Finding> = report.findings_as(&query).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, expected);
    }
    assert_eq!(report.report().scan.as_ref().unwrap().scan_id, Some(scan));
}

#[tokio::test]
async fn evidence_is_masked_unless_the_query_asks_for_it_unmasked() {
    let (_fake, client, _, scan) = with_shop().await;
    let mut report = ScanReport::read(saved(&client, scan).await).unwrap();
    let shown = format!("{:?}", report.findings().collect::<Vec<_>>());
    assert!(!shown.contains("session=abc"), "{shown}");
    let query = FindingQuery::all().with_unmasked_evidence(true);
    let shown = format!("{:?}", report.findings_as(&query).collect::<Vec<_>>());
    assert!(shown.contains("session=abc"));
}

#[tokio::test]
async fn every_report_of_the_demonstration_tenant_equals_its_scan() {
    let (fake, client) = start(FakeTenableWas::builder().with_tenant(demo_tenant())).await;
    let configs: Vec<String> =
        fake.edit(|tenant| tenant.configs.iter().map(|config| config.id.clone()).collect());
    let mut compared = 0;
    for scan in configs.iter().flat_map(|config| fake.scans_of(config)) {
        let id: TenableScanId = scan.parse().unwrap();
        let mut file = Vec::new();
        // A parent has no report, and neither has a scan that has not ended.
        if client.download_report(id, ReportFormat::Json, &mut file).await.is_err() {
            continue;
        }
        let query = FindingQuery::scan(ScanId::new(scan.as_str()));
        let expected = findings_of_scan(&client, &query).await;
        let found: Vec<_> = ScanReport::read(Cursor::new(file)).unwrap().findings().collect();
        let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let good: Vec<Finding> = good.into_iter().map(Result::unwrap).collect();
        assert_eq!(good, expected, "{scan}");
        assert!(bad.iter().all(|error| error.as_ref().unwrap_err().path().is_some()));
        compared += good.len();
    }
    assert!(compared > 20, "{compared}");
}
