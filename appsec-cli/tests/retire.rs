//! `appsec retire`, and what `scan`, `import` and `explain` say of a target that is not examined any more.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{Fakes, on_binding};
use tenable_was_client::testing::{FakeFinding, FakePlugin, FakeTarget};

const OLD: &str = "https://old.example.com/app";

/// Fakes whose bind target has two more findings, of a second target.
async fn with_old_target() -> Fakes {
    let fakes = Fakes::start().await;
    fakes.edit_target(|config| {
        let rule = FakePlugin::new(98_115, "SQL Injection", appsec_core::Severity::High).shared();
        let pages = ["a", "b"].map(|page| FakeFinding::new(&rule, format!("{OLD}/{page}")));
        config.targets.push(FakeTarget::new(OLD).with_findings(pages));
    });
    fakes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_named_and_can_be_retired() {
    let fakes = with_old_target().await;
    let workspace = fakes.workspace("");
    workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    fakes.edit_target(|config| config.remove_target(OLD));
    let scan = workspace.run(&on_binding("scan", &["--poll", "1"])).await.expect(0);
    assert!(scan.stdout.contains(", 0 closed, 2 kept open"), "{}", scan.output());
    assert!(
        scan.stdout.contains("2 findings of old.example.com stay open: not examined: config:"),
        "{}",
        scan.stdout
    );
    assert!(scan.stdout.contains("; nothing heard since "), "{}", scan.stdout);
    assert!(scan.stderr.contains("appsec retire --partition 'config:"), "{}", scan.stderr);

    let listed = workspace.run(&on_binding("retire", &["-o", "json"])).await.expect(0).documents();
    let old: Vec<_> = listed.iter().filter(|known| known["examined"] == false).collect();
    let [old] = old.as_slice() else { panic!("{listed:?}") };
    let partition = old["partition"].as_str().unwrap();
    assert!(partition.ends_with(&format!("/target:{OLD}")) && old["open"] == 2, "{old}");
    let table = workspace.run(&on_binding("retire", &[])).await.expect(0).stdout;
    assert!(table.contains("not examined") && table.contains(partition), "{table}");

    let url = "HTTPS://Old.example.com/app/";
    workspace.run(&on_binding("retire", &["--target-url", url])).await.expect(2);
    let unknown =
        workspace.run(&on_binding("retire", &["--partition", "config:1", "--reason", "gone"])).await;
    assert!(unknown.expect(2).stderr.contains(partition), "what is known is listed");
    let dry = ["--target-url", url, "--reason", "gone", "--dry-run", "-o", "json"];
    assert_eq!(workspace.run(&on_binding("retire", &dry)).await.expect(0).document()["closed"], 2);
    let nobody =
        workspace.run(&on_binding("retire", &["--target-url", url, "--reason", "gone"])).await.expect(2);
    assert!(nobody.stderr.contains("--by"), "{}", nobody.stderr);

    let retire = ["--target-url", url, "--reason", "the app was shut down", "--by", "kim"];
    let done = workspace.run(&on_binding("retire", &retire)).await.expect(0);
    assert_eq!(done.stdout.trim_end(), format!("closed 2 findings of {partition}"));
    workspace.run(&on_binding("retire", &retire)).await.expect(2);

    let closed =
        workspace.run(&on_binding("findings", &["--state", "closed", "-o", "json"])).await.documents();
    let of_old: Vec<_> = closed
        .iter()
        .filter(|finding| finding["place"].as_str().unwrap().contains("old.example.com"))
        .collect();
    assert_eq!(of_old.len(), 2, "{closed:?}");
    let fingerprint = of_old[0]["fingerprint"].as_str().unwrap();
    let told = workspace.run(&on_binding("explain", &[fingerprint])).await.expect(0).stdout;
    assert!(told.contains("not closed, open: not examined: "), "{told}");
    assert!(told.contains("closed, since its target was retired by kim: the app was shut down"), "{told}");
    let told = workspace.run(&on_binding("explain", &[fingerprint, "-o", "json"])).await.expect(0).document();
    assert_eq!(told["retirements"][0]["by"], "kim");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_asset_was_deleted_says_since_when_nothing_was_heard_of_it() {
    let fakes = with_old_target().await;
    let workspace = fakes.workspace("");
    workspace.run(&on_binding("import", &[])).await.expect(0);
    fakes.edit_target(|config| config.targets.iter_mut().for_each(|target| target.findings.clear()));
    let import = workspace.run(&on_binding("import", &[])).await.expect(0);
    assert!(import.stdout.contains("; nothing heard since "), "{}", import.stdout);
    assert!(!import.stdout.contains("reports nothing"), "it was not asked: {}", import.stdout);
    assert!(import.stderr.contains("`appsec retire` lists"), "{}", import.stderr);
}
