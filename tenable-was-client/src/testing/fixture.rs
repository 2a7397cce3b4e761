//! A fake and a client for it, for the conformance suite.

use std::collections::BTreeMap;
use std::sync::Arc;

use appsec_core::testing::{Dataset, DatasetFinding, DatasetTarget, Fault, Fixture, Seeded};
use appsec_core::{
    BindTargetId, DastApiScanner, Error, ErrorKind, FindingStatus, Result, Severity, async_trait,
};
use appsec_http::testing::fake::When;

use crate::TenableWasClient;
use crate::testing::builder::FakeBuilder;
use crate::testing::reply::Reply;
use crate::testing::route::Route;
use crate::testing::server::FakeTenableWas;
use crate::testing::tenant::Tenant;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::dates::days_ago;
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::plugin::FakePlugin;
use crate::testing::tenant::scan_script::ScanScript;
use crate::testing::tenant::target::FakeTarget;

/// A [`FakeTenableWas`] and a [`TenableWasClient`] for it, for the conformance suite.
///
/// The client waits for milliseconds instead of seconds.
#[derive(Debug)]
pub struct TenableWasFixture {
    fake: FakeTenableWas,
    client: TenableWasClient,
}

impl TenableWasFixture {
    /// A fixture over a fake with default settings.
    ///
    /// # Errors
    /// `Transport` when no port of loopback can be bound.
    pub async fn start() -> Result<Self> {
        Self::over(FakeTenableWas::builder()).await
    }

    /// A fixture over the given fake. Its scan script is replaced at once, its tenant when the fixture is
    /// seeded.
    ///
    /// # Errors
    /// `Transport` when no port of loopback can be bound.
    pub async fn over(fake: FakeBuilder) -> Result<Self> {
        // A scan runs long enough to be stopped and becomes visible at the second read, as on the service.
        // Every asset has a chunk of its own.
        let statuses = ["running"; 40].into_iter().chain(["processing", "completed"]);
        let script = ScanScript::new().with_statuses(statuses).with_hidden_polls(1);
        let fake = fake.with_scan_script(script).with_assets_per_chunk(1).start().await;
        let fake = fake.map_err(|error| {
            Error::new(ErrorKind::Transport, "the fake Tenable WAS cannot listen").with_source(error)
        })?;
        let client = fake.client()?;
        Ok(Self { fake, client })
    }

    /// The service.
    pub fn fake(&self) -> &FakeTenableWas {
        &self.fake
    }

    /// The client.
    pub fn client(&self) -> &TenableWasClient {
        &self.client
    }
}

#[async_trait]
impl Fixture for TenableWasFixture {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::new(self.client.clone())
    }

    async fn seed(&self, world: &Dataset) -> Result<Option<Seeded>> {
        let mut tenant = Tenant::new();
        let mut plugins = BTreeMap::new();
        for target in &world.targets {
            tenant.configs.push(config(target, &mut plugins));
        }
        let ids: Vec<_> =
            tenant.configs.iter().map(|config| (config.name.clone(), config.id.clone())).collect();
        self.fake.set_tenant(tenant);
        let mut seeded = Seeded::new();
        for (name, id) in ids {
            if let Some(scan) = self.fake.scans_of(&id).pop() {
                seeded = seeded.with_scan(&name, scan);
            }
            seeded = seeded.with_target(name, BindTargetId::from_parts("config", &id));
        }
        Ok(Some(seeded))
    }

    async fn requests(&self) -> Option<u64> {
        Some(self.fake.requests())
    }

    async fn break_with(&self, fault: Fault) -> bool {
        match fault {
            Fault::Unauthorized => self.fake.revoke_keys(),
            Fault::Down => self.fake.script(Route::Any, When::Always, Reply::Unavailable),
            Fault::DownAfter(requests) => self.fake.down_after(requests),
            Fault::BadRecord => self.fake.edit(|tenant| {
                let first = tenant.configs.first_mut().and_then(|config| config.targets.first_mut());
                if let Some(target) = first {
                    target.broken_records = 1;
                }
            }),
            _ => return false,
        }
        true
    }
}

/// Plugins by name and severity: the service knows one severity of each plugin.
type Plugins = BTreeMap<(String, Severity), Arc<FakePlugin>>;

fn config(target: &DatasetTarget, plugins: &mut Plugins) -> FakeConfig {
    let findings: Vec<_> =
        target.findings.iter().map(|record| finding(&target.name, record, plugins)).collect();
    let url = format!("https://{}/", target.name);
    FakeConfig::new(&target.name).with_target(FakeTarget::new(url).with_findings(findings))
}

fn finding(host: &str, record: &DatasetFinding, plugins: &mut Plugins) -> FakeFinding {
    let number = 98_000 + u32::try_from(plugins.len()).unwrap_or(0);
    let plugin = plugins
        .entry((record.rule.clone(), record.severity.clone()))
        .or_insert_with(|| FakePlugin::new(number, &record.rule, record.severity.clone()).shared());
    let finding =
        FakeFinding::new(plugin, format!("https://{host}{}", record.path)).with_output(&record.evidence);
    match &record.status {
        FindingStatus::Reopened => finding.reopened(),
        FindingStatus::RiskAccepted => finding.accepted("seeded"),
        FindingStatus::Fixed => {
            // The seeded scan is older than the fix, so it contains the finding.
            let mut finding = finding.fixed(days_ago(0));
            finding.visible = true;
            finding
        }
        FindingStatus::Unknown(word) => finding.with_state(word.to_uppercase()),
        // The service does not have the other statuses.
        _ => finding,
    }
}
