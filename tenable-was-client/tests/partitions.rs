//! Partitions, profiles and attribution: what a scan examined, and whose the records of an export are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use appsec_core::{
    Absence, BindTargetId, Coverage, DastApiScannerExt, Finding, FindingQuery, FindingScope, GapKind,
    PartitionKey, ProfileKey, ScanId, Severity,
};
use serde_json::json;
use tenable_was_client::TenableWasClient;
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeScan, FakeTarget, FakeTenableWas, Reply, Route,
    ScanScript, When, days_ago, hours_ago,
};

const ONE: &str = "https://code.example.com/acme/one?ref=home";
const OTHER: &str = "https://code.example.com/acme/other?ref=home";

async fn start(fake: FakeBuilder) -> (FakeTenableWas, TenableWasClient) {
    let fake = fake.with_scan_script(ScanScript::new().with_statuses(["completed"])).start().await.unwrap();
    let client = fake.client().unwrap();
    (fake, client)
}

/// A target whose findings are the given pages below its path.
fn target(url: &str, pages: &[&str]) -> FakeTarget {
    let plugin = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let base = url.split('?').next().unwrap().trim_end_matches('/');
    let found = pages.iter().map(|page| FakeFinding::new(&plugin, format!("{base}{page}")));
    FakeTarget::new(url).with_findings(found)
}

/// One configuration with two targets on one host, which share an asset.
fn two_targets() -> FakeConfig {
    let config = FakeConfig::new("two targets")
        .with_target(target(ONE, &["/a", "/b"]))
        .with_target(target(OTHER, &["/c"]));
    assert_eq!(config.targets[0].asset_id, config.targets[1].asset_id);
    config
}

fn id_of(config: &FakeConfig) -> BindTargetId {
    BindTargetId::from_parts("config", &config.id)
}

fn partition(config: &FakeConfig, url: &str) -> PartitionKey {
    PartitionKey::new(format!("config:{}/target:{url}", config.id))
}

fn last_scan(fake: &FakeTenableWas, config: &FakeConfig) -> ScanId {
    ScanId::new(fake.scans_of(&config.id).pop().unwrap())
}

async fn by_scan(client: &TenableWasClient, id: ScanId) -> (Vec<Finding>, Coverage) {
    client.collect_findings(FindingQuery::scan(id)).await.unwrap()
}

async fn by_export(client: &TenableWasClient, query: FindingQuery) -> (Vec<Finding>, Coverage) {
    client.collect_findings(query).await.unwrap()
}

/// The paths of the findings of each partition.
fn paths(findings: &[Finding]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut paths = BTreeMap::<_, BTreeSet<_>>::new();
    for finding in findings {
        paths.entry(finding.partition.as_str()).or_default().insert(finding.location.path.as_str());
    }
    paths
}

fn conclusive(coverage: &Coverage) -> BTreeSet<&PartitionKey> {
    let partitions = coverage.partitions().map(|(key, _)| key);
    partitions.filter(|key| coverage.absence_of(key) == Absence::Conclusive).collect()
}

#[tokio::test]
async fn two_targets_that_share_an_asset_are_two_partitions_on_every_route() {
    let config = two_targets();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let id = last_scan(&fake, &config);
    let (one, other) = (partition(&config, ONE), partition(&config, OTHER));
    let expected = BTreeMap::from([
        (one.as_str(), BTreeSet::from(["/acme/one/a", "/acme/one/b"])),
        (other.as_str(), BTreeSet::from(["/acme/other/c"])),
    ]);
    let (scanned, coverage) = by_scan(&client, id.clone()).await;
    assert_eq!(paths(&scanned), expected);
    assert_eq!(conclusive(&coverage), BTreeSet::from([&one, &other]));

    let (exported, coverage) = by_export(&client, FindingQuery::target(id_of(&config))).await;
    assert_eq!(paths(&exported), expected);
    assert!(coverage.partition(&one).is_some() && coverage.partition(&other).is_some());
    assert!(conclusive(&coverage).is_empty() && coverage.is_complete(), "{coverage:?}");

    fake.script(Route::GetReport, When::Always, Reply::Forbidden);
    assert_eq!(paths(&by_scan(&client, id).await.0), expected, "by the detections");
}

