//! A service with a known truth, behind a gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, FindingQuery, PartitionKey, Result, Severity};
use appsec_http::{HttpOptions, RetryPolicy};
use salt_client::testing::{FakeSalt, Tenant as SaltTenant, gap, host};
use salt_client::{SaltClient, SaltClientBuilder};
use serde_json::json;
use tenable_was_client::model::ExportRequest;
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Tenant as TenableTenant,
};
use tenable_was_client::{ExportOptions, TenableWasClient, TenableWasClientBuilder};

use crate::gateway::{Gateway, When};
use crate::twist::Twist;
use crate::walk::{walk, walk_query};

/// How many hosts, or assets, a truth has.
const HOSTS: usize = 5;
/// How many findings each of them has.
const FINDINGS: usize = 4;
/// How many records a page of Salt's has here.
const PAGE: u32 = 6;

/// Whose client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vendor {
    /// `salt-client`.
    Salt,
    /// `tenable-was-client`.
    Tenable,
}

impl Vendor {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Salt, Self::Tenable];

    /// Where findings come from: the pages of a list, or the chunks of an export.
    pub fn data(self) -> &'static str {
        match self {
            Self::Salt => "GET /v1/apigovern/posture/gaps",
            Self::Tenable => "/chunks/",
        }
    }

    /// What every request of an import contains.
    pub fn any(self) -> &'static str {
        " /"
    }

    /// The scanner's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Salt => "saltsecurity",
            Self::Tenable => "tenableiowas",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Salt => "Salt",
            Self::Tenable => "Tenable",
        })
    }
}

/// How patient clients are in a proof.
#[derive(Debug, Clone)]
pub struct Short {
    /// The options of the HTTP stack.
    pub http: HttpOptions,
    /// How long an export may stand still.
    pub patience: Duration,
}

impl Short {
    /// Waits of milliseconds where a service would be given seconds. Long enough for a machine that does ten things at once.
    pub fn new() -> Self {
        let retry = RetryPolicy::new()
            .with_base(Duration::from_millis(1))
            .with_cap(Duration::from_millis(5))
            .with_max_retry_after(Duration::from_millis(1500));
        let http = HttpOptions::new()
            .with_retry(retry)
            .with_connect_timeout(Duration::from_millis(400))
            .with_head_timeout(Duration::from_millis(700))
            .with_idle_timeout(Duration::from_millis(500))
            .with_call_timeout(Duration::from_secs(5));
        Self { http, patience: Duration::from_millis(700) }
    }
}

impl Short {
    /// For readings that nothing disturbs, and which a busy machine must not disturb either.
    pub fn patient() -> Self {
        let minute = Duration::from_mins(1);
        let http =
            Self::new().http.with_head_timeout(minute).with_idle_timeout(minute).with_call_timeout(minute);
        Self { http: http.with_connect_timeout(minute), patience: minute }
    }
}

impl Default for Short {
    fn default() -> Self {
        Self::new()
    }
}

/// A fake service, a gateway before it, and what is true there.
#[derive(Debug)]
pub struct Stage {
    /// Whose service.
    pub vendor: Vendor,
    /// What stands between client and service.
    pub gateway: Gateway,
    /// The scanner's own ids of its findings: all of them are open.
    pub truth: BTreeSet<String>,
    /// Where they are, as far as silence may speak of them.
    pub partitions: BTreeMap<String, PartitionKey>,
    fake: Fake,
    tag: String,
}

#[derive(Debug)]
enum Fake {
    Salt(FakeSalt),
    Tenable(FakeTenableWas),
}

impl Stage {
    /// A service with twenty findings of five hosts. The tag stands in every secret, so that a leak says whence it came.
    pub async fn start(vendor: Vendor, tag: &str) -> Self {
        Self::start_with(vendor, tag, |fake| fake).await
    }

