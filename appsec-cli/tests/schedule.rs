//! The schedule from the command line, and the worker that runs it, against the fakes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Desk, Fakes, STOREFRONT, write};

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

async fn list(desk: &Desk) -> Vec<Value> {
    desk.run(&["schedule", "list", "-o", "json"]).await.expect(0).documents()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_is_applied_listed_and_asked_when_it_comes() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk(&bindings("30 2 29 2 *"));
    let would = desk.run(&["schedule", "apply", "--dry-run", "-o", "json"]).await.expect(0).document();
    assert_eq!(would["added"], serde_json::json!(["shop", "api"]));
    assert!(list(&desk).await.is_empty(), "a dry run changes nothing");
    let applied = desk.run(&["schedule", "apply"]).await.expect(0);
    assert_eq!(applied.stdout, "added\tshop\nadded\tapi\n2 bindings are scheduled\n");

    let next = desk.run(&["schedule", "next", "shop", "-n", "1"]).await.expect(0);
    assert!(next.stdout.contains("-02-29 02:30 +01:00"), "{}", next.stdout);
    desk.run(&["schedule", "due"]).await.expect(0);
    desk.run(&["schedule", "run-now", "shop"]).await.expect(0);
    desk.run(&["schedule", "run-now", "nobody"]).await.expect(2);
    let hinted = desk.run(&["schedule", "hint", "-t", "saltsecurity", "all"]).await.expect(0);
    assert_eq!(hinted.stdout, "1 bindings are due\n");
    let states: Vec<_> = list(&desk).await.iter().map(|entry| entry["state"].clone()).collect();
    assert_eq!(states, ["due", "due"]);

    // Another configuration, and the schedule is that.
    let text = std::fs::read_to_string(desk.path("appsec.toml")).unwrap();
    write(&desk.path("appsec.toml"), text.split("[[bindings]]").next().unwrap());
    let applied = desk.run(&["schedule", "apply", "-o", "plain"]).await.expect(0);
    assert_eq!(applied.stdout, "removed\tapi\nremoved\tshop\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_runs_what_is_due_and_ends_in_good_order() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk(&bindings("30 2 29 2 *"));
    let mut worker = desk.command(&["worker", "--apply", "--slots", "2"]);
    let mut worker = worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // The schedule is there once the worker has applied it.
    while list(&desk).await.len() < 2 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the worker applied nothing");
    }
    desk.run(&["schedule", "run-now", "shop", "api"]).await.expect(0);
    loop {
        let entries = list(&desk).await;
        if entries.iter().all(|entry| entry["state"] == "waiting" && entry["ended_at"].is_string()) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{entries:?}");
    }
    let term = Command::new("kill").args(["-s", "TERM", &worker.id().to_string()]).status().unwrap();
    assert!(term.success());
    let ended = tokio::task::spawn_blocking(move || {
        let status = worker.wait().unwrap();
        (status, std::io::read_to_string(worker.stderr.take().unwrap()).unwrap())
    });
    let (status, said) = ended.await.unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("imported"), "{said}");
    assert!(!said.contains(support::CANARY), "{said}");
    let findings = desk.run(&["findings", "-p", "shop", "-t", "was", "-o", "json"]).await.expect(0);
    assert!(!findings.documents().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_refuses_is_seen_in_what_is_due() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk(&bindings("30 2 29 2 *"));
    write(&desk.path("was.key"), "wrong");
    desk.run(&["schedule", "apply"]).await.expect(0);
    desk.run(&["schedule", "run-now", "shop"]).await.expect(0);
    let mut worker = desk.command(&["worker", "--grace", "0"]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    loop {
        let due = desk.run(&["schedule", "due"]).await;
        if due.code == 1 {
            assert!(due.stdout.contains("connection closed"), "{}", due.stdout);
            assert!(due.stdout.contains("credentials refused"), "{}", due.stdout);
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", due.stdout);
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
}
