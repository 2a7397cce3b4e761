//! The data that a service is filled with.

use std::collections::BTreeMap;

use crate::{BindTargetId, FindingStatus, ScanId, Severity};

/// The targets and findings that a service is filled with.
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
    /// Its name, a host name, unique in the dataset.
    pub name: String,
    /// Its findings.
    pub findings: Vec<DatasetFinding>,
}

/// A finding of a [`Dataset`], identified by its path.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatasetFinding {
    /// The name of the broken rule.
    pub rule: String,
    /// The path of the place; unique within its target.
    pub path: String,
    /// The severity. An unknown one is written verbatim, where the service takes text.
    pub severity: Severity,
    /// The status. An unknown one is written verbatim, where the service takes text.
    pub status: FindingStatus,
    /// The text that the service shows as evidence, in any of its fields.
    pub evidence: String,
}

impl Dataset {
    /// A dataset with this many targets (`t0.example.com`, …) and this many open findings of each, of all
    /// severities.
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

/// The ids that a service gave to the parts of a [`Dataset`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seeded {
    /// The bind target of each target of the dataset, by the target's name.
    pub targets: BTreeMap<String, BindTargetId>,
    /// A completed scan of each target with exactly its findings, by the target's name, where the scanner
    /// has scans.
    pub scans: BTreeMap<String, ScanId>,
}

impl Seeded {
    /// No ids.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the bind target of a target.
    pub fn with_target(mut self, name: impl Into<String>, id: impl Into<BindTargetId>) -> Self {
        self.targets.insert(name.into(), id.into());
        self
    }

    /// Adds a completed scan of a target.
    pub fn with_scan(mut self, name: impl Into<String>, id: impl Into<ScanId>) -> Self {
        self.scans.insert(name.into(), id.into());
        self
    }
}
