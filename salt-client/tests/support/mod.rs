//! What several tests are written with.

#![allow(dead_code, reason = "each test file uses its part")]

use appsec_core::{Coverage, DastApiScanner, Finding, FindingBatch, FindingEvent, FindingQuery, Result};
use futures_util::TryStreamExt;
use salt_client::SaltClient;
use salt_client::testing::{FakeBuilder, FakeSalt, Tenant, gap, host};

/// What an import gave.
pub(crate) struct Import {
    pub(crate) batches: Vec<FindingBatch>,
    pub(crate) coverage: Coverage,
}

impl Import {
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.batches.iter().flat_map(|batch| &batch.findings)
    }

    /// The scanner's ids, in the order of delivery.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.findings().map(|finding| finding.aliases[0].as_str()).collect()
    }

    /// Why absence says nothing in a partition; `None` where it means gone.
    pub(crate) fn silence(&self, host: &str) -> Option<&str> {
        self.coverage.inconclusive_reason(&format!("host:{host}").into())
    }
}

pub(crate) async fn import(client: &SaltClient, query: FindingQuery) -> Result<Import> {
    let mut events = client.findings(query);
    let mut batches = Vec::new();
    loop {
        match events.try_next().await? {
            Some(FindingEvent::Batch(batch)) => batches.push(batch),
            Some(FindingEvent::End(coverage)) => return Ok(Import { batches, coverage }),
            other => panic!("the stream gave {other:?} before an end"),
        }
    }
}

/// So many gaps of one host, `g000` and on.
pub(crate) fn gaps(count: usize, of: &str) -> impl Iterator<Item = serde_json::Value> {
    let of = of.to_owned();
    (0..count).map(move |number| gap(&format!("g{number:03}"), &of))
}

/// One host with so many gaps.
pub(crate) fn one_host(count: usize) -> Tenant {
    Tenant::new().with_host(host("a.example")).with_gaps(gaps(count, "a.example"))
}

/// A client with pages of that size, on a fake with that tenant.
pub(crate) async fn serve(fake: FakeBuilder, tenant: Tenant, page_size: u32) -> (FakeSalt, SaltClient) {
    let fake = fake.with_tenant(tenant).start().await.unwrap();
    let client = fake.client_builder().with_page_size(page_size).build().unwrap();
    (fake, client)
}
