//! Partitions through the importer, with the Tenable client on its fake: what was examined, what belongs to a
//! binding, and what can be retired.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{BindTarget, DastApiScanner, ErrorKind, FindingStatus, PartitionKey, Severity, Timestamp};
use appsec_import::decision::Retirement;
use appsec_import::outbox::{Event, EventData, Outbox, Subscription};
use appsec_import::reconcile::{KnownFinding, State};
use appsec_import::store::Page;
use appsec_import::{
    Binding, EmptyReason, Import, ImportOptions, Importer, ScanConfiguration, SqlStore, Store,
};
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, ScanScript,
};

const ONE: &str = "https://code.example.com/acme/one";
const OTHER: &str = "https://code.example.com/acme/other";

/// A store in a folder of its own, with one binding.
struct Shop {
    store: Arc<SqlStore>,
    binding: Binding,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open(scanner: &str, target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        Self {
            store: Arc::new(SqlStore::connect(&url).await.unwrap()),
            binding: Binding::new("shop", scanner, ScanConfiguration::new(target)),
            _folder: folder,
        }
    }

    async fn of(config: &FakeConfig) -> Self {
        Self::open("tenableiowas", &format!("config:{}", config.id)).await
    }

    async fn run(&self, scanner: impl DastApiScanner + 'static, options: &ImportOptions) -> Import {
        Importer::new(Arc::new(scanner), self.store.clone()).run(&self.binding, options).await.unwrap()
    }

    async fn scan(&self, fake: &FakeTenableWas) -> Import {
        let options = ImportOptions::new().with_scan(true).with_scan_poll_interval(Duration::from_secs(1));
        self.run(fake.client().unwrap(), &options).await
    }

    async fn read(&self, fake: &FakeTenableWas) -> Import {
        self.run(fake.client().unwrap(), &ImportOptions::new()).await
    }

    async fn findings(&self) -> Vec<KnownFinding> {
        let page = Page { after: 0, limit: 1000 };
        let findings = self.store.known_findings(&self.binding, page).await.unwrap();
        findings.into_iter().map(|(_, finding)| finding).collect()
    }

    /// The state of each finding, by the end of its place.
    async fn states(&self) -> BTreeMap<String, State> {
        let end = |place: String| place.rsplit('/').next().unwrap().to_owned();
        self.findings().await.into_iter().map(|finding| (end(finding.place), finding.state)).collect()
    }

    async fn explain(&self, page: &str) -> String {
        let finding =
            self.findings().await.into_iter().find(|finding| finding.place.ends_with(page)).unwrap();
        self.store.explain(&self.binding, &finding.fingerprint).await.unwrap().unwrap().to_string()
    }

    fn partition(&self, url: &str) -> PartitionKey {
        PartitionKey::new(format!("{}/target:{url}", self.binding.configuration.bind_target))
    }
}

fn tenable() -> FakeBuilder {
    FakeTenableWas::builder().with_scan_script(ScanScript::new().with_statuses(["completed"]))
}

fn target(url: &str, pages: &[&str]) -> FakeTarget {
    let rule = FakePlugin::new(98_115, "SQL Injection", Severity::High).shared();
    let found = pages.iter().map(|page| FakeFinding::new(&rule, format!("{url}/{page}")));
    FakeTarget::new(url).with_findings(found)
}

/// One configuration with two targets on one host, which share an asset.
fn two_targets() -> FakeConfig {
    FakeConfig::new("two targets")
        .with_target(target(ONE, &["a", "b"]))
        .with_target(target(OTHER, &["c", "d"]))
}

/// Makes every finding of a target fixed, as the export says it.
fn fix(target: &mut FakeTarget) {
    for finding in &mut target.findings {
        *finding = finding.clone().fixed(Timestamp::now());
    }
}

