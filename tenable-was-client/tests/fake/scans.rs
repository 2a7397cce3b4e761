//! The lives of scans.

use std::time::Duration;

use appsec_core::Severity;
use serde_json::{Value, json};
use tenable_was_client::testing::{
    Advance, FakeConfig, FakeFinding, FakeNote, FakePlugin, FakeScan, FakeTarget, FakeTenableWas, ScanScript,
    days_ago,
};

use crate::http::{get, launch, post, scan, send};

fn target(host: &str, findings: usize) -> FakeTarget {
    let plugin = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let finding = |number| FakeFinding::new(&plugin, format!("https://{host}/{number}?q=1"));
    FakeTarget::new(format!("https://{host}/")).with_findings((0..findings).map(finding))
}

fn single() -> FakeConfig {
    FakeConfig::new("shop").with_target(target("shop.example.com", 4))
}

fn triple() -> FakeConfig {
    let targets = ["a.example.com", "b.example.com", "c.example.com"];
    targets.iter().fold(FakeConfig::new("three"), |config, host| config.with_target(target(host, 2)))
}

async fn start(config: &FakeConfig) -> FakeTenableWas {
    FakeTenableWas::builder().with_config(config.clone()).start().await.unwrap()
}

async fn polls(fake: &FakeTenableWas, id: &str, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(scan(fake, id).await["status"].as_str().unwrap().to_owned());
    }
    words
}

async fn ask(fake: &FakeTenableWas, id: &str, action: &str) -> crate::http::Got {
    let body = json!({"requested_action": action}).to_string();
    send(fake, "PATCH", &format!("/was/v2/scans/{id}"), &body).await
}

#[tokio::test]
async fn a_scan_goes_one_step_with_each_poll() {
    let config = single();
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    assert_eq!(
        polls(&fake, &id, 7).await,
        ["queued", "pending", "running", "running", "processing", "completed", "completed"]
    );
    // Other reads do not move it.
    let second = launch(&fake, &config.id).await;
    for _ in 0..5 {
        post(&fake, "/was/v2/configs/search", &json!({})).await;
        get(&fake, &format!("/was/v2/scans/{second}/notes")).await;
    }
    assert_eq!(fake.scan_status(&second).unwrap(), "queued");
    assert_eq!(fake.scans_of(&config.id).len(), 3, "the one before, and two");
}

#[tokio::test]
async fn a_scan_that_waits_names_no_target_and_one_that_ended_has_all_dates() {
    let config = single();
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    let waiting = scan(&fake, &id).await;
    assert_eq!(waiting.get("asset_id"), None);
    assert_eq!(waiting["metadata"], Value::Null);
    assert_eq!(waiting["started_at"], Value::Null);
    polls(&fake, &id, 5).await;
    let ended = scan(&fake, &id).await;
    assert_eq!(ended["asset_id"], json!(config.targets[0].asset_id));
    assert_eq!(ended["target"], "https://shop.example.com/");
    assert!(ended["finalized_at"].is_string() && ended["started_at"].is_string());
    assert_eq!(ended["metadata"]["scan_status"], "running", "the scanner's own word lags");
}

#[tokio::test]
async fn a_scan_can_run_by_time() {
    let script = ScanScript::new().with_advance(Advance::Every(Duration::from_secs(60)));
    let config = single().with_script(script);
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    assert_eq!(polls(&fake, &id, 3).await, ["queued"; 3]);
    fake.advance(Duration::from_secs(121));
    assert_eq!(polls(&fake, &id, 2).await, ["running"; 2]);
    fake.advance(Duration::from_secs(3600));
    assert_eq!(polls(&fake, &id, 1).await, ["completed"]);
}

#[tokio::test]
async fn details_may_be_hidden_at_first() {
    let config = single().with_script(ScanScript::new().with_hidden_polls(2));
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    for expected in [404, 404, 200] {
        assert_eq!(get(&fake, &format!("/was/v2/scans/{id}")).await.status, expected);
    }
    assert_eq!(fake.scan_status(&id).unwrap(), "pending", "hidden polls do not move it");
}

