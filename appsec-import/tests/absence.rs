//! Each case in which absence must not close a finding, through the importer, with the real clients on
//! their fakes: what stays open, and the reasons.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, ErrorKind, Result, Severity};
use appsec_import::reconcile::State;
use appsec_import::store::Page;
use appsec_import::{
    Binding, EmptyReason, Import, ImportOptions, Importer, ScanConfiguration, SqlStore, Store,
};
use salt_client::SaltClient;
use salt_client::testing::{Access, FakeSalt, Route as SaltRoute, Tenant as SaltTenant, gap, host};
use serde_json::json;
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakeNote, FakePlugin, FakeTarget, FakeTenableWas, ScanScript,
};

const SHOP: &str = "shop.example.com";

/// A store in a folder of its own.
struct TestStore {
    store: Arc<SqlStore>,
    _folder: tempfile::TempDir,
}

impl TestStore {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        Self { store: Arc::new(SqlStore::connect(&url).await.unwrap()), _folder: folder }
    }

    async fn try_import(
        &self,
        scanner: impl DastApiScanner + 'static,
        target: &str,
        options: &ImportOptions,
    ) -> Result<Import> {
        let binding = Binding::new("shop", scanner.info().key, ScanConfiguration::new(target));
        Importer::new(Arc::new(scanner), self.store.clone()).run(&binding, options).await
    }

    async fn import(
        &self,
        scanner: impl DastApiScanner + 'static,
        target: &str,
        options: &ImportOptions,
    ) -> Import {
        self.try_import(scanner, target, options).await.unwrap()
    }

    /// The places of a binding's open findings.
    async fn open_places(&self, scanner: &str, target: &str) -> Vec<String> {
        let binding = Binding::new("shop", scanner, ScanConfiguration::new(target));
        let findings = self.store.known_findings(&binding, Page { after: 0, limit: 1_000 }).await.unwrap();
        let open = findings.into_iter().filter(|(_, finding)| finding.state == State::Open);
        let mut places: Vec<_> = open.map(|(_, finding)| finding.place).collect();
        places.sort_unstable();
        places
    }
}

/// Options that read the existing findings.
fn read() -> ImportOptions {
    ImportOptions::new()
}

/// Options that scan first.
fn scan() -> ImportOptions {
    ImportOptions::new()
        .with_scan(true)
        .with_scan_poll_interval(Duration::from_secs(1))
        .with_scan_deadline(Duration::from_mins(1))
}

/// The entries of a summary about findings that stay open.
fn kept(import: &Import) -> Vec<String> {
    assert_eq!(import.summary.closed, 0, "{import}");
    let lines = import.to_string().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let without_date = |line: String| match line.split_once("; nothing heard since ") {
        Some((line, date)) => {
            assert_eq!(date.len(), 10, "{date}");
            line.to_owned()
        }
        None => line,
    };
    lines.into_iter().map(without_date).collect()
}

// Tenable

fn tenable() -> FakeBuilder {
    FakeTenableWas::builder().with_scan_script(ScanScript::new().with_statuses(["completed"]))
}

fn rule(severity: Severity) -> Arc<FakePlugin> {
    FakePlugin::new(98_115, "SQL Injection", severity).shared()
}

fn site(host: &str, pages: &[&str]) -> FakeTarget {
    let rule = rule(Severity::High);
    let found = pages.iter().map(|page| FakeFinding::new(&rule, format!("https://{host}/{page}")));
    FakeTarget::new(format!("https://{host}/")).with_findings(found)
}

fn config(name: &str) -> FakeConfig {
    FakeConfig::new(name)
}

fn target_of(config: &FakeConfig) -> String {
    format!("config:{}", config.id)
}

#[tokio::test]
async fn a_recast_finding_does_not_pass_a_severity_filter_and_stays_open() {
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &read()).await.summary.new, 2);
    fake.edit(|tenant| {
        let first = tenant.findings_mut().next().unwrap();
        *first = first.clone().recast(Severity::Low, "Behind a firewall");
    });
    let import =
        store.import(fake.client().unwrap(), &target, &read().with_severities([Severity::High])).await;
    assert_eq!(import.summary.recurrent, 1);
    assert_eq!(
        kept(&import),
        [
            "1 finding of shop.example.com stays open: an export does not prove that a missing finding is fixed; findings close when their state is fixed"
        ]
    );
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!(import.summary.recurrent, 2, "without the filter both are there");
}

