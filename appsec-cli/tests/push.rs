//! `appsec push` and `appsec set-status`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_import::testing::{
    CodeScanningAlert, FakeCodeScanning, FakeDefectDojo, FakeInvicti, Reply, Route, When,
};
use serde_json::json;
use tenable_was_client::testing::FakeNote;

use support::{CANARY, Fakes, Workspace, on_binding};

const COMMIT: &str = "4b6472266afd7b471e86085a6659e8c7f2b119da";

/// A workspace with a push destination for each of the three fakes, and one without a URL.
fn workspace(
    fakes: &Fakes,
    dojo: &FakeDefectDojo,
    invicti: &FakeInvicti,
    github: &FakeCodeScanning,
) -> Workspace {
    fakes.workspace(&format!(
        r#"
        [push.dojo]
        target = "defectdojo"
        base_url = "{}"
        token_env = "SECRET"
        [push.invicti]
        target = "invicti"
        base_url = "{}"
        token_env = "SECRET"
        project = "5f6b"
        [push.github]
        target = "github"
        base_url = "{}"
        token_env = "SECRET"
        repository = "octo/shop"
        [push.incomplete]
        target = "defectdojo"
        token_env = "SECRET"
        "#,
        dojo.base_url(),
        invicti.base_url(),
        github.base_url(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_findings_are_closed_at_push_targets_only_on_complete_data() {
    let fakes = Fakes::start().await;
    let dojo = FakeDefectDojo::start(CANARY).await.unwrap();
    let invicti = FakeInvicti::start(CANARY).await.unwrap();
    let github = FakeCodeScanning::start(CANARY).await.unwrap();
    let workspace = workspace(&fakes, &dojo, &invicti, &github);
    let push = |to: &'static str, more: &'static [&'static str]| {
        let arguments = [&["--to", to, "-o", "json"], more].concat();
        on_binding("push", &arguments)
    };
    let on_github: &[&str] = &["--commit", COMMIT, "--ref", "refs/heads/main"];

    let run = workspace.run(&on_binding("scan", &["--poll", "1", "-o", "json"])).await.expect(0).document();
    let found = run["import"]["summary"]["new"].as_u64().unwrap();
    let pushed = workspace.run(&push("dojo", &[])).await.expect(0).document();
    assert_eq!(
        (pushed["target"].as_str(), pushed["counts"]["created"].as_u64()),
        (Some("defectdojo"), Some(found))
    );
    let pushed = workspace.run(&push("invicti", &[])).await.expect(0).document();
    assert_eq!(pushed["target"], "invicti");
    let pushed = workspace.run(&push("github", on_github)).await.expect(0).document();
    assert_eq!(pushed["target"], "github");
    assert!(github.open_alerts() > 0);

    // An export says nothing about what is gone, and the report after it holds everything that is open.
    workspace.run(&on_binding("import", &[])).await.expect(0);
    for (to, more) in [("invicti", &[][..]), ("github", on_github)] {
        workspace.run(&push(to, more)).await.expect(0);
    }
    let open = async || {
        let open = on_binding("findings", &["--state", "open", "-o", "json"]);
        workspace.run(&open).await.expect(0).documents().len()
    };
    let alerts = github.open_alerts();
    assert_eq!(alerts, open().await);

    // An incomplete scan: nothing closes, and targets that would close absent findings refuse the push.
    fakes.fix_half(Some(FakeNote::time_limit()));
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(7);
    let pushed = workspace.run(&push("dojo", &[])).await.expect(0).document();
    assert_eq!(pushed["counts"]["closed"], 0, "{pushed}");
    assert!(dojo.last_form().contains(&("close_old_findings".to_owned(), "false".to_owned())));
    for (to, more) in [("invicti", &[][..]), ("github", on_github)] {
        let refused = workspace.run(&push(to, more)).await.expect(7);
        assert!(refused.stderr.contains("--allow-unproven-closing"), "{}", refused.stderr);
    }
    assert_eq!(github.open_alerts(), alerts);
    // With the option it goes to a category of its own, where it closes nothing.
    let allowed = [on_github, &["--allow-unproven-closing"]].concat().leak();
    let pushed = workspace.run(&push("github", allowed)).await.expect(0).document();
    assert!(pushed["absent"]["kept"].is_string(), "{pushed}");
    let partial = |alert: &CodeScanningAlert| alert.open && alert.category.ends_with("/partial");
    assert!(github.alerts().iter().any(partial));
    assert_eq!(github.open_alerts(), alerts);

    // A complete scan of what is left: the other findings close.
    fakes.fix_half(None);
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let pushed = workspace.run(&push("dojo", &[])).await.expect(0).document();
    assert!(pushed["counts"]["closed"].as_u64().unwrap() > 0, "{pushed}");
    workspace.run(&push("github", on_github)).await.expect(0);
    assert!(!github.alerts().iter().any(partial), "the partial category is emptied");
    assert_eq!(github.open_alerts(), open().await);
    assert!(github.open_alerts() < alerts);
    assert_eq!(github.warnings(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destination_refuses_is_no_usage_error() {
    let fakes = Fakes::start().await;
    let dojo = FakeDefectDojo::start(CANARY).await.unwrap();
    let invicti = FakeInvicti::start(CANARY).await.unwrap();
    let github = FakeCodeScanning::start(CANARY).await.unwrap();
    let workspace = workspace(&fakes, &dojo, &invicti, &github);
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let push = |to: &'static str| {
        on_binding("push", &["--to", to, "--commit", COMMIT, "--ref", "refs/heads/main", "-o", "json"])
    };
    let message = |text: &str| json!({"message": text});
    for (status, code) in [(400, 8), (404, 8), (413, 8), (422, 8), (401, 3), (403, 3)] {
        github.recover();
        github.script(Route::Push, When::Always, Reply::Json(status, message("no")));
        let refused = workspace.run(&push("github")).await.expect(code).document();
        let reason = if code == 8 { "scanner" } else { "credentials" };
        assert_eq!(refused["error"]["reason"], reason, "{status}");
    }
    // Accepted, and refused when it was processed.
    github.recover();
    let failed = json!({"processing_status": "failed", "errors": ["rejecting SARIF"]});
    github.script(Route::Status, When::Always, Reply::Json(200, failed));
    let refused = workspace.run(&push("github")).await.expect(8);
    assert!(refused.stderr.contains("rejecting SARIF"), "{}", refused.stderr);
    invicti.script(Route::Push, When::Always, Reply::Json(404, message("no such project")));
    workspace.run(&push("invicti")).await.expect(8);
    dojo.script(Route::Push, When::Always, Reply::Json(400, message("bad")));
    workspace.run(&push("dojo")).await.expect(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_work_names_what_is_missing() {
    let fakes = Fakes::start().await;
    let dojo = FakeDefectDojo::start("another token").await.unwrap();
    let invicti = FakeInvicti::start(CANARY).await.unwrap();
    let github = FakeCodeScanning::start(CANARY).await.unwrap();
    let workspace = workspace(&fakes, &dojo, &invicti, &github);
    let push = |to: &'static str| on_binding("push", &["--to", to]);
    // There was no import yet.
    workspace.run(&push("dojo")).await.expect(2);
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    for (to, code, message) in [
        ("elsewhere", 2, "no [push.elsewhere]"),
        ("incomplete", 2, "lacks base_url"),
        ("github", 2, "--commit"),
        ("dojo", 3, "401"),
    ] {
        let refused = workspace.run(&push(to)).await.expect(code);
        assert!(refused.stderr.contains(message), "{to}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_stored_and_sent_to_scanners_that_accept_it() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let text = std::fs::read_to_string(workspace.path("appsec.toml")).unwrap();
    support::write(
        &workspace.path("appsec.toml"),
        &text.replace("[connections.was]", "write_back = \"object\"\n[connections.was]"),
    );
    let salt = ["-p", "shop", "-t", "salt", "--bind-to", "all", "-o", "json"];
    let on_salt = |command: &'static str, more: &[&'static str]| [&[command], &salt[..], more].concat();
    workspace.run(&on_salt("import", &[])).await;
    let open = workspace.run(&on_salt("findings", &["--state", "open"])).await.expect(0).documents();
    let fingerprint: &'static str = open[0]["fingerprint"].as_str().unwrap().to_owned().leak();

    let arguments = on_salt("set-status", &["--to", "risk-accepted", fingerprint]);
    let written = workspace.run(&arguments).await.expect(0).document();
    assert_eq!(written["fingerprint"], fingerprint);
    assert_eq!(written["written"], "ignored", "the status that Salt has for it");
    // The scanner reports its own status from now on, and the state is the decision.
    workspace.run(&on_salt("import", &[])).await;
    let known = workspace.run(&on_salt("findings", &[])).await.expect(0).documents();
    let known = known.iter().find(|finding| finding["fingerprint"] == fingerprint).unwrap();
    assert_eq!((&known["state"], &known["status"]), (&"risk_accepted".into(), &"ignored".into()));

    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let open = workspace.run(&on_binding("findings", &["-o", "json"])).await.expect(0).documents();
    let fingerprint = open[0]["fingerprint"].as_str().unwrap();
    // Tenable accepts no status: a decision is only stored, and `fixed` is refused.
    let arguments = on_binding("set-status", &["--to", "false-positive", fingerprint, "-o", "json"]);
    let kept = workspace.run(&arguments).await.expect(0).document();
    assert_eq!((&kept["kept"], &kept["written"]), (&true.into(), &serde_json::Value::Null));
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let explanation = workspace.run(&on_binding("explain", &[fingerprint])).await.expect(0);
    assert!(explanation.stdout.contains("now false positive, as a user decided"), "{}", explanation.stdout);
    let refused =
        workspace.run(&on_binding("set-status", &["--to", "fixed", fingerprint, "-o", "json"])).await;
    assert!(refused.code != 0, "{}", refused.output());
    assert!(
        refused.output().contains("not supported") || refused.output().contains("unsupported"),
        "{}",
        refused.output()
    );
}
