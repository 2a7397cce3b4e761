//! What a report says of itself.

use appsec_core::Timestamp;

use crate::binding::Binding;
use crate::store::EndedRun;

/// The version that GitLab's report states. A server takes only versions whose first two numbers it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GitLabVersion {
    /// 15.0.7, which every GitLab since 15.0 takes.
    #[default]
    V15_0,
    /// 15.1.4, which has CVSS vectors.
    V15_1,
}

/// The class of OCSF's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcsfClass {
    /// 2002, Vulnerability Finding, which nearly every reader knows.
    #[default]
    VulnerabilityFinding,
    /// 2007, Application Security Posture Finding: what a posture gap of Salt's is.
    PostureFinding,
}

/// What a report says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportOptions {
    /// The scanner's key.
    pub scanner: String,
    /// The scanner's name for a person; its key where there is none.
    pub scanner_name: Option<String>,
    /// What the report is about. The same words in every report of one target: readers compare reports by it.
    pub target: String,
    /// When the scan, or the import, began. Default: now.
    pub started_at: Timestamp,
    /// When it ended. Default: now.
    pub ended_at: Timestamp,
    /// What is missing from the findings, a sentence each; empty where nothing is.
    pub missing: Vec<String>,
    /// The version that GitLab's report states.
    pub gitlab: GitLabVersion,
    /// The class of OCSF's events.
    pub ocsf: OcsfClass,
    /// Whose events they are, for those who keep those of many (OCSF's `metadata.tenant_uid`).
    pub tenant: Option<String>,
}

impl ReportOptions {
    /// A report of the findings of the scanner with that key, about that target.
    pub fn new(scanner: impl Into<String>, target: impl Into<String>) -> Self {
        let now = Timestamp::now();
        Self {
            scanner: scanner.into(),
            scanner_name: None,
            target: target.into(),
            started_at: now,
            ended_at: now,
            missing: Vec::new(),
            gitlab: GitLabVersion::default(),
            ocsf: OcsfClass::default(),
            tenant: None,
        }
    }

    /// A report of a store's line; project, bind target, branch, meta data and environment are its target.
    pub fn of_binding(line: &Binding) -> Self {
        let [project, _, rest @ ..] = line.parts();
        Self::new(&line.scanner, Binding::word_of([project].into_iter().chain(rest)))
    }

    /// Sets the scanner's name for a person.
    pub fn with_scanner_name(mut self, name: impl Into<String>) -> Self {
        self.scanner_name = Some(name.into());
        self
    }

    /// Sets when the scan, or the import, began and ended.
    pub fn with_time(mut self, started_at: Timestamp, ended_at: Timestamp) -> Self {
        (self.started_at, self.ended_at) = (started_at, ended_at);
        self
    }

    /// Takes times, and what is missing, from the run after which the report is made.
    pub fn with_run(self, run: &EndedRun) -> Self {
        self.with_time(run.started_at, run.ended_at).with_missing(run.missing())
    }

    /// Says what is missing, as an import tells it; see [`Import::missing`](crate::Import::missing).
    pub fn with_missing(mut self, missing: impl IntoIterator<Item = String>) -> Self {
        self.missing = missing.into_iter().collect();
        self
    }

    /// Sets the version that GitLab's report states.
    pub fn with_gitlab_version(mut self, version: GitLabVersion) -> Self {
        self.gitlab = version;
        self
    }

    /// Sets the class of OCSF's events.
    pub fn with_ocsf_class(mut self, class: OcsfClass) -> Self {
        self.ocsf = class;
        self
    }

    /// Sets whose events they are.
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The scanner's name for a person, never empty.
    pub(crate) fn name(&self) -> &str {
        let name = self.scanner_name.as_deref().filter(|name| !name.trim().is_empty());
        name.unwrap_or(if self.scanner.is_empty() { "scanner" } else { &self.scanner })
    }
}
