//! GitHub code scanning: SARIF, compressed, for one commit.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::{AuthHeader, HttpClient, Path, Request, Response, RetrySafety, Service};
use base64::write::EncoderStringWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::{Refusals, seen, shown};
use super::options::PushOptions;
use super::report_file::ReportFile;
use super::{Pushed, USER_AGENT, admit, blocking, named, wait};
use crate::reconcile::Completeness;

const UPLOAD: &str = "github: upload sarif";
const STATUS: &str = "github: look at an upload";

/// GitHub's API, for those who have no server of their own.
const API: &str = "https://api.github.com";
const API_VERSION: &str = "2022-11-28";

/// The most that GitHub takes of one report, compressed (vendor document).
const MAX_COMPRESSED: u64 = 10_000_000;

const REFUSALS: Refusals = Refusals {
    who: "GitHub",
    token: "GitHub does not know the token, or no longer does",
    permission: "the token lacks the permission `security_events`, or code scanning is not enabled for the repository",
    missing: "GitHub knows no such repository, commit or upload, or not to this token",
};

/// Pushes SARIF to GitHub code scanning. Cheap to clone.
///
/// ```no_run
/// # async fn run(coverage: appsec_core::Coverage) -> appsec_core::Result<()> {
/// use appsec_import::Completeness;
/// use appsec_import::push::{CodeScanning, GitHub, PushOptions, ReportFile};
///
/// let github = GitHub::new("the token", &PushOptions::new())?;
/// let to = CodeScanning::new("octo/shop", "4b6472266afd7b471e86085a6659e8c7f2b119da", "refs/heads/main")?;
/// let pushed = github.push(&to, &[ReportFile::at("report.sarif")], &Completeness::from_coverage(&coverage)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GitHub {
    http: HttpClient,
    options: PushOptions,
}

/// The commit that alerts are shown for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeScanning {
    /// The repository's owner.
    pub owner: String,
    /// The repository.
    pub repository: String,
    /// The commit, in 40 hex digits.
    pub commit: String,
    /// The full reference, as in `refs/heads/main` and `refs/pull/7/head`.
    pub reference: String,
    /// The tool's name, as alerts are filtered by it; the report's own where it is not set.
    pub tool: Option<String>,
    /// When the scan began.
    pub started_at: Option<Timestamp>,
    /// Whether to push what is not complete as well. Default: false.
    pub unproven_closing: bool,
    /// The most that GitHub takes of one report, in bytes when compressed. Default: 10 MB.
    pub max_compressed_bytes: u64,
}

impl CodeScanning {
    /// A commit of a repository, `owner/name`.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no repository, commit or full reference.
    pub fn new(repository: &str, commit: &str, reference: &str) -> Result<Self> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidRequest, what).with_operation(UPLOAD));
        let Some((owner, name)) = repository
            .split_once('/')
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
        else {
            return refused(format!("{repository:?} is no repository: it is named owner/name"));
        };
        if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refused(format!("{commit:?} is no commit in 40 hex digits"));
        }
        if !["refs/heads/", "refs/tags/", "refs/pull/"].iter().any(|kind| reference.starts_with(kind)) {
            return refused(format!("{reference:?} is no full reference, as refs/heads/main is"));
        }
        Ok(Self {
            owner: owner.to_owned(),
            repository: name.to_owned(),
            commit: commit.to_owned(),
            reference: reference.to_owned(),
            tool: None,
            started_at: None,
            unproven_closing: false,
            max_compressed_bytes: MAX_COMPRESSED,
        })
    }

    /// Names the tool.
    pub fn with_tool(mut self, name: impl Into<String>) -> Self {
        self.tool = Some(name.into());
        self
    }

    /// Says when the scan began.
    pub fn with_started_at(mut self, at: Timestamp) -> Self {
        self.started_at = Some(at);
        self
    }

    /// Pushes what is not complete as well. Alerts that the report does not hold are then shown as fixed, gone or not.
    pub fn with_unproven_closing(mut self) -> Self {
        self.unproven_closing = true;
        self
    }

    /// Sets the most that GitHub takes of one report, in bytes when compressed.
    pub fn with_max_compressed_bytes(mut self, bytes: u64) -> Self {
        self.max_compressed_bytes = bytes;
        self
    }

    fn path(&self) -> Result<Path> {
        Path::new("/repos").join(&self.owner)?.join(&self.repository)?.join("code-scanning")?.join("sarifs")
    }
}

