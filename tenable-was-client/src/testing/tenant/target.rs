//! The targets of a configuration.

use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::{hash, uuid_of};
use crate::testing::tenant::scan::FakeNote;

/// A URL that a configuration scans.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeTarget {
    /// The URL.
    pub url: String,
    /// The asset's id, a UUID; made from the URL's host and port, so that two configurations of one site
    /// share it.
    pub asset_id: String,
    /// Whether the asset is licensed. Exports leave out unlicensed assets unless the request includes them.
    pub licensed: bool,
    /// Its address.
    pub ipv4: String,
    /// The findings of the target, one per weakness.
    pub findings: Vec<FakeFinding>,
    /// Status and notes of scans of this target that do not complete.
    pub outcome: Option<(String, Vec<FakeNote>)>,
    /// The number of undecodable records among its findings, on every route.
    pub broken_records: usize,
}

impl FakeTarget {
    /// A target without findings.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let authority = authority(&url).to_owned();
        Self {
            asset_id: uuid_of(&["asset", &authority]),
            ipv4: format!("192.0.2.{}", hash(&["ipv4", &authority]) % 250 + 1),
            url,
            licensed: true,
            findings: Vec::new(),
            outcome: None,
            broken_records: 0,
        }
    }

    /// Adds a finding.
    pub fn with_finding(mut self, finding: FakeFinding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Adds findings.
    pub fn with_findings(mut self, findings: impl IntoIterator<Item = FakeFinding>) -> Self {
        self.findings.extend(findings);
        self
    }

    /// Marks the asset as unlicensed.
    pub fn unlicensed(mut self) -> Self {
        self.licensed = false;
        self
    }

    /// Makes its scans end with that status and these notes, and with half of its findings.
    pub fn with_outcome(
        mut self,
        status: impl Into<String>,
        notes: impl IntoIterator<Item = FakeNote>,
    ) -> Self {
        self.outcome = Some((status.into(), notes.into_iter().collect()));
        self
    }

    /// Sets the number of undecodable records among its findings.
    pub fn with_broken_records(mut self, count: usize) -> Self {
        self.broken_records = count;
        self
    }

    /// The host, and the port where the URL names one.
    pub fn authority(&self) -> &str {
        authority(&self.url)
    }
}

pub(crate) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