#[tokio::test]
async fn a_severity_filter_over_a_conclusive_scan_closes_nothing() {
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &scan()).await.summary.new, 2);
    let filtered = scan().with_severities([Severity::Critical]);
    let import = store.import(fake.client().unwrap(), &target, &filtered).await;
    assert_eq!(
        kept(&import),
        [
            "2 findings of shop.example.com stay open: the query was filtered by severity",
            "no findings: no finding has one of the severities asked for: widen the filter to see others"
        ]
    );
}

#[tokio::test]
async fn a_scan_that_hit_its_time_limit_closes_nothing_and_one_that_did_not_closes_what_is_gone() {
    let pages: Vec<String> = (0..40).map(|page| format!("page/{page}")).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let shop = config("shop").with_target(site(SHOP, &pages));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &scan()).await.summary.new, 40);
    let limited = ScanScript::new().with_statuses(["completed"]).with_note(FakeNote::time_limit());
    fake.edit(|tenant| {
        tenant.findings_mut().for_each(|finding| finding.visible = false);
        tenant.configs[0].script = Some(limited);
    });
    let import = store.import(fake.client().unwrap(), &target, &scan()).await;
    let kept = kept(&import);
    assert_eq!(
        kept[0],
        "40 findings of shop.example.com stay open: https://shop.example.com/: Scan Time Limit Reached: Stopped at the configured time limit."
    );
    fake.edit(|tenant| tenant.configs[0].script = None);
    let import = store.import(fake.client().unwrap(), &target, &scan()).await;
    assert_eq!(import.summary.closed, 40, "{import}");
}

#[tokio::test]
async fn a_configuration_that_dropped_a_target_does_not_close_that_targets_findings() {
    let both = config("shop").with_target(site(SHOP, &["a"])).with_target(site("pay.example.com", &["p"]));
    let taken_out = format!(
        "not examined: {}/target:https://pay.example.com/ was not part of this run",
        target_of(&both)
    );
    for options in [scan(), read()] {
        let target = target_of(&both);
        let (fake, store) =
            (tenable().with_config(both.clone()).start().await.unwrap(), TestStore::open().await);
        assert_eq!(store.import(fake.client().unwrap(), &target, &options).await.summary.new, 2);
        fake.edit(|tenant| drop(tenant.configs[0].targets.pop()));
        let import = store.import(fake.client().unwrap(), &target, &options).await;
        assert_eq!(import.summary.recurrent, 1, "{import}");
        assert_eq!(kept(&import), [format!("1 finding of pay.example.com stays open: {taken_out}")]);
    }
}

#[tokio::test]
async fn a_narrower_template_does_not_close_what_it_does_not_look_for() {
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &scan()).await.summary.new, 2);
    fake.edit(|tenant| {
        tenant.configs[0].template = "config_audit".to_owned();
        tenant.findings_mut().for_each(|finding| finding.visible = false);
    });
    let import = store.import(fake.client().unwrap(), &target, &scan()).await;
    let reason = kept(&import).remove(0);
    assert!(reason.contains("the examination (template config_audit, scope all"), "{reason}");
    assert!(
        reason.contains("was narrower or other than the one that saw it (template scan, scope all"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_asset_out_of_licence_is_still_asked_for() {
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &read()).await.summary.new, 2);
    fake.edit(|tenant| tenant.configs[0].targets[0].licensed = false);
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!((import.summary.recurrent, kept(&import).len()), (2, 0), "{import}");

    // Where the service leaves it out anyway, absence proves nothing either.
    fake.edit(|tenant| tenant.configs[0].targets[0].findings.clear());
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!(
        kept(&import)[0],
        "2 findings of shop.example.com stay open: an export does not prove that a missing finding is fixed; findings close when their state is fixed"
    );
}