/// `checkout_uri` is left out: our paths are relative, and stand for no checkout.
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
    /// A client for github.com, with a token that has the permission `security_events`.
    ///
    /// # Errors
    /// `Config` for values that cannot work.
    pub fn new(token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        Self::at(API, token, options)
    }

    /// A client for a server of one's own, by the URL of its API, as in `https://github.example.com/api/v3`.
    ///
    /// # Errors
    /// `Config` for values that cannot work.
    pub fn at(base_url: &str, token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        let token: SecretString = token.into();
        let auth = AuthHeader::new("authorization", format!("Bearer {}", token.expose_secret()).into())?;
        let service =
            Service::new("github", USER_AGENT, to_error).with_request_id_header("x-github-request-id");
        Ok(Self { http: options.client(service, base_url, auth)?, options: options.clone() })
    }

    /// Uploads the reports, each its own analysis, and waits until GitHub has worked through each. Several are the parts of one that was
    /// too large: every run in them needs a category of its own, or the later would take the earlier's place.
    ///
    /// GitHub shows as fixed what an analysis does not hold and the one before did, and no request can say otherwise: what is not
    /// complete is refused here, unless the destination [takes it](CodeScanning::with_unproven_closing). An upload is
    /// repeated on faults that may pass: the same report for the same commit and category takes its own place.
    ///
    /// # Errors
    /// * `Unsupported` for what is not complete, before anything is sent.
    /// * `InvalidRequest`, before anything is sent, for a report that cannot be read, is more than 10 MB when compressed, or shares a
    ///   category with another; and where GitHub took a report and refused what it says, with GitHub's words.
    /// * `Deadline` where it has not been worked through in time; the message holds the upload's id, and
    ///   [`outcome_unknown`](Error::outcome_unknown) is true.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`.
    pub async fn push(
        &self,
        to: &CodeScanning,
        reports: &[ReportFile],
        completeness: &Completeness,
    ) -> Result<Pushed> {
        self.upload_all(to, reports, completeness).await.map_err(|error| named(error, UPLOAD))
    }

    async fn upload_all(
        &self,
        to: &CodeScanning,
        reports: &[ReportFile],
        proof: &Completeness,
    ) -> Result<Pushed> {
        let absent = admit("GitHub", proof, to.unproven_closing)?;
        let all = reports.to_vec();
        let most = to.max_compressed_bytes;
        blocking(move || check(&all, most)).await?;
        let mut pushed = Pushed::to("github", absent);
        for report in reports {
            let uploaded = self.upload(to, report).await;
            if let (Err(error), true) = (&uploaded, reports.len() > 1) {
                tracing::warn!(%error, done = pushed.ids.len(), of = reports.len(), "a part was not uploaded");
            }
            pushed.ids.push(uploaded?);
        }
        if self.http.base_url().host_str() == Some("api.github.com") {
            let CodeScanning { owner, repository, .. } = to;
            pushed.link = Some(format!("https://github.com/{owner}/{repository}/security/code-scanning"));
        }
        tracing::info!(%pushed, "pushed");
        Ok(pushed)
    }

    async fn upload(&self, to: &CodeScanning, report: &ReportFile) -> Result<String> {
        let report = report.clone();
        let sarif = blocking(move || encoded(&report)).await?;
        let upload = Upload {
            commit_sha: &to.commit,
            reference: &to.reference,
            sarif: &sarif,
            tool_name: to.tool.as_deref(),
            started_at: to.started_at,
        };
        let request = as_github_likes(Request::post(UPLOAD, to.path()?))
            .with_json(&upload)?
            .with_repeat(RetrySafety::Always);
        drop(sarif);
        let Accepted { id } = self.http.json(&request).await?;
        let request = as_github_likes(Request::get(STATUS, to.path()?.join(&id)?));
        let look = || self.look(&request, &id);
        wait::verdict(&self.options, STATUS, &format!("the upload {id}"), look).await?;
        Ok(id)
    }

    async fn look(&self, request: &Request, id: &str) -> Result<Option<Result<()>>> {
        let answer = self.http.send(request).await?;
        let processing: Processing = answer.json(STATUS)?;
        match processing.processing_status.as_str() {
            "complete" => Ok(Some(Ok(()))),
            "failed" => {
                let said = shown(&answer, &processing.errors.unwrap_or_default().join("; "));
                let said = if said.is_empty() { "it does not say why".to_owned() } else { said };
                let message = format!("GitHub took the report and refused it as the upload {id}: {said}");
                Ok(Some(Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(STATUS))))
            }
            _ => Ok(None),
        }
    }
}

