//! `DefectDojo`: a report of its generic findings, imported again into the same test.

use appsec_core::{Error, ErrorKind, Result, Severity};
use appsec_http::{AuthHeader, HttpClient, Request, Response, Service};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::error::Refusals;
use super::multipart::Form;
use super::options::PushOptions;
use super::report_file::ReportFile;
use super::{Absent, PushCounts, Pushed, USER_AGENT, named};
use crate::binding::{Binding, Environment};
use crate::reconcile::Completeness;

const OPERATION: &str = "defectdojo: reimport";

/// What an instance takes unless it is set otherwise (`SCAN_FILE_MAX_SIZE`).
const MAX_REPORT: u64 = 100 << 20;

const REFUSALS: Refusals = Refusals {
    who: "DefectDojo",
    token: "DefectDojo does not know the token: take the API v2 key of a user",
    permission: "the token's user may not import into this product, or may not create what is missing",
    missing: "DefectDojo knows no such address, product or test: check the base URL, and allow to create what is missing",
};

/// Pushes reports into a `DefectDojo`. Cheap to clone.
///
/// ```no_run
/// # async fn run(coverage: appsec_core::Coverage) -> appsec_core::Result<()> {
/// use appsec_import::Completeness;
/// use appsec_import::push::{DefectDojo, DojoTest, PushOptions, ReportFile};
///
/// let dojo = DefectDojo::new("https://dojo.example", "the API key", &PushOptions::new())?;
/// let test = DojoTest::new("shop", "nightly", "tenableiowas config:7f").with_product_type("Web");
/// let pushed = dojo.push(&test, &ReportFile::at("report.json"), &Completeness::from_coverage(&coverage)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DefectDojo {
    http: HttpClient,
}

/// The test that a report goes to, by names, and what is said of the import.
///
/// Product, engagement and title identify the test. What a test holds and a complete report does not is closed, so each import line
/// needs a test of its own: [`of_binding`](Self::of_binding) sees to that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DojoTest {
    /// The product.
    pub product: String,
    /// The engagement.
    pub engagement: String,
    /// The test's title.
    pub title: String,
    /// The product's type, for a product that is yet to be created.
    pub product_type: Option<String>,
    /// Creates product, engagement and test where they are missing. Default: true.
    pub create: bool,
    /// The kind of report, in `DefectDojo`'s words. Default: `Generic Findings Import`.
    pub scan_type: String,
    /// What is less grave is not imported. Default: `Info`. With any other nothing is closed by absence: an earlier import may have let
    /// through what this one does not.
    pub minimum_severity: Severity,
    /// Words that the test is tagged with.
    pub tags: Vec<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// The build.
    pub build: Option<String>,
    /// The environment, as `DefectDojo` names it.
    pub environment: Option<String>,
    /// The part of the product. Absence speaks within it alone.
    pub service: Option<String>,
    /// The biggest report that the instance takes, in bytes. Default: 100 MiB.
    pub max_report_bytes: u64,
}

impl DojoTest {
    /// A test by the names of product, engagement and title.
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

    /// The test of an import line, and of no other one: its project is the product, its branch the engagement, the rest the title. The
    /// scan tag is a tag.
    pub fn of_binding(line: &Binding) -> Self {
        let set = &line.configuration;
        let [.., branch, meta_data, environment_word] = line.parts();
        let branch = branch.filter(|branch| !branch.is_empty());
        let mut title = format!("{} {}", line.scanner, set.bind_target);
        for (name, word) in [("environment", environment_word), ("meta", meta_data)] {
            if let Some(word) = word {
                title = format!("{title}, {name} {word}");
            }
        }
        let mut test = Self::new(&line.project, branch.unwrap_or("(no branch)"), title);
        test.branch = branch.map(str::to_owned);
        test.environment = set.environment.as_ref().map(environment);
        test.tags = set.scan_tag.iter().cloned().collect();
        test
    }

    /// Sets the product's type, for a product that is yet to be created.
    pub fn with_product_type(mut self, name: impl Into<String>) -> Self {
        self.product_type = Some(name.into());
        self
    }

    /// Creates nothing: product, engagement and test must be there.
    pub fn without_creation(mut self) -> Self {
        self.create = false;
        self
    }

    /// Sets the kind of report, in `DefectDojo`'s words.
    pub fn with_scan_type(mut self, scan_type: impl Into<String>) -> Self {
        self.scan_type = scan_type.into();
        self
    }

    /// Imports nothing that is less grave, and closes nothing by absence.
    pub fn with_minimum_severity(mut self, severity: Severity) -> Self {
        self.minimum_severity = severity;
        self
    }

