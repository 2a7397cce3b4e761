//! The tenant for demonstrations is realistic, and the same each time.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenable_was_client::testing::{FakeTenableWas, demo_tenant};

use crate::http::{everything, export, get, post};

async fn fake() -> FakeTenableWas {
    FakeTenableWas::builder().with_tenant(demo_tenant()).with_assets_per_chunk(2).start().await.unwrap()
}

#[test]
fn it_is_the_same_each_time() {
    assert_eq!(demo_tenant(), demo_tenant());
}

#[test]
fn no_two_findings_are_the_same() {
    let tenant = demo_tenant();
    let targets = || tenant.configs.iter().flat_map(|config| &config.targets);
    let ids: BTreeSet<_> = targets()
        .flat_map(|target| target.findings.iter().map(|finding| finding.finding_id(&target.asset_id)))
        .collect();
    assert_eq!(ids.len(), tenant.findings().count());
    assert!((380..=420).contains(&ids.len()), "{}", ids.len());
}

#[tokio::test]
async fn it_has_every_oddity() {
    let fake = fake().await;
    let configs = post(&fake, "/was/v2/configs/search?limit=200&sort=name:asc", &json!({})).await.items();
    assert_eq!(configs.len(), 6);
    let last = |word: &str| configs.iter().filter(|config| config["last_scan"]["status"] == *word).count();
    assert_eq!((last("completed"), last("aborted")), (4, 1));
    assert_eq!(configs.iter().filter(|config| config["last_scan"].is_null()).count(), 1);
    assert!(
        configs
            .iter()
            .any(|config| config["last_scan"]["target_scans"] == json!({"completed": 2, "aborted": 1}))
    );
    assert!(configs.iter().any(
        |config| config["last_scan"]["status"] == "aborted" && config["last_scan"]["metadata"].is_null()
    ));

    let mut titles = BTreeSet::new();
    for config in &configs {
        let Some(id) = config["last_scan"]["scan_id"].as_str() else { continue };
        titles.extend(get(&fake, &format!("/was/v2/scans/{id}/notes")).await.column("title"));
    }
    assert_eq!(titles, ["Authentication Failed", "Scan Time Limit Reached"].map(str::to_owned).into());

    let (status, records) = export(&fake, &everything()).await;
    assert_eq!(status["status"], "FINISHED");
    assert_eq!(records.len(), demo_tenant().findings().count());
    let words = |field: &str| -> BTreeSet<String> {
        records.iter().map(|record| record[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words("state"), ["FIXED", "OPEN", "REOPENED"].map(str::to_owned).into());
    let modifications = ["ACCEPTED", "DEFERRED", "NONE", "RECASTED"];
    assert_eq!(words("severity_modification_type"), modifications.map(str::to_owned).into());
    assert!(words("severity").contains("SEVERE"));
    assert_eq!(words("severity").len(), 6);
    assert!(records.iter().any(|record| record["plugin"]["bid"] == json!(["105658"])));

    let unlicensed = export(&fake, &json!({"filters": {"since": 1}})).await.1.len();
    assert!(unlicensed < records.len(), "one asset is not licensed");
}

#[tokio::test]
async fn dates_move_along_with_the_clock() {
    let now = "2030-01-01T00:00:00Z".parse().unwrap();
    let fake = FakeTenableWas::builder().with_tenant(demo_tenant()).with_now(now).start().await.unwrap();
    let (_, records) = export(&fake, &json!({})).await;
    assert!(!records.is_empty(), "the last thirty days are full of findings");
    let last = |record: &Value| record["last_found"].as_str().unwrap().to_owned();
    assert!(records.iter().all(|record| last(record).starts_with("2029-12")), "{}", last(&records[0]));
}
