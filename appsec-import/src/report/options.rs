//! What a report says about itself.

use appsec_core::Timestamp;

use crate::binding::Binding;
use crate::store::EndedRun;

/// The schema version of a GitLab report. A GitLab server accepts only versions whose first two numbers it
/// knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GitLabVersion {
    /// 15.0.7, which every GitLab since 15.0 accepts.
    #[default]
    V15_0,
    /// 15.1.4, which has CVSS vectors.
    V15_1,
}

/// The class of OCSF events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcsfClass {
    /// 2002, Vulnerability Finding, which nearly every reader supports.
    #[default]
    VulnerabilityFinding,
    /// 2007, Application Security Posture Finding, the class of Salt's posture gaps.
    PostureFinding,
}

/// What a report says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    scanner: String,
    scanner_name: Option<String>,
    target: String,
    started_at: Timestamp,
    ended_at: Timestamp,
    missing: Vec<String>,
    gitlab_version: GitLabVersion,
    ocsf_class: OcsfClass,
    tenant: Option<String>,
}

impl ReportOptions {
    /// Options for a report about `target`, from the scanner with this key.
    ///
    /// Every report about a target should use the same text for it: readers compare the reports of one
    /// text.
    pub fn new(scanner: impl Into<String>, target: impl Into<String>) -> Self {
        let now = Timestamp::now();
        Self {
            scanner: scanner.into(),
            scanner_name: None,
            target: target.into(),
            started_at: now,
            ended_at: now,
            missing: Vec::new(),
            gitlab_version: GitLabVersion::default(),
            ocsf_class: OcsfClass::default(),
            tenant: None,
        }
    }

    /// Options for a report about a binding. Project, tenant, bind target, branch, meta data and environment
    /// make up its target.
    pub fn for_binding(binding: &Binding) -> Self {
        let [project, _, _, rest @ ..] = binding.parts();
        let target = [project].into_iter().chain(binding.tenant_name().map(Some)).chain(rest);
        Self::new(&binding.scanner, Binding::joined_name(target))
    }

    /// Sets the scanner's key.
    pub fn with_scanner(mut self, key: impl Into<String>) -> Self {
        self.scanner = key.into();
        self
    }

    /// Sets what the report is about.
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// Sets the scanner's display name. Default: its key.
    pub fn with_scanner_name(mut self, name: impl Into<String>) -> Self {
        self.scanner_name = Some(name.into());
        self
    }

    /// Sets when the scan, or the import, started and ended. Default: now.
    pub fn with_time(mut self, started_at: Timestamp, ended_at: Timestamp) -> Self {
        (self.started_at, self.ended_at) = (started_at, ended_at);
        self
    }

    /// Takes the times, and what is missing, from the run after which the report is written.
    pub fn with_run(self, run: &EndedRun) -> Self {
        self.with_time(run.started_at, run.ended_at).with_missing(run.missing())
    }

    /// Sets what is missing from the findings, one sentence each; see
    /// [`Import::missing`](crate::Import::missing). Default: nothing.
    pub fn with_missing(mut self, missing: impl IntoIterator<Item = String>) -> Self {
        self.missing = missing.into_iter().collect();
        self
    }

    /// Sets the schema version of a GitLab report.
    pub fn with_gitlab_version(mut self, version: GitLabVersion) -> Self {
        self.gitlab_version = version;
        self
    }

    /// Sets the class of OCSF events.
    pub fn with_ocsf_class(mut self, class: OcsfClass) -> Self {
        self.ocsf_class = class;
        self
    }

    /// Sets the tenant of OCSF events (`metadata.tenant_uid`), for readers that store events of several
    /// tenants.
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The scanner's key.
    pub fn scanner(&self) -> &str {
        &self.scanner
    }

    /// The scanner's display name, or its key, or `scanner`: never empty.
    pub fn scanner_name(&self) -> &str {
        let name = self.scanner_name.as_deref().filter(|name| !name.trim().is_empty());
        name.unwrap_or(if self.scanner.is_empty() { "scanner" } else { &self.scanner })
    }

    /// What the report is about.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// When the scan, or the import, started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// When the scan, or the import, ended.
    pub fn ended_at(&self) -> Timestamp {
        self.ended_at
    }

    /// What is missing from the findings, one sentence each.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The schema version of a GitLab report.
    pub fn gitlab_version(&self) -> GitLabVersion {
        self.gitlab_version
    }

    /// The class of OCSF events.
    pub fn ocsf_class(&self) -> OcsfClass {
        self.ocsf_class
    }

    /// The tenant of OCSF events.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}
