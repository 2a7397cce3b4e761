//! The fixture fills and breaks the fake as the conformance suite asks for.

use appsec_core::testing::{Dataset, Fault, Fixture};
use appsec_core::{FindingStatus, Severity};
use serde_json::Value;
use tenable_was_client::testing::{FakeTenableWas, TenableWasFixture};

use crate::http::{everything, export, get};

async fn report(fake: &FakeTenableWas, scan: &str) -> Vec<Value> {
    let got = get(fake, &format!("/was/v2/scans/{scan}/report")).await;
    got.json()["findings"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_target_is_a_configuration_with_a_completed_scan_of_exactly_its_findings() {
    let fixture = TenableWasFixture::start().await.unwrap();
    let mut world = Dataset::new(2, 9);
    let states = [FindingStatus::Fixed, FindingStatus::Reopened, FindingStatus::RiskAccepted];
    for (finding, status) in world.targets[1].findings.iter_mut().zip(states) {
        finding.status = status;
    }
    world.targets[1].findings[5].severity = Severity::from("Blocker");
    let seeded = fixture.seed(&world).await.unwrap().unwrap();
    let fake = fixture.fake();
    for target in &world.targets {
        let id = &seeded.targets[&target.name];
        assert_eq!(id.kind(), "config");
        let scan = seeded.scans[&target.name].as_str();
        assert_eq!(fake.scans_of(id.value()), [scan]);
        assert_eq!(fake.scan_status(scan).unwrap(), "completed");
        let findings = report(fake, scan).await;
        assert_eq!(findings.len(), target.findings.len());
        for (record, wanted) in findings.iter().zip(&target.findings) {
            assert_eq!(record["name"], *wanted.rule);
            assert_eq!(record["uri"], format!("https://{}{}", target.name, wanted.path));
            assert_eq!(record["risk_factor"], *wanted.severity.as_str());
            assert_eq!(record["output"], *wanted.evidence);
        }
    }
    let (_, records) = export(fake, &everything()).await;
    assert_eq!(records.len(), 18);
    let count = |field: &str, word: &str| records.iter().filter(|record| record[field] == *word).count();
    assert_eq!((count("state", "FIXED"), count("state", "REOPENED")), (1, 1));
    assert_eq!(count("severity_modification_type", "ACCEPTED"), 1);
    assert_eq!(count("severity", "BLOCKER"), 1);

    fixture.seed(&Dataset::new(1, 1)).await.unwrap();
    assert_eq!(export(fake, &everything()).await.1.len(), 1, "another world replaces the first");
}

#[tokio::test]
async fn it_breaks_as_asked() {
    for (fault, expected) in [
        (Fault::Unauthorized, [200, 200, 200]),
        (Fault::Down, [503, 503, 503]),
        (Fault::DownAfter(2), [200, 200, 503]),
        (Fault::BadRecord, [200, 200, 200]),
    ] {
        let fixture = TenableWasFixture::start().await.unwrap();
        let seeded = fixture.seed(&Dataset::new(2, 3)).await.unwrap().unwrap();
        let old_keys = fixture.fake().secret_key();
        assert!(fixture.break_with(fault).await, "{fault:?}");
        for status in expected {
            assert_eq!(get(fixture.fake(), "/session").await.status, status, "{fault:?}");
        }
        assert_eq!(fixture.requests().await, Some(3), "{fault:?}");
        assert_eq!(fixture.fake().secret_key() != old_keys, fault == Fault::Unauthorized);
        if fault == Fault::BadRecord {
            let mut counts = Vec::new();
            for scan in seeded.scans.values() {
                counts.push(report(fixture.fake(), scan.as_str()).await.len());
            }
            assert_eq!(counts, [4, 3], "one more, of the first target only");
            assert_eq!(export(fixture.fake(), &everything()).await.1.len(), 7);
        }
    }
}
