//! References to a binding, a run and a finding, in the JSON form that events have.

use appsec_core::{BindTargetId, Fingerprint, PartitionKey, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::event_text::{MAX_TEXT, mask_and_truncate, strip_location};
use crate::binding::{Environment, ScanConfiguration};
use crate::reconcile::KnownFinding;
use crate::reconcile::State;

/// The most ids of the scanner for one finding.
const MAX_ALIASES: usize = 8;

/// A binding: everything that distinguishes it from other bindings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindingRef {
    /// The project.
    pub project: String,
    /// The scanner's key.
    pub scanner: String,
    /// What distinguishes the tenants of one scanner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The bind target.
    pub bind_target: BindTargetId,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The text that distinguishes otherwise equal bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<String>,
}

impl BindingRef {
    /// The binding of a project, a scanner and a configuration, without a tenant.
    pub fn new(
        project: impl Into<String>,
        scanner: impl Into<String>,
        configuration: &ScanConfiguration,
    ) -> Self {
        Self {
            project: project.into(),
            scanner: scanner.into(),
            tenant: None,
            bind_target: configuration.bind_target.clone(),
            environment: configuration.environment.clone(),
            branch: configuration.branch.clone(),
            meta_data: configuration.meta_data.clone(),
        }
    }

    /// Sets what distinguishes the tenants of one scanner.
    pub fn with_tenant(mut self, tenant: impl Into<Option<String>>) -> Self {
        self.tenant = tenant.into();
        self
    }
}

/// A run of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRef {
    /// The binding.
    pub binding: BindingRef,
    /// The run's id in the store.
    pub run: String,
    /// The scan tag, a label of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
}

impl RunRef {
    /// A run of a binding, without a scan tag.
    pub fn new(binding: BindingRef, run: impl Into<String>) -> Self {
        Self { binding, run: run.into(), scan_tag: None }
    }

    /// Sets the scan tag, a label of the run.
    pub fn with_scan_tag(mut self, tag: impl Into<String>) -> Self {
        self.scan_tag = Some(tag.into());
        self
    }
}

/// A finding, as events describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingRef {
    /// The fingerprint, which identifies the finding.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of the finding, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The severity.
    pub severity: Severity,
    /// The state after the run.
    pub state: State,
    /// The name of the broken rule.
    pub rule: String,
    /// The location, without query and password.
    pub place: String,
    /// The partition that it was last seen in.
    pub partition: PartitionKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// The number of its occurrences; absent where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrences: Option<u64>,
    /// Why it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FindingRef {
    pub(super) fn new(finding: &KnownFinding, reason: Option<&str>) -> Self {
        let aliases = finding.aliases.iter().filter(|alias| alias.len() <= MAX_TEXT);
        Self {
            fingerprint: finding.fingerprint,
            aliases: aliases.take(MAX_ALIASES).cloned().collect(),
            severity: match &finding.severity {
                Severity::Unknown(name) => Severity::Unknown(mask_and_truncate(name).into()),
                known => known.clone(),
            },
            state: finding.state,
            rule: mask_and_truncate(&finding.title),
            place: strip_location(&finding.place),
            partition: finding.partition.clone(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            occurrences: (finding.occurrences > 1).then_some(finding.occurrences),
            reason: reason.map(mask_and_truncate),
        }
    }
}
