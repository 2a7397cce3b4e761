//! The token is in no output, log or error. This test is alone in its process, since a subscriber that
//! records one thread misses call sites that another thread reached first.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_core::{DastApiScanner, Error, FindingQuery};
use salt_client::testing::{FakeSalt, Reply, Route, When, gap};
use salt_client::{
    GapChange, GapStatus, GapsQuery, HttpOptions, ListQuery, RetryPolicy, SaltClient, SpeculativeBody,
};
use serde_json::json;
use support::{import, one_host};

const TOKEN: &str = "canary-7f3a-canary";

/// The error and all its sources, as `Debug` and `Display`.
fn everything(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(|error| format!("{error:?} {error}")).collect::<Vec<_>>().join("\n")
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_token_is_never_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let fake = FakeSalt::builder().with_token(TOKEN).with_tenant(one_host(8)).start().await.unwrap();
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_max_attempts(2);
    let builder = SaltClient::builder(fake.base_url(), format!("Bearer {TOKEN}"))
        .with_http(HttpOptions::new().with_retry(retry))
        .with_requests_per_second(None)
        .with_page_size(3);
    let mut shown = format!("{builder:?}\n{builder:#?}\n");
    let client = builder.build().unwrap();
    writeln!(shown, "{client:?}").unwrap();

    // A list that moves and an unknown status are logged.
    fake.edit_after(Route::ListGaps, 1, |tenant| {
        tenant.gaps.insert(0, gap("new", "a.example"));
        tenant.gaps[4]["status"] = json!("Snoozed");
    });
    let good = import(&client, FindingQuery::all()).await.unwrap();
    writeln!(shown, "{:?} {:?}", good.batches, good.coverage).unwrap();

    let echo = json!({
        "message": format!("unknown token {TOKEN}"), "code": TOKEN, "authorization": format!("Bearer {TOKEN}"),
    });
    for reply in [
        Reply::Json(401, echo.clone()),
        Reply::Json(403, echo.clone()),
        Reply::Json(500, echo.clone()),
        Reply::Json(200, echo.clone()),
        Reply::Json(200, json!({"response": TOKEN})),
        Reply::Redirect(format!("https://u:{TOKEN}@login.example.test/?token={TOKEN}")),
        Reply::TruncatedJson,
    ] {
        fake.recover();
        fake.script(Route::Any, When::Always, reply);
        shown.push_str(&everything(&client.list_gaps(&GapsQuery::new()).await.unwrap_err()));
        shown.push_str(&everything(&client.list_hosts(&ListQuery::new()).await.unwrap_err()));
        shown.push_str(&everything(&import(&client, FindingQuery::all()).await.err().unwrap()));
        // JSON of any shape is a valid response to a change, so that not all of these are errors.
        let change = GapChange::new("g000", GapStatus::Resolved);
        match client.write_gap_status(&change, &SpeculativeBody::Object).await {
            Ok(unverified) => writeln!(shown, "{unverified:?}").unwrap(),
            Err(error) => shown.push_str(&everything(&error)),
        }
        let report = client.test_connection().await;
        writeln!(shown, "{report}\n{}", serde_json::to_string(&report).unwrap()).unwrap();
    }
    let broken = SaltClient::builder(fake.base_url(), format!("{TOKEN}\u{e9}")).build().unwrap_err();
    shown.push_str(&everything(&broken));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("moved while it was read"), "the log was recorded: {log}");
    assert!(log.contains("an unknown status"), "{log}");
    for (name, text) in [("output", &shown), ("log", &log)] {
        assert!(!text.contains("7f3a"), "the token is in the {name}: {text}");
    }
}
