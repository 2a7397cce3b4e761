//! Launching where a scan is running already.

use std::time::Duration;

use appsec_core::ErrorKind;
use serde_json::json;
use tenable_was_client::testing::{FakeScan, FakeTenableWas, Reply, Route, ScanScript, When, hours_ago};
use tenable_was_client::{
    WaitOptions,
    workflows::{Launch, OnRunning},
};

use crate::{shop, start, with_shop};

fn launches(fake: &FakeTenableWas) -> usize {
    fake.calls_to(Route::LaunchScan).len()
}

#[tokio::test]
async fn a_scan_is_started_if_none_is_running() {
    for on_running in [OnRunning::Adopt, OnRunning::StopAndRelaunch] {
        let (fake, client, id, _) = with_shop().await;
        let launch = client.launch_or(id, on_running).await.unwrap();
        let Launch::Started(scan) = launch else { panic!("{launch:?}") };
        assert_eq!(launch.scan(), scan);
        assert_eq!((launches(&fake), fake.calls_to(Route::UpdateScan).len()), (1, 0));
    }
}

#[tokio::test]
async fn a_running_scan_is_adopted() {
    let (fake, client, id, _) = with_shop().await;
    let running = client.launch_scan(id).await.unwrap();
    assert_eq!(client.launch_or(id, OnRunning::Adopt).await.unwrap(), Launch::Adopted(running));
    assert_eq!((launches(&fake), fake.calls_to(Route::UpdateScan).len()), (2, 0));
}

#[tokio::test]
async fn a_running_scan_is_stopped_waited_for_and_relaunched() {
    let (fake, client, id, _) = with_shop().await;
    // It is queued first, and a queued scan cannot be stopped.
    let running = client.launch_scan(id).await.unwrap();
    let launch = client.launch_or(id, OnRunning::StopAndRelaunch).await.unwrap();
    let Launch::Relaunched { ended, scan } = launch else { panic!("{launch:?}") };
    assert_eq!(ended, running);
    assert_eq!(fake.scan_status(&running.to_string()).unwrap(), "canceled");
    assert_eq!(fake.scan_status(&scan.to_string()).unwrap(), "queued");
    let actions = fake.calls_to(Route::UpdateScan);
    assert!(actions.iter().all(|call| call.json() == json!({"requested_action": "stop"})), "{actions:?}");
}

#[tokio::test]
async fn a_paused_scan_is_resumed_and_then_stopped() {
    let script = ScanScript::new().with_statuses(["running"; 30]);
    let config = shop().with_script(script);
    let id = config.id.parse().unwrap();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config)).await;
    let running = client.launch_scan(id).await.unwrap();
    client.pause_scan(running).await.unwrap();
    while fake.scan_status(&running.to_string()).unwrap() != "paused" {
        client.get_scan(running).await.unwrap();
    }
    let launch = client.launch_or(id, OnRunning::StopAndRelaunch).await.unwrap();
    assert!(matches!(launch, Launch::Relaunched { ended, .. } if ended == running), "{launch:?}");
    let asked: Vec<_> =
        fake.calls_to(Route::UpdateScan).iter().map(|call| call.json()["requested_action"].clone()).collect();
    assert_eq!(&asked[..3], ["pause", "resume", "stop"]);
}

#[tokio::test]
async fn a_refusal_without_a_scan_id_leads_to_a_search_for_the_running_scan() {
    let config = shop().with_scans([FakeScan::new("running", hours_ago(1))]);
    let id = config.id.parse().unwrap();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let running = fake.scans_of(&config.id).pop().unwrap();
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": "a scan is running"}]});
    fake.script(Route::LaunchScan, When::Always, Reply::Json(409, refusal));
    let launch = client.launch_or(id, OnRunning::Adopt).await.unwrap();
    assert_eq!(launch.scan().to_string(), running);
}

#[tokio::test]
async fn a_conflict_without_a_running_scan_is_returned() {
    let (fake, client, id, _) = with_shop().await;
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": "not today"}]});
    fake.script(Route::LaunchScan, When::Always, Reply::Json(409, refusal));
    let error = client.launch_or(id, OnRunning::Adopt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn the_wait_for_the_end_of_a_scan_is_bounded() {
    let script = ScanScript::new().with_statuses(["queued"]);
    let config = shop().with_script(script);
    let id = config.id.parse().unwrap();
    let (fake, _) = start(FakeTenableWas::builder().with_config(config)).await;
    let short = Duration::from_millis(2);
    let waits = WaitOptions::new().with_pauses(short, short).with_patience(Duration::from_millis(50));
    let client = fake.client_builder().with_waits(waits).build().unwrap();
    let running = client.launch_scan(id).await.unwrap();
    let error = client.launch_or(id, OnRunning::StopAndRelaunch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.message().contains(&running.to_string()), "{error}");
    assert_eq!(launches(&fake), 2, "one that succeeded and one that was refused");
}

#[tokio::test]
async fn a_refusal_after_the_end_of_the_scan_is_waited_out() {
    let (fake, client, id, ended) = with_shop().await;
    let reason = format!("This configuration already has a running scan: '{ended}'");
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": reason}]});
    fake.script(Route::LaunchScan, When::Next(3), Reply::Json(409, refusal));
    let launch = client.launch_or(id, OnRunning::StopAndRelaunch).await.unwrap();
    assert!(matches!(launch, Launch::Relaunched { ended: named, .. } if named == ended), "{launch:?}");
    assert_eq!(launches(&fake), 4);
}
