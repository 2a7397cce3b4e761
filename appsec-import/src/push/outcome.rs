//! The outcome of a push.

use std::fmt;

use appsec_core::{Error, ErrorKind, Printable, Result};
use serde::Serialize;

use crate::reconcile::Completeness;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushOutcome {
    /// The service: `defectdojo`, `invicti` or `github`.
    pub target: &'static str,
    /// The service's ids of what it created: `DefectDojo`'s test, Invicti's events, GitHub's uploads.
    pub ids: Vec<String>,
    /// The URL of the result, for a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What happened to the findings that the service has and the report has not.
    pub absent: AbsentFindings,
    /// What changed, where the service reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<PushCounts>,
}

impl PushOutcome {
    pub(super) fn new(target: &'static str, absent: AbsentFindings) -> Self {
        Self { target, ids: Vec::new(), link: None, absent, counts: None }
    }
}

/// What happened to the findings that the service has and the report has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AbsentFindings {
    /// They were closed: the report is complete, or the caller allowed closing without proof.
    Closed,
    /// They were left as they are, for this reason.
    Kept(String),
}

impl AbsentFindings {
    /// For services that always close what a report does not have: fails where the report may lack open
    /// findings.
    pub(super) fn closed_by(
        service: &str,
        completeness: &Completeness,
        unproven_closing: bool,
    ) -> Result<Self> {
        match completeness.reason() {
            Some(reason) if !unproven_closing => Err(may_close(service, reason)),
            _ => Ok(Self::Closed),
        }
    }
}

/// The error for a report that may lack open findings, which the service would close.
pub(super) fn may_close(service: &str, reason: &str) -> Error {
    let message = format!(
        "{service} shows findings as fixed that a report does not have, and this report may lack open ones: {reason}"
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// What a push changed, as the service reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushCounts {
    /// Findings that were not known before.
    pub created: u64,
    /// Findings that are no longer in the report.
    pub closed: u64,
    /// Findings that were closed and are in the report again.
    pub reactivated: u64,
    /// Findings that were known and did not change.
    pub untouched: u64,
}

/// One line.
impl fmt::Display for PushOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pushed to {} ({})", self.target, Printable(&self.ids.join(", ")))?;
        if let Some(PushCounts { created, closed, reactivated, untouched }) = self.counts {
            write!(
                f,
                ": {created} created, {closed} closed, {reactivated} reactivated, {untouched} untouched"
            )?;
        }
        match &self.absent {
            AbsentFindings::Closed => Ok(()),
            AbsentFindings::Kept(reason) => write!(f, "; nothing was closed there: {}", Printable(reason)),
        }
    }
}
