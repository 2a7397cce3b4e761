//! Invicti `AppSec`, once Kondukto: a list of vulnerabilities, imported as a scan.

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::{AuthHeader, HttpClient, Path, Request, Response, Service};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{Refusals, shown};
use super::options::PushOptions;
use super::report_file::{Framed, ReportFile};
use super::{Absent, Pushed, USER_AGENT, admit, blocking, named, wait};
use crate::binding::Binding;
use crate::reconcile::Completeness;

const IMPORT: &str = "invicti: import vulnerabilities";
const STATUS: &str = "invicti: look at an event";

const REFUSALS: Refusals = Refusals {
    who: "Invicti AppSec",
    token: "Invicti AppSec does not know the token: make a personal access token under Integrations",
    permission: "the token's user may not import into this project",
    missing: "Invicti AppSec knows no such address, project or event: check the base URL and the project's id",
};

/// What the `status` of an event says, as KDT reads it.
const FAILED: i64 = -1;
const FINISHED: i64 = 6;

/// Pushes findings into Invicti `AppSec`. Cheap to clone.
///
/// The list is written by [`InvictiWriter`](crate::push::InvictiWriter).
#[derive(Debug, Clone)]
pub struct Invicti {
    http: HttpClient,
    options: PushOptions,
}

/// In which form the list goes out. The vendor's document describes the field as one object, and names and words speak of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvictiForm {
    /// All findings in one import, as an array.
    #[default]
    Array,
    /// Each finding in an import of its own, as an object. None of these holds all findings, so it needs
    /// [`with_unproven_closing`](InvictiScan::with_unproven_closing) where there are several.
    Object,
}

/// The scan that a list is imported as. Project, tool, branch and meta data identify what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvictiScan {
    /// The project's id.
    pub project: String,
    /// The tool, in the words of Invicti `AppSec`.
    pub tool: String,
    /// The branch.
    pub branch: String,
    /// A word that separates otherwise equal scans.
    pub meta_data: Option<String>,
    /// Who found it.
    pub discovered_by: String,
    /// When. Default: now.
    pub discovered_at: Timestamp,
    /// In which form the list goes out.
    pub form: InvictiForm,
    /// Whether to push what is not complete as well. Default: false.
    pub unproven_closing: bool,
}

