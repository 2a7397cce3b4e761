//! Nothing that a push prints or logs contains the token. This test has a process of its own, since a
//! subscriber that records one thread misses call sites that another thread reached first.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_core::{Coverage, Result};
use appsec_http::{HttpOptions, RetryPolicy};
use appsec_import::Completeness;
use appsec_import::push::{
    DefectDojo, DefectDojoTest, GitHub, GitHubCommit, Invicti, InvictiScan, PushOptions, PushOutcome,
    ReportFile,
};
use appsec_import::testing::{FakeCodeScanning, FakeDefectDojo, FakeInvicti, Reply, Route, When};
use serde_json::json;

const TOKEN: &str = "canary7f3acanary7f3acanary";

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Prints a result in all its forms, with all its sources.
fn print(printed: &mut String, result: Result<PushOutcome>) -> bool {
    match result {
        Ok(pushed) => {
            writeln!(printed, "{pushed} {pushed:?} {}", serde_json::to_string(&pushed).unwrap()).unwrap();
            true
        }
        Err(error) => {
            let first: &dyn std::error::Error = &error;
            for cause in std::iter::successors(Some(first), |error| error.source()) {
                writeln!(printed, "{cause} {cause:?}").unwrap();
            }
            false
        }
    }
}

#[tokio::test]
async fn the_token_appears_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _recording = tracing::subscriber::set_default(subscriber);

    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_max_attempts(2);
    let options = PushOptions::new()
        .with_http(HttpOptions::new().with_retry(retry))
        .with_polling(Duration::from_millis(1), Duration::from_secs(5));
    let (dojo_fake, invicti_fake, github_fake) = (
        FakeDefectDojo::start(TOKEN).await.unwrap(),
        FakeInvicti::start(TOKEN).await.unwrap(),
        FakeCodeScanning::start(TOKEN).await.unwrap(),
    );
    let dojo = DefectDojo::new(&dojo_fake.base_url(), TOKEN, &options).unwrap();
    let invicti = Invicti::new(&invicti_fake.base_url(), TOKEN, &options).unwrap();
    let github = GitHub::with_base_url(&github_fake.base_url(), TOKEN, &options).unwrap();
    let test = DefectDojoTest::new("shop", "main", "t");
    let scan = InvictiScan::new("p", "tool", "main");
    let commit = GitHubCommit::new("octo/shop", &"a".repeat(40), "refs/heads/main").unwrap();
    let mut printed = format!("{dojo:?} {invicti:#?} {github:?} {options:?} {test:?} {scan:?} {commit:?}");
    let mut coverage = Coverage::new();
    coverage.mark_conclusive("a".into());
    let complete = Completeness::from_coverage(&coverage);
    // The content of a report is not printed either.
    let list = ReportFile::from_bytes(format!("[] {}", " ".repeat(8)));
    let findings = ReportFile::from_bytes(r#"{"findings":[]}"#);
    let sarif = [ReportFile::from_bytes(r#"{"version":"2.1.0","runs":[]}"#)];
    let secret = ReportFile::from_bytes(format!("{{\"{TOKEN}\""));
    write!(printed, "{secret:?}").unwrap();

    let echo = json!({
        "message": format!("unknown token {TOKEN}"), "detail": TOKEN, "error": format!("Bearer {TOKEN}"), "errors": [TOKEN],
    });
    let mut pushed = 0;
    for status in [None, Some(200), Some(302), Some(401), Some(403), Some(422), Some(500)] {
        for (fake, route) in
            [(0, Route::Push), (1, Route::Push), (1, Route::Status), (2, Route::Push), (2, Route::Status)]
        {
            let reply = status.map(|status| Reply::Json(status, echo.clone()));
            let result = match fake {
                0 => {
                    dojo_fake.recover();
                    if let Some(reply) = reply {
                        dojo_fake.script(route, When::Always, reply);
                    }
                    dojo.push(&test, &findings, &complete).await
                }
                1 => {
                    invicti_fake.recover();
                    if let Some(reply) = reply {
                        invicti_fake.script(route, When::Always, reply);
                    }
                    invicti.push(&scan, &list, &complete).await
                }
                _ => {
                    github_fake.recover();
                    if let Some(reply) = reply {
                        github_fake.script(route, When::Always, reply);
                    }
                    github.push(&commit, &sarif, &complete).await
                }
            };
            pushed += usize::from(print(&mut printed, result));
        }
    }
    // Status texts of a failed event.
    github_fake.recover();
    let failed = json!({"processing_status": "failed", "errors": [format!("token {TOKEN}")]});
    github_fake.script(Route::Status, When::Always, Reply::Json(200, failed));
    assert!(!print(&mut printed, github.push(&commit, &sarif, &complete).await));
    invicti_fake.recover();
    invicti_fake.fail_with(&format!("wrong {TOKEN}"));
    assert!(!print(&mut printed, invicti.push(&scan, &list, &complete).await));
    for error in [
        DefectDojo::new(&dojo_fake.base_url(), format!("{TOKEN}\n"), &options).err(),
        Invicti::new(&format!("https://u:{TOKEN}@x.example"), TOKEN, &options).err(),
        GitHub::new(format!("{TOKEN}\u{e9}"), &options).err(),
    ] {
        assert!(!print(&mut printed, Err(error.unwrap())));
    }
    assert!(!print(&mut printed, github.push(&commit, &[secret], &complete).await));

    assert!(pushed >= 5, "some arrived: {pushed}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("pushed to defectdojo") && log.contains("a status request failed"), "{log}");
    for (name, text) in [("output", &printed), ("log", &log)] {
        let at = text.find("7f3a").map(|at| &text[at.saturating_sub(300)..text.len().min(at + 50)]);
        assert_eq!(at, None, "the token is in the {name}");
    }
    assert!(printed.contains("[masked:"), "{printed}");
}
