//! Findings as a store returns them.

use appsec_core::Finding;

use crate::reconcile::{Change, KnownFinding};

/// A finding's number among those of its binding, from 1.
pub type FindingNumber = i64;

/// A finding of a binding with everything that its last observation contained.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredFinding {
    /// The number of the finding.
    pub number: FindingNumber,
    /// What is known of it.
    pub known: KnownFinding,
    /// How the last run that concerned it changed it.
    pub change: Change,
    /// The finding. Identity, severity, status and times are those of `known`; the rest is from its last
    /// observation, masked as it was received.
    pub finding: Finding,
}

impl StoredFinding {
    /// Creates a stored finding.
    pub fn new(number: FindingNumber, known: KnownFinding, change: Change, finding: Finding) -> Self {
        Self { number, known, change, finding }
    }
}

/// A page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The number of the last finding before the page; 0 for the first page.
    pub after: FindingNumber,
    /// The maximum number of findings.
    pub limit: u32,
}
