//! The store of a command: reading creates and changes none, and what is no store of this program is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use appsec_import::SqlStore;
use appsec_import::store::{RunRequest, Store as _};
use sqlx::Connection as _;

use support::{Fakes, on_binding, write};

const SCHEDULE: &str = r#"
    [[bindings]]
    name = "shop"
    project = "shop"
    scanner = "was"
    bind_target = "storefront nightly"
    schedule = { cron = "@daily" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_dry_runs_create_no_store() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(SCHEDULE);
    let salt = ["-p", "shop", "-t", "salt", "--bind-to", "all"];
    for arguments in [
        on_binding("findings", &[]),
        on_binding("explain", &["v1:123456"]),
        on_binding("report", &["-f", "csv"]),
        on_binding("set-status", &["--to", "ignored", "--here", "v1:123456"]),
        vec!["schedule", "list"],
        vec!["schedule", "due"],
        vec!["schedule", "run-now", "shop"],
        vec!["binding", "list"],
    ] {
        let refused = workspace.run(&arguments).await.expect(2);
        assert!(refused.stderr.contains("no store at"), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("findings.db"), "{}", refused.stderr);
    }
    let dry = workspace.run(&[&["import"], &salt[..], &["--dry-run", "-o", "json"]].concat()).await;
    let import = &dry.document()["import"];
    assert!(import["summary"]["new"].as_u64().unwrap() > 0, "{}", dry.output());
    assert_eq!(import["run"], 0);
    let would = workspace.run(&["schedule", "apply", "--dry-run", "-o", "json"]).await.expect(0).document();
    assert_eq!(would["added"], serde_json::json!(["shop"]));
    assert!(!workspace.path("findings.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_no_byte_of_the_store_and_burns_no_number() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(SCHEDULE);
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let url = format!("sqlite:{}", workspace.path("findings.db").display());
    // Closing moves everything into the one file.
    SqlStore::connect_existing(&url).await.unwrap().close().await;
    let before = fs::read(workspace.path("findings.db")).unwrap();
    let dry = workspace.run(&on_binding("import", &["--dry-run", "-o", "json"])).await;
    assert!([0, 7].contains(&dry.code), "{}", dry.output());
    workspace.run(&["schedule", "apply", "--dry-run"]).await.expect(0);
    workspace.run(&on_binding("findings", &[])).await.expect(0);
    SqlStore::connect_existing(&url).await.unwrap().close().await;
    assert!(fs::read(workspace.path("findings.db")).unwrap() == before, "the file changed");
    let next = workspace.run(&on_binding("scan", &["--poll", "1", "-o", "json"])).await.expect(0).document();
    assert_eq!(next["import"]["run"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_program_is_refused_by_every_command() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace(SCHEDULE);
    write(&workspace.path("findings.db"), &"a diary, and no database at all\n".repeat(9));
    let before = fs::read(workspace.path("findings.db")).unwrap();
    for arguments in [
        on_binding("findings", &[]),
        on_binding("import", &[]),
        on_binding("import", &["--dry-run"]),
        vec!["schedule", "apply"],
        vec!["worker"],
    ] {
        let refused = workspace.run(&arguments).await.expect(2);
        assert!(refused.stderr.contains("findings.db is no store"), "{arguments:?}: {}", refused.stderr);
    }
    assert!(fs::read(workspace.path("findings.db")).unwrap() == before);
    assert!(!workspace.path("findings.db-wal").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_connections_is_named_at_once() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let mut command = workspace.command(&on_binding("findings", &[]));
    command.env("APPSEC_STORE", format!("postgres://me:canary-7f3a@127.0.0.1:{port}/appsec"));
    let refused = workspace.finish(command).await.expect(9);
    assert!(refused.stderr.contains(&format!("postgres://me@127.0.0.1:{port}/appsec")), "{}", refused.stderr);
    assert!(refused.stderr.contains("refused"), "{}", refused.stderr);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    for name in ["APPSEC_STORE", "SECRET"] {
        let mut command = workspace.command(&on_binding("import", &[]));
        command.env(name, std::ffi::OsStr::from_bytes(b"a\xffb"));
        let refused = workspace.finish(command).await.expect(2);
        assert!(refused.stderr.contains(&format!("{name} is not valid UTF-8")), "{}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_waited_for_and_a_binding_that_is_held_are_explained() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    workspace.run(&on_binding("scan", &["--poll", "1", "-b", "main"])).await.expect(0);
    let url = format!("sqlite:{}", workspace.path("findings.db").display());

    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let command = workspace.command(&on_binding("scan", &["--poll", "1", "-b", "main"]));
    let (waited, ()) = tokio::join!(workspace.finish(command), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    });
    let waited = waited.expect(0);
    assert!(
        waited.stderr.contains("waiting for another process that writes to the store"),
        "{}",
        waited.stderr
    );
    other.close().await.unwrap();

    let store = SqlStore::connect_existing(&url).await.unwrap();
    let known = store.bindings().await.unwrap().remove(0);
    store.begin_run(&known.binding, &RunRequest::new(appsec_core::Timestamp::now())).await.unwrap();
    store.close().await;
    let held = workspace.run(&on_binding("import", &["-b", "main"])).await.expect(9);
    for expected in ["held until ", "has not answered since ", "--take-over"] {
        assert!(held.stderr.contains(expected), "{}", held.stderr);
    }
    let taken = workspace.run(&on_binding("import", &["-b", "main", "--take-over"])).await;
    assert!([0, 7].contains(&taken.code), "{}", taken.output());
}
