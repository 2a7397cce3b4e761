//! Helpers that several tests share.

#![allow(dead_code, reason = "each test file uses its part")]

use appsec_core::{Coverage, DastApiScanner, Finding, FindingBatch, FindingEvent, FindingQuery, Result};
use futures_util::TryStreamExt;
use salt_client::SaltClient;
use salt_client::testing::{FakeBuilder, FakeSalt, Tenant, gap, host};

/// The result of an import.
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

    /// Why absence is inconclusive for a host; `None` if it is conclusive.
    pub(crate) fn inconclusive_reason(&self, host: &str) -> Option<&str> {
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
            other => panic!("the stream yielded {other:?} before the end"),
        }
    }
}

/// This number of gaps of one host, from `g000` on.
pub(crate) fn gaps(count: usize, host: &str) -> impl Iterator<Item = serde_json::Value> {
    let host = host.to_owned();
    (0..count).map(move |number| gap(&format!("g{number:03}"), &host))
}

/// A tenant of one host with this number of gaps.
pub(crate) fn one_host(count: usize) -> Tenant {
    Tenant::new().with_host(host("a.example")).with_gaps(gaps(count, "a.example"))
}

/// Starts a fake with this tenant, and returns a client with this page size.
pub(crate) async fn serve(fake: FakeBuilder, tenant: Tenant, page_size: u32) -> (FakeSalt, SaltClient) {
    let fake = fake.with_tenant(tenant).start().await.unwrap();
    let client = fake.client_builder().with_page_size(page_size).build().unwrap();
    (fake, client)
}
