//! Text that a scanner sends cannot forge a line, send a command to a terminal, or hide what is around it, in
//! any command, output format, report or log.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use appsec_core::Severity;
use salt_client::testing::{Reply, Route, When};
use serde_json::json;
use support::{CANARY, CommandResult, Fakes, STOREFRONT, Workspace, on_binding, script};
use tenable_was_client::testing::{FakeFinding, FakeNote, FakePlugin, FakeTarget};

/// A line that a CI system executes, an ANSI and a C1 escape sequence, a bidirectional override, a zero-width
/// space, and a line separator.
const WORD: &str = "x\r\n::error::forged\u{1b}[31m\u{9b}32m\u{7f}\u{202e}\u{200b}\u{2028}y";

/// The characters that no output may hold as they are.
fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Checks that the text is clean. Returns whether it shows the hostile text.
#[track_caller]
fn check(what: &str, text: &str) -> bool {
    assert!(!text.contains(is_forbidden), "{what}: {text:?}");
    let forged = text.lines().find(|line| line.trim_start().starts_with("::"));
    assert_eq!(forged, None, "{what}: {text}");
    text.contains("forged")
}

struct Checked<'a> {
    workspace: &'a Workspace,
    shown: Vec<String>,
}

impl Checked<'_> {
    /// Runs a command in the three output formats, with the log, and checks what it prints. The result is that
    /// of the JSON format.
    async fn run(&mut self, arguments: &[&str]) -> CommandResult {
        let mut last = None;
        for format in ["table", "plain", "json"] {
            let arguments = [arguments, &["-vv", "-o", format]].concat();
            let result = self.workspace.run(&arguments).await;
            let what = arguments.join(" ");
            if check(&what, &result.output()) {
                self.shown.push(what);
            }
            last = Some(result);
        }
        last.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_and_no_report_of_tenable_findings_shows_raw_text() {
    let fakes = Fakes::start().await;
    let plugin = FakePlugin::new(98_104, format!("XSS {WORD}"), Severity::High)
        .with_family(WORD)
        .with_texts(format!("about {WORD}"), Some(WORD))
        .with_cve(WORD)
        .shared();
    let unknown = FakePlugin::new(98_105, "Other", Severity::Unknown(WORD.into())).shared();
    fakes.edit_target(|config| {
        let url = "https://shop.example.com/";
        let finding = FakeFinding::new(&plugin, format!("{url}a?{WORD}"))
            .with_input(WORD, WORD)
            .with_output(WORD)
            .with_proof(WORD, WORD)
            .with_exchange(format!("GET / HTTP/1.1\r\nX: {WORD}\r\n"), format!("HTTP/1.1 200 {WORD}\r\n"));
        let findings = [finding, FakeFinding::new(&unknown, url).with_state(WORD)];
        config.targets = vec![FakeTarget::new(url).with_findings(findings).with_broken_records(1)];
        config.description = Some(WORD.to_owned());
        config.script = Some(script(&["completed"]).with_note(FakeNote::new("high", WORD, WORD)));
    });
    fakes.tenable.edit(|tenant| {
        let hostile = tenant.configs.iter_mut().find(|config| config.name != STOREFRONT).unwrap();
        hostile.name = format!("storefront {WORD}");
    });
    let schedule = "[[bindings]]\nname = \"nightly\\u001b[31m\\u202e\"\nproject = \"shop\"\nscanner = \"was\"\n\
                bind_target = \"storefront nightly\"\nbranch = \"main\"\nschedule = { cron = \"0 3 * * *\", time_zone = \"UTC\" }\n";
    let workspace = fakes.workspace(schedule);
    let mut commands = Checked { workspace: &workspace, shown: Vec::new() };

    commands.run(&["targets", "-t", "was"]).await;
    commands.run(&on_binding("scan", &["--poll", "1", "--scan-tag", WORD])).await;
    commands.run(&on_binding("import", &[])).await;
    commands.run(&on_binding("import", &["--dry-run"])).await;
    let findings = commands.run(&on_binding("findings", &[])).await.expect(0).documents();
    for finding in &findings {
        commands.run(&on_binding("explain", &[finding["fingerprint"].as_str().unwrap()])).await;
    }
    let fingerprint = findings[0]["fingerprint"].as_str().unwrap();
    commands.run(&on_binding("set-status", &["--dry-run", fingerprint, "ignored"])).await;
    commands.run(&["schedule", "apply"]).await;
    commands.run(&["schedule", "list"]).await;
    commands.run(&["schedule", "next"]).await;
    commands.run(&on_binding("findings", &["--bind-to", WORD])).await;
    for (command, times) in [("targets", 3), ("scan", 2), ("findings", 3), ("explain", 3)] {
        let shown = commands.shown.iter().filter(|what| what.starts_with(command)).count();
        assert!(shown >= times, "{command} shows the text {shown} times: {:#?}", commands.shown);
    }

    for format in ["sarif", "gitlab", "defectdojo", "ocsf", "csv", "jsonl"] {
        let result = workspace.run(&on_binding("report", &["-f", format, "--out", "report"])).await.expect(0);
        check(format, &result.output());
        let report = fs::read_to_string(workspace.path("report")).unwrap();
        // A cell of a spreadsheet may have several lines.
        if format == "csv" {
            assert!(!report.contains(|c| c != '\r' && is_forbidden(c)), "{report:?}");
        } else {
            assert!(check(format, &report), "the report of {format} holds the text");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_raw_text_of_salt_findings_and_errors() {
    let fakes = Fakes::start().await;
    fakes.salt.edit(|tenant| {
        let mut gap = salt_client::testing::gap("g-1", "api.example.com");
        for member in ["postureGapName", "endpointPath", "description", "severity", "status", "method"] {
            gap[member] = json!(WORD);
        }
        gap["endpointLabels"] = json!([WORD]);
        tenant.gaps = vec![gap, json!(WORD)];
        let mut host = salt_client::testing::host("api.example.com");
        host["labels"] = json!([WORD]);
        tenant.hosts.push(host);
    });
    let workspace = fakes.workspace("");
    let mut commands = Checked { workspace: &workspace, shown: Vec::new() };
    let binding = ["-p", "shop", "-t", "salt", "--bind-to", "all"];
    let on_binding = |command: &'static str| [&[command], &binding[..]].concat();
    commands.run(&["targets", "-t", "salt"]).await;
    commands.run(&on_binding("import")).await;
    let findings = commands.run(&on_binding("findings")).await.expect(0).documents();
    let fingerprint = findings[0]["fingerprint"].as_str().unwrap();
    commands.run(&[&on_binding("explain")[..], &[fingerprint]].concat()).await;
    commands.run(&[&on_binding("report")[..], &["-f", "jsonl"]].concat()).await;
    for command in ["targets", "findings", "explain", "report"] {
        let shown = commands.shown.iter().filter(|what| what.starts_with(command)).count();
        assert_eq!(shown, 3, "{command}: {:#?}", commands.shown);
    }

    // The service's own words in an error.
    let reply = Reply::Json(400, json!({ "message": WORD, WORD: WORD }));
    fakes.salt.script(Route::Any, When::Always, reply);
    for arguments in [&["ping", "-t", "salt"][..], &["targets", "-t", "salt"], &on_binding("import")] {
        let result = commands.run(arguments).await;
        assert_ne!(result.code, 0);
        assert!(!result.output().contains(CANARY));
    }
}
