//! Which binding a command means: names are aliases, a moved binding keeps its history, and what is not known
//! is an error that lists what is.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

use serde_json::Value;

use support::{CANARY, CommandResult, Fakes, STOREFRONT, Workspace, on_binding, write};

/// A folder without a configuration, and a command in it that reaches the fake Tenable by its variables.
struct WithoutFile {
    workspace: Workspace,
    base_url: String,
}

impl WithoutFile {
    fn new(fakes: &Fakes) -> Self {
        Self { workspace: Workspace::new(""), base_url: fakes.tenable.base_url() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(arguments);
        command.env("TENABLE_ACCESS_KEY", CANARY).env("TENABLE_SECRET_KEY", CANARY);
        command.env("TENABLE_BASE_URL", &self.base_url);
        command
    }

    async fn run(&self, arguments: &[&str]) -> CommandResult {
        self.workspace.finish(self.command(arguments)).await
    }

    /// Adds a configuration with a connection and a binding to the same target.
    fn configure(&self, connection_keys: &str, target: &str) {
        let config = format!(
            r#"
            [connections.was]
            scanner = "tenableiowas"
            access_key_env = "SECRET"
            secret_key_env = "SECRET"
            {connection_keys}
            [[bindings]]
            name = "shop nightly"
            project = "shop"
            scanner = "was"
            bind_target = "{target}"
            branch = "main"
            schedule = {{ cron = "@daily" }}
            "#
        );
        write(&self.workspace.path("appsec.toml"), &config);
    }
}

fn change_target_id(fakes: &Fakes, id: &str) -> String {
    let mut old = String::new();
    fakes.edit_target(|config| old = std::mem::replace(&mut config.id, id.to_owned()));
    format!("config:{old}")
}

fn summary(result: &CommandResult) -> (u64, u64) {
    let document = result.document();
    let count = |name: &str| document["import"]["summary"][name].as_u64().unwrap();
    (count("new"), count("recurrent"))
}

async fn known(workspace: &Workspace) -> Vec<Value> {
    workspace.run(&["binding", "list", "-o", "json"]).await.expect(0).documents()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_keeps_its_history_when_its_connection_and_target_get_names_later() {
    let fakes = Fakes::start().await;
    let bare = WithoutFile::new(&fakes);
    let scan = ["scan", "-p", "shop", "-t", "tenableiowas", "-b", "main", "--poll", "1", "-o", "json"];
    let first = bare.run(&[&scan[..], &["--bind-to", STOREFRONT]].concat()).await.expect(0);
    let (found, _) = summary(&first);
    assert!(found > 0);
    let list = ["findings", "-p", "shop", "-t", "was", "-b", "main", "-o", "json"];
    let id = first.document()["binding"]["bind_target"].as_str().unwrap().to_owned();
    assert!(id.starts_with("config:"), "{id}");

    // The same service, written differently; the target by its name, then by its id.
    let base_url = format!("base_url = \"{}/\"", bare.base_url.replace("http:", "HTTP:"));
    for target in [STOREFRONT, &id] {
        bare.configure(&base_url, target);
        let findings = bare.workspace.run(&list).await.expect(0).documents();
        assert_eq!(findings.len() as u64, found);
        let by = |target: &'static str| [&list[..], &["--bind-to", target]].concat();
        assert_eq!(bare.workspace.run(&by(STOREFRONT)).await.expect(0).documents(), findings);
        let again = ["scan", "-p", "shop", "-t", "was", "--poll", "1", "-o", "json"];
        assert_eq!(summary(&bare.workspace.run(&again).await.expect(0)), (0, found));
    }
    let known = known(&bare.workspace).await;
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!((&known[0]["connection"], &known[0]["target_name"]), (&"was".into(), &STOREFRONT.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_this_machine_may_have_another_port_the_next_time() {
    let (fakes, restarted) = (Fakes::start().await, Fakes::start().await);
    let mut bare = WithoutFile::new(&fakes);
    let scan =
        ["scan", "-p", "shop", "-t", "tenableiowas", "--bind-to", STOREFRONT, "--poll", "1", "-o", "json"];
    let (found, _) = summary(&bare.run(&scan).await.expect(0));
    bare.base_url = restarted.tenable.base_url();
    assert_ne!(bare.base_url, fakes.tenable.base_url());
    assert_eq!(summary(&bare.run(&scan).await.expect(0)), (0, found));
}

#[tokio::test(flavor = "multi_thread")]
async fn known_bindings_are_read_without_the_scanner() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    let before = fakes.tenable.requests();
    for arguments in [
        on_binding("findings", &[]),
        on_binding("report", &["-f", "sarif"]),
        vec!["findings", "-p", "shop"],
        vec!["findings", "-p", "shop", "-t", "tenableiowas"],
        vec!["binding", "list"],
    ] {
        assert!(!workspace.run(&arguments).await.expect(0).stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(fakes.tenable.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_lists_what_is_nearest_first() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let scan = |project: &'static str, branch: &'static str| {
        ["import", "-p", project, "-t", "salt", "--bind-to", "all", "-b", branch]
    };
    for (project, branch) in [("warehouse", "main"), ("amber", "main"), ("amber", "next")] {
        let imported = workspace.run(&scan(project, branch)).await;
        assert!([0, 7].contains(&imported.code), "{}", imported.output());
    }
    for arguments in [
        &["findings", "-p", "amb", "-t", "salt", "-b", "next"][..],
        &["report", "-p", "ambr", "-t", "salt", "-b", "next", "-f", "csv"],
        &["explain", "-p", "amb", "-b", "next", "v1:123456"],
        &["push", "-p", "amb", "-b", "next", "--to", "x"],
        &["set-status", "-p", "amb", "-b", "next", "--to", "ignored", "--here", "v1:123456"],
        &["binding", "move", "-p", "amb", "-b", "next", "--to-branch", "x"],
    ] {
        let refused = workspace.run(arguments).await.expect(2);
        if arguments[0] != "push" {
            let first = refused.stderr.lines().nth(1).unwrap();
            assert_eq!(
                first, "  -p amber -t salt --bind-to all -b next",
                "{arguments:?}: {}",
                refused.stderr
            );
        }
    }
    let misspelt = ["findings", "-p", "amber", "-t", "salt", "--bind-to", "al", "-b", "main"];
    assert!(workspace.run(&misspelt).await.expect(2).stderr.contains("--bind-to all -b main"));
    // Several: all of them are listed, and no other.
    let several = workspace.run(&["findings", "-p", "amber", "-t", "salt"]).await.expect(2);
    assert!(several.stderr.contains("-b main") && several.stderr.contains("-b next"), "{}", several.stderr);
    assert!(!several.stderr.contains("warehouse"), "{}", several.stderr);
    // A tool, and a target of a new binding.
    let tool = workspace.run(&["findings", "-p", "amber", "-t", "slat"]).await.expect(2);
    assert!(tool.stderr.contains("known are salt, "), "{}", tool.stderr);
    let target =
        workspace.run(&["import", "-p", "shop", "-t", "was", "--bind-to", "storefrnt nightly"]).await;
    let nearest = target.expect(2).stderr.lines().nth(1).unwrap().to_owned();
    assert!(nearest.ends_with(&format!("({STOREFRONT})")), "{nearest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_part_is_refused() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    for part in ["-p", "-t", "-b", "-m", "--bind-to"] {
        for value in ["", " "] {
            for command in ["findings", "import"] {
                let mut arguments = vec![command];
                for (option, given) in [("-p", "shop"), ("-t", "was"), ("--bind-to", STOREFRONT)] {
                    if option != part {
                        arguments.extend([option, given]);
                    }
                }
                arguments.extend([part, value]);
                let refused = workspace.run(&arguments).await.expect(2);
                assert!(refused.stderr.contains("the value is empty"), "{}", refused.stderr);
            }
        }
    }
    assert_eq!(fakes.tenable.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_made_anew_is_moved_with_its_history() {
    let fakes = Fakes::start().await;
    let workspace = fakes.workspace("");
    let scan = on_binding("scan", &["--poll", "1", "-o", "json"]);
    let (found, _) = summary(&workspace.run(&scan).await.expect(0));
    let finding = workspace.run(&on_binding("findings", &["-o", "json"])).await.documents().remove(0);
    let finding = finding["fingerprint"].as_str().unwrap().to_owned();
    workspace.run(&on_binding("set-status", &["--to", "risk-accepted", "--here", &finding])).await.expect(0);

    let new = "0f0e0d0c-0b0a-4908-8706-050403020100";
    let old = change_target_id(&fakes, new);
    let refused = workspace.run(&scan).await.expect(2);
    let offer = format!("binding move -p shop -t was --bind-to {old} --to-target config:{new}");
    assert!(refused.stderr.contains(&offer), "{}", refused.stderr);
    let offered: Vec<_> = offer.split(' ').collect();
    workspace.run(&offered).await.expect(0);
    assert_eq!(known(&workspace).await[0]["bind_target"], format!("config:{new}"));

    assert_eq!(summary(&workspace.run(&scan).await.expect(0)), (0, found));
    let findings = workspace.run(&on_binding("findings", &["-o", "json"])).await.documents();
    let kept = findings.iter().find(|known| known["fingerprint"] == finding.as_str()).unwrap();
    assert_eq!(kept["state"], "risk_accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_a_connection_gets_later_does_not_orphan_its_history() {
    let fakes = Fakes::start().await;
    let bare = WithoutFile::new(&fakes);
    let base_url = format!("base_url = \"{}\"", bare.base_url);
    bare.configure(&base_url, STOREFRONT);
    let scan = ["scan", "-p", "shop", "-t", "was", "--poll", "1", "-o", "json"];
    let (found, _) = summary(&bare.workspace.run(&scan).await.expect(0));

    // A second connection to the same base URL could be another tenant. Before it reads the same binding, one of
    // them needs a name for its tenant; everything else works.
    let second = format!(
        "{base_url}\n[connections.was2]\nscanner = \"tenableiowas\"\n{base_url}\naccess_key_env = \"SECRET\"\nsecret_key_env = \"SECRET\"\n"
    );
    bare.configure(&second, STOREFRONT);
    assert_eq!(summary(&bare.workspace.run(&scan).await.expect(0)), (0, found));
    bare.workspace.run(&["ping", "-t", "was2"]).await.expect(0);
    let by_second = scan.map(|argument| if argument == "was" { "was2" } else { argument });
    let refused = bare.workspace.run(&by_second).await.expect(2);
    assert!(
        refused.stderr.contains("connections.was and connections.was2 have the same"),
        "{}",
        refused.stderr
    );
    bare.configure(&format!("{base_url}\ntenant = \"shop\""), STOREFRONT);
    let refused = bare.workspace.run(&scan).await.expect(2);
    assert!(refused.stderr.contains("--to-tool was"), "{}", refused.stderr);
    bare.workspace.run(&["binding", "move", "-p", "shop", "--to-tool", "was"]).await.expect(0);
    assert_eq!(summary(&bare.workspace.run(&scan).await.expect(0)), (0, found));
    assert_eq!(known(&bare.workspace).await.len(), 1);
}
