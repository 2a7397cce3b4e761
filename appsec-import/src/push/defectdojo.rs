//! `DefectDojo`: reports in its generic format, reimported into the same test each time.

use appsec_core::{Error, ErrorKind, Result, Severity};
use appsec_http::{AuthHeader, HttpClient, Request, Response, Service};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::error::{ErrorTexts, with_default_operation};
use super::multipart::MultipartForm;
use super::options::{PushOptions, USER_AGENT};
use super::outcome::{AbsentFindings, PushCounts, PushOutcome};
use super::report_file::ReportFile;
use crate::binding::{Binding, Environment};
use crate::reconcile::Completeness;

const OPERATION: &str = "defectdojo: reimport";

/// The largest report that an instance accepts unless configured otherwise (`SCAN_FILE_MAX_SIZE`).
const MAX_REPORT: u64 = 100 << 20;

const ERROR_TEXTS: ErrorTexts = ErrorTexts {
    service: "DefectDojo",
    unauthorized: "DefectDojo does not know the token: use the API v2 key of a user",
    forbidden: "the token's user may not import into this product, or may not create what is missing",
    not_found: "DefectDojo has no such URL, product or test: check the base URL, and allow it to create what is missing",
};

/// Pushes reports into a `DefectDojo`. Cheap to clone.
///
/// ```no_run
/// # async fn run(coverage: appsec_core::Coverage) -> appsec_core::Result<()> {
/// use appsec_import::Completeness;
/// use appsec_import::push::{DefectDojo, DefectDojoTest, PushOptions, ReportFile};
///
/// let dojo = DefectDojo::new("https://dojo.example", "the API key", &PushOptions::new())?;
/// let test = DefectDojoTest::new("shop", "nightly", "tenableiowas config:7f").with_product_type("Web");
/// let report = ReportFile::from_path("report.json");
/// let outcome = dojo.push(&test, &report, &Completeness::from_coverage(&coverage)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DefectDojo {
    http: HttpClient,
}

/// The test that receives a report, identified by names, and the details of the import.
///
/// Product, engagement and title identify the test. Findings of a test that a complete report does not have
/// are closed, so each binding needs a test of its own, as [`for_binding`](Self::for_binding) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefectDojoTest {
    product: String,
    engagement: String,
    title: String,
    product_type: Option<String>,
    create: bool,
    scan_type: String,
    minimum_severity: Severity,
    tags: Vec<String>,
    branch: Option<String>,
    commit: Option<String>,
    build: Option<String>,
    environment: Option<String>,
    service: Option<String>,
    max_report_bytes: u64,
}

