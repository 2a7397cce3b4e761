//! The kit for proving a scanner: a world to fill, faults to cause, the conformance suite, and the smallest real scanner.

pub mod conformance;
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{BindTargetId, DastApiScanner, FindingStatus, Result, ScanId, Severity};

pub use memory::MemoryScanner;

/// A scanner together with the service behind it, so that the conformance suite can fill and break the service.
///
/// Only [`Fixture::scanner`] is required. What a fixture cannot do, the suite skips in print.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The scanner under test: a new handle each time where that is possible, so that nothing is known to it from the one before.
    fn scanner(&self) -> Arc<dyn DastApiScanner>;

    /// Fills the service with exactly this world; `None` when it cannot be filled.
    ///
    /// # Errors
    /// Whatever the service says.
    async fn seed(&self, world: &Dataset) -> Result<Option<Seeded>> {
        let _ = world;
        Ok(None)
    }

    /// How many requests the service has received; `None` when it does not count.
    async fn requests(&self) -> Option<u64> {
        None
    }

    /// Breaks the service from now on; false when it cannot be broken that way.
    async fn break_with(&self, fault: Fault) -> bool {
        let _ = fault;
        false
    }
}

/// How a service can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It refuses the credentials.
    Unauthorized,
    /// Nothing answers, or every answer is a server fault.
    Down,
    /// It answers so many requests from now on, and then is down.
    DownAfter(u64),
    /// One more record than were seeded stands among the findings of the first target, and it cannot be decoded.
    BadRecord,
}

/// What a service is filled with: targets, and findings of each.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// The targets.
    pub targets: Vec<DatasetTarget>,
}

/// A target of a [`Dataset`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatasetTarget {
    /// Its name, unique in the world, and a host name.
    pub name: String,
    /// Its findings.
    pub findings: Vec<DatasetFinding>,
}

/// A finding of a [`Dataset`], told apart by its path.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatasetFinding {
    /// The name of the broken rule.
    pub rule: String,
    /// The path of the place; unique within its target.
    pub path: String,
    /// How grave it is. An unknown word is written as it is, where the service has words.
    pub severity: Severity,
    /// Where it stands. An unknown word is written as it is, where the service has words.
    pub status: FindingStatus,
    /// What the service shows as evidence, in whatever field it has for that.
    pub evidence: String,
}

impl Dataset {
    /// A world with so many targets (`t0.example.com`, …) and so many findings of each, of all severities, open.
    pub fn new(targets: usize, findings: usize) -> Self {
        let target = |number: usize| DatasetTarget {
            name: format!("t{number}.example.com"),
            findings: (0..findings).map(DatasetFinding::numbered).collect(),
        };
        Self { targets: (0..targets).map(target).collect() }
    }
}

impl DatasetFinding {
    fn numbered(number: usize) -> Self {
        let severity = Severity::WORST_FIRST[number % Severity::WORST_FIRST.len()].clone();
        Self {
            rule: format!("Rule {}", number % 7),
            path: format!("/path/{number}"),
            severity,
            status: FindingStatus::Open,
            evidence: format!("evidence {number}"),
        }
    }
}

/// Where a [`Dataset`] went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seeded {
    /// The bind target of each of the world's targets, by name.
    pub targets: BTreeMap<String, BindTargetId>,
    /// A completed scan of each target that holds exactly its findings, by the target's name, where the scanner has scans.
    pub scans: BTreeMap<String, ScanId>,
}

impl Seeded {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes where a target went.
    pub fn with_target(mut self, name: impl Into<String>, id: impl Into<BindTargetId>) -> Self {
        self.targets.insert(name.into(), id.into());
        self
    }

    /// Notes a completed scan of a target.
    pub fn with_scan(mut self, name: impl Into<String>, id: impl Into<ScanId>) -> Self {
        self.scans.insert(name.into(), id.into());
        self
    }
}