#[tokio::test]
async fn a_key_that_lost_access_to_a_configuration_closes_nothing() {
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &read()).await.summary.new, 2);
    // What a key may not see is not listed.
    fake.edit(|tenant| tenant.configs.clear());
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!(
        kept(&import),
        [
            format!(
                "2 findings of shop.example.com stay open: the scanner does not list {target}, or not to these credentials"
            ),
            format!("no findings: {}", EmptyReason::TargetMissing),
        ]
    );

    let client = fake.client().unwrap();
    fake.revoke_keys();
    let error = store.try_import(client, &target, &read()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert_eq!(store.open_places("tenableiowas", &target).await.len(), 2, "an error decides nothing");
}

#[tokio::test]
async fn two_configurations_that_share_an_asset_do_not_close_each_others_findings() {
    let shop = config("shop").with_target(site(SHOP, &["a", "both"]));
    let audit = config("audit").with_target(site(SHOP, &["b", "both"])).with_template("config_audit");
    let target = target_of(&shop);
    let fake = tenable().with_config(shop).with_config(audit.clone()).start().await.unwrap();
    let store = TestStore::open().await;
    // The export can be asked by asset only. What the other configuration saw last is not this one's.
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!((import.summary.new, import.summary.left_out), (1, 2), "{import}");
    let import = store.import(fake.client().unwrap(), &target, &scan()).await;
    assert_eq!((import.summary.new, import.summary.recurrent), (1, 1), "{import}");
    assert!(import.summary.kept_open.is_empty(), "{import}");
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!((import.summary.recurrent, import.summary.left_out), (2, 1), "{import}");
    assert_eq!(store.open_places("tenableiowas", &target).await.len(), 2);

    let other = store.import(fake.client().unwrap(), &target_of(&audit), &scan()).await;
    assert_eq!((other.summary.new, other.summary.closed), (2, 0), "a binding of its own");
}

#[tokio::test]
async fn what_was_last_seen_before_the_exports_thirty_days_is_seen_again() {
    let old = |tenant: &mut tenable_was_client::testing::Tenant| {
        use tenable_was_client::testing::days_ago;
        tenant.findings_mut().for_each(|finding| finding.last_found = days_ago(45));
    };
    let shop = config("shop").with_target(site(SHOP, &["a", "b"]));
    let target = target_of(&shop);
    let (fake, store) = (tenable().with_config(shop).start().await.unwrap(), TestStore::open().await);
    assert_eq!(store.import(fake.client().unwrap(), &target, &read()).await.summary.new, 2);
    fake.edit(old);
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!((import.summary.recurrent, kept(&import).len()), (2, 0), "{import}");
    fake.advance(Duration::from_hours(24 * 200));
    let import = store.import(fake.client().unwrap(), &target, &read()).await;
    assert_eq!((import.summary.recurrent, kept(&import).len()), (2, 0), "{import}");
}

// Salt

fn salt_tenant() -> SaltTenant {
    SaltTenant::new()
        .with_host(host(SHOP))
        .with_gaps((0..20).map(|number| gap(&format!("g{number:03}"), SHOP)))
}

fn client_of(fake: &FakeSalt) -> SaltClient {
    fake.client_builder().with_page_size(5).build().unwrap()
}

async fn salt() -> (FakeSalt, TestStore) {
    let fake = FakeSalt::builder().with_tenant(salt_tenant()).start().await.unwrap();
    (fake, TestStore::open().await)
}

#[tokio::test]
async fn a_gap_that_is_gone_closes_and_one_that_is_filtered_out_does_not() {
    let (fake, store) = salt().await;
    let target = "host:shop.example.com";
    assert_eq!(store.import(client_of(&fake), target, &read()).await.summary.new, 20);
    fake.edit(|tenant| tenant.gap_mut("g000").unwrap()["severity"] = json!("Low"));
    let import = store.import(client_of(&fake), target, &read().with_severities([Severity::High])).await;
    assert_eq!(
        kept(&import),
        ["1 finding of shop.example.com stays open: the query was filtered by severity"]
    );
    fake.edit(|tenant| drop(tenant.gaps.remove(0)));
    let import = store.import(client_of(&fake), target, &read()).await;
    assert_eq!((import.summary.closed, import.summary.recurrent), (1, 19), "{import}");
}