#[tokio::test]
async fn a_target_that_was_taken_out_or_renamed_is_not_examined() {
    type Edit = fn(&mut FakeConfig);
    let edits: [(&str, Edit); 2] = [
        ("taken out", |config| config.remove_target(OTHER)),
        ("renamed", |config| config.targets[1].url = "https://code.example.com/acme/third".to_owned()),
    ];
    for (name, edit) in edits {
        let config = two_targets();
        let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
        fake.edit(|tenant| edit(tenant.config_mut(&config.id).unwrap()));
        client.launch_scan(config.id.parse().unwrap()).await.unwrap();
        let (_, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
        assert!(coverage.partition(&partition(&config, OTHER)).is_none(), "{name}: {coverage:?}");
        assert!(conclusive(&coverage).contains(&partition(&config, ONE)), "{name}");
    }
}

#[tokio::test]
async fn every_child_of_one_target_must_complete() {
    for status in ["completed", "aborted"] {
        // Two spellings of one URL.
        let config = FakeConfig::new("twice")
            .with_target(target("https://shop.example.com", &["/a"]))
            .with_target(target("https://SHOP.example.com:443/#top", &["/a"]).with_outcome(status, []));
        let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
        let (_, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
        let key = partition(&config, "https://shop.example.com/");
        assert_eq!(coverage.partitions().len(), 1, "{coverage:?}");
        assert_eq!(conclusive(&coverage).contains(&key), status == "completed", "{status}: {coverage:?}");
    }
}

#[tokio::test]
async fn another_template_is_another_profile_of_the_same_partition() {
    let mut seen = Vec::new();
    for template in ["scan", "quick"] {
        let mut config = FakeConfig::new("shop").with_target(target(ONE, &["/a"])).with_template(template);
        config.settings = json!({"scope": {"option": "all"}});
        let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
        let (_, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
        let examined = coverage.partition(&partition(&config, ONE)).unwrap().clone();
        let (exported, _) = by_export(&client, FindingQuery::target(id_of(&config))).await;
        assert_eq!(exported[0].profile, Some(ProfileKey::new(format!("template {template}"))));
        seen.push(examined);
    }
    let [scan, quick] = seen.try_into().unwrap();
    assert_eq!(scan.profile, Some(ProfileKey::from("template scan, scope all")));
    assert!(scan.covers_profile(quick.profile.as_ref()) && !quick.covers_profile(scan.profile.as_ref()));
}

#[tokio::test]
async fn a_resumed_read_knows_the_profiles_of_what_was_read_before() {
    let config = two_targets();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let id = last_scan(&fake, &config);
    let (_, whole) = by_scan(&client, id.clone()).await;
    let mut point = None;
    let mut events = appsec_core::DastApiScanner::findings(&client, FindingQuery::scan(id.clone()));
    while let Some(event) = futures_util::TryStreamExt::try_next(&mut events).await.unwrap() {
        if let appsec_core::FindingEvent::Batch(batch) = event {
            point = Some(batch.resume);
        }
    }
    let (_, resumed) = by_scan_from(&client, id, point.unwrap()).await;
    let profiles = |coverage: &Coverage| -> Vec<_> {
        coverage.partitions().map(|(key, known)| (key.clone(), known.profile.clone())).collect()
    };
    assert_eq!(profiles(&resumed), profiles(&whole));
    assert!(profiles(&whole).iter().all(|(_, profile)| profile.is_some()));
}

async fn by_scan_from(
    client: &TenableWasClient,
    id: ScanId,
    point: appsec_core::ResumePoint,
) -> (Vec<Finding>, Coverage) {
    client.collect_findings(FindingQuery::scan(id).with_resume(point)).await.unwrap()
}

/// Two configurations whose targets share an asset.
fn neighbours() -> (FakeConfig, FakeConfig) {
    let ours = FakeConfig::new("ours").with_target(target(ONE, &["/a", "/b"]));
    let theirs = FakeConfig::new("theirs").with_target(target(OTHER, &["/c"])).with_template("quick");
    (ours, theirs)
}

#[tokio::test]
async fn the_findings_of_another_configuration_on_the_same_asset_are_not_ours() {
    let (ours, theirs) = neighbours();
    let (_fake, client) =
        start(FakeTenableWas::builder().with_config(ours.clone()).with_config(theirs.clone())).await;
    let query = FindingQuery::target(id_of(&ours));
    let (findings, coverage) = by_export(&client, query.clone()).await;
    let (one, other) = (partition(&ours, ONE), partition(&theirs, OTHER));
    assert_eq!(
        paths(&findings),
        BTreeMap::from([(one.as_str(), BTreeSet::from(["/acme/one/a", "/acme/one/b"]))])
    );
    assert!(coverage.is_complete(), "what is of another configuration is no gap: {coverage:?}");

    let (findings, _) = by_export(&client, query.clone().with_other_targets(true)).await;
    let theirs_only: Vec<_> = findings.iter().filter(|finding| !query.asks_for(finding)).collect();
    let [foreign] = theirs_only.as_slice() else { panic!("{theirs_only:?}") };
    assert_eq!((foreign.targets.as_slice(), &foreign.partition), (&[id_of(&theirs)][..], &other));
    assert_eq!(foreign.profile, Some(ProfileKey::from("template quick")));
    assert_eq!(findings.len(), 3);

    let both = FindingQuery::new(FindingScope::Targets(vec![id_of(&ours), id_of(&theirs)]));
    assert_eq!(by_export(&client, both).await.0.len(), 3);
}

#[tokio::test]
async fn a_record_of_a_scan_that_cannot_be_read_is_attributed_by_its_url() {
    let (ours, theirs) = neighbours();
    let (fake, client) =
        start(FakeTenableWas::builder().with_config(ours.clone()).with_config(theirs.clone())).await;
    fake.script(Route::GetScan, When::Always, Reply::Json(404, json!({"reasons": [{"code": "NOT_FOUND"}]})));
    // The scan of this page is not known; its URL is under our target.
    fake.edit(|tenant| {
        let plugin = FakePlugin::new(98_105, "Backup File", Severity::Low).shared();
        let page = FakeFinding::new(&plugin, "https://code.example.com/acme/one/deep/d");
        tenant.config_mut(&theirs.id).unwrap().targets[0].findings.push(page);
    });
    let query = FindingQuery::target(id_of(&ours));
    let (findings, coverage) = by_export(&client, query.clone()).await;
    let mut found: Vec<_> = findings.iter().map(|finding| finding.location.path.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["/acme/one/a", "/acme/one/b", "/acme/one/deep/d"]);
    assert!(findings.iter().all(|finding| finding.partition == partition(&ours, ONE)));
    let [gap] = coverage.gaps() else { panic!("{coverage:?}") };
    assert_eq!(
        (&gap.kind, gap.partition.as_ref()),
        (&GapKind::Unattributed, Some(&PartitionKey::unattributed()))
    );

    let (findings, coverage) = by_export(&client, query.with_other_targets(true)).await;
    let unknown = findings.iter().find(|finding| finding.targets.is_empty()).unwrap();
    assert_eq!(unknown.location.path, "/acme/other/c");
    assert!(
        unknown.partition.is_unattributed() && coverage.is_complete(),
        "the caller may know it by its id"
    );
}

#[tokio::test]
async fn a_record_of_a_parent_scan_is_attributed_by_its_url_within_the_configuration() {
    let config = two_targets();
    let fake = FakeTenableWas::builder().with_config(config.clone()).with_parent_scans_in_exports();
    let (fake, client) = start(fake).await;
    let parent = last_scan(&fake, &config);
    let (findings, _) = by_export(&client, FindingQuery::target(id_of(&config))).await;
    let (one, other) = (partition(&config, ONE), partition(&config, OTHER));
    assert_eq!(
        paths(&findings),
        BTreeMap::from([
            (one.as_str(), BTreeSet::from(["/acme/one/a", "/acme/one/b"])),
            (other.as_str(), BTreeSet::from(["/acme/other/c"])),
        ])
    );
    assert!(findings.iter().all(|finding| finding.scan.as_ref() == Some(&parent)));
}

#[tokio::test]
async fn a_former_target_is_named_by_the_child_that_scanned_it() {
    let config = two_targets();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    fake.edit(|tenant| tenant.config_mut(&config.id).unwrap().remove_target(OTHER));
    client.launch_scan(config.id.parse().unwrap()).await.unwrap();
    let (findings, coverage) = by_export(&client, FindingQuery::target(id_of(&config))).await;
    let other = partition(&config, OTHER);
    assert_eq!(paths(&findings)[other.as_str()], BTreeSet::from(["/acme/other/c"]));
    assert!(coverage.is_complete(), "{coverage:?}");
}

#[tokio::test]
async fn scans_are_looked_up_once_and_many_of_them_by_one_listing() {
    let plugin = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let scans = 6;
    // Each past scan saw one page more recently than the scans after it did.
    let found = (0..scans).map(|n| {
        FakeFinding::new(&plugin, format!("https://shop.example.com/{n}"))
            .fixed(days_ago(10 * (scans - n) - 5))
    });
    let past = (0..scans).map(|n| FakeScan::completed(days_ago(10 * (scans - n))));
    let config = FakeConfig::new("shop")
        .with_target(FakeTarget::new("https://shop.example.com/").with_findings(found))
        .with_scans(past.chain([FakeScan::completed(hours_ago(3))]));
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let (findings, coverage) = by_export(&client, FindingQuery::target(id_of(&config))).await;
    let named: BTreeSet<_> = findings.iter().filter_map(|finding| finding.scan.clone()).collect();
    assert!(named.len() > 3, "the records name several scans: {named:?}");
    assert!(findings.iter().all(|finding| finding.profile.is_some()) && coverage.is_complete());
    assert_eq!(fake.calls_to(Route::GetScan).len(), 0);
    assert_eq!(fake.calls_to(Route::SearchScans).len(), 1);
}
