//! `appsec schedule`, and the worker that runs what is due.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Fakes, STOREFRONT, Workspace, write};

fn bindings(cron: &str) -> String {
    format!(
        r#"
        [[bindings]]
        name = "shop"
        project = "shop"
        scanner = "was"
        bind_target = "{STOREFRONT}"
        schedule = {{ cron = "{cron}", time_zone = "Europe/Berlin" }}
        [[bindings]]
        name = "api"
        project = "api"
        scanner = "salt"
        bind_target = "all"
        run = "sync"
        schedule = {{ rrule = "FREQ=YEARLY", starts = "2026-01-01T00:00:00" }}
        "#
    )
}

async fn list(workspace: &Workspace) -> Vec<Value> {
    let result = workspace.run(&["schedule", "list", "-o", "json"]).await;
    // There is no store before the schedule is applied.
    if result.code == 2 { Vec::new() } else { result.expect(0).documents() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_is_applied_and_shows_its_next_times() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(&bindings("30 2 29 2 *"));
    let would = workspace.run(&["schedule", "apply", "--dry-run", "-o", "json"]).await.expect(0).document();
    assert_eq!(would["added"], serde_json::json!(["shop", "api"]));
    assert!(list(&workspace).await.is_empty(), "a dry run changes nothing");
    let applied = workspace.run(&["schedule", "apply"]).await.expect(0);
    assert_eq!(applied.stdout, "added\tshop\nadded\tapi\n2 bindings are scheduled\n");

    let next = workspace.run(&["schedule", "next", "shop", "-n", "1"]).await.expect(0);
    assert!(next.stdout.contains("-02-29 02:30 +01:00"), "{}", next.stdout);
    workspace.run(&["schedule", "due"]).await.expect(0);
    workspace.run(&["schedule", "run-now", "shop"]).await.expect(0);
    workspace.run(&["schedule", "run-now", "unknown"]).await.expect(2);
    let hinted = workspace.run(&["schedule", "hint", "-t", "saltsecurity", "all"]).await.expect(0);
    assert_eq!(hinted.stdout, "1 bindings are due\n");
    let states: Vec<_> = list(&workspace).await.iter().map(|entry| entry["state"].clone()).collect();
    assert_eq!(states, ["due", "due"]);

    // The schedule follows the configuration.
    let text = std::fs::read_to_string(workspace.path("appsec.toml")).unwrap();
    write(&workspace.path("appsec.toml"), text.split("[[bindings]]").next().unwrap());
    let applied = workspace.run(&["schedule", "apply", "-o", "plain"]).await.expect(0);
    assert_eq!(applied.stdout, "removed\tapi\nremoved\tshop\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_runs_what_is_due_and_stops_cleanly() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(&bindings("30 2 29 2 *"));
    let mut worker = workspace.command(&["worker", "--apply", "--slots", "2"]);
    let mut worker = worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // The store has the schedule once the worker has applied it.
    while list(&workspace).await.len() < 2 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the worker applied nothing");
    }
    workspace.run(&["schedule", "run-now", "shop", "api"]).await.expect(0);
    loop {
        let entries = list(&workspace).await;
        if entries.iter().all(|entry| entry["state"] == "waiting" && entry["ended_at"].is_string()) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{entries:?}");
    }
    let term = Command::new("kill").args(["-s", "TERM", &worker.id().to_string()]).status().unwrap();
    assert!(term.success());
    let result = tokio::task::spawn_blocking(move || {
        let status = worker.wait().unwrap();
        (status, std::io::read_to_string(worker.stderr.take().unwrap()).unwrap())
    });
    let (status, messages) = result.await.unwrap();
    assert_eq!(status.code(), Some(0), "{messages}");
    assert!(messages.contains("imported"), "{messages}");
    assert!(!messages.contains(support::CANARY), "{messages}");
    let findings = workspace.run(&["findings", "-p", "shop", "-t", "was", "-o", "json"]).await.expect(0);
    assert!(!findings.documents().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_due_exits_1_if_a_scanner_refuses() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(&bindings("30 2 29 2 *"));
    write(&workspace.path("was.key"), "wrong");
    workspace.run(&["schedule", "apply"]).await.expect(0);
    workspace.run(&["schedule", "run-now", "shop"]).await.expect(0);
    let mut worker = workspace.command(&["worker", "--grace", "0"]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    loop {
        let due = workspace.run(&["schedule", "due"]).await;
        if due.code == 1 {
            assert!(due.stdout.contains("breaker open"), "{}", due.stdout);
            assert!(due.stdout.contains("credentials refused"), "{}", due.stdout);
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", due.stdout);
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
}