#[tokio::test]
async fn a_host_that_lost_its_label_keeps_its_findings_open() {
    let store = TestStore::open().await;
    let mut labelled = host(SHOP);
    labelled["labels"] = json!(["payments"]);
    let mut other = host("pay.example.com");
    other["labels"] = json!(["payments"]);
    let tenant = salt_tenant().with_host(other).with_gap(gap("p", "pay.example.com"));
    let mut tenant = tenant;
    tenant.hosts[0] = labelled;
    let fake = FakeSalt::builder().with_tenant(tenant).start().await.unwrap();
    let target = "label:payments";
    assert_eq!(store.import(client_of(&fake), target, &read()).await.summary.new, 21);
    fake.edit(|tenant| tenant.hosts[0]["labels"] = json!([]));
    let import = store.import(client_of(&fake), target, &read()).await;
    assert_eq!(import.summary.recurrent, 1);
    assert_eq!(
        kept(&import),
        [
            "20 findings of shop.example.com stay open: not examined: host:shop.example.com was not part of this run"
        ]
    );
    // The gap of a host that keeps its label is gone. The list does not distinguish it from that of a host
    // whose label was removed.
    fake.edit(|tenant| tenant.gaps.retain(|gap| gap["postureGapId"] != "p"));
    let import = store.import(client_of(&fake), target, &read()).await;
    assert_eq!(
        kept(&import)[0],
        "1 finding of pay.example.com stays open: the query names a label, and a gap whose label was removed still exists"
    );
    // And the last host loses it.
    fake.edit(|tenant| tenant.hosts[1]["labels"] = json!([]));
    let import = store.import(client_of(&fake), target, &read()).await;
    let reason = "neither a host nor any posture gap has the label payments";
    assert_eq!(
        kept(&import),
        [
            format!("1 finding of pay.example.com stays open: {reason}"),
            format!("20 findings of shop.example.com stay open: {reason}"),
            format!("no findings: {}", EmptyReason::TargetMissing),
        ]
    );
}

#[tokio::test]
async fn a_token_without_perm_viewer_gets_empty_lists_and_closes_nothing() {
    let (fake, store) = salt().await;
    let target = "host:shop.example.com";
    assert_eq!(store.import(client_of(&fake), target, &read()).await.summary.new, 20);
    let hidden = FakeSalt::builder().with_tenant(salt_tenant()).with_access(Access::Hidden);
    fake.reset(hidden);
    let import = store.import(client_of(&fake), target, &read()).await;
    assert_eq!(
        kept(&import)[0],
        "20 findings of shop.example.com stay open: the inventory lists no host; if there should be some, the token may lack the scope perm-viewer"
    );

    fake.reset(FakeSalt::builder().with_tenant(salt_tenant()).with_access(Access::Refused));
    let error = store.try_import(client_of(&fake), target, &read()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(store.open_places("saltsecurity", target).await.len(), 20);
}

#[tokio::test]
async fn a_host_that_the_inventory_lost_keeps_its_findings_open() {
    let (fake, store) = salt().await;
    assert_eq!(store.import(client_of(&fake), "all", &read()).await.summary.new, 20);
    fake.edit(|tenant| {
        tenant.hosts[0] = host("other.example.com");
        tenant.gaps.truncate(15);
    });
    let import = store.import(client_of(&fake), "all", &read()).await;
    assert_eq!(
        kept(&import),
        ["5 findings of shop.example.com stay open: the inventory does not list the host"]
    );
}

#[tokio::test]
async fn a_list_that_shifted_twice_closes_nothing() {
    let (fake, store) = salt().await;
    let target = "host:shop.example.com";
    assert_eq!(store.import(client_of(&fake), target, &read()).await.summary.new, 20);
    fake.reset(FakeSalt::builder().with_tenant(salt_tenant()));
    fake.edit(|tenant| tenant.gaps.truncate(18));
    // After the first move the reader sends two requests to find out whether pages overlap by design.
    for (calls, id) in [(2, "new"), (7, "newer")] {
        fake.edit_after(SaltRoute::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, SHOP)));
    }
    let import = store.import(client_of(&fake), target, &read()).await;
    assert_eq!(
        kept(&import),
        [
            "2 findings of shop.example.com stay open: the list of posture gaps moved twice while it was read; some gaps may have been skipped"
        ]
    );
}
