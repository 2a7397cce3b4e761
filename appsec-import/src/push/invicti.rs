//! Invicti `AppSec`, formerly Kondukto: a list of vulnerabilities, imported as a scan.

use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::{AuthHeader, HttpClient, Path, Request, Response, Service};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::error::{ErrorTexts, excerpt, with_default_operation};
use super::options::{PushOptions, USER_AGENT};
use super::outcome::{AbsentFindings, PushOutcome};
use super::poll::poll_until_done;
use super::report_file::{ReportBody, ReportFile, blocking};
use crate::binding::Binding;
use crate::reconcile::Completeness;

const IMPORT: &str = "invicti: import vulnerabilities";
const STATUS: &str = "invicti: get the status of an event";
const VERSION: &str = "invicti: get the version of the platform";

const SERVICE: &str = "Invicti AppSec";

const ERROR_TEXTS: ErrorTexts = ErrorTexts {
    service: SERVICE,
    unauthorized: "Invicti AppSec does not know the token: create a personal access token under Integrations",
    forbidden: "the token's user may not import into this project",
    not_found: "Invicti AppSec has no such URL, project or event: check the base URL and the project's id",
};

/// Where Invicti's platform has Invicti `AppSec` (the vendor's KDT client 1.46).
const PLATFORM: &str = "/api/aspm/v1";

/// Values of an event's `status`, as the vendor's KDT client interprets them.
const FAILED: i64 = -1;
const FINISHED: i64 = 6;

/// Pushes findings into Invicti `AppSec`. Cheap to clone.
///
/// [`InvictiWriter`](crate::push::InvictiWriter) writes the list.
///
/// Invicti's platform and instances of one's own differ in path and header. The first push asks which it is,
/// as the vendor's KDT client 1.46 does: where `GET /api/aspm/v1/core/version` answers, it is the platform, all
/// paths begin with `/api/aspm/v1`, and the token is in `X-Auth`. Otherwise it is in `X-Cookie`. A base URL that
/// ends in `/api/aspm/v1` is that of the platform, and nothing is asked.
#[derive(Debug, Clone)]
pub struct Invicti {
    platform: HttpClient,
    /// `None` where the base URL is that of the platform.
    instance: Option<HttpClient>,
    is_platform: Arc<OnceCell<bool>>,
    options: PushOptions,
}

/// How findings are put into import requests. The vendor document declares the member as one object, but
/// describes several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvictiPayload {
    /// One import with an array of all findings.
    #[default]
    Array,
    /// One import per finding, with an object. None of these imports has all findings, so several findings
    /// require [`with_unproven_closing`](InvictiScan::with_unproven_closing).
    Object,
}

/// The scan as which a list is imported. Invicti compares it with the previous scan of the same project,
/// tool, branch and meta data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvictiScan {
    project: String,
    tool: String,
    branch: String,
    meta_data: Option<String>,
    discovered_by: String,
    discovered_at: Timestamp,
    payload: InvictiPayload,
    unproven_closing: bool,
}