#[tokio::test]
async fn a_second_launch_names_the_running_scan() {
    let config = single();
    let fake = start(&config).await;
    let path = format!("/was/v2/configs/{}/scans", config.id);
    let id = launch(&fake, &config.id).await;
    let (status, code, reason) = send(&fake, "POST", &path, "").await.reason();
    assert_eq!((status, &*code), (409, "NOT_ALLOWED"));
    assert_eq!(reason, format!("This configuration already has a running scan: '{id}'"));
    let unknown = "/was/v2/configs/00000000-0000-4000-8000-000000000000/scans";
    let got = send(&fake, "POST", unknown, "").await;
    assert_eq!(got.status, 404);
    let documented = include_str!("../../fixtures/fake/error_launch_not_found.json");
    assert_eq!(got.json(), serde_json::from_str::<Value>(documented).unwrap(), "a code and no reason");
}

#[tokio::test]
async fn a_launch_without_a_slot_is_asked_to_wait() {
    let fake = FakeTenableWas::builder()
        .with_config(single())
        .with_config(triple())
        .with_max_active_scans(1)
        .start()
        .await
        .unwrap();
    launch(&fake, &single().id).await;
    let got = send(&fake, "POST", &format!("/was/v2/configs/{}/scans", triple().id), "").await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("30")));
    assert!(got.header("content-type").unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn stop_pause_and_resume_keep_their_turns() {
    let config = single();
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    polls(&fake, &id, 1).await;
    let (status, code, reason) = ask(&fake, &id, "stop").await.reason();
    assert_eq!((status, &*code), (409, "NOT_ALLOWED"));
    assert_eq!(reason, format!("Can't update scan '{id}' with status 'Pending'"));

    polls(&fake, &id, 1).await;
    let got = ask(&fake, &id, "pause").await;
    assert_eq!((got.status, got.json()), (202, json!({})));
    assert_eq!(polls(&fake, &id, 3).await, ["pausing", "paused", "paused"]);
    assert_eq!(ask(&fake, &id, "stop").await.status, 409);
    assert_eq!(ask(&fake, &id, "resume").await.status, 202);
    assert_eq!(polls(&fake, &id, 4).await, ["running", "running", "processing", "completed"]);

    let second = single().with_id("0e0e0e0e-0000-4000-8000-000000000001");
    fake.edit(|tenant| tenant.configs.push(second.clone()));
    let id = launch(&fake, &second.id).await;
    polls(&fake, &id, 2).await;
    assert_eq!(ask(&fake, &id, "stop").await.status, 202);
    let stopping = scan(&fake, &id).await;
    assert_eq!((&stopping["status"], &stopping["requested_action"]), (&json!("stopping"), &json!("stop")));
    assert_eq!(polls(&fake, &id, 2).await, ["canceled"; 2]);
    let (_, _, reason) = ask(&fake, &id, "stop").await.reason();
    assert!(reason.ends_with("with status 'Stopped'"), "{reason}");
    assert_eq!(ask(&fake, &id, "explode").await.reason().1, "INVALID_JSON_BODY");
    let vulnerabilities =
        post(&fake, &format!("/was/v2/scans/{id}/vulnerabilities/search"), &json!({})).await;
    assert_eq!(vulnerabilities.items().len(), 2, "what was found before the stop stays");
}

#[tokio::test]
async fn an_aborted_scan_says_why_in_its_notes() {
    let script = ScanScript::new()
        .with_statuses(["queued", "running", "aborted"])
        .with_note(FakeNote::authentication_failed());
    let config = single().with_script(script);
    let fake = start(&config).await;
    let id = launch(&fake, &config.id).await;
    let notes = format!("/was/v2/scans/{id}/notes");
    assert!(get(&fake, &notes).await.items().is_empty(), "nothing to say yet");
    assert_eq!(polls(&fake, &id, 3).await, ["queued", "running", "aborted"]);
    let got = get(&fake, &notes).await;
    assert_eq!(got.column("title"), ["Authentication Failed"]);
    assert_eq!(got.column("severity"), ["high"]);
}

#[tokio::test]
async fn a_scan_of_several_targets_is_a_parent_with_children() {
    let mut config = triple();
    config.targets[2] = target("c.example.com", 2).with_outcome("aborted", [FakeNote::target_unreachable()]);
    let fake = start(&config).await;
    let parent = launch(&fake, &config.id).await;
    polls(&fake, &parent, 2).await;
    let running = scan(&fake, &parent).await;
    assert_eq!(running["status"], "running");
    assert_eq!(running["metadata"], json!({"finalized_children": 1, "total_children": 3}));
    assert_eq!(running["target_scans"], json!({"completed": 1, "running": 2}));
    assert_eq!((running.get("target"), running.get("asset_id")), (None, None));
    polls(&fake, &parent, 2).await;
    let ended = scan(&fake, &parent).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["target_scans"], json!({"completed": 2, "aborted": 1}));

    let listed =
        post(&fake, &format!("/was/v2/configs/{}/scans/search?limit=200", config.id), &json!({})).await;
    let children: Vec<_> =
        listed.items().into_iter().filter(|scan| scan["parent_id"] == json!(parent)).collect();
    assert_eq!(children.len(), 3);
    let rows =
        post(&fake, &format!("/was/v2/scans/{parent}/vulnerabilities/by-targets/search"), &json!({})).await;
    let mut by_row: Vec<_> = rows.items().iter().map(|row| row["scan"]["scan_id"].clone()).collect();
    let mut by_search: Vec<_> = children.iter().map(|child| child["scan_id"].clone()).collect();
    by_row.sort_by_key(Value::to_string);
    by_search.sort_by_key(Value::to_string);
    assert_eq!(by_row, by_search);

    let lost = children.iter().find(|child| child["status"] == "aborted").unwrap();
    assert_eq!(lost["target"], "https://c.example.com/");
    let notes = get(&fake, &format!("/was/v2/scans/{}/notes", lost["scan_id"].as_str().unwrap())).await;
    assert_eq!(notes.column("title"), ["Target Unreachable"]);
    let report = get(&fake, &format!("/was/v2/scans/{parent}/report")).await;
    assert_eq!((report.status, report.json()), (404, json!({})), "reports belong to the children");
}