impl DefectDojoTest {
    /// The test with these names of product, engagement and title.
    pub fn new(product: impl Into<String>, engagement: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            product: product.into(),
            engagement: engagement.into(),
            title: title.into(),
            product_type: None,
            create: true,
            scan_type: "Generic Findings Import".to_owned(),
            minimum_severity: Severity::Info,
            tags: Vec::new(),
            branch: None,
            commit: None,
            build: None,
            environment: None,
            service: None,
            max_report_bytes: MAX_REPORT,
        }
    }

    /// The test of a binding, which no other binding shares. The project is the product, the branch the
    /// engagement, everything else the title. The scan tag becomes a tag.
    pub fn for_binding(binding: &Binding) -> Self {
        let set = &binding.configuration;
        let [.., branch, meta_data, environment_name] = binding.parts();
        let branch = branch.filter(|branch| !branch.is_empty());
        let mut title = format!("{} {}", binding.scanner, set.bind_target);
        let parts =
            [("tenant", binding.tenant_name()), ("environment", environment_name), ("meta", meta_data)];
        for (name, value) in parts {
            if let Some(value) = value {
                title = format!("{title}, {name} {value}");
            }
        }
        let mut test = Self::new(&binding.project, branch.unwrap_or("(no branch)"), title);
        test.branch = branch.map(str::to_owned);
        test.environment = set.environment.as_ref().map(environment);
        test.tags = set.scan_tag.iter().cloned().collect();
        test
    }

    /// Sets the type of the product, used where the product is created.
    pub fn with_product_type(mut self, name: impl Into<String>) -> Self {
        self.product_type = Some(name.into());
        self
    }

    /// Sets whether product, engagement and test are created where they are missing. Default: true.
    pub fn with_create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets the scan type, as `DefectDojo` names it. Default: `Generic Findings Import`.
    pub fn with_scan_type(mut self, scan_type: impl Into<String>) -> Self {
        self.scan_type = scan_type.into();
        self
    }

    /// Sets the lowest severity that is imported. Default: `Info`.
    ///
    /// With any other value no finding is closed by absence: an earlier import may have accepted what this
    /// one ignores.
    pub fn with_minimum_severity(mut self, severity: Severity) -> Self {
        self.minimum_severity = severity;
        self
    }

    /// Adds tags to the test.
    pub fn with_tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Sets the branch.
    pub fn with_branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Sets the commit.
    pub fn with_commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = Some(commit.into());
        self
    }

    /// Sets the build.
    pub fn with_build(mut self, build: impl Into<String>) -> Self {
        self.build = Some(build.into());
        self
    }

    /// Sets the environment, as `DefectDojo` names it.
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Sets the service, a part of the product. Only findings of the same service are closed by absence.
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Sets the size of the largest report that the instance accepts, in bytes. Default: 100 MiB.
    pub fn with_max_report_bytes(mut self, bytes: u64) -> Self {
        self.max_report_bytes = bytes;
        self
    }

    /// The name of the product.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The name of the engagement.
    pub fn engagement(&self) -> &str {
        &self.engagement
    }

    /// The title of the test.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The type of the product, used where the product is created.
    pub fn product_type(&self) -> Option<&str> {
        self.product_type.as_deref()
    }

    /// Whether product, engagement and test are created where they are missing.
    pub fn create(&self) -> bool {
        self.create
    }

    /// The scan type, as `DefectDojo` names it.
    pub fn scan_type(&self) -> &str {
        &self.scan_type
    }

    /// The lowest severity that is imported.
    pub fn minimum_severity(&self) -> &Severity {
        &self.minimum_severity
    }

    /// The tags of the test.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The branch.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The commit.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// The build.
    pub fn build(&self) -> Option<&str> {
        self.build.as_deref()
    }

    /// The environment, as `DefectDojo` names it.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The service, a part of the product.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The size of the largest report that the instance accepts, in bytes.
    pub fn max_report_bytes(&self) -> u64 {
        self.max_report_bytes
    }

    /// What happens to the findings that the report does not have. The caller has no say in it.
    fn absent(&self, completeness: &Completeness) -> AbsentFindings {
        if let Some(reason) = completeness.reason() {
            AbsentFindings::Kept(reason.to_owned())
        } else if self.minimum_severity > Severity::Info {
            AbsentFindings::Kept(format!("only severity {} and above is imported", self.minimum_severity))
        } else {
            AbsentFindings::Closed
        }
    }

    fn form(&self, absent: &AbsentFindings) -> Result<MultipartForm> {
        let mut form = MultipartForm::new();
        form.field("close_old_findings", flag(*absent == AbsentFindings::Closed));
        form.field("scan_type", &self.scan_type);
        form.field("product_name", &self.product);
        form.field("engagement_name", &self.engagement);
        form.field("test_title", &self.title);
        form.field("auto_create_context", flag(self.create));
        form.field("minimum_severity", severity(&self.minimum_severity)?);
        form.optional("product_type_name", self.product_type.as_deref());
        form.optional("branch_tag", self.branch.as_deref());
        form.optional("commit_hash", self.commit.as_deref());
        form.optional("build_id", self.build.as_deref());
        form.optional("environment", self.environment.as_deref());
        form.optional("service", self.service.as_deref());
        for tag in &self.tags {
            form.optional("tags", Some(tag));
        }
        Ok(form)
    }
}

impl DefectDojo {
    /// Creates a client for the instance at this URL, with the API v2 key of a user. The URL is that of the
    /// pages; that of the API, which ends in `/api/v2`, is taken for it.
    ///
    /// # Errors
    /// `Config` for invalid values.
    pub fn new(base_url: &str, token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        let token: SecretString = token.into();
        let auth = AuthHeader::new("authorization", format!("Token {}", token.expose_secret()).into())?;
        let service =
            Service::new("defectdojo", USER_AGENT, |response: &Response| ERROR_TEXTS.to_error(response));
        Ok(Self { http: options.client(service, instance_url(base_url), auth)? })
    }

