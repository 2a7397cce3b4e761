//! One test for each exit code, as the README's table has them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{CANARY, Desk, Fakes, on_line, script, write};
use tenable_was_client::testing::{FakeNote, Reply, Route, When};

#[tokio::test(flavor = "multi_thread")]
async fn exit_0_a_scan_that_completes_and_a_connection_that_works() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let ended = desk.run(&on_line("scan", &["--poll", "1", "-b", "main"])).await.expect(0);
    assert!(ended.stdout.contains("111 new, 0 recurrent"), "{}", ended.stdout);
    desk.run(&["ping", "-t", "salt", "-t", "was"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_1_a_gate_that_fails_on_complete_data() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let ended =
        desk.run(&on_line("scan", &["--poll", "1", "--threshold-crit", "0", "-o", "json"])).await.expect(1);
    let document = ended.document();
    assert_eq!((&document["reason"], &document["exit"]), (&"gate_failed".into(), &1.into()));
    assert_eq!(document["gate"]["breaches"][0]["severity"], "critical");
    // As many as there are may pass.
    let most = document["gate"]["counts"]["total"]["critical"].to_string();
    desk.run(&on_line("scan", &["--poll", "1", "--threshold-crit", &most])).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_2_what_cannot_work_is_refused_before_anything_is_sent() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    for arguments in [
        &["scan", "-t", "was"][..],
        &["scan", "-p", "shop", "-t", "nobody"],
        &["scan", "-p", "shop", "-t", "was"],
        &["scan", "-p", "shop", "-t", "salt", "--bind-to", "all", "--async"],
        &["nonsense"],
        &["ping", "--token", CANARY],
        &["ping", "--token=canary-7f3a"],
        &["ping", "--store", "postgres://me:canary-7f3a@127.0.0.1/db", "--config", "nowhere.toml"],
        &["explain", "-p", "shop", "-t", "was", "--bind-to", "x", "v1:123456"],
    ] {
        let ended = desk.run(arguments).await.expect(2);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!((fakes.salt.requests(), fakes.tenable.requests()), (0, 0));

    write(
        &desk.path("appsec.toml"),
        "[connections.was]\nscanner = \"tenableiowas\"\nsecret_key = \"canary-7f3a\"\n",
    );
    let ended = desk.run(&["ping"]).await.expect(2);
    assert!(ended.stderr.contains("appsec.toml:3:1: unknown key `secret_key`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("_env"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_3_credentials_that_are_missing_wrong_or_too_weak() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    for (file, arguments) in [
        ("wrong", on_line("scan", &[])),
        ("wrong", vec!["ping", "-t", "was"]),
        ("wrong", vec!["targets", "-t", "was"]),
        ("\n", vec!["ping", "-t", "was"]),
    ] {
        write(&desk.path("was.key"), file);
        desk.run(&arguments).await.expect(3);
    }
    let desk = Desk::new("");
    let ended = desk.run(&["ping", "-t", "saltsecurity"]).await.expect(3);
    assert!(ended.stderr.contains("SALT_API_TOKEN"), "{}", ended.stderr);

    let desk = fakes.desk("");
    fakes.tenable.script(Route::LaunchScan, When::Always, Reply::Forbidden);
    desk.run(&on_line("scan", &[])).await.expect(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_4_a_host_that_does_not_answer() {
    // The port was free a moment ago, and nobody listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let desk = Desk::new(&format!(
        "[connections.salt]\nscanner = \"saltsecurity\"\nbase_url = \"http://127.0.0.1:{port}\"\ntoken_env = \"SECRET\"\nmax_attempts = 1\n"
    ));
    let ended = desk.run(&["ping"]).await.expect(4);
    assert!(ended.stdout.contains("refuses connections"), "{}", ended.stdout);
    desk.run(&["targets", "-t", "salt"]).await.expect(4);
    desk.run(&["import", "-p", "shop", "-t", "salt", "--bind-to", "all"]).await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_5_a_scan_that_goes_on_is_named_and_the_next_run_imports_it() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    fakes.edit(|config| config.script = Some(script(&["running"])));
    let ended = desk.run(&on_line("scan", &["--poll", "1", "--timeout", "1s", "-o", "json"])).await.expect(5);
    let error = &ended.document()["error"];
    assert_eq!((error["exit"].as_u64(), error["reason"].as_str()), (Some(5), Some("timeout")));
    let scan = error["scan"].as_str().unwrap().to_owned();
    assert!(ended.stderr.contains(&format!("{scan} goes on")), "{}", ended.stderr);
    assert_eq!(fakes.tenable.scan_status(&scan).as_deref(), Some("running"));

    desk.run(&on_line("import", &["--poll", "1", "--timeout", "1s"])).await.expect(5);
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 1, "it waits for the same scan");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_6_a_scan_that_fails_wins_over_what_is_missing() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    fakes.edit(|config| config.script = Some(script(&["aborted"]).with_note(FakeNote::target_unreachable())));
    let ended = desk.run(&on_line("scan", &["--poll", "1", "-o", "json"])).await.expect(6);
    let document = ended.document();
    assert_eq!(document["scan"]["status"], "aborted");
    assert_eq!(document["reason"], "scan_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_7_half_a_scan_closes_nothing_and_says_so() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    fakes.half(Some(FakeNote::time_limit()));
    let ended = desk.run(&on_line("scan", &["--poll", "1"])).await.expect(7);
    assert!(ended.stdout.contains("0 closed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Scan Time Limit Reached"), "{}", ended.stdout);
    fakes.edit(|config| config.script = Some(script(&["completed"])));
    let ended = desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    assert!(ended.stdout.contains("53 closed"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_8_a_scanner_that_fails_or_answers_nonsense() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    for answer in [Reply::HtmlPage, Reply::Unavailable, Reply::TruncatedJson] {
        fakes.tenable.script(Route::SearchConfigs, When::Always, answer.clone());
        desk.run(&["targets", "-t", "was"]).await.expect(8);
        desk.run(&on_line("scan", &[])).await.expect(8);
        fakes.tenable.recover();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_9_a_store_that_cannot_be_written() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    std::fs::create_dir(desk.path("findings.db")).unwrap();
    desk.run(&on_line("import", &[])).await.expect(9);
    assert_eq!(fakes.tenable.calls_to(Route::LaunchScan).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kdts_codes_are_nought_and_one_and_a_timeout_is_nought() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    desk.run(&["scan", "-p", "shop", "-t", "nobody", "--kdt-compat"]).await.expect(1);
    desk.run(&["ping", "-t", "was", "--kdt-compat", "--exit-code", "42"]).await.expect(42);
    fakes.edit(|config| config.script = Some(script(&["running"])));
    desk.run(&on_line("scan", &["--poll", "1", "--timeout", "1s", "--kdt-compat"])).await.expect(0);
}
