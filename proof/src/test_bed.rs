//! A fake service with known findings, behind a gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, FindingQuery, PartitionKey, Result, Severity};
use salt_client::testing::{FakeSalt, Tenant as SaltTenant, gap, host};
use salt_client::{SaltClient, SaltClientBuilder};
use serde_json::json;
use tenable_was_client::model::ExportRequest;
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Tenant as TenableTenant,
};
use tenable_was_client::{ExportOptions, TenableWasClient, TenableWasClientBuilder};

use crate::gateway::{Gateway, When};
use crate::reading::{read_all, read_query};
use crate::response_fault::ResponseFault;
use crate::timeouts::Timeouts;
use crate::vendor::Vendor;

/// The number of hosts or assets.
const HOSTS: usize = 5;
/// The number of findings of each host.
const FINDINGS: usize = 4;
/// The page size of the Salt client.
const PAGE: u32 = 6;

/// A fake service with known findings, and a gateway in front of it.
#[derive(Debug)]
pub struct TestBed {
    /// The vendor of the service.
    pub vendor: Vendor,
    /// The gateway between client and service.
    pub gateway: Gateway,
    /// The ids that the scanner gives its findings. All findings are open.
    pub finding_ids: BTreeSet<String>,
    /// The partitions of findings whose absence can be conclusive.
    pub partitions: BTreeMap<String, PartitionKey>,
    fake: Fake,
    tag: String,
}

#[derive(Debug)]
enum Fake {
    Salt(FakeSalt),
    Tenable(FakeTenableWas),
}

impl TestBed {
    /// A service with twenty findings on five hosts. Every secret contains the tag, so that a leak can be
    /// traced to its test.
    pub async fn start(vendor: Vendor, tag: &str) -> Self {
        Self::start_with(vendor, tag, |fake| fake).await
    }

    /// Like [`start`](Self::start), with changed settings of the fake Tenable.
    pub async fn start_with(
        vendor: Vendor,
        tag: &str,
        tenable: impl FnOnce(FakeBuilder) -> FakeBuilder,
    ) -> Self {
        let (fake, address, finding_ids) = match vendor {
            Vendor::Salt => {
                let tenant = salt_tenant(tag);
                let finding_ids = tenant.gaps.iter().filter_map(|gap| gap["postureGapId"].as_str());
                let finding_ids = finding_ids.map(str::to_owned).collect();
                let fake = FakeSalt::builder().with_token(salt_token(tag)).with_tenant(tenant);
                let fake = fake.start().await.unwrap();
                let address = fake.address();
                (Fake::Salt(fake), address, finding_ids)
            }
            Vendor::Tenable => {
                let tenant = tenable_tenant(tag);
                let targets = tenant.configs.iter().flat_map(|config| &config.targets);
                let finding_ids = targets
                    .flat_map(|target| {
                        target.findings.iter().map(|finding| finding.finding_id(&target.asset_id))
                    })
                    .collect();
                let (access, secret) = tenable_keys(tag);
                let fake = FakeTenableWas::builder().with_keys(access, secret).with_tenant(tenant);
                let fake = tenable(fake.with_assets_per_chunk(1)).start().await.unwrap();
                let address = fake.address();
                (Fake::Tenable(fake), address, finding_ids)
            }
        };
        let gateway = Gateway::start(address).await;
        let mut bed =
            Self { vendor, gateway, finding_ids, partitions: BTreeMap::new(), fake, tag: tag.to_owned() };
        if vendor == Vendor::Salt {
            // A finding's absence from an export is never conclusive.
            bed.partitions = bed.finding_ids.iter().map(|id| (id.clone(), salt_partition(id))).collect();
        }
        bed
    }

