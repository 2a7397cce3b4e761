//! One test for each exit code of the README's table.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{CANARY, Fakes, Workspace, on_binding, script, write};
use tenable_was_client::testing::{FakeNote, Reply, Route, When};

#[tokio::test(flavor = "multi_thread")]
async fn exit_0_after_a_complete_scan_and_a_successful_ping() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let result = workspace.run(&on_binding("scan", &["--poll", "1", "-b", "main"])).await.expect(0);
    assert!(result.stdout.contains("111 new, 0 recurrent"), "{}", result.stdout);
    workspace.run(&["ping", "-t", "salt", "-t", "was"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_1_if_the_gate_fails_on_complete_data() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let result = workspace
        .run(&on_binding("scan", &["--poll", "1", "--threshold-crit", "0", "-o", "json"]))
        .await
        .expect(1);
    let document = result.document();
    assert_eq!((&document["reason"], &document["exit"]), (&"gate_failed".into(), &1.into()));
    assert_eq!(document["gate"]["breaches"][0]["severity"], "critical");
    // With the limit at the number of findings, the gate passes.
    let most = document["gate"]["counts"]["total"]["critical"].to_string();
    workspace.run(&on_binding("scan", &["--poll", "1", "--threshold-crit", &most])).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_2_if_arguments_or_configuration_are_invalid_and_nothing_is_sent() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    for arguments in [
        &["scan", "-t", "was"][..],
        &["scan", "-p", "shop", "-t", "unknown"],
        &["scan", "-p", "shop", "-t", "was"],
        &["scan", "-p", "shop", "-t", "salt", "--bind-to", "all", "--async"],
        &["nonsense"],
        &["ping", "--token", CANARY],
        &["ping", "--token=canary-7f3a"],
        &["ping", "--store", "postgres://me:canary-7f3a@127.0.0.1/db", "--config", "nowhere.toml"],
        &["explain", "-p", "shop", "-t", "was", "--bind-to", "x", "v1:123456"],
    ] {
        let result = workspace.run(arguments).await.expect(2);
        assert!(!result.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!((fakes.salt.requests(), fakes.tenable.requests()), (0, 0));

    write(
        &workspace.path("appsec.toml"),
        "[connections.was]\nscanner = \"tenableiowas\"\nsecret_key = \"canary-7f3a\"\n",
    );
    let result = workspace.run(&["ping"]).await.expect(2);
    assert!(result.stderr.contains("appsec.toml:3:1: unknown key `secret_key`"), "{}", result.stderr);
    assert!(result.stderr.contains("_env"), "{}", result.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_3_if_credentials_are_missing_wrong_or_lack_a_permission() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    for (file, arguments) in [
        ("wrong", on_binding("scan", &[])),
        ("wrong", vec!["ping", "-t", "was"]),
        ("wrong", vec!["targets", "-t", "was"]),
        ("\n", vec!["ping", "-t", "was"]),
    ] {
        write(&workspace.path("was.key"), file);
        workspace.run(&arguments).await.expect(3);
    }
    let workspace = Workspace::new("");
    let result = workspace.run(&["ping", "-t", "saltsecurity"]).await.expect(3);
    assert!(result.stderr.contains("SALT_API_TOKEN"), "{}", result.stderr);

    let workspace = fakes.workspace("");
    fakes.tenable.script(Route::LaunchScan, When::Always, Reply::Forbidden);
    workspace.run(&on_binding("scan", &[])).await.expect(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_4_if_the_host_cannot_be_reached() {
    // The listener is dropped at once, so nothing listens on the port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let workspace = Workspace::new(&format!(
        "[connections.salt]\nscanner = \"saltsecurity\"\nbase_url = \"http://127.0.0.1:{port}\"\ntoken_env = \"SECRET\"\nmax_attempts = 1\n"
    ));
    let result = workspace.run(&["ping"]).await.expect(4);
    assert!(result.stdout.contains("refuses connections"), "{}", result.stdout);
    workspace.run(&["targets", "-t", "salt"]).await.expect(4);
    workspace.run(&["import", "-p", "shop", "-t", "salt", "--bind-to", "all"]).await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_5_if_the_scan_continues_and_the_next_run_waits_for_it() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    fakes.edit_target(|config| config.script = Some(script(&["running"])));
    let result =
        workspace.run(&on_binding("scan", &["--poll", "1", "--timeout", "1s", "-o", "json"])).await.expect(5);
    let error = &result.document()["error"];
    assert_eq!((error["exit"].as_u64(), error["reason"].as_str()), (Some(5), Some("timeout")));
    let scan = error["scan"].as_str().unwrap().to_owned();
    assert!(result.stderr.contains(&format!("{scan} continues")), "{}", result.stderr);
    assert_eq!(fakes.tenable.scan_status(&scan).as_deref(), Some("running"));

    workspace.run(&on_binding("import", &["--poll", "1", "--timeout", "1s"])).await.expect(5);
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 1, "the import waits for the same scan");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_6_if_the_scan_failed_even_if_data_are_missing() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    fakes.edit_target(|config| {
        config.script = Some(script(&["aborted"]).with_note(FakeNote::target_unreachable()));
    });
    let result = workspace.run(&on_binding("scan", &["--poll", "1", "-o", "json"])).await.expect(6);
    let document = result.document();
    assert_eq!(document["scan"]["status"], "aborted");
    assert_eq!(document["reason"], "scan_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_7_if_data_are_missing_and_nothing_closes() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    fakes.fix_half(Some(FakeNote::time_limit()));
    let result = workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(7);
    assert!(result.stdout.contains("0 closed"), "{}", result.stdout);
    assert!(result.stdout.contains("Scan Time Limit Reached"), "{}", result.stdout);
    fakes.edit_target(|config| config.script = Some(script(&["completed"])));
    let result = workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    assert!(result.stdout.contains("53 closed"), "{}", result.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_8_if_the_scanner_fails_or_sends_an_invalid_response() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    for reply in [Reply::HtmlPage, Reply::Unavailable, Reply::TruncatedJson] {
        fakes.tenable.script(Route::SearchConfigs, When::Always, reply.clone());
        workspace.run(&["targets", "-t", "was"]).await.expect(8);
        workspace.run(&on_binding("scan", &[])).await.expect(8);
        fakes.tenable.recover();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_9_if_the_store_cannot_be_written() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    std::fs::create_dir(workspace.path("findings.db")).unwrap();
    workspace.run(&on_binding("import", &[])).await.expect(9);
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kdt_codes_are_0_and_1_and_a_timeout_is_0() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    workspace.run(&["scan", "-p", "shop", "-t", "unknown", "--kdt-compat"]).await.expect(1);
    workspace.run(&["ping", "-t", "was", "--kdt-compat", "--exit-code", "42"]).await.expect(42);
    fakes.edit_target(|config| config.script = Some(script(&["running"])));
    workspace.run(&on_binding("scan", &["--poll", "1", "--timeout", "1s", "--kdt-compat"])).await.expect(0);
}
