//! What a run does with a bad chunk, a stuck export, a rate limit, and a scan that is not visible.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_core::Timestamp;
use serde_json::json;
use support::{CANARY, Workspace, on_binding, script, write};
use tenable_was_client::testing::{
    ExportEnd, ExportScript, FakeTenableWas, Licence, Reply, Route, When, demo_tenant,
};

const DAY: Reply = Reply::TooManyRequests { retry_after: 86_400 };

/// A fake with a chunk for each asset, and a folder with a connection to it.
async fn start(licence: Licence, more: &str) -> (FakeTenableWas, Workspace) {
    let mut tenant = demo_tenant();
    for config in &mut tenant.configs {
        config.script = Some(script(&["completed"]));
    }
    let fake = FakeTenableWas::builder()
        .with_keys(CANARY, CANARY)
        .with_tenant(tenant)
        .with_now(Timestamp::now())
        .with_assets_per_chunk(1)
        .with_licence(licence)
        .start()
        .await
        .unwrap();
    let workspace = Workspace::new(&format!(
        "[connections.was]\nscanner = \"tenableiowas\"\nbase_url = \"{}\"\naccess_key_env = \"SECRET\"\nsecret_key_file = \"was.key\"\nmax_attempts = 1\n{more}\n",
        fake.base_url()
    ));
    write(&workspace.path("was.key"), CANARY);
    (fake, workspace)
}

const ALL: [&str; 6] = ["-p", "shop", "-t", "was", "--bind-to", "all"];

fn on_all<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command], &ALL[..], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_chunk_is_exit_7_and_the_next_run_imports_it() {
    for (reply, reason) in
        [(Reply::Json(200, json!({"error": "none"})), "expected an array"), (DAY, "asks to wait 24 h")]
    {
        let (fake, workspace) = start(Licence::Active, "max_retry_after = \"1s\"").await;
        fake.script_chunk(2, When::Always, reply);
        let first = workspace.run(&on_all("import", &["-o", "json"])).await.expect(7).document();
        let gaps = first["import"]["gaps"].as_array().unwrap();
        assert_eq!((gaps.len(), &gaps[0]["kind"]), (1, &json!("chunk")), "{gaps:?}");
        let message = gaps[0]["message"].as_str().unwrap();
        assert!(message.starts_with("chunk 2 of the export could not be read") && message.contains(reason));
        let new = first["import"]["summary"]["new"].as_u64().unwrap();
        let visible = workspace.run(&on_all("findings", &["-o", "json"])).await.expect(0).documents().len();
        assert!(new > 0 && visible > 0, "{new} {visible}");

        fake.recover();
        let second = workspace.run(&on_all("import", &["-o", "json"])).await.expect(0).document();
        assert_eq!(second["import"]["gaps"], json!([]));
        let summary = &second["import"]["summary"];
        assert!(summary["new"].as_u64().unwrap() > 0, "those of the chunk: {summary}");
        assert_eq!(summary["closed"], 0, "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_to_wait_for_a_day_is_exit_8_and_the_next_run_continues() {
    let (fake, workspace) = start(Licence::Active, "max_retry_after = \"1s\"").await;
    fake.script(Route::GetChunk, When::AlwaysAfter(2), DAY);
    fake.script(Route::GetExport, When::AlwaysAfter(3), DAY);
    let result = workspace.run(&on_all("import", &["-o", "json"])).await.expect(8);
    let error = &result.document()["error"];
    assert_eq!((&error["retry_after_seconds"], &error["reason"]), (&json!(86_400), &json!("scanner")));
    assert_eq!(result.stderr.matches("24 h").count(), 1, "{}", result.stderr);

    fake.recover();
    workspace.run(&on_all("import", &[])).await.expect(0);
    let requests = fake.calls_to(Route::RequestExport);
    assert!(requests.len() <= 2, "the run continued: {}", requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_service_asks_for_is_announced_once_and_waited_for() {
    let (fake, workspace) = start(Licence::Active, "").await;
    let config = std::fs::read_to_string(workspace.path("appsec.toml")).unwrap();
    write(&workspace.path("appsec.toml"), &config.replace("max_attempts = 1", "max_attempts = 2"));
    for calls in [1, 3] {
        fake.script(Route::GetChunk, When::After(calls), Reply::TooManyRequests { retry_after: 2 });
    }
    let result = workspace.run(&on_all("import", &[])).await.expect(0);
    assert_eq!(result.stderr.matches("all of them pause for 2 s").count(), 1, "{}", result.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_export_is_exit_7_after_the_patience_and_what_came_is_visible() {
    for (more, arguments) in [("", &["--timeout", "1s"][..]), ("patience = \"1s\"", &[])] {
        let (fake, workspace) = start(Licence::Active, more).await;
        fake.script_export(ExportScript::new().with_end(ExportEnd::Stuck(2)));
        let result = workspace.run(&on_all("import", arguments)).await.expect(7);
        assert!(result.stdout.contains("the export made no progress for"), "{}", result.stdout);
        let visible = workspace.run(&on_all("findings", &["-o", "json"])).await.expect(0).documents().len();
        assert!(visible > 0, "{more}");
        assert!(fake.calls_to(Route::CancelExport).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launched_scan_that_is_not_visible_is_exit_5_then_6_and_then_forgotten() {
    let (fake, workspace) = start(Licence::Active, "").await;
    fake.script(Route::GetScan, When::Always, Reply::Json(404, json!({"reasons": [{"code": "NOT_FOUND"}]})));
    let scan = |more: &[&'static str]| on_binding("scan", &[&["--poll", "1"], more].concat());
    let result = workspace.run(&scan(&["--timeout", "1s"])).await.expect(5);
    assert!(result.stderr.contains("is not visible after"), "{}", result.stderr);
    assert!(result.stderr.contains("looks for the scan"), "{}", result.stderr);

    let result = workspace.run(&scan(&[])).await.expect(6);
    assert!(result.stderr.contains("does not exist any more"), "{}", result.stderr);
    assert_eq!(fake.calls_to(Route::LaunchScan).len(), 1);

    fake.recover();
    workspace.run(&scan(&[])).await;
    assert_eq!(fake.calls_to(Route::LaunchScan).len(), 2, "the scan that was not found is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_results_of_a_scan_that_are_gone_are_exit_8() {
    let (fake, workspace) = start(Licence::Active, "").await;
    let missing = || Reply::Json(404, json!({"reasons": [{"code": "NOT_FOUND"}]}));
    fake.script(Route::GetScan, When::AlwaysAfter(2), missing());
    let result = workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(8);
    assert!(result.stderr.contains("404"), "{}", result.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_that_is_missing_or_expired_fails_ping() {
    for licence in [Licence::Absent, Licence::Expired] {
        let (_fake, workspace) = start(licence, "").await;
        let result = workspace.run(&["ping", "-o", "json"]).await;
        let document = result.document();
        assert_eq!(document["connections"][0]["ok"], false, "{}", result.output());
        let steps = document["connections"][0]["report"]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["outcome"] == "failed").unwrap();
        assert_eq!((&step["kind"], &step["cause"]), (&json!("licence"), &json!("not_licensed")), "{step}");
        assert!(step["remedy"].as_str().unwrap().contains("licence"), "{step}");
        assert_eq!(result.code, 3, "{}", result.output());
    }
}