    /// The same, with a Tenable of which something is set otherwise.
    pub async fn start_with(
        vendor: Vendor,
        tag: &str,
        tenable: impl FnOnce(FakeBuilder) -> FakeBuilder,
    ) -> Self {
        let (fake, address, truth) = match vendor {
            Vendor::Salt => {
                let tenant = salt_tenant(tag);
                let truth = tenant.gaps.iter().filter_map(|gap| gap["postureGapId"].as_str());
                let truth = truth.map(str::to_owned).collect();
                let fake = FakeSalt::builder().with_token(salt_token(tag)).with_tenant(tenant);
                let fake = fake.start().await.unwrap();
                let address = fake.address();
                (Fake::Salt(fake), address, truth)
            }
            Vendor::Tenable => {
                let tenant = tenable_tenant(tag);
                let targets = tenant.configs.iter().flat_map(|config| &config.targets);
                let truth = targets
                    .flat_map(|target| {
                        target.findings.iter().map(|finding| finding.finding_id(&target.asset_id))
                    })
                    .collect();
                let (access, secret) = tenable_keys(tag);
                let fake = FakeTenableWas::builder().with_keys(access, secret).with_tenant(tenant);
                let fake = tenable(fake.with_assets_per_chunk(1)).start().await.unwrap();
                let address = fake.address();
                (Fake::Tenable(fake), address, truth)
            }
        };
        let gateway = Gateway::start(address).await;
        let mut stage =
            Self { vendor, gateway, truth, partitions: BTreeMap::new(), fake, tag: tag.to_owned() };
        if vendor == Vendor::Salt {
            // What an export does not say is never taken for gone.
            stage.partitions = stage.truth.iter().map(|id| (id.clone(), salt_partition(id))).collect();
        }
        stage
    }

    /// A Tenable with one scan of five sites, and the question for its findings. They are named by their fingerprints, as an export
    /// knows them, since reports have no ids.
    pub async fn start_scan(tag: &str) -> (Self, FindingQuery) {
        let mut stage = Self::start(Vendor::Tenable, tag).await;
        let mut tenant = tenable_tenant(tag);
        let targets =
            tenant.configs.iter_mut().flat_map(|config| config.targets.drain(..)).collect::<Vec<_>>();
        let config = targets.into_iter().fold(FakeConfig::new("all sites"), FakeConfig::with_target);
        let id = config.id.clone();
        tenant.configs = vec![config];
        stage.tenable().set_tenant(tenant);
        let scanner = stage.scanner(&Short::patient());
        let exported = walk(&*scanner).await;
        let scan = stage.tenable().scans_of(&id).pop().unwrap();
        let query = FindingQuery::scan(scan);
        let reported = walk_query(&*scanner, query.clone()).await.by_fingerprint();
        stage.truth = exported.fingerprints.into_iter().collect();
        assert_eq!(reported.ids.iter().cloned().collect::<BTreeSet<_>>(), stage.truth);
        stage.partitions = reported.ids.into_iter().zip(reported.partitions).collect();
        (stage, query)
    }

    /// The fake Salt, where it is one.
    pub fn salt(&self) -> &FakeSalt {
        match &self.fake {
            Fake::Salt(fake) => fake,
            Fake::Tenable(_) => panic!("this is the stage of Tenable"),
        }
    }

    /// The fake Tenable, where it is one.
    pub fn tenable(&self) -> &FakeTenableWas {
        match &self.fake {
            Fake::Tenable(fake) => fake,
            Fake::Salt(_) => panic!("this is the stage of Salt"),
        }
    }

    /// Spoils what findings come from.
    pub fn spoil(&self, when: When, twist: Twist) {
        self.gateway.spoil(self.vendor.data(), when, twist);
    }

    /// A builder of Salt's client, to the gateway.
    pub fn salt_client(&self, url: &str, short: &Short) -> SaltClientBuilder {
        SaltClient::builder(url, salt_token(&self.tag))
            .with_http(short.http.clone())
            .with_requests_per_second(None)
            .with_page_size(PAGE)
    }

    /// A builder of Tenable's client, to the gateway.
    pub fn tenable_client(&self, url: &str, short: &Short) -> TenableWasClientBuilder {
        let (first, longest) = (Duration::from_millis(1), Duration::from_millis(10));
        let export = ExportOptions::new().with_pauses(first, longest).with_patience(short.patience);
        let (access, secret) = tenable_keys(&self.tag);
        TenableWasClient::builder(access, secret)
            .with_base_url(url)
            .with_http(short.http.clone())
            .with_export(export)
    }