#[tokio::test]
async fn a_stopped_parent_takes_its_children_along_but_not_those_that_ended() {
    let config = triple();
    let fake = start(&config).await;
    let parent = launch(&fake, &config.id).await;
    polls(&fake, &parent, 2).await;
    assert_eq!(ask(&fake, &parent, "stop").await.status, 202);
    polls(&fake, &parent, 2).await;
    let ended = scan(&fake, &parent).await;
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["target_scans"], json!({"canceled": 2, "completed": 1}));
}

#[tokio::test]
async fn polling_a_child_moves_its_parent() {
    let config = triple();
    let fake = start(&config).await;
    let parent = launch(&fake, &config.id).await;
    let listed = post(&fake, &format!("/was/v2/configs/{}/scans/search", config.id), &json!({})).await;
    let child = listed.items().into_iter().find(|scan| scan["parent_id"] == json!(parent)).unwrap();
    let words = polls(&fake, child["scan_id"].as_str().unwrap(), 6).await;
    assert_eq!(words.last().unwrap(), "completed");
    assert_eq!(fake.scan_status(&parent).unwrap(), "completed");
}

#[tokio::test]
async fn scans_of_a_configuration_are_found_newest_first_and_by_filter() {
    let scans = [FakeScan::new("aborted", days_ago(9)), FakeScan::completed(days_ago(2))];
    let config = single().with_scans(scans);
    let fake = start(&config).await;
    let path = format!("/was/v2/configs/{}/scans/search", config.id);
    assert_eq!(post(&fake, &path, &json!({})).await.column("status"), ["completed", "aborted"]);
    for (operator, value, expected) in [
        ("eq", json!("aborted"), vec!["aborted"]),
        ("neq", json!("aborted"), vec!["completed"]),
        ("contains", json!(["aborted", "canceled"]), vec!["aborted"]),
        ("match", json!("complet"), vec!["completed"]),
    ] {
        let filter = json!({"field": "status", "operator": operator, "value": value});
        assert_eq!(post(&fake, &path, &filter).await.column("status"), expected, "{operator}");
    }
    let since = json!({"AND": [{"field": "finalized_at", "operator": "gte", "value": "2026/10/10"}]});
    assert_eq!(post(&fake, &path, &since).await.column("status"), ["completed"]);
}

#[tokio::test]
async fn a_configuration_shows_its_last_scan_or_null() {
    let fake = FakeTenableWas::builder()
        .with_config(single())
        .with_config(triple().never_run())
        .start()
        .await
        .unwrap();
    let got = post(&fake, "/was/v2/configs/search?sort=name:asc", &json!({})).await;
    assert_eq!(got.items()[0]["last_scan"]["status"], "completed");
    assert_eq!(got.items()[1]["last_scan"], Value::Null);
    let id = launch(&fake, &single().id).await;
    let got = post(&fake, "/was/v2/configs/search?sort=name:asc", &json!({})).await;
    assert_eq!(got.items()[0]["last_scan"]["scan_id"], json!(id));
}