    /// Imports the report into the test, or reimports it where the test exists. `DefectDojo` processes the
    /// report before it responds.
    ///
    /// Findings of the test that the report does not have are closed only where the run proves that they
    /// are gone. The request is retried only where it was not received, or `DefectDojo` was busy: two
    /// imports at a time would duplicate new findings.
    ///
    /// # Errors
    /// * `InvalidRequest`, before anything is sent, for a report that cannot be read or is larger than the
    ///   instance accepts; and, with its message, where `DefectDojo` refuses the report.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`. Where
    ///   [`outcome_unknown`](Error::outcome_unknown) is true the report may have been imported: check, or
    ///   push it again later.
    pub async fn push(
        &self,
        to: &DefectDojoTest,
        report: &ReportFile,
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let outcome = self.import(to, report, completeness).await;
        outcome.map_err(|error| with_default_operation(error, OPERATION))
    }

    async fn import(
        &self,
        to: &DefectDojoTest,
        report: &ReportFile,
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let length = report.length().await?;
        if length > to.max_report_bytes {
            let message = format!(
                "the report has {length} bytes, and DefectDojo accepts {}; it cannot be split, since each part would close the findings of the others",
                to.max_report_bytes
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let absent = to.absent(completeness);
        let (content_type, body) = to.form(&absent)?.with_report("report.json", report).await?;
        let request = Request::post(OPERATION, "/api/v2/reimport-scan/")
            .with_header("accept", "application/json")
            .with_body_source(content_type, body);
        let imported: Imported = self.http.json(&request).await?;
        let mut outcome = PushOutcome::new("defectdojo", absent);
        if let Some(test) = imported.test_id.or(imported.test) {
            outcome.ids.push(test.to_string());
            outcome.link = self.http.base_url().join(&format!("test/{test}")).ok().map(String::from);
        }
        outcome.counts = imported.statistics.as_ref().and_then(|all| all.get("delta")).map(counts);
        tracing::info!(%outcome, "report pushed");
        Ok(outcome)
    }
}

/// The URL of the instance, which may be given as that of its API.
fn instance_url(base_url: &str) -> &str {
    let url = base_url.trim_end_matches('/');
    url.strip_suffix("/api/v2").unwrap_or(url)
}

/// The response of `DefectDojo`, as far as it is used.
#[derive(Deserialize)]
struct Imported {
    test_id: Option<u64>,
    test: Option<u64>,
    statistics: Option<Value>,
}

/// Reads the counts, which are grouped by change and by severity. `total` is that of all severities, and
/// within it of all states.
fn counts(delta: &Value) -> PushCounts {
    let count = |change: &str| {
        let total = delta.get(change).and_then(|by_severity| by_severity.get("total"));
        total.and_then(|total| total.get("total")).and_then(Value::as_u64)
    };
    PushCounts {
        created: count("created").unwrap_or(0),
        closed: count("closed").unwrap_or(0),
        reactivated: count("reactivated").unwrap_or(0),
        untouched: count("left untouched").or_else(|| count("left_untouched")).unwrap_or(0),
    }
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn severity(severity: &Severity) -> Result<&'static str> {
    match severity {
        Severity::Critical => Ok("Critical"),
        Severity::High => Ok("High"),
        Severity::Medium => Ok("Medium"),
        Severity::Low => Ok("Low"),
        Severity::Info => Ok("Info"),
        other => {
            let message = format!("DefectDojo has no severity {other:?}, so it cannot be the minimum");
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
    }
}

/// The environment's name at `DefectDojo`: one of those that every instance has, or the name itself, which
/// is created.
fn environment(environment: &Environment) -> String {
    match environment {
        Environment::Production => "Production".to_owned(),
        Environment::Staging => "Staging".to_owned(),
        Environment::Development => "Development".to_owned(),
        other => other.as_str().to_owned(),
    }
}
