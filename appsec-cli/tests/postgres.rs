//! Commands on a store in PostgreSQL, which several machines can share.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../appsec-import/tests/support/postgres.rs"]
mod postgres;
mod support;

use postgres::Postgres;
use support::{Fakes, on_binding};

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_share_one_store() {
    let Some(server) = Postgres::start() else { return };
    let fakes = Fakes::start().await;
    let (first, second) = (fakes.workspace(""), fakes.workspace(""));
    for workspace in [&first, &second] {
        let text = std::fs::read_to_string(workspace.path("appsec.toml")).unwrap();
        support::write(&workspace.path("appsec.toml"), &text.replace("sqlite:findings.db", &server.url()));
    }
    let scan = on_binding("scan", &["--poll", "1", "-o", "json"]);
    let new = first.run(&scan).await.expect(0).document()["import"]["summary"]["new"].clone();
    let again = second.run(&scan).await.expect(0).document()["import"]["summary"].clone();
    assert_eq!((&again["recurrent"], &again["new"]), (&new, &0.into()));
    let found = second.run(&on_binding("findings", &["-o", "json"])).await.expect(0).documents();
    let explain = on_binding("explain", &[found[0]["fingerprint"].as_str().unwrap(), "-o", "json"]);
    let explanation = second.run(&explain).await;
    assert_eq!(explanation.expect(0).document()["history"].as_array().unwrap().len(), 2);
    let report = first.run(&on_binding("report", &["-f", "csv"])).await.expect(0);
    assert_eq!(report.stdout.lines().count(), found.len() + 1);
}
