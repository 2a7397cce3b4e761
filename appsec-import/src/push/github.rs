//! GitHub code scanning: SARIF, compressed, for one commit.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::{AuthHeader, HttpClient, Path, Request, Response, RetrySafety, Service};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::{ErrorTexts, describe, excerpt, with_default_operation};
use super::options::{PushOptions, USER_AGENT};
use super::outcome::{AbsentFindings, PushOutcome, may_close};
use super::poll::poll_until_done;
use super::report_file::{ReportFile, blocking};
use super::sarif_upload::{check, compress_to_base64};
use crate::reconcile::Completeness;

const UPLOAD: &str = "github: upload sarif";
const STATUS: &str = "github: get the status of an upload";

/// The API of github.com.
const API: &str = "https://api.github.com";
const API_VERSION: &str = "2022-11-28";

/// The largest report that GitHub accepts, in bytes when compressed (vendor document).
const MAX_COMPRESSED: u64 = 10_000_000;

const SERVICE: &str = "GitHub";

const ERROR_TEXTS: ErrorTexts = ErrorTexts {
    service: SERVICE,
    unauthorized: "GitHub does not know the token, or it has expired",
    forbidden: "the token lacks the permission `security_events`, or code scanning is not enabled for the repository",
    not_found: "GitHub has no such repository, commit or upload, or the token cannot see it",
};

/// Pushes SARIF to GitHub code scanning. Cheap to clone.
///
/// ```no_run
/// # async fn run(coverage: appsec_core::Coverage) -> appsec_core::Result<()> {
/// use appsec_import::Completeness;
/// use appsec_import::push::{GitHub, GitHubCommit, PushOptions, ReportFile};
///
/// let github = GitHub::new("the token", &PushOptions::new())?;
/// let to = GitHubCommit::new("octo/shop", "4b6472266afd7b471e86085a6659e8c7f2b119da", "refs/heads/main")?;
/// let report = ReportFile::from_path("report.sarif");
/// let outcome = github.push(&to, &[report], &Completeness::from_coverage(&coverage)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GitHub {
    http: HttpClient,
    options: PushOptions,
}

/// The commit whose alerts a report replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubCommit {
    owner: String,
    repository: String,
    commit: String,
    reference: String,
    tool: Option<String>,
    started_at: Option<Timestamp>,
    partial_data: bool,
    max_compressed_bytes: u64,
}

impl GitHubCommit {
    /// A commit (40 hex digits) of a repository (`owner/name`), and its full reference (`refs/heads/main`,
    /// `refs/pull/7/head`).
    ///
    /// # Errors
    /// `InvalidRequest` for a repository, commit or reference of another form.
    pub fn new(repository: &str, commit: &str, reference: &str) -> Result<Self> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidRequest, what).with_operation(UPLOAD));
        let Some((owner, name)) = repository
            .split_once('/')
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
        else {
            return refused(format!("{repository:?} is not a repository of the form owner/name"));
        };
        if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refused(format!("{commit:?} is not a commit of 40 hex digits"));
        }
        if !["refs/heads/", "refs/tags/", "refs/pull/"].iter().any(|kind| reference.starts_with(kind)) {
            return refused(format!("{reference:?} is not a full reference such as refs/heads/main"));
        }
        Ok(Self {
            owner: owner.to_owned(),
            repository: name.to_owned(),
            commit: commit.to_owned(),
            reference: reference.to_owned(),
            tool: None,
            started_at: None,
            partial_data: false,
            max_compressed_bytes: MAX_COMPRESSED,
        })
    }

    /// Sets the name of the tool, by which alerts are filtered. Default: the one in the report.
    pub fn with_tool(mut self, name: impl Into<String>) -> Self {
        self.tool = Some(name.into());
        self
    }

    /// Sets when the scan started.
    pub fn with_started_at(mut self, at: Timestamp) -> Self {
        self.started_at = Some(at);
        self
    }

    /// Sets whether an incomplete report is pushed, to a category of its own. Default: false.
    ///
    /// Its alerts are added to those of complete reports, of which it closes none. The next complete report
    /// closes those that are gone.
    pub fn with_partial_data(mut self, allow: bool) -> Self {
        self.partial_data = allow;
        self
    }

    /// Sets the size of the largest report that GitHub accepts, in bytes when compressed. Default: 10 MB.
    pub fn with_max_compressed_bytes(mut self, bytes: u64) -> Self {
        self.max_compressed_bytes = bytes;
        self
    }

    /// The owner of the repository.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name of the repository, without its owner.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The commit.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The full reference.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The name of the tool; `None` means the one in the report.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// When the scan started.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// Whether an incomplete report is pushed.
    pub fn partial_data(&self) -> bool {
        self.partial_data
    }

    /// The size of the largest report that GitHub accepts, in bytes when compressed.
    pub fn max_compressed_bytes(&self) -> u64 {
        self.max_compressed_bytes
    }

    fn path(&self) -> Result<Path> {
        Path::new("/repos").join(&self.owner)?.join(&self.repository)?.join("code-scanning")?.join("sarifs")
    }
}

/// An upload. `checkout_uri` is omitted, since the relative paths of our reports refer to no checkout.
#[derive(Serialize)]
struct Upload<'a> {
    commit_sha: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
    sarif: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct Processing {
    processing_status: String,
    #[serde(default)]
    errors: Option<Vec<String>>,
}

impl GitHub {
    /// Creates a client for github.com, with a token that has the permission `security_events`.
    ///
    /// # Errors
    /// `Config` for invalid values.
    pub fn new(token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        Self::with_base_url(API, token, options)
    }