    /// A scanner that talks to this URL.
    ///
    /// # Errors
    /// Those of the client's builder.
    pub fn try_scanner(&self, url: &str, short: &Short) -> Result<Arc<dyn DastApiScanner>> {
        Ok(match self.vendor {
            Vendor::Salt => Arc::new(self.salt_client(url, short).build()?),
            Vendor::Tenable => Arc::new(self.tenable_client(url, short).build()?),
        })
    }

    /// A scanner that talks to the gateway.
    pub fn scanner(&self, short: &Short) -> Arc<dyn DastApiScanner> {
        self.try_scanner(&self.gateway.url(), short).unwrap()
    }

    /// The credentials that clients of this stage hold.
    pub fn secrets(&self) -> Vec<String> {
        match self.vendor {
            Vendor::Salt => vec![salt_token(&self.tag)],
            Vendor::Tenable => <[String; 2]>::from(tenable_keys(&self.tag)).to_vec(),
        }
    }

    /// Does what a person does about exports that stand still: they would be taken up again and again.
    pub async fn cancel_exports(&self) {
        if self.vendor == Vendor::Tenable {
            let client = self.tenable_client(&self.gateway.url(), &Short::patient()).build().unwrap();
            // A course that is scripted for the next export is not for the next import: another export takes it.
            let other = ExportRequest::everything().with_num_assets(51);
            let _ = client.start_export(&other).await.unwrap();
            for export in client.list_exports().await.unwrap().exports {
                // What has ended cannot be cancelled, and need not be.
                let _ = client.cancel_export(export.uuid.unwrap()).await;
            }
        }
    }

    /// Takes the client's credentials no longer.
    pub fn revoke(&self) {
        match &self.fake {
            Fake::Salt(fake) => fake.revoke_token(),
            Fake::Tenable(fake) => fake.revoke_keys(),
        }
    }
}

/// Ids name their host, and a host is what silence speaks of.
fn salt_partition(id: &str) -> PartitionKey {
    let place: usize = id.get(8..10).and_then(|place| place.parse().ok()).unwrap();
    PartitionKey::from(format!("host:h{place}.shop.example"))
}

fn salt_token(tag: &str) -> String {
    format!("canary-{tag}-token")
}

fn tenable_keys(tag: &str) -> (String, String) {
    (format!("canary-{tag}-access"), format!("canary-{tag}-secret"))
}

/// What a scanner recorded of somebody's traffic.
fn evidence(tag: &str) -> String {
    format!(
        "GET /me?access_token=canary-{tag}-query HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer canary-{tag}-bearer\r\n\
         Cookie: session=canary-{tag}-cookie\r\n\r\n"
    )
}

fn salt_tenant(tag: &str) -> SaltTenant {
    let mut tenant = SaltTenant::new();
    for place in 0..HOSTS {
        let name = format!("h{place}.shop.example");
        tenant = tenant.with_host(host(&name));
        for number in 0..FINDINGS {
            let mut record = gap(&format!("6810f2c4{place:02x}{number:02x}"), &name);
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
    for place in 0..HOSTS {
        let url = format!("https://h{place}.shop.example/");
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
        tenant = tenant.with_config(FakeConfig::new(format!("site {place}")).with_target(target));
    }
    tenant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_truth_is_what_a_client_reads() {
        for vendor in Vendor::BOTH {
            let stage = Stage::start(vendor, "truth").await;
            let seen = walk(&*stage.scanner(&Short::patient())).await;
            assert_eq!(seen.ids.iter().cloned().collect::<BTreeSet<_>>(), stage.truth, "{vendor}");
            for (id, place) in seen.ids.iter().zip(&seen.partitions) {
                assert_eq!(stage.partitions.get(id).unwrap_or(place), place);
            }
            assert_eq!(stage.partitions.len(), if vendor == Vendor::Salt { HOSTS * FINDINGS } else { 0 });
        }
        let (stage, _) = Stage::start_scan("truth").await;
        assert_eq!((stage.truth.len(), stage.partitions.len()), (HOSTS * FINDINGS, HOSTS * FINDINGS));
    }
}
