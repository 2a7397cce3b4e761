//! Retirements: a person closes the findings of a place that is not examined any more.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Who retires a partition, and why.
///
/// Absence closes nothing in a partition that is not examined any more, such as a target that was taken out of
/// a scan configuration. A retirement closes its open findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retirement {
    /// Who retires it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Retirement {
    /// Creates a retirement.
    pub fn new(by: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { by: by.into(), reason: reason.into() }
    }
}

/// A retirement in the history of a finding that it closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetirementEntry {
    /// The number of the last run that had been concluded by then; 0 where there was none.
    pub after_run: i64,
    /// When the partition was retired.
    pub at: Timestamp,
    /// Who retired it, and why.
    #[serde(flatten)]
    pub retirement: Retirement,
}

impl RetirementEntry {
    /// Creates an entry for a retirement that was made after the given run.
    pub fn new(after_run: i64, at: Timestamp, retirement: Retirement) -> Self {
        Self { after_run, at, retirement }
    }
}