#[tokio::test]
async fn a_target_that_was_taken_out_or_renamed_keeps_its_findings_until_the_scanner_says_fixed() {
    type Edit = fn(&mut FakeConfig);
    let edits: [(&str, Edit); 2] = [
        ("taken out", |config| config.remove_target(OTHER)),
        ("renamed", |config| {
            config.remove_target(OTHER);
            config.targets.push(FakeTarget::new("https://code.example.com/acme/third"));
        }),
    ];
    for (name, edit) in edits {
        let config = two_targets();
        let fake = tenable().with_config(config.clone()).start().await.unwrap();
        let shop = Shop::of(&config).await;
        assert_eq!(shop.scan(&fake).await.summary.new, 4);
        fake.edit(|tenant| edit(tenant.config_mut(&config.id).unwrap()));
        let import = shop.scan(&fake).await;
        assert_eq!((import.summary.recurrent, import.summary.closed), (2, 0), "{name}: {import}");
        let [kept] = import.summary.kept_open.as_slice() else { panic!("{name}: {import}") };
        assert_eq!((kept.count, &kept.partition), (2, &shop.partition(OTHER)));
        assert!(kept.reason.starts_with("not examined: ") && kept.reason.contains(OTHER), "{}", kept.reason);
        let heard = import.to_string();
        let date = kept.last_seen.unwrap().strftime("%Y-%m-%d").to_string();
        assert!(heard.contains(&format!("; nothing heard since {date}")), "{heard}");
        let told = shop.explain("/c").await;
        assert!(told.contains("not closed, open: not examined: "), "{told}");

        // The export asks for the shared asset, and says what became of them.
        fake.edit(|tenant| fix(&mut tenant.config_mut(&config.id).unwrap().former_targets[0]));
        assert_eq!(shop.read(&fake).await.summary.closed, 2, "{name}");
    }
}

#[tokio::test]
async fn an_aborted_child_keeps_the_findings_of_its_target_alone() {
    let config = two_targets();
    let fake = tenable().with_config(config.clone()).start().await.unwrap();
    let shop = Shop::of(&config).await;
    assert_eq!(shop.scan(&fake).await.summary.new, 4);
    fake.edit(|tenant| {
        tenant.findings_mut().for_each(|finding| finding.visible = false);
        tenant.config_mut(&config.id).unwrap().targets[1].outcome = Some(("aborted".to_owned(), Vec::new()));
    });
    let import = shop.scan(&fake).await;
    assert_eq!((import.summary.closed, import.summary.kept_open_count()), (2, 2), "{import}");
    assert_eq!(import.summary.kept_open[0].partition, shop.partition(OTHER));
    assert!(!import.missing().is_empty());
}

#[tokio::test]
async fn what_another_configuration_found_on_the_same_asset_is_left_out() {
    let ours = FakeConfig::new("ours").with_target(target(ONE, &["a"]));
    let theirs = FakeConfig::new("theirs").with_target(target(OTHER, &["c", "d"]));
    let fake = tenable().with_config(ours.clone()).with_config(theirs).start().await.unwrap();
    let shop = Shop::of(&ours).await;
    let import = shop.read(&fake).await;
    assert_eq!((import.summary.new, import.summary.left_out, import.received), (1, 2, 3), "{import}");
    assert!(import.missing().is_empty(), "{import}");
    assert_eq!(shop.states().await, BTreeMap::from([("a".to_owned(), State::Open)]));
}

#[tokio::test]
async fn a_finding_that_the_binding_knows_by_its_id_is_its_own_whoever_saw_it_last() {
    for (template, closed) in [("quick", 0), ("scan", 1)] {
        // Both configurations scan one site.
        let ours = FakeConfig::new("ours").with_target(target(ONE, &["a"]));
        let theirs =
            FakeConfig::new("theirs").with_target(target(ONE, &["a"])).with_template(template).never_run();
        let fake = tenable().with_config(ours.clone()).with_config(theirs.clone()).start().await.unwrap();
        let shop = Shop::of(&ours).await;
        assert_eq!(shop.read(&fake).await.summary.new, 1);
        let [before] = shop.findings().await.try_into().unwrap();
        assert_eq!(before.partition, shop.partition(ONE));

        fake.client().unwrap().launch_scan(theirs.id.parse().unwrap()).await.unwrap();
        let import = shop.read(&fake).await;
        assert_eq!((import.summary.recurrent, import.summary.left_out), (1, 0), "{import}");
        let [after] = shop.findings().await.try_into().unwrap();
        assert_eq!((after.partition, after.profile), (before.partition, before.profile), "not taken over");

        // What a narrower scan calls fixed says nothing about what the wider one saw.
        fake.edit(|tenant| tenant.configs.iter_mut().for_each(|config| fix(&mut config.targets[0])));
        let import = shop.read(&fake).await;
        assert_eq!(
            (import.summary.closed, import.summary.kept_open_count()),
            (closed, 1 - closed),
            "{import}"
        );
        if let Some(kept) = import.summary.kept_open.first() {
            assert!(kept.reason.contains("another bind target's scan (template quick)"), "{}", kept.reason);
        }
    }
}

