//! Launching where a scan is running already.

use std::time::Duration;

use appsec_core::ErrorKind;
use serde_json::json;
use tenable_was_client::testing::{FakeScan, FakeTenableWas, Reply, Route, ScanScript, When, hours_ago};
use tenable_was_client::{Launch, OnRunning, WaitOptions};

use crate::{shop, start, with_shop};

fn launches(fake: &FakeTenableWas) -> usize {
    fake.calls_to(Route::LaunchScan).len()
}

#[tokio::test]
async fn where_none_runs_one_is_started() {
    for on_running in [OnRunning::Adopt, OnRunning::StopAndRelaunch] {
        let (fake, client, id, _) = with_shop().await;
        let launch = client.launch_or(id, on_running).await.unwrap();
        let Launch::Started(scan) = launch else { panic!("{launch:?}") };
        assert_eq!(launch.scan(), scan);
        assert_eq!((launches(&fake), fake.calls_to(Route::UpdateScan).len()), (1, 0));
    }
}

#[tokio::test]
async fn one_that_runs_is_adopted() {
    let (fake, client, id, _) = with_shop().await;
    let running = client.launch_scan(id).await.unwrap();
    assert_eq!(client.launch_or(id, OnRunning::Adopt).await.unwrap(), Launch::Adopted(running));
    assert_eq!((launches(&fake), fake.calls_to(Route::UpdateScan).len()), (2, 0));
}

#[tokio::test]
async fn one_that_runs_is_stopped_waited_for_and_followed() {
    let (fake, client, id, _) = with_shop().await;
    // It waits first, which nothing can stop.
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
async fn one_that_is_paused_is_resumed_to_be_stopped() {
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
async fn a_refusal_that_names_no_scan_is_followed_by_looking_for_it() {
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
async fn a_conflict_without_a_scan_stays_one() {
    let (fake, client, id, _) = with_shop().await;
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": "not today"}]});
    fake.script(Route::LaunchScan, When::Always, Reply::Json(409, refusal));
    let error = client.launch_or(id, OnRunning::Adopt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn one_that_does_not_end_is_waited_for_in_bounds() {
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
    assert_eq!(launches(&fake), 2, "one, and one that was refused");
}

#[tokio::test]
async fn a_refusal_that_lags_behind_the_end_is_waited_out() {
    let (fake, client, id, ended) = with_shop().await;
    let words = format!("This configuration already has a running scan: '{ended}'");
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": words}]});
    fake.script(Route::LaunchScan, When::Next(3), Reply::Json(409, refusal));
    let launch = client.launch_or(id, OnRunning::StopAndRelaunch).await.unwrap();
    assert!(matches!(launch, Launch::Relaunched { ended: named, .. } if named == ended), "{launch:?}");
    assert_eq!(launches(&fake), 4);
}
