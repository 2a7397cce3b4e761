//! What a report says about itself.

use appsec_core::Timestamp;

use crate::binding::Binding;
use crate::reconcile::Completeness;
use crate::store::{EndedRun, ReportParts};

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
    partial: Option<String>,
    earlier_parts: ReportParts,
    gitlab_version: GitLabVersion,
    ocsf_class: OcsfClass,
    tenant: Option<String>,
    service: Option<String>,
    cwe_list: bool,
    byte_order_mark: bool,
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
            partial: None,
            earlier_parts: ReportParts::default(),
            gitlab_version: GitLabVersion::default(),
            ocsf_class: OcsfClass::default(),
            tenant: None,
            service: None,
            cwe_list: false,
            byte_order_mark: false,
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

    /// Takes the times, what is missing, and the completeness, from the run after which the report is
    /// written.
    pub fn with_run(self, run: &EndedRun) -> Self {
        self.with_time(run.started_at, run.ended_at)
            .with_missing(run.missing())
            .with_completeness(&run.completeness())
    }

    /// Sets what is missing from the findings, one sentence each; see
    /// [`Import::missing`](crate::Import::missing). Default: nothing.
    pub fn with_missing(mut self, missing: impl IntoIterator<Item = String>) -> Self {
        self.missing = missing.into_iter().collect();
        self
    }

    /// Sets whether the report holds everything that is open. Default: it does, unless something is
    /// [missing](Self::with_missing).
    ///
    /// A partial SARIF report has a category of its own, so that it closes nothing that a whole report
    /// opened.
    pub fn with_completeness(mut self, completeness: &Completeness) -> Self {
        self.partial = completeness.reason().map(str::to_owned);
        self
    }

    /// Sets how many parts earlier SARIF reports of the binding have had, as
    /// [`Store::report_parts`](crate::Store::report_parts) returns it. Default: none.
    ///
    /// A part that this report does not need is written without results, so that its reader closes what an
    /// earlier report had in it. A whole report also empties the parts of partial ones.
    pub fn with_earlier_parts(mut self, parts: ReportParts) -> Self {
        self.earlier_parts = parts;
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

    /// Sets the service of `DefectDojo` findings, a part of the product. Default: none.
    ///
    /// `DefectDojo` compares a report only with the findings of the service that the import names, so the
    /// import has to name this one: [`DefectDojoTest::with_service`](crate::push::DefectDojoTest::with_service).
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Sets whether `DefectDojo` findings have all CWEs of their rule, and not only the first. Default: false,
    /// since servers before 2026-07-14 abort the import of a report that has the list.
    pub fn with_cwe_list(mut self, list: bool) -> Self {
        self.cwe_list = list;
        self
    }

    /// Sets whether CSV begins with a byte order mark, without which Excel takes UTF-8 for the local code
    /// page. Default: false, since other programs read the mark as a part of the first column's name.
    pub fn with_byte_order_mark(mut self, mark: bool) -> Self {
        self.byte_order_mark = mark;
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

    /// Why the report may lack open findings; `None` where it holds them all.
    pub fn partial_reason(&self) -> Option<&str> {
        self.partial.as_deref().or(self.missing.first().map(String::as_str))
    }

    /// How many parts earlier SARIF reports of the binding have had.
    pub fn earlier_parts(&self) -> ReportParts {
        self.earlier_parts
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

    /// The service of `DefectDojo` findings.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Whether `DefectDojo` findings have all CWEs of their rule.
    pub fn cwe_list(&self) -> bool {
        self.cwe_list
    }

    /// Whether CSV begins with a byte order mark.
    pub fn byte_order_mark(&self) -> bool {
        self.byte_order_mark
    }
}