#[tokio::test]
async fn a_narrower_scan_closes_nothing_and_an_equal_one_does() {
    let config = FakeConfig::new("shop").with_target(target(ONE, &["a", "b"]));
    let fake = tenable().with_config(config.clone()).start().await.unwrap();
    let shop = Shop::of(&config).await;
    assert_eq!(shop.scan(&fake).await.summary.new, 2);
    let template = |name: &str| {
        fake.edit(|tenant| name.clone_into(&mut tenant.config_mut(&config.id).unwrap().template));
    };
    fake.edit(|tenant| tenant.findings_mut().for_each(|finding| finding.visible = false));
    template("quick");
    let import = shop.scan(&fake).await;
    assert_eq!((import.summary.closed, import.summary.kept_open_count()), (0, 2), "{import}");
    template("scan");
    assert_eq!(shop.scan(&fake).await.summary.closed, 2);
}

#[tokio::test]
async fn retiring_a_target_closes_its_findings_and_tells_who_and_why() {
    let config = two_targets();
    let fake = tenable().with_config(config.clone()).start().await.unwrap();
    let shop = Shop::of(&config).await;
    assert_eq!(shop.scan(&fake).await.summary.new, 4);
    fake.edit(|tenant| tenant.config_mut(&config.id).unwrap().remove_target(OTHER));
    assert_eq!(shop.scan(&fake).await.summary.kept_open_count(), 2);

    let known: Vec<_> = shop.store.partitions(&shop.binding).await.unwrap();
    let counts: Vec<_> = known.iter().map(|known| (known.partition.clone(), known.open)).collect();
    assert_eq!(counts, [(shop.partition(ONE), 2), (shop.partition(OTHER), 2)]);

    let (retired, why) = (shop.partition(OTHER), Retirement::new("kim", "the other app was shut down"));
    let webhook = [Subscription::all_events("chat")];
    let closed = shop.store.retire(&shop.binding, &retired, &why, &webhook).await.unwrap();
    assert_eq!(closed, 2);
    let by_state = |state| {
        let states = [("a", State::Open), ("b", State::Open), ("c", state), ("d", state)];
        BTreeMap::from(states.map(|(page, state)| (page.to_owned(), state)))
    };
    assert_eq!(shop.states().await, by_state(State::Closed));
    let told = shop.explain("/c").await;
    assert!(
        told.contains("closed, since its target was retired by kim: the other app was shut down"),
        "{told}"
    );
    assert!(told.ends_with("now closed"), "{told}");
    let messages = shop.store.claim("chat", Timestamp::MAX, Duration::from_mins(1), 10).await.unwrap();
    let events: Vec<Event> =
        messages.iter().map(|message| serde_json::from_str(&message.payload).unwrap()).collect();
    let [Event { data: EventData::FindingClosed(closed), .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(closed.findings.len(), 2);
    assert!(
        closed.findings.iter().all(|finding| {
            finding.reason.as_deref() == Some("retired by kim: the other app was shut down")
        })
    );

    let again = shop.store.retire(&shop.binding, &retired, &why, &[]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);

    // The records that the export keeps are older than the retirement.
    let import = shop.read(&fake).await;
    assert_eq!((import.summary.reopened, import.summary.kept_open_count()), (0, 0), "{import}");
    assert_eq!(shop.states().await, by_state(State::Closed));
    let told = shop.explain("/c").await;
    assert!(told.contains("unchanged, closed"), "{told}");

    // The target is back, and its findings with it.
    fake.edit(|tenant| {
        let config = tenant.config_mut(&config.id).unwrap();
        let back = config.former_targets.pop().unwrap();
        config.targets.push(back);
    });
    assert_eq!(shop.scan(&fake).await.summary.reopened, 2);
    let told = shop.explain("/c").await;
    assert!(told.ends_with("now open") && told.contains("retired by kim"), "{told}");
    assert!(shop.findings().await.iter().all(|finding| finding.retired_at.is_none()));
}

#[tokio::test]
async fn a_finding_of_two_targets_stays_open_in_the_one_that_is_not_retired() {
    // The pages of the host itself are found from both targets.
    let shared = |url: &str, own: &str| {
        let mut target = target(url, &[own]);
        let mut page = target.findings[0].clone();
        (page.uri, page.url) =
            ("https://code.example.com/root".to_owned(), "https://code.example.com/root".to_owned());
        target.findings.push(page);
        target
    };
    let config = FakeConfig::new("shared").with_target(shared(ONE, "a")).with_target(shared(OTHER, "c"));
    let fake = tenable().with_config(config.clone()).start().await.unwrap();
    let shop = Shop::of(&config).await;
    assert_eq!(shop.scan(&fake).await.summary.new, 3);
    fake.edit(|tenant| {
        tenant.config_mut(&config.id).unwrap().remove_target(OTHER);
        tenant.findings_mut().for_each(|finding| finding.visible = false);
    });
    let import = shop.scan(&fake).await;
    assert_eq!((import.summary.closed, import.summary.kept_open_count()), (1, 2), "{import}");

    let why = Retirement::new("kim", "shut down");
    assert_eq!(shop.store.retire(&shop.binding, &shop.partition(OTHER), &why, &[]).await.unwrap(), 1);
    let open = BTreeMap::from(
        [("a", State::Closed), ("c", State::Closed), ("root", State::Open)]
            .map(|(page, state)| (page.to_owned(), state)),
    );
    assert_eq!(shop.states().await, open, "the other target may still have it");
    assert_eq!(shop.scan(&fake).await.summary.closed, 1, "now its only target was examined");
}

#[tokio::test]
async fn an_empty_export_does_not_say_that_there_is_nothing() {
    let config = FakeConfig::new("shop").with_target(target(ONE, &["a"]));
    let fake = tenable().with_config(config.clone()).start().await.unwrap();
    let shop = Shop::of(&config).await;
    assert_eq!(shop.read(&fake).await.summary.new, 1);
    // The asset was deleted at the service, with its findings.
    fake.edit(|tenant| tenant.config_mut(&config.id).unwrap().targets[0].findings.clear());
    let import = shop.read(&fake).await;
    assert_eq!(import.empty, Some(EmptyReason::NothingListed));
    let text = import.to_string();
    assert!(!text.contains("reports nothing") && text.contains("nothing heard since"), "{text}");
    assert_eq!((import.summary.closed, import.summary.kept_open_count()), (0, 1), "{import}");
}

#[tokio::test]
async fn any_scanner_whose_answers_are_coarser_than_its_targets_is_told_apart() {
    let finding = |target: &str, path: &str| {
        MemoryScanner::finding(target, "SQL injection", Severity::High, &format!("https://a.example{path}"))
    };
    let nobodys = {
        let mut finding = finding("app:gone", "/gone");
        (finding.targets, finding.partition) = (Vec::new(), PartitionKey::unattributed());
        finding
    };
    let scanner = MemoryScanner::new()
        .with_coarse_answers()
        .with_target(BindTarget::new("app:shop", "Shop"))
        .with_target(BindTarget::new("app:blog", "Blog"))
        .with_finding(finding("app:shop", "/a"))
        .with_finding(finding("app:blog", "/b"));
    let shop = Shop::open("memory", "app:shop").await;
    let import = shop.run(scanner.clone(), &ImportOptions::new()).await;
    assert_eq!((import.summary.new, import.summary.left_out), (1, 1), "{import}");
    assert!(import.missing().is_empty(), "{import}");

    // The blog's scan saw the shop's finding last, and one finding is nobody's.
    scanner.edit_findings(|findings| {
        (findings[0].targets, findings[0].partition) = (vec!["app:blog".into()], "app:blog".into());
        findings[0].status = Some(FindingStatus::Reopened);
        findings.push(nobodys);
    });
    let import = shop.run(scanner.clone(), &ImportOptions::new()).await;
    assert_eq!((import.summary.recurrent, import.summary.left_out), (1, 2), "{import}");
    let [known] = shop.findings().await.try_into().unwrap();
    assert_eq!((known.partition.as_str(), known.status), ("app:shop", Some(FindingStatus::Reopened)));
    assert_eq!(import.missing().len(), 1, "nothing tells whose the other one is: {import}");
}
