//! A fake as the fixture of the conformance suite.

use std::io;
use std::sync::Arc;

use appsec_core::testing::{Dataset, DatasetFinding, DatasetTarget, Fault, Fixture, Seeded};
use appsec_core::{BindTargetId, DastApiScanner, FindingStatus, Result, Severity, async_trait};
use serde_json::{Value, json};

use super::server::FakeSalt;
use super::tenant::{Tenant, gap, host};
use crate::{SaltClient, SaltClientBuilder};

/// A fake and its clients.
#[derive(Debug)]
pub struct SaltFixture {
    fake: FakeSalt,
    builder: SaltClientBuilder,
    client: SaltClient,
}

impl SaltFixture {
    /// Starts a fixture with an empty tenant.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::with_fake(FakeSalt::builder().start().await?)
    }

    /// Creates a fixture with this fake.
    ///
    /// # Errors
    /// If no client can be built for its token.
    pub fn with_fake(fake: FakeSalt) -> io::Result<Self> {
        let builder = fake.client_builder();
        Self::with_clients(fake, builder)
    }

    /// Creates a fixture with this fake and this builder of its clients.
    ///
    /// # Errors
    /// If the client cannot be built.
    pub fn with_clients(fake: FakeSalt, builder: SaltClientBuilder) -> io::Result<Self> {
        let client = builder.clone().build().map_err(io::Error::other)?;
        Ok(Self { fake, builder, client })
    }

    /// Returns the fake.
    pub fn fake(&self) -> &FakeSalt {
        &self.fake
    }
}

#[async_trait]
impl Fixture for SaltFixture {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        // A new client has no state of an earlier test.
        Arc::new(self.builder.clone().build().unwrap_or_else(|_| self.client.clone()))
    }

    async fn seed(&self, world: &Dataset) -> Result<Option<Seeded>> {
        let mut tenant = Tenant::new();
        let mut seeded = Seeded::new();
        for target in &world.targets {
            tenant.hosts.push(host(&target.name));
            tenant.gaps.extend(target.findings.iter().map(|finding| record(target, finding)));
            seeded = seeded.with_target(&target.name, BindTargetId::from_parts("host", &target.name));
        }
        self.fake.set_tenant(tenant);
        Ok(Some(seeded))
    }

    async fn requests(&self) -> Option<u64> {
        Some(self.fake.requests())
    }

    async fn break_with(&self, fault: Fault) -> bool {
        match fault {
            Fault::Unauthorized => self.fake.revoke_token(),
            Fault::Down => self.fake.down_after(0),
            Fault::DownAfter(requests) => self.fake.down_after(requests),
            Fault::BadRecord => self.fake.edit(add_bad_record),
            _ => return false,
        }
        true
    }
}

fn record(target: &DatasetTarget, finding: &DatasetFinding) -> Value {
    let mut record = gap(&format!("{}{}", target.name, finding.path), &target.name);
    record["postureGapName"] = json!(finding.rule);
    record["endpointPath"] = json!(finding.path);
    record["severity"] = json!(severity(&finding.severity));
    record["status"] = json!(status(&finding.status));
    record["parameters"] = json!([finding.evidence]);
    record
}

fn severity(severity: &Severity) -> &str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
        other => other.as_str(),
    }
}

fn status(status: &FindingStatus) -> &str {
    match status {
        FindingStatus::Open | FindingStatus::Reopened => "Open",
        FindingStatus::InProgress => "InProcess",
        FindingStatus::Fixed => "Resolved",
        FindingStatus::Ignored | FindingStatus::RiskAccepted | FindingStatus::FalsePositive => "Ignored",
        other => other.as_str(),
    }
}

/// Adds a gap of the first host, without an id, in the middle of the list.
fn add_bad_record(tenant: &mut Tenant) {
    let first = tenant.hosts.iter().filter_map(|host| host["host"].as_str()).min().unwrap_or_default();
    let mut bad = gap("", first);
    bad["postureGapId"] = Value::Null;
    tenant.gaps.insert(tenant.gaps.len() / 2, bad);
}
