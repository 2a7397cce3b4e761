//! What a query asks of a single finding.

use std::sync::Arc;

use appsec_core::{Finding, FindingQuery};
use serde_json::Value;

/// The part of a query that is applied to each finding: its filters, and the form in which findings are
/// returned.
#[derive(Debug, Clone)]
pub(super) struct FindingFilter {
    query: Arc<FindingQuery>,
}

impl FindingFilter {
    pub(super) fn new(query: &FindingQuery) -> Self {
        Self { query: Arc::new(query.clone()) }
    }

    /// Returns the finding in the form that the query asks for, or `None` if the query excludes it.
    /// `record` is the finding's JSON.
    pub(super) fn apply(&self, mut finding: Finding, record: &[u8]) -> Option<Finding> {
        if !self.query.matches(&finding) {
            return None;
        }
        if self.query.raw {
            finding.raw = serde_json::from_slice::<Value>(record).ok();
        }
        if !self.query.unmasked {
            finding.mask_evidence();
        }
        Some(finding)
    }
}
