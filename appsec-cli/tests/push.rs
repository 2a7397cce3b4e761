//! `appsec push` and `appsec set-status`: findings brought to those who keep them, decisions brought back to the scanner.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_import::testing::{FakeCodeScanning, FakeDojo, FakeInvicti};
use tenable_was_client::testing::FakeNote;

use support::{CANARY, Desk, Fakes, on_line};

const COMMIT: &str = "4b6472266afd7b471e86085a6659e8c7f2b119da";

/// A desk that pushes to the three fakes, under the name of each.
fn desk(fakes: &Fakes, dojo: &FakeDojo, invicti: &FakeInvicti, github: &FakeCodeScanning) -> Desk {
    fakes.desk(&format!(
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
        [push.nobody]
        target = "defectdojo"
        token_env = "SECRET"
        "#,
        dojo.base_url(),
        invicti.base_url(),
        github.base_url(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_closed_at_a_keeper_only_on_complete_data() {
    let fakes = Fakes::start().await;
    let dojo = FakeDojo::start(CANARY).await.unwrap();
    let invicti = FakeInvicti::start(CANARY).await.unwrap();
    let github = FakeCodeScanning::start(CANARY).await.unwrap();
    let desk = desk(&fakes, &dojo, &invicti, &github);
    let push = |to: &'static str, more: &'static [&'static str]| {
        let words = [&["--to", to, "-o", "json"], more].concat();
        on_line("push", &words)
    };
    let on_github: &[&str] = &["--commit", COMMIT, "--ref", "refs/heads/main"];

    let run = desk.run(&on_line("scan", &["--poll", "1", "-o", "json"])).await.expect(0).document();
    let found = run["import"]["summary"]["new"].as_u64().unwrap();
    let pushed = desk.run(&push("dojo", &[])).await.expect(0).document();
    assert_eq!(
        (pushed["target"].as_str(), pushed["counts"]["created"].as_u64()),
        (Some("defectdojo"), Some(found))
    );
    let pushed = desk.run(&push("invicti", &[])).await.expect(0).document();
    assert_eq!(pushed["target"], "invicti");
    let pushed = desk.run(&push("github", on_github)).await.expect(0).document();
    assert_eq!(pushed["target"], "github");
    let alerts = github.alerts().len();
    assert!(alerts > 0);

    // Half a scan: nothing closes anywhere, and those that cannot keep what is absent open are not told.
    fakes.half(Some(FakeNote::time_limit()));
    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(7);
    let pushed = desk.run(&push("dojo", &[])).await.expect(0).document();
    assert_eq!(pushed["counts"]["closed"], 0, "{pushed}");
    assert!(dojo.last_form().contains(&("close_old_findings".to_owned(), "false".to_owned())));
    for (to, more) in [("invicti", &[][..]), ("github", on_github)] {
        let refused = desk.run(&push(to, more)).await.expect(7);
        assert!(refused.stderr.contains("--allow-unproven-closing"), "{}", refused.stderr);
    }
    assert!(github.alerts().iter().all(|alert| alert.open));

    // The whole of what is left: now the rest is gone.
    fakes.half(None);
    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    let pushed = desk.run(&push("dojo", &[])).await.expect(0).document();
    assert!(pushed["counts"]["closed"].as_u64().unwrap() > 0, "{pushed}");
    desk.run(&push("github", on_github)).await.expect(0);
    assert!(github.alerts().iter().any(|alert| !alert.open));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_pushed_is_refused_with_what_is_lacking() {
    let fakes = Fakes::start().await;
    let dojo = FakeDojo::start("another token").await.unwrap();
    let invicti = FakeInvicti::start(CANARY).await.unwrap();
    let github = FakeCodeScanning::start(CANARY).await.unwrap();
    let desk = desk(&fakes, &dojo, &invicti, &github);
    let push = |to: &'static str| on_line("push", &["--to", to]);
    // Nothing was imported yet.
    desk.run(&push("dojo")).await.expect(2);
    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    for (to, code, said) in [
        ("elsewhere", 2, "no [push.elsewhere]"),
        ("nobody", 2, "lacks base_url"),
        ("github", 2, "--commit"),
        ("dojo", 3, "401"),
    ] {
        let refused = desk.run(&push(to)).await.expect(code);
        assert!(refused.stderr.contains(said), "{to}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_written_where_a_scanner_takes_it_and_refused_where_none_does() {
    let fakes = Fakes::start().await;
    let desk = fakes.desk("");
    let text = std::fs::read_to_string(desk.path("appsec.toml")).unwrap();
    support::write(
        &desk.path("appsec.toml"),
        &text.replace("[connections.was]", "write_back = \"object\"\n[connections.was]"),
    );
    let salt = ["-p", "shop", "-t", "salt", "--bind-to", "all", "-o", "json"];
    let on_salt = |command: &'static str, more: &[&'static str]| [&[command], &salt[..], more].concat();
    desk.run(&on_salt("import", &[])).await;
    let open = desk.run(&on_salt("findings", &["--state", "open"])).await.expect(0).documents();
    let fingerprint: &'static str = open[0]["fingerprint"].as_str().unwrap().to_owned().leak();

    let words = on_salt("set-status", &["--to", "risk-accepted", fingerprint]);
    let written = desk.run(&words).await.expect(0).document();
    assert_eq!(written["fingerprint"], fingerprint);
    assert_eq!(written["written"], "ignored", "the word that Salt has for it");
    // The scanner says it from now on; here it is what was decided.
    desk.run(&on_salt("import", &[])).await;
    let known = desk.run(&on_salt("findings", &[])).await.expect(0).documents();
    let known = known.iter().find(|finding| finding["fingerprint"] == fingerprint).unwrap();
    assert_eq!((&known["state"], &known["status"]), (&"risk_accepted".into(), &"ignored".into()));

    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    let open = desk.run(&on_line("findings", &["-o", "json"])).await.expect(0).documents();
    let fingerprint = open[0]["fingerprint"].as_str().unwrap();
    // Tenable takes no statuses: what a person decides is kept here, and what only the scanner can say is refused.
    let words = on_line("set-status", &["--to", "false-positive", fingerprint, "-o", "json"]);
    let kept = desk.run(&words).await.expect(0).document();
    assert_eq!((&kept["kept"], &kept["written"]), (&true.into(), &serde_json::Value::Null));
    desk.run(&on_line("scan", &["--poll", "1"])).await.expect(0);
    let why = desk.run(&on_line("explain", &[fingerprint])).await.expect(0);
    assert!(why.stdout.contains("now false positive, as a user decided"), "{}", why.stdout);
    let refused = desk.run(&on_line("set-status", &["--to", "fixed", fingerprint, "-o", "json"])).await;
    assert!(refused.code != 0, "{}", refused.said());
    assert!(
        refused.said().contains("not supported") || refused.said().contains("unsupported"),
        "{}",
        refused.said()
    );
}