impl InvictiScan {
    /// A scan of the project with this id, by this tool (as Invicti `AppSec` names it), on this branch.
    pub fn new(project: impl Into<String>, tool: impl Into<String>, branch: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            tool: tool.into(),
            branch: branch.into(),
            meta_data: None,
            discovered_by: "appsec".to_owned(),
            discovered_at: Timestamp::now(),
            payload: InvictiPayload::Array,
            unproven_closing: false,
        }
    }

    /// The scan of a binding in the project with this id. No other binding shares it: the meta data have
    /// what an Invicti scan has no field for. A binding without a branch is imported on `main`, and so
    /// shares its scan with the binding of the branch `main`.
    pub fn for_binding(project: impl Into<String>, binding: &Binding) -> Self {
        let [own_project, scanner, _, target, branch, meta_data, environment] = binding.parts();
        let tenant = binding.tenant_name().map(Some);
        let scan = Self::new(project, &binding.scanner, branch.unwrap_or("main"));
        let first = [own_project, scanner].into_iter().chain(tenant);
        scan.with_meta_data(Binding::joined_name(first.chain([target, environment, meta_data])))
    }

    /// Sets the tool, as Invicti `AppSec` names it.
    pub fn with_tool(mut self, tool: impl Into<String>) -> Self {
        self.tool = tool.into();
        self
    }

    /// Sets the text that distinguishes otherwise equal scans.
    pub fn with_meta_data(mut self, text: impl Into<String>) -> Self {
        self.meta_data = Some(text.into());
        self
    }

    /// Sets who discovered the findings, and when. Default: `appsec`, now.
    pub fn with_discovery(mut self, by: impl Into<String>, at: Timestamp) -> Self {
        (self.discovered_by, self.discovered_at) = (by.into(), at);
        self
    }

    /// Sets how the findings are put into import requests.
    pub fn with_payload(mut self, payload: InvictiPayload) -> Self {
        self.payload = payload;
        self
    }

    /// Sets whether an incomplete list is pushed. Default: false. Invicti then closes each finding of the
    /// previous scan that the list does not have, whether it is gone or not.
    pub fn with_unproven_closing(mut self, allow: bool) -> Self {
        self.unproven_closing = allow;
        self
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The tool, as Invicti `AppSec` names it.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// The text that distinguishes otherwise equal scans.
    pub fn meta_data(&self) -> Option<&str> {
        self.meta_data.as_deref()
    }

    /// Who discovered the findings.
    pub fn discovered_by(&self) -> &str {
        &self.discovered_by
    }

    /// When the findings were discovered.
    pub fn discovered_at(&self) -> Timestamp {
        self.discovered_at
    }

    /// How the findings are put into import requests.
    pub fn payload(&self) -> InvictiPayload {
        self.payload
    }

    /// Whether an incomplete list is pushed.
    pub fn unproven_closing(&self) -> bool {
        self.unproven_closing
    }

    /// The start of a request, up to the vulnerabilities.
    fn request_prefix(&self) -> Result<String> {
        let details = ScanDetails {
            tool: &self.tool,
            branch: &self.branch,
            meta_data: self.meta_data.as_deref(),
            date_discovered: self.discovered_at,
            discovered_by: &self.discovered_by,
        };
        let json = |cause| {
            Error::new(ErrorKind::InvalidRequest, "the scan's details cannot be written as JSON")
                .with_source(cause)
        };
        let project = serde_json::to_string(&Project { id: &self.project }).map_err(json)?;
        let details = serde_json::to_string(&details).map_err(json)?;
        Ok(format!(r#"{{"project":{project},"scan_details":{details},"vulnerabilities":"#))
    }
}

#[derive(Serialize)]
struct Project<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct ScanDetails<'a> {
    tool: &'a str,
    branch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta_data: Option<&'a str>,
    date_discovered: Timestamp,
    discovered_by: &'a str,
}

/// The response to an import.
#[derive(Deserialize)]
struct Accepted {
    event_id: String,
}

/// An event, as the vendor's KDT client reads it.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    active: i64,
    #[serde(default)]
    status_text: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    links: Links,
}

#[derive(Deserialize, Default)]
struct Links {
    #[serde(default)]
    html: String,
}