    /// A Tenable with one scan of five sites, and the query for its findings. They are identified by their
    /// fingerprints, since reports have no ids.
    pub async fn start_scan(tag: &str) -> (Self, FindingQuery) {
        let mut bed = Self::start(Vendor::Tenable, tag).await;
        let mut tenant = tenable_tenant(tag);
        let targets =
            tenant.configs.iter_mut().flat_map(|config| config.targets.drain(..)).collect::<Vec<_>>();
        let config = targets.into_iter().fold(FakeConfig::new("all sites"), FakeConfig::with_target);
        let id = config.id.clone();
        tenant.configs = vec![config];
        bed.tenable().set_tenant(tenant);
        let scanner = bed.scanner(&Timeouts::long());
        let exported = read_all(&*scanner).await;
        let scan = bed.tenable().scans_of(&id).pop().unwrap();
        let query = FindingQuery::scan(scan);
        let reported = read_query(&*scanner, query.clone()).await.by_fingerprint();
        bed.finding_ids = exported.fingerprints.into_iter().collect();
        assert_eq!(reported.ids.iter().cloned().collect::<BTreeSet<_>>(), bed.finding_ids);
        bed.partitions = reported.ids.into_iter().zip(reported.partitions).collect();
        (bed, query)
    }

    /// The fake Salt. Panics on a test bed of Tenable.
    pub fn salt(&self) -> &FakeSalt {
        match &self.fake {
            Fake::Salt(fake) => fake,
            Fake::Tenable(_) => panic!("this is a test bed of Tenable"),
        }
    }

    /// The fake Tenable. Panics on a test bed of Salt.
    pub fn tenable(&self) -> &FakeTenableWas {
        match &self.fake {
            Fake::Tenable(fake) => fake,
            Fake::Salt(_) => panic!("this is a test bed of Salt"),
        }
    }

    /// Injects a fault into the requests that deliver findings.
    pub fn inject(&self, when: When, fault: ResponseFault) {
        self.gateway.inject(self.vendor.data_requests(), when, fault);
    }

    /// A builder for a Salt client that talks to the URL.
    pub fn salt_client(&self, url: &str, timeouts: &Timeouts) -> SaltClientBuilder {
        SaltClient::builder(url, salt_token(&self.tag))
            .with_http(timeouts.http.clone())
            .with_requests_per_second(None)
            .with_page_size(PAGE)
    }

    /// A builder for a Tenable client that talks to the URL.
    pub fn tenable_client(&self, url: &str, timeouts: &Timeouts) -> TenableWasClientBuilder {
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_millis(10));
        let export =
            ExportOptions::new().with_pauses(shortest, longest).with_patience(timeouts.export_patience);
        let (access, secret) = tenable_keys(&self.tag);
        TenableWasClient::builder(access, secret)
            .with_base_url(url)
            .with_http(timeouts.http.clone())
            .with_export(export)
    }

    /// A scanner that talks to this URL.
    ///
    /// # Errors
    /// Those of the client's builder.
    pub fn try_scanner(&self, url: &str, timeouts: &Timeouts) -> Result<Arc<dyn DastApiScanner>> {
        Ok(match self.vendor {
            Vendor::Salt => Arc::new(self.salt_client(url, timeouts).build()?),
            Vendor::Tenable => Arc::new(self.tenable_client(url, timeouts).build()?),
        })
    }

    /// A scanner that talks to the gateway.
    pub fn scanner(&self, timeouts: &Timeouts) -> Arc<dyn DastApiScanner> {
        self.try_scanner(&self.gateway.url(), timeouts).unwrap()
    }

    /// The credentials of this test bed's clients.
    pub fn secrets(&self) -> Vec<String> {
        match self.vendor {
            Vendor::Salt => vec![salt_token(&self.tag)],
            Vendor::Tenable => <[String; 2]>::from(tenable_keys(&self.tag)).to_vec(),
        }
    }

    /// Cancels stuck exports, as an operator would. Otherwise later imports would adopt them.
    pub async fn cancel_exports(&self) {
        if self.vendor == Vendor::Tenable {
            let client = self.tenable_client(&self.gateway.url(), &Timeouts::long()).build().unwrap();
            // A script for the next export must not apply to the next import, so another export uses it up.
            let other = ExportRequest::everything().with_num_assets(51);
            let _ = client.start_export(&other).await.unwrap();
            for export in client.list_exports().await.unwrap().exports {
                // An export that has ended cannot be cancelled.
                let _ = client.cancel_export(export.uuid.unwrap()).await;
            }
        }
    }

    /// Revokes the client's credentials.
    pub fn revoke(&self) {
        match &self.fake {
            Fake::Salt(fake) => fake.revoke_token(),
            Fake::Tenable(fake) => fake.revoke_keys(),
        }
    }
}