    /// Creates a client for a GitHub Enterprise Server, by the URL of its API
    /// (`https://github.example.com/api/v3`).
    ///
    /// # Errors
    /// `Config` for invalid values.
    pub fn with_base_url(
        base_url: &str,
        token: impl Into<SecretString>,
        options: &PushOptions,
    ) -> Result<Self> {
        let token: SecretString = token.into();
        let auth = AuthHeader::new("authorization", format!("Bearer {}", token.expose_secret()).into())?;
        let service =
            Service::new("github", USER_AGENT, to_error).with_request_id_header("x-github-request-id");
        Ok(Self { http: options.client(service, base_url, auth)?, options: options.clone() })
    }

    /// Uploads the reports, each as an analysis of its own, and waits until GitHub has processed each.
    /// Several reports are the parts of one that was too large. Every run in them needs a category of
    /// its own, since a later run replaces an earlier one of its category.
    ///
    /// GitHub shows an alert as fixed when a later analysis of its category no longer has it, and no request
    /// can prevent that. So an incomplete report is refused here, unless the commit [allows
    /// it](GitHubCommit::with_partial_data), and then only in a category of partial data, which
    /// [`ReportOptions`](crate::report::ReportOptions::with_completeness) gives it. An upload is retried on
    /// temporary failures: the same report for the same commit and category replaces itself.
    ///
    /// # Errors
    /// * `Unsupported` for an incomplete report, before anything is sent.
    /// * `InvalidRequest`, before anything is sent, for a report that cannot be read, exceeds 10 MB when
    ///   compressed, shares a category with another, or has incomplete data in the category of complete ones;
    ///   and, with GitHub's message, where GitHub accepted a report and then refused its content.
    /// * `Deadline` where it was not processed in time; the message has the upload's id, and
    ///   [`outcome_unknown`](Error::outcome_unknown) is true.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`.
    pub async fn push(
        &self,
        to: &GitHubCommit,
        reports: &[ReportFile],
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let outcome = self.upload_all(to, reports, completeness).await;
        outcome.map_err(|error| with_default_operation(error, UPLOAD))
    }

    async fn upload_all(
        &self,
        to: &GitHubCommit,
        reports: &[ReportFile],
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let absent = match completeness.reason() {
            None => AbsentFindings::Closed,
            Some(reason) if to.partial_data => AbsentFindings::Kept(reason.to_owned()),
            Some(reason) => return Err(may_close(SERVICE, reason)),
        };
        let (all, max_bytes, complete) =
            (reports.to_vec(), to.max_compressed_bytes, completeness.is_complete());
        blocking(move || check(&all, max_bytes, complete)).await?;
        let mut outcome = PushOutcome::new("github", absent);
        for report in reports {
            let uploaded = self.upload(to, report).await;
            if let (Err(error), true) = (&uploaded, reports.len() > 1) {
                tracing::warn!(%error, done = outcome.ids.len(), of = reports.len(), "a part was not uploaded");
            }
            outcome.ids.push(uploaded?);
        }
        if self.http.base_url().host_str() == Some("api.github.com") {
            let GitHubCommit { owner, repository, .. } = to;
            outcome.link = Some(format!("https://github.com/{owner}/{repository}/security/code-scanning"));
        }
        tracing::info!(%outcome, "report pushed");
        Ok(outcome)
    }

    async fn upload(&self, to: &GitHubCommit, report: &ReportFile) -> Result<String> {
        let report = report.clone();
        let sarif = blocking(move || compress_to_base64(&report)).await?;
        let upload = Upload {
            commit_sha: &to.commit,
            reference: &to.reference,
            sarif: &sarif,
            tool_name: to.tool.as_deref(),
            started_at: to.started_at,
        };
        let request = with_api_headers(Request::post(UPLOAD, to.path()?))
            .with_json(&upload)?
            .with_retry_safety(RetrySafety::Always);
        drop(sarif);
        let Accepted { id } = self.http.json(&request).await?;
        let request = with_api_headers(Request::get(STATUS, to.path()?.join(&id)?));
        let poll = || self.poll(&request, &id);
        poll_until_done(&self.options, STATUS, &format!("the upload {id}"), poll).await?;
        Ok(id)
    }

    /// Requests the status once. Returns the error of an upload that GitHub refused.
    async fn poll(&self, request: &Request, id: &str) -> Result<Option<Result<()>>> {
        let response = self.http.send(request).await?;
        let processing: Processing = response.json(STATUS)?;
        match processing.processing_status.as_str() {
            "complete" => Ok(Some(Ok(()))),
            "failed" => {
                let reason = excerpt(&response, &processing.errors.unwrap_or_default().join("; "));
                let reason = if reason.is_empty() { "it gives no reason".to_owned() } else { reason };
                let message =
                    format!("GitHub accepted the upload {id} and then refused its content: {reason}");
                Ok(Some(Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(STATUS))))
            }
            _ => Ok(None),
        }
    }
}

fn with_api_headers(request: Request) -> Request {
    request
        .with_header("accept", "application/vnd.github+json")
        .with_header("x-github-api-version", API_VERSION)
}

/// GitHub signals its rate limit by 403 as well as by 429, and the time of the reset in a header of its
/// own.
fn to_error(response: &Response) -> Error {
    let exhausted = response.header("x-ratelimit-remaining") == Some("0");
    if response.status() != 403 || !(exhausted || response.header("retry-after").is_some()) {
        return ERROR_TEXTS.to_error(response);
    }
    let message = format!("GitHub asks for fewer requests ({})", describe(response));
    let error = Error::new(ErrorKind::RateLimited, message);
    let reset = response.header("x-ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
    match reset.and_then(|reset| u64::try_from(reset - Timestamp::now().as_second()).ok()) {
        Some(seconds) if exhausted => error.with_retry_after(Duration::from_secs(seconds)),
        _ => error,
    }
}
