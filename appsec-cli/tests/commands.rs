//! The output of each command, and that no output holds a credential.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use support::{CANARY, Fakes, Workspace, on_binding, script, write};
use tenable_was_client::testing::Route;

#[tokio::test(flavor = "multi_thread")]
async fn ping_reports_each_connection_in_one_document() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let document = workspace.run(&["ping", "-o", "json"]).await.expect(0).document();
    let connections = document["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 2);
    for connection in connections {
        assert_eq!(connection["ok"], true);
        assert_eq!(connection["report"]["steps"].as_array().unwrap().len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_listed_one_a_line_and_filtered_by_name() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let targets = workspace.run(&["targets", "-t", "was", "-o", "json"]).await.expect(0).documents();
    assert_eq!(targets.len(), 6);
    assert!(targets.iter().all(|target| target["id"].as_str().unwrap().starts_with("config:")));
    let result = workspace.run(&["targets", "-t", "was", "STOREFRONT", "-o", "plain"]).await.expect(0);
    assert_eq!(result.stdout.lines().count(), 2);
    assert!(result.stdout.lines().all(|line| line.split('\t').count() == 5), "{}", result.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_be_gated_listed_explained_and_reported() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("[gate.total]\ncritical = 0\n");
    let binding = ["-p", "shop", "-t", "salt", "--bind-to", "all", "-b", "main"];
    let arguments = |command: &'static str, more: &[&'static str]| [&[command], &binding[..], more].concat();

    let dry = workspace.run(&arguments("import", &["--dry-run", "-o", "json"])).await;
    assert_eq!(dry.document()["import"]["dry_run"], true);
    workspace.run(&arguments("findings", &["-o", "json"])).await.expect(2);

    let scan = workspace.run(&arguments("scan", &["--scan-tag", "first", "-o", "json"])).await;
    let document = scan.document();
    assert_eq!(document["binding"]["scan_tag"], "first");
    assert!(document["gate"]["counts"]["total"]["critical"].as_u64().unwrap() > 0);
    assert!(scan.stderr.contains("starts no scans"), "{}", scan.stderr);

    let findings = workspace.run(&arguments("findings", &["-o", "json"])).await.expect(0).documents();
    let known = document["import"]["summary"]["new"].as_u64().unwrap();
    assert!(findings.len() as u64 >= known, "{} of {known}", findings.len());
    let fingerprint = findings[0]["fingerprint"].as_str().unwrap();
    // The binding is known now, so the bind target can be left out.
    let explanation = workspace
        .run(&["explain", "-p", "shop", "-t", "saltsecurity", &fingerprint[..12], "-o", "json"])
        .await;
    let explanation = explanation.expect(0).document();
    assert_eq!(explanation["finding"]["fingerprint"], fingerprint);
    assert_eq!(explanation["history"][0]["scan_tag"], "first");

    for format in ["sarif", "gitlab", "defectdojo", "ocsf", "csv", "jsonl"] {
        let report = workspace.run(&["report", "-p", "shop", "-t", "salt", "-f", format]).await.expect(0);
        assert!(report.stdout.len() > 1000, "{format}");
    }
    let report = ["report", "-p", "shop", "-t", "salt", "-f", "sarif", "--out", "shop.sarif", "-o", "json"];
    let written = workspace.run(&report).await.expect(0).document();
    assert_eq!(written["files"][0], "shop.sarif");
    let sarif: Value =
        serde_json::from_str(&std::fs::read_to_string(workspace.path("shop.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_scan_is_imported_by_the_next_run() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let started = workspace.run(&on_binding("scan", &["--async", "-o", "json"])).await.expect(0).document();
    let scan = started["scan"]["id"].as_str().unwrap().to_owned();
    let again = workspace.run(&on_binding("scan", &["--async", "-o", "json"])).await.expect(0).document();
    assert_eq!(again["scan"]["id"], scan.as_str());
    let imported =
        workspace.run(&on_binding("import", &["--poll", "1", "-o", "json"])).await.expect(0).document();
    assert_eq!(imported["import"]["scan"], scan.as_str());
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_gate_names_the_limit_and_partial_data_are_not_gated() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let scan = on_binding("scan", &["--poll", "1", "--threshold-crit", "0", "--threshold-new-low", "100000"]);
    let result = workspace.run(&scan).await.expect(1);
    assert!(result.stdout.contains("open critical, the limit is 0"), "{}", result.stdout);
    fakes.fix_half(Some(tenable_was_client::testing::FakeNote::time_limit()));
    let result = workspace.run(&scan).await.expect(7);
    assert!(result.stdout.contains("the gate is undecided"), "{}", result.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_logged_at_any_verbosity() {
    let fakes = Fakes::start().await;
    // `Workspace::run` searches the whole output for the canary.
    let workspace = fakes.workspace("");
    for arguments in [
        vec!["ping", "-vvv"],
        vec!["targets", "-t", "salt", "-vvv"],
        on_binding("scan", &["--poll", "1", "-vvv", "-o", "json"]),
    ] {
        let result = workspace.run(&arguments).await.expect(0);
        assert!(!result.output().is_empty());
    }
    fakes.salt.revoke_token();
    fakes.tenable.revoke_keys();
    for arguments in
        [vec!["ping", "-vvv"], vec!["targets", "-t", "salt", "-vvv"], on_binding("import", &["-vvv"])]
    {
        workspace.run(&arguments).await.expect(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_the_usual_variables_without_a_configuration() {
    let fakes = Fakes::start().await;
    let workspace = Workspace::new("");
    let mut command = workspace.command(&["ping", "-o", "json"]);
    command.env("SALT_API_TOKEN", CANARY).env("SALT_BASE_URL", fakes.salt.base_url());
    command.env("TENABLE_ACCESS_KEY", CANARY).env("TENABLE_SECRET_KEY", CANARY);
    command.env("TENABLE_BASE_URL", fakes.tenable.base_url());
    let document = workspace.finish(command).await.expect(0).document();
    let names: Vec<_> = document["connections"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["saltsecurity", "tenableiowas"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_releases_the_run_so_that_the_next_run_resumes_it() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    fakes.edit_target(|config| config.script = Some(script(&["running"])));
    let mut command = workspace.command(&on_binding("scan", &["--poll", "1"]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(messages.any(|line| line.unwrap().contains("running")));
    // The first request for the status belongs to the start. From the second one on, the scan is stored and
    // watched.
    while fakes.tenable.calls_to(Route::GetScan).len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));

    let result = workspace.run(&on_binding("import", &["--poll", "1", "--timeout", "1s"])).await.expect(5);
    assert!(!result.stderr.contains("another process"), "{}", result.stderr);
    assert_eq!(
        fakes.tenable.calls_to(Route::LaunchScan).len(),
        1,
        "the next run waits for the scan that was started"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_no_error() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let mut command = workspace.command(&["targets", "-t", "was", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_prints_its_urls_and_obeys_its_control_server() {
    let workspace = Workspace::new("");
    let mut command = workspace.command(&["mock", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let access: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let mut ping = workspace.command(&["ping", "-t", "saltsecurity"]);
    ping.env("SALT_API_TOKEN", access["saltsecurity"]["token"].as_str().unwrap());
    ping.env("SALT_BASE_URL", access["saltsecurity"]["base_url"].as_str().unwrap());
    workspace.finish(ping).await.expect(0);

    let control = access["control"]["base_url"].as_str().unwrap().trim_start_matches("http://");
    let calls = request(control, "GET", "/saltsecurity/calls").await;
    assert!(calls.contains("/v1/inventory/hosts"), "{calls}");
    assert!(request(control, "POST", "/saltsecurity/answer?status=503&times=2").await.contains("done"));
    assert!(request(control, "POST", "/unknown/recover").await.contains("404"));
    for (fake, status) in [("saltsecurity", "503"), ("tenableiowas", "401")] {
        assert!(
            request(control, "POST", &format!("/{fake}/answer?status={status}&times=9"))
                .await
                .contains("done")
        );
        assert!(request(control, "POST", &format!("/{fake}/reset")).await.contains("done"));
        assert!(
            request(control, "GET", &format!("/{fake}/calls")).await.ends_with("[]"),
            "no request is recorded"
        );
    }
    let mut ping = workspace.command(&["ping", "-t", "tenableiowas"]);
    for (name, key) in [
        ("TENABLE_ACCESS_KEY", "access_key"),
        ("TENABLE_SECRET_KEY", "secret_key"),
        ("TENABLE_BASE_URL", "base_url"),
    ] {
        ping.env(name, access["tenableiowas"][key].as_str().unwrap());
    }
    workspace.finish(ping).await.expect(0);
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn request(address: &str, method: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_each_step() {
    let workspace = Workspace::new("");
    let result = workspace.run(&["demo"]).await.expect(0);
    let mut rest = result.stdout.as_str();
    for expected in [
        "$ appsec ping -t tenable-old-key",
        "credentials    FAILED",
        "[exit code 3: credentials]",
        "$ appsec ping -t salt -t tenable",
        "[exit code 0: passed]",
        "storefront nightly",
        "111 new, 0 recurrent",
        "the gate failed",
        "[exit code 1: gate_failed]",
        "53 kept open (not observed)",
        "the gate is undecided",
        "[exit code 7: partial]",
        "not closed, open",
        "53 closed",
        "closed by this run",
        "shop.sarif",
    ] {
        let (_, after) =
            rest.split_once(expected).unwrap_or_else(|| panic!("{expected} in {}", result.stdout));
        rest = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_manual_are_written() {
    let workspace = Workspace::new("");
    assert!(workspace.run(&["completions", "bash"]).await.expect(0).stdout.contains("complete -F"));
    assert!(workspace.run(&["man"]).await.expect(0).stdout.contains(".TH appsec"));
    workspace.run(&["man", "pages"]).await.expect(0);
    assert!(workspace.path("pages/appsec-scan.1").is_file());
    write(&workspace.path("file"), "");
    workspace.run(&["man", "file"]).await.expect(9);
}

/// Users and scripts depend on the list of commands.
#[tokio::test(flavor = "multi_thread")]
async fn the_help_lists_every_command_and_the_exit_codes() {
    let help = Workspace::new("").run(&["-h"]).await.expect(0).stdout;
    let commands: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
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
        "binding",
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
