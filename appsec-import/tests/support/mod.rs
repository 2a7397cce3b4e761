//! Stores to test on, and scripted scanners.
#![allow(dead_code, reason = "each test file uses its own part")]

mod postgres;
mod scripted;
pub(crate) mod tenant;

use appsec_core::{Finding, FindingStatus, Fingerprint, Location, PartitionKey, Rule, Severity, Timestamp};
use appsec_import::reconcile::KnownFinding;
use appsec_import::store::Page;
use appsec_import::{Binding, ScanConfiguration, SqlStore, Store};

pub(crate) use postgres::Postgres;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use scripted::{Script, ScriptedScanner};

/// A store in a database of its own, which is removed with it.
pub(crate) struct TestStore {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) store: SqlStore,
    _file: Option<tempfile::TempDir>,
    _server: Option<Postgres>,
}

/// A store on every database that this build and this machine have. Skipped databases are printed.
pub(crate) async fn stores() -> Vec<TestStore> {
    let mut stores = Vec::new();
    if cfg!(feature = "sqlite") {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = SqlStore::connect(&url).await.unwrap();
        stores.push(TestStore { name: "sqlite", url, store, _file: Some(folder), _server: None });
    }
    if cfg!(feature = "postgres")
        && let Some(server) = Postgres::start()
    {
        let url = server.url();
        let store = SqlStore::connect(&url).await.unwrap();
        stores.push(TestStore { name: "postgres", url, store, _file: None, _server: Some(server) });
    }
    stores
}

pub(crate) fn binding(project: &str) -> Binding {
    Binding::new(project, "memory", ScanConfiguration::new("app:shop"))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A finding in the partition, at the path, with the scanner's id where one is given.
pub(crate) fn finding(partition: &str, path: &str, id: Option<&str>) -> Finding {
    let place = Location::from_host_and_path("shop.example.com", path).with_method("get");
    let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
    let rule = Rule::new("r", "SQL injection").into();
    let partition = PartitionKey::from(partition);
    let mut finding = Finding::new("memory".into(), fingerprint, rule, Severity::High, place, partition);
    finding.aliases = id.map(str::to_owned).into_iter().collect();
    finding.status = Some(FindingStatus::Open);
    finding.targets = vec!["app:shop".into()];
    finding
}

/// All findings of a binding, read in small pages.
pub(crate) async fn all(store: &dyn Store, binding: &Binding) -> Vec<KnownFinding> {
    let mut findings = Vec::new();
    let mut after = 0;
    loop {
        let page = store.known_findings(binding, Page { after, limit: 7 }).await.unwrap();
        let Some((last, _)) = page.last() else { return findings };
        after = *last;
        findings.extend(page.into_iter().map(|(_, finding)| finding));
    }
}