    /// Tags the test.
    pub fn with_tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Names the branch.
    pub fn with_branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Names the commit.
    pub fn with_commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = Some(commit.into());
        self
    }

    /// Names the build.
    pub fn with_build(mut self, build: impl Into<String>) -> Self {
        self.build = Some(build.into());
        self
    }

    /// Names the environment, as `DefectDojo` names it.
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Names the part of the product.
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Sets the biggest report that the instance takes, in bytes.
    pub fn with_max_report_bytes(mut self, bytes: u64) -> Self {
        self.max_report_bytes = bytes;
        self
    }

    /// What becomes of what the report does not hold. A boolean of the caller's has no part in it.
    fn absent(&self, completeness: &Completeness) -> Absent {
        if let Some(reason) = completeness.reason() {
            Absent::Kept(reason.to_owned())
        } else if self.minimum_severity > Severity::Info {
            Absent::Kept(format!("only {} and graver are imported", self.minimum_severity))
        } else {
            Absent::Closed
        }
    }

    fn form(&self, absent: &Absent) -> Result<Form> {
        let mut form = Form::new();
        form.field("close_old_findings", flag(*absent == Absent::Closed));
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
    /// A client for the instance at that URL, with a user's API v2 key.
    ///
    /// # Errors
    /// `Config` for values that cannot work.
    pub fn new(base_url: &str, token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        let token: SecretString = token.into();
        let auth = AuthHeader::new("authorization", format!("Token {}", token.expose_secret()).into())?;
        let service = Service::new("defectdojo", USER_AGENT, |answer: &Response| REFUSALS.to_error(answer));
        Ok(Self { http: options.client(service, base_url, auth)? })
    }

    /// Imports the report into the test, again where it has been there before. `DefectDojo` works through it before it answers.
    ///
    /// Findings that the test holds and the report does not are closed only where the run proved that they are gone. The request is not
    /// repeated unless nothing arrived or `DefectDojo` was busy: two at a time would double what is new.
    ///
    /// # Errors
    /// * `InvalidRequest` for a report that cannot be read or is bigger than the instance takes, before anything is sent; and where
    ///   `DefectDojo` refuses the report, with its words.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`. Where
    ///   [`outcome_unknown`](Error::outcome_unknown) is true the report may be in: look, or push it again later.
    pub async fn push(
        &self,
        to: &DojoTest,
        report: &ReportFile,
        completeness: &Completeness,
    ) -> Result<Pushed> {
        self.import(to, report, completeness).await.map_err(|error| named(error, OPERATION))
    }

    async fn import(&self, to: &DojoTest, report: &ReportFile, proof: &Completeness) -> Result<Pushed> {
        let length = report.length().await?;
        if length > to.max_report_bytes {
            let message = format!(
                "the report has {length} bytes, and DefectDojo takes {}; parts of it would close one another's findings",
                to.max_report_bytes
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let absent = to.absent(proof);
        let (content_type, body) = to.form(&absent)?.with_report("report.json", report).await?;
        let request = Request::post(OPERATION, "/api/v2/reimport-scan/")
            .with_header("accept", "application/json")
            .with_body_source(content_type, body);
        let imported: Imported = self.http.json(&request).await?;
        let mut pushed = Pushed::to("defectdojo", absent);
        if let Some(test) = imported.test_id.or(imported.test) {
            pushed.ids.push(test.to_string());
            pushed.link = self.http.base_url().join(&format!("test/{test}")).ok().map(String::from);
        }
        pushed.counts = imported.statistics.as_ref().and_then(|all| all.get("delta")).map(counts);
        tracing::info!(%pushed, "pushed");
        Ok(pushed)
    }
}

/// What `DefectDojo` answers, as far as it matters here.
#[derive(Deserialize)]
struct Imported {
    test_id: Option<u64>,
    test: Option<u64>,
    statistics: Option<Value>,
}

/// Numbers by what was done and by severity; `total` is over all severities, and within it over all states.
fn counts(delta: &Value) -> PushCounts {
    let of = |done: &str| {
        let total = delta.get(done).and_then(|by_severity| by_severity.get("total"));
        total.and_then(|total| total.get("total")).and_then(Value::as_u64)
    };
    PushCounts {
        created: of("created").unwrap_or(0),
        closed: of("closed").unwrap_or(0),
        reactivated: of("reactivated").unwrap_or(0),
        untouched: of("left untouched").or_else(|| of("left_untouched")).unwrap_or(0),
    }
}

fn flag(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

fn severity(severity: &Severity) -> Result<&'static str> {
    match severity {
        Severity::Critical => Ok("Critical"),
        Severity::High => Ok("High"),
        Severity::Medium => Ok("Medium"),
        Severity::Low => Ok("Low"),
        Severity::Info => Ok("Info"),
        other => {
            let message = format!("{other:?} is no minimum severity of DefectDojo's");
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
    }
}

/// The names that an instance comes with; others are created with the rest.
fn environment(environment: &Environment) -> String {
    match environment {
        Environment::Production => "Production".to_owned(),
        Environment::Staging => "Staging".to_owned(),
        Environment::Development => "Development".to_owned(),
        other => other.as_str().to_owned(),
    }
}