impl InvictiScan {
    /// A scan of the project with that id, by that tool, on that branch.
    pub fn new(project: impl Into<String>, tool: impl Into<String>, branch: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            tool: tool.into(),
            branch: branch.into(),
            meta_data: None,
            discovered_by: "appsec".to_owned(),
            discovered_at: Timestamp::now(),
            form: InvictiForm::Array,
            unproven_closing: false,
        }
    }

    /// The scan of an import line in the project with that id, and of no other line: what a scan there has no field for stands in its
    /// meta data. A line without a branch is on `main`, and is one with that of the branch `main`.
    pub fn of_binding(project: impl Into<String>, line: &Binding) -> Self {
        let [ours, scanner, target, branch, meta_data, environment] = line.parts();
        let scan = Self::new(project, &line.scanner, branch.unwrap_or("main"));
        scan.with_meta_data(Binding::word_of([ours, scanner, target, environment, meta_data]))
    }

    /// Sets the word that separates otherwise equal scans.
    pub fn with_meta_data(mut self, word: impl Into<String>) -> Self {
        self.meta_data = Some(word.into());
        self
    }

    /// Says who found it, and when.
    pub fn with_discovery(mut self, by: impl Into<String>, at: Timestamp) -> Self {
        (self.discovered_by, self.discovered_at) = (by.into(), at);
        self
    }

    /// Sets in which form the list goes out.
    pub fn with_form(mut self, form: InvictiForm) -> Self {
        self.form = form;
        self
    }

    /// Pushes what is not complete as well. Whatever the scan before held and this one does not is then shown as closed, gone or not.
    pub fn with_unproven_closing(mut self) -> Self {
        self.unproven_closing = true;
        self
    }

    /// The request around the vulnerabilities.
    fn frame(&self) -> Result<String> {
        let details = ScanDetails {
            tool: &self.tool,
            branch: &self.branch,
            meta_data: self.meta_data.as_deref(),
            date_discovered: self.discovered_at,
            discovered_by: &self.discovered_by,
        };
        let json = |cause| {
            Error::new(ErrorKind::InvalidRequest, "the scan's details have no form in JSON")
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

/// The answer to an import.
#[derive(Deserialize)]
struct Accepted {
    event_id: String,
}

/// An event, as KDT reads it.
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
    /// A client for the instance at that URL, with a personal access token.
    ///
    /// # Errors
    /// `Config` for values that cannot work.
    pub fn new(base_url: &str, token: impl Into<SecretString>, options: &PushOptions) -> Result<Self> {
        let auth = AuthHeader::new("x-cookie", token.into())?;
        let service = Service::new("invicti", USER_AGENT, |answer: &Response| REFUSALS.to_error(answer));
        Ok(Self { http: options.client(service, base_url, auth)?, options: options.clone() })
    }

    /// Imports the list as a scan, and waits until it has been worked through.
    ///
    /// What the scan before held and this one does not becomes closed there, and no request can say otherwise: what is not complete is
    /// refused here, unless the destination [takes it](InvictiScan::with_unproven_closing). The import has no key by which a
    /// second one is known for the same, so it is not repeated unless nothing arrived or the service was busy.
    ///
    /// # Errors
    /// * `Unsupported` for what is not complete, before anything is sent.
    /// * `InvalidRequest` for a list that cannot be read, and where the service refuses it.
    /// * `Server`, not retryable, with its words, where the service took the list and failed on it.
    /// * `Deadline` where it has not been worked through in time; the message holds the event's id, and
    ///   [`outcome_unknown`](Error::outcome_unknown) is true.
    /// * `Auth`, `PermissionDenied`, `NotFound`, `RateLimited`, `Server`, `Transport`, `Decode`.
    pub async fn push(
        &self,
        to: &InvictiScan,
        findings: &ReportFile,
        completeness: &Completeness,
    ) -> Result<Pushed> {
        self.import_all(to, findings, completeness).await.map_err(|error| named(error, IMPORT))
    }

    async fn import_all(&self, to: &InvictiScan, list: &ReportFile, proof: &Completeness) -> Result<Pushed> {
        let absent = admit("Invicti AppSec", proof, to.unproven_closing)?;
        let mut pushed = Pushed::to("invicti", absent);
        let frame = to.frame()?;
        match to.form {
            InvictiForm::Array => self.import(&frame, list, &mut pushed).await?,
            InvictiForm::Object => {
                let each = objects(list).await?;
                if each.is_empty() {
                    pushed.absent = Absent::Kept("nothing was sent: this form has no empty list".to_owned());
                }
                if each.len() > 1 {
                    let one = Completeness::unproven("each import holds one finding alone");
                    pushed.absent = admit("Invicti AppSec", &one, to.unproven_closing)?;
                }
                for object in each {
                    let object = ReportFile::held(object.get());
                    self.import(&frame, &object, &mut pushed).await?;
                }
            }
        }
        tracing::info!(%pushed, "pushed");
        Ok(pushed)
    }

    async fn import(&self, frame: &str, vulnerabilities: &ReportFile, pushed: &mut Pushed) -> Result<()> {
        let body = Framed::new(frame.to_owned(), vulnerabilities, "}").await?;
        let request = Request::post(IMPORT, "/api/v2/vulnerabilities/import/dast")
            .with_header("accept", "application/json")
            .with_body_source("application/json", body);
        let accepted: Accepted = self.http.json(&request).await?;
        let event = accepted.event_id;
        let path = Path::new("/api/v2/events").join(&event)?.join("status")?;
        let request = Request::get(STATUS, path).with_header("accept", "application/json");
        let look = || self.look(&request, &event);
        let link = wait::verdict(&self.options, STATUS, &format!("the event {event}"), look).await?;
        pushed.link = link.or(pushed.link.take());
        pushed.ids.push(event);
        Ok(())
    }

    /// The link to an event that has finished; the error of one that failed.
    async fn look(&self, request: &Request, id: &str) -> Result<Option<Result<Option<String>>>> {
        let answer = self.http.send(request).await?;
        let event: Event = answer.json(STATUS)?;
        if event.status == FINISHED {
            return Ok(Some(Ok(Some(event.links.html).filter(|link| !link.is_empty()))));
        }
        if event.status != FAILED && event.active != FAILED {
            return Ok(None);
        }
        let said = [event.status_text, event.message].into_iter().filter(|text| !text.is_empty());
        let said = shown(&answer, &said.collect::<Vec<_>>().join(": "));
        let said = if said.is_empty() { "it does not say why".to_owned() } else { said };
        let message =
            format!("Invicti AppSec took the findings and failed on them in the event {id}: {said}");
        let error = Error::new(ErrorKind::Server, message).with_operation(STATUS).with_retryable(false);
        Ok(Some(Err(error)))
    }
}

/// The elements of the list, as they are.
async fn objects(list: &ReportFile) -> Result<Vec<Box<RawValue>>> {
    let list = list.clone();
    blocking(move || {
        serde_json::from_reader(list.reader()?).map_err(|cause| {
            Error::new(ErrorKind::InvalidRequest, "the findings are no list of objects").with_source(cause)
        })
    })
    .await
}