impl Invicti {
    /// Creates a client for the platform or the instance at this URL, with a personal access token. Sends
    /// nothing.
    ///
    /// # Errors
    /// `Config` for invalid values.
    pub fn new(base_url: &str, token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        let token: SecretString = token.into();
        let client = |base_url: &str, header: &'static str| {
            let service =
                Service::new("invicti", USER_AGENT, |response: &Response| ERROR_TEXTS.to_error(response));
            options.client(service, base_url, AuthHeader::new(header, token.clone())?)
        };
        let root = base_url.trim_end_matches('/');
        let (root, is_platform) = root.strip_suffix(PLATFORM).map_or((root, false), |root| (root, true));
        let instance = if is_platform { None } else { Some(client(root, "x-cookie")?) };
        let platform = client(&format!("{root}{PLATFORM}"), "x-auth")?;
        Ok(Self { platform, instance, is_platform: Arc::default(), options: options.clone() })
    }

    /// The client for the platform or the instance, whichever the service is.
    async fn http(&self) -> Result<&HttpClient> {
        let Some(instance) = &self.instance else { return Ok(&self.platform) };
        let is_platform = self.is_platform.get_or_try_init(|| self.probe()).await?;
        Ok(if *is_platform { &self.platform } else { instance })
    }

    /// Asks whether the service is the platform. An answer that is no JSON is one of a page for people.
    async fn probe(&self) -> Result<bool> {
        let request = Request::get(VERSION, "/core/version").with_header("accept", "application/json");
        match self.platform.send(&request).await {
            Ok(response) => Ok(serde_json::from_slice::<serde::de::IgnoredAny>(response.body()).is_ok()),
            Err(error) if error.status().is_none() || error.kind() == ErrorKind::RateLimited => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Imports the list as a scan, and waits until Invicti has processed it.
    ///
    /// Invicti closes each finding of the previous scan that this one does not have, and no request can
    /// prevent that. So an incomplete list is refused here, unless the scan [allows
    /// it](InvictiScan::with_unproven_closing). The import has no idempotency key, so the request is
    /// retried only where it was not received, or the service was busy.
    ///
    /// # Errors
    /// * `Unsupported` for an incomplete list, before anything is sent.
    /// * `InvalidRequest` for a list that cannot be read, and where the service refuses it.
    /// * `Server`, not retryable, with its message, where the service accepted the list and then failed to
    ///   process it.
    /// * `Deadline` where it was not processed in time; the message has the event's id, and
    ///   [`outcome_unknown`](Error::outcome_unknown) is true.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`.
    pub async fn push(
        &self,
        to: &InvictiScan,
        findings: &ReportFile,
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let outcome = self.import_all(to, findings, completeness).await;
        outcome.map_err(|error| with_default_operation(error, IMPORT))
    }

    async fn import_all(
        &self,
        to: &InvictiScan,
        list: &ReportFile,
        completeness: &Completeness,
    ) -> Result<PushOutcome> {
        let absent = AbsentFindings::closed_by(SERVICE, completeness, to.unproven_closing)?;
        let mut outcome = PushOutcome::new("invicti", absent);
        let prefix = to.request_prefix()?;
        match to.payload {
            InvictiPayload::Array => self.import(&prefix, list, &mut outcome).await?,
            InvictiPayload::Object => {
                let objects = objects(list).await?;
                if objects.is_empty() {
                    let reason = "nothing was sent: this payload has no empty list";
                    outcome.absent = AbsentFindings::Kept(reason.to_owned());
                }
                if objects.len() > 1 {
                    let single = Completeness::unproven("each import has only one finding");
                    outcome.absent = AbsentFindings::closed_by(SERVICE, &single, to.unproven_closing)?;
                }
                for object in objects {
                    let object = ReportFile::from_bytes(object.get());
                    self.import(&prefix, &object, &mut outcome).await?;
                }
            }
        }
        tracing::info!(%outcome, "report pushed");
        Ok(outcome)
    }

    async fn import(
        &self,
        prefix: &str,
        vulnerabilities: &ReportFile,
        outcome: &mut PushOutcome,
    ) -> Result<()> {
        let body = ReportBody::new(prefix.to_owned(), vulnerabilities, "}").await?;
        let request = Request::post(IMPORT, "/api/v2/vulnerabilities/import/dast")
            .with_header("accept", "application/json")
            .with_body_source("application/json", body);
        let http = self.http().await?;
        let accepted: Accepted = http.json(&request).await?;
        let event = accepted.event_id;
        let path = Path::new("/api/v2/events").join(&event)?.join("status")?;
        let request = Request::get(STATUS, path).with_header("accept", "application/json");
        let poll = || self.poll(http, &request, &event);
        let link = poll_until_done(&self.options, STATUS, &format!("the event {event}"), poll).await?;
        outcome.link = link.or(outcome.link.take());
        outcome.ids.push(event);
        Ok(())
    }

    /// Requests the status once. Returns the link to an event that has finished, or the error of one that
    /// failed.
    async fn poll(
        &self,
        http: &HttpClient,
        request: &Request,
        id: &str,
    ) -> Result<Option<Result<Option<String>>>> {
        let response = http.send(request).await?;
        let event: Event = response.json(STATUS)?;
        if event.status == FINISHED {
            return Ok(Some(Ok(Some(event.links.html).filter(|link| !link.is_empty()))));
        }
        if event.status != FAILED && event.active != FAILED {
            return Ok(None);
        }
        let texts = [event.status_text, event.message].into_iter().filter(|text| !text.is_empty());
        let reason = excerpt(&response, &texts.collect::<Vec<_>>().join(": "));
        let reason = if reason.is_empty() { "it gives no reason".to_owned() } else { reason };
        let message = format!(
            "Invicti AppSec accepted the findings and failed to process them in the event {id}: {reason}"
        );
        let error = Error::new(ErrorKind::Server, message).with_operation(STATUS).with_retryable(false);
        Ok(Some(Err(error)))
    }
}

/// The elements of the list, verbatim.
async fn objects(list: &ReportFile) -> Result<Vec<Box<RawValue>>> {
    let list = list.clone();
    blocking(move || {
        serde_json::from_reader(list.reader()?).map_err(|cause| {
            Error::new(ErrorKind::InvalidRequest, "the findings are not a JSON array").with_source(cause)
        })
    })
    .await
}