fn as_github_likes(request: Request) -> Request {
    request
        .with_header("accept", "application/vnd.github+json")
        .with_header("x-github-api-version", API_VERSION)
}

/// GitHub answers 403 as well as 429 when it wants fewer requests, and says in a header of its own when the hour is over.
fn to_error(answer: &Response) -> Error {
    let spent = answer.header("x-ratelimit-remaining") == Some("0");
    if answer.status() != 403 || !(spent || answer.header("retry-after").is_some()) {
        return REFUSALS.to_error(answer);
    }
    let message = format!("GitHub asks for fewer requests ({})", seen(answer));
    let error = Error::new(ErrorKind::RateLimited, message);
    let reset = answer.header("x-ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
    match reset.and_then(|reset| u64::try_from(reset - Timestamp::now().as_second()).ok()) {
        Some(seconds) if spent => error.with_retry_after(Duration::from_secs(seconds)),
        _ => error,
    }
}

/// Refuses what GitHub would, before anything is sent.
fn check(reports: &[ReportFile], most: u64) -> Result<()> {
    let mut categories = HashSet::new();
    for (number, report) in reports.iter().enumerate() {
        let compressed = compress(report, Counter::default())?.0;
        if compressed > most {
            let message = format!(
                "report {} of {} has {compressed} bytes when compressed, and GitHub takes {most}: split it",
                number + 1,
                reports.len()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        for run in runs(report)? {
            let category = run.automation_details.map(AutomationDetails::category).unwrap_or_default();
            if !categories.insert((category.clone(), run.tool.driver.name)) {
                let message = format!(
                    "two runs have the category {category:?}, of which GitHub would keep only the last"
                );
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            }
        }
    }
    Ok(())
}

/// What of a report matters to a push; the rest is skipped as it is read.
#[derive(Deserialize)]
struct Sarif {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: Option<AutomationDetails>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
}

#[derive(Deserialize)]
struct AutomationDetails {
    #[serde(default)]
    id: String,
}

impl AutomationDetails {
    /// What comes before the last slash; the rest is the run's own id.
    fn category(self) -> String {
        self.id.rsplit_once('/').map_or(self.id.clone(), |(category, _)| category.to_owned())
    }
}

fn runs(report: &ReportFile) -> Result<Vec<Run>> {
    let sarif: Sarif = serde_json::from_reader(report.reader()?).map_err(|cause| {
        Error::new(ErrorKind::InvalidRequest, format!("{report:?} is no SARIF")).with_source(cause)
    })?;
    Ok(sarif.runs)
}

fn encoded(report: &ReportFile) -> Result<String> {
    let encoder = EncoderStringWriter::new(&base64::engine::general_purpose::STANDARD);
    Ok(compress(report, encoder)?.into_inner())
}

fn compress<W: Write>(report: &ReportFile, out: W) -> Result<W> {
    let mut reader = report.reader()?;
    let mut encoder = GzEncoder::new(out, Compression::best());
    copy(&mut *reader, &mut encoder).and_then(|()| encoder.finish()).map_err(|cause| {
        Error::new(ErrorKind::InvalidRequest, format!("{report:?} cannot be read")).with_source(cause)
    })
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    io::copy(from, to).map(|_| ())
}

/// Counts what is written to it.
#[derive(Default)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