/// The partition of a Salt finding: its id contains the number of its host.
fn salt_partition(id: &str) -> PartitionKey {
    let host: usize = id.get(8..10).and_then(|digits| digits.parse().ok()).unwrap();
    PartitionKey::from(format!("host:h{host}.shop.example"))
}

fn salt_token(tag: &str) -> String {
    format!("canary-{tag}-token")
}

fn tenable_keys(tag: &str) -> (String, String) {
    (format!("canary-{tag}-access"), format!("canary-{tag}-secret"))
}

/// Recorded traffic with secrets in it.
fn evidence(tag: &str) -> String {
    format!(
        "GET /me?access_token=canary-{tag}-query HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer canary-{tag}-bearer\r\n\
         Cookie: session=canary-{tag}-cookie\r\n\r\n"
    )
}

fn salt_tenant(tag: &str) -> SaltTenant {
    let mut tenant = SaltTenant::new();
    for host_number in 0..HOSTS {
        let name = format!("h{host_number}.shop.example");
        tenant = tenant.with_host(host(&name));
        for number in 0..FINDINGS {
            let mut record = gap(&format!("6810f2c4{host_number:02x}{number:02x}"), &name);
            record["parameters"] = json!([{"parameter": "user.name", "dataSamples": [evidence(tag)]}]);
            record["severity"] = json!(["Critical", "High", "Medium", "Low"][number % 4]);
            tenant = tenant.with_gap(record);
        }
    }
    tenant
}

fn tenable_tenant(tag: &str) -> TenableTenant {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let plugins: Vec<_> = (98_100..)
        .zip(severities)
        .map(|(id, severity)| FakePlugin::new(id, format!("Weakness {id}"), severity).shared())
        .collect();
    let mut tenant = TenableTenant::new();
    for host_number in 0..HOSTS {
        let url = format!("https://h{host_number}.shop.example/");
        let findings = (0..FINDINGS).map(|number| {
            FakeFinding::new(&plugins[number % plugins.len()], format!("{url}{number}"))
                .with_input("cookie", "session")
                .with_output(evidence(tag))
                .with_proof("'\"><probe>", evidence(tag))
                .with_exchange(
                    evidence(tag),
                    format!("HTTP/1.1 200 OK\r\nSet-Cookie: session=canary-{tag}-set\r\n\r\n"),
                )
        });
        let target = FakeTarget::new(&url).with_findings(findings);
        tenant = tenant.with_config(FakeConfig::new(format!("site {host_number}")).with_target(target));
    }
    tenant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_reads_exactly_the_findings_of_the_test_bed() {
        for vendor in Vendor::BOTH {
            let bed = TestBed::start(vendor, "truth").await;
            let reading = read_all(&*bed.scanner(&Timeouts::long())).await;
            assert_eq!(reading.ids.iter().cloned().collect::<BTreeSet<_>>(), bed.finding_ids, "{vendor}");
            for (id, partition) in reading.ids.iter().zip(&reading.partitions) {
                assert_eq!(bed.partitions.get(id).unwrap_or(partition), partition);
            }
            assert_eq!(bed.partitions.len(), if vendor == Vendor::Salt { HOSTS * FINDINGS } else { 0 });
        }
        let (bed, _) = TestBed::start_scan("truth").await;
        assert_eq!((bed.finding_ids.len(), bed.partitions.len()), (HOSTS * FINDINGS, HOSTS * FINDINGS));
    }
}
