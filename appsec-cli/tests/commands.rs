//! Each command's JSON, and what no output ever holds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use support::{CANARY, Desk, Fakes, on_line, script, write};
use tenable_was_client::testing::Route;

#[tokio::test(flavor = "multi_thread")]
async fn ping_reports_each_connection_in_one_document() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let document = desk.run(&["ping", "-o", "json"]).await.expect(0).document();
    let connections = document["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 2);
    for connection in connections {
        assert_eq!(connection["ok"], true);
        assert_eq!(connection["report"]["steps"].as_array().unwrap().len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_a_line_each_and_by_name() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let targets = desk.run(&["targets", "-t", "was", "-o", "json"]).await.expect(0).documents();
    assert_eq!(targets.len(), 6);
    assert!(targets.iter().all(|target| target["id"].as_str().unwrap().starts_with("config:")));
    let ended = desk.run(&["targets", "-t", "was", "STOREFRONT", "-o", "plain"]).await.expect(0);
    assert_eq!(ended.stdout.lines().count(), 2);
    assert!(ended.stdout.lines().all(|line| line.split('\t').count() == 5), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_told_judged_listed_explained_and_reported() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("[gate.total]\ncritical = 0\n");
    let binding = ["-p", "shop", "-t", "salt", "--bind-to", "all", "-b", "main"];
    let words = |command: &'static str, more: &[&'static str]| [&[command], &binding[..], more].concat();

    let dry = desk.run(&words("import", &["--dry-run", "-o", "json"])).await;
    assert_eq!(dry.document()["import"]["dry_run"], true);
    assert!(desk.run(&words("findings", &["-o", "json"])).await.expect(0).stdout.is_empty());

    let scan = desk.run(&words("scan", &["--scan-tag", "first", "-o", "json"])).await;
    let document = scan.document();
    assert_eq!(document["binding"]["scan_tag"], "first");
    assert!(document["gate"]["counts"]["total"]["critical"].as_u64().unwrap() > 0);
    assert!(scan.stderr.contains("starts no scans"), "{}", scan.stderr);

    let findings = desk.run(&words("findings", &["-o", "json"])).await.expect(0).documents();
    let known = document["import"]["summary"]["new"].as_u64().unwrap();
    assert!(findings.len() as u64 >= known, "{} of {known}", findings.len());
    let fingerprint = findings[0]["fingerprint"].as_str().unwrap();
    // The binding is known now: it need not be spelled out.
    let why =
        desk.run(&["explain", "-p", "shop", "-t", "saltsecurity", &fingerprint[..12], "-o", "json"]).await;
    let why = why.expect(0).document();
    assert_eq!(why["finding"]["fingerprint"], fingerprint);
    assert_eq!(why["history"][0]["scan_tag"], "first");

    for format in ["sarif", "gitlab", "defectdojo", "ocsf", "csv", "jsonl"] {
        let report = desk.run(&["report", "-p", "shop", "-t", "salt", "-f", format]).await.expect(0);
        assert!(report.stdout.len() > 1000, "{format}");
    }
    let report = ["report", "-p", "shop", "-t", "salt", "-f", "sarif", "--out", "shop.sarif", "-o", "json"];
    let written = desk.run(&report).await.expect(0).document();
    assert_eq!(written["files"][0], "shop.sarif");
    let sarif: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.path("shop.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_was_left_is_imported_by_the_next_run() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let started = desk.run(&on_line("scan", &["--async", "-o", "json"])).await.expect(0).document();
    let scan = started["scan"]["id"].as_str().unwrap().to_owned();
    let again = desk.run(&on_line("scan", &["--async", "-o", "json"])).await.expect(0).document();
    assert_eq!(again["scan"]["id"], scan.as_str());
    let imported = desk.run(&on_line("import", &["--poll", "1", "-o", "json"])).await.expect(0).document();
    assert_eq!(imported["import"]["scan"], scan.as_str());
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_gate_says_which_bound_and_partial_data_are_not_judged() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let scan = on_line("scan", &["--poll", "1", "--threshold-crit", "0", "--threshold-new-low", "100000"]);
    let ended = desk.run(&scan).await.expect(1);
    assert!(ended.stdout.contains("open critical, the limit is 0"), "{}", ended.stdout);
    fakes.half(Some(tenable_was_client::testing::FakeNote::time_limit()));
    let ended = desk.run(&scan).await.expect(7);
    assert!(ended.stdout.contains("cannot be judged"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said_however_much_is_said() {
    let fakes = Fakes::start().await;
    // `Desk::run` looks for the canary in everything that is printed.
    let desk = fakes.desk("");
    for arguments in [
        vec!["ping", "-vvv"],
        vec!["targets", "-t", "salt", "-vvv"],
        on_line("scan", &["--poll", "1", "-vvv", "-o", "json"]),
    ] {
        let ended = desk.run(&arguments).await.expect(0);
        assert!(!ended.said().is_empty());
    }
    fakes.salt.revoke_token();
    fakes.tenable.revoke_keys();
    for arguments in
        [vec!["ping", "-vvv"], vec!["targets", "-t", "salt", "-vvv"], on_line("import", &["-vvv"])]
    {
        desk.run(&arguments).await.expect(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_the_usual_variables_without_a_configuration() {
    let fakes = Fakes::start().await;
    let desk = Desk::new("");
    let mut command = desk.command(&["ping", "-o", "json"]);
    command.env("SALT_API_TOKEN", CANARY).env("SALT_BASE_URL", fakes.salt.base_url());
    command.env("TENABLE_ACCESS_KEY", CANARY).env("TENABLE_SECRET_KEY", CANARY);
    command.env("TENABLE_BASE_URL", fakes.tenable.base_url());
    let document = desk.end(command).await.expect(0).document();
    let names: Vec<_> = document["connections"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["saltsecurity", "tenableiowas"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_the_line_go_so_that_the_next_run_goes_on() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    fakes.edit(|config| config.script = Some(script(&["running"])));
    let mut command = desk.command(&on_line("scan", &["--poll", "1"]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(talk.any(|binding| binding.unwrap().contains("running")));
    // It watches the scan, which it has kept by then, from the second look on: the first belongs to the start.
    while fakes.tenable.calls_to(Route::GetScan).len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));

    let ended = desk.run(&on_line("import", &["--poll", "1", "--timeout", "1s"])).await.expect(5);
    assert!(!ended.stderr.contains("another process"), "{}", ended.stderr);
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 1, "the scan is the one that was started");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_error() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let mut command = desk.command(&["targets", "-t", "was", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_says_where_it_is_and_is_steered() {
    let desk = Desk::new("");
    let mut command = desk.command(&["mock", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut bindings = BufReader::new(child.stdout.take().unwrap()).lines();
    let place: Value = serde_json::from_str(&bindings.next().unwrap().unwrap()).unwrap();
    let mut ping = desk.command(&["ping", "-t", "saltsecurity"]);
    ping.env("SALT_API_TOKEN", place["saltsecurity"]["token"].as_str().unwrap());
    ping.env("SALT_BASE_URL", place["saltsecurity"]["base_url"].as_str().unwrap());
    desk.end(ping).await.expect(0);

    let control = place["control"]["base_url"].as_str().unwrap().trim_start_matches("http://");
    let asked = request(control, "GET", "/saltsecurity/calls").await;
    assert!(asked.contains("/v1/inventory/hosts"), "{asked}");
    assert!(request(control, "POST", "/saltsecurity/answer?status=503&times=2").await.contains("done"));
    assert!(request(control, "POST", "/nobody/recover").await.contains("404"));
    for (fake, test) in [("saltsecurity", "503"), ("tenableiowas", "401")] {
        assert!(
            request(control, "POST", &format!("/{fake}/answer?status={test}&times=9")).await.contains("done")
        );
        assert!(request(control, "POST", &format!("/{fake}/reset")).await.contains("done"));
        assert!(
            request(control, "GET", &format!("/{fake}/calls")).await.ends_with("[]"),
            "asked for nothing"
        );
    }
    let mut ping = desk.command(&["ping", "-t", "tenableiowas"]);
    for (name, key) in [
        ("TENABLE_ACCESS_KEY", "access_key"),
        ("TENABLE_SECRET_KEY", "secret_key"),
        ("TENABLE_BASE_URL", "base_url"),
    ] {
        ping.env(name, place["tenableiowas"][key].as_str().unwrap());
    }
    desk.end(ping).await.expect(0);
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn request(address: &str, method: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_story() {
    let desk = Desk::new("");
    let ended = desk.run(&["demo"]).await.expect(0);
    let mut rest = ended.stdout.as_str();
    for expected in [
        "$ appsec ping -t was-old-key",
        "credentials    FAILED",
        "[exit code 3: credentials]",
        "$ appsec ping -t was -t salt",
        "[exit code 0: passed]",
        "storefront nightly",
        "111 new, 0 recurrent",
        "the gate failed",
        "[exit code 1: gate_failed]",
        "53 kept open unseen",
        "the gate is undecided",
        "[exit code 7: partial]",
        "not closed, open",
        "53 closed",
        "closed by this run",
        "shop.sarif",
    ] {
        let (_, after) =
            rest.split_once(expected).unwrap_or_else(|| panic!("{expected} in {}", ended.stdout));
        rest = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_manual_are_written() {
    let desk = Desk::new("");
    assert!(desk.run(&["completions", "bash"]).await.expect(0).stdout.contains("complete -F"));
    assert!(desk.run(&["man"]).await.expect(0).stdout.contains(".TH appsec"));
    desk.run(&["man", "pages"]).await.expect(0);
    assert!(desk.path("pages/appsec-scan.1").is_file());
    write(&desk.path("file"), "");
    desk.run(&["man", "file"]).await.expect(9);
}

/// The list of commands is what people and scripts hold on to.
#[tokio::test(flavor = "multi_thread")]
async fn the_help_lists_every_command_and_the_exit_codes() {
    let help = Desk::new("").run(&["-h"]).await.expect(0).stdout;
    let commands: Vec<_> = help
        .lines()
        .skip_while(|binding| *binding != "Commands:")
        .skip(1)
        .take_while(|binding| !binding.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for expected in [
        "ping",
        "targets",
        "scan",
        "import",
        "findings",
        "explain",
        "schedule",
        "worker",
        "report",
        "push",
        "set-status",
        "demo",
        "mock",
        "completions",
        "man",
    ] {
        assert!(commands.contains(&expected), "{expected} in {help}");
    }
    assert!(
        help.contains("Exit codes: 0 pass, 1 gate failed, 2 usage, 3 credentials, 4 network, 5 timeout"),
        "{help}"
    );
}
