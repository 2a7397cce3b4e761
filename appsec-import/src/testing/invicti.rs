//! A fake of Invicti `AppSec`.

use std::collections::BTreeMap;
use std::io;

use appsec_http::testing::fake::{Call, Fake, FakeResponse, FakeService};
use serde_json::{Value, json};

use super::common::{Reply, Route, common, respond};

/// A fake of an Invicti `AppSec` instance of one's own.
///
/// It compares an import with the previous one of the same project, tool, branch and meta data, and closes
/// what is absent. An import is an event that finishes after a number of status requests.
#[derive(Debug)]
pub struct FakeInvicti(Fake<Import>);

common!(FakeInvicti);

/// A vulnerability of the fake Invicti `AppSec`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvictiVulnerability {
    /// The name.
    pub name: String,
    /// The location.
    pub target: String,
    /// The severity; 4 is critical.
    pub severity: u64,
    /// Whether it is open.
    pub open: bool,
}

#[derive(Default)]
pub(super) struct Import {
    token: String,
    /// By project, tool, branch and meta data.
    scans: BTreeMap<[String; 4], Vec<InvictiVulnerability>>,
    events: Vec<Event>,
    polls: u32,
    failure: Option<String>,
    accepts_objects: bool,
}

struct Event {
    polls_left: u32,
    failure: Option<String>,
}

impl FakeInvicti {
    /// Starts a fake that accepts this token.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        Fake::start(Import::new(token)).await.map(Self)
    }

    /// Finishes later events only after so many status requests.
    pub fn finish_after_polls(&self, polls: u32) {
        self.0.with_service(|service| service.polls = polls);
    }

    /// Makes later events fail, with this message.
    pub fn fail_with(&self, message: &str) {
        self.0.with_service(|service| service.failure = Some(message.to_owned()));
    }

    /// Accepts one vulnerability as an object from now on, and refuses arrays.
    pub fn accept_objects(&self) {
        self.0.with_service(|service| service.accepts_objects = true);
    }

    /// The vulnerabilities of a scan.
    pub fn vulnerabilities(
        &self,
        project: &str,
        tool: &str,
        branch: &str,
        meta: &str,
    ) -> Vec<InvictiVulnerability> {
        self.0.with_service(|service| service.vulnerabilities([project, tool, branch, meta]))
    }
}

impl FakeService for Import {
    type Route = Route;
    type Reply = Reply;
    const CREDENTIALS: &'static str = "x-cookie";

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        [
            (Route::Push, "POST", "/api/v2/vulnerabilities/import/dast"),
            (Route::Status, "GET", "/api/v2/events/{id}/status"),
        ]
        .into_iter()
    }

    fn is_authorized(&self, credentials: &str) -> bool {
        credentials == self.token
    }

    fn respond(&mut self, call: &Call<Route>) -> FakeResponse {
        respond(call, json!({"error": "failed to authorize"}), || self.handle(call))
    }
}

impl Import {
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), ..Self::default() }
    }

    pub(super) fn vulnerabilities(&self, scan: [&str; 4]) -> Vec<InvictiVulnerability> {
        self.scans.get(&scan.map(str::to_owned)).cloned().unwrap_or_default()
    }

    fn handle(&mut self, call: &Call<Route>) -> (u16, Value) {
        if call.route == Route::Status {
            return self.status(call.param(0));
        }
        match self.import(&call.json()) {
            Ok(id) => (200, json!({"event_id": id, "message": "vulnerabilities have been uploaded"})),
            Err(missing) => (400, json!({"error": format!("bad request: {missing}")})),
        }
    }

    fn import(&mut self, body: &Value) -> Result<String, String> {
        let text = |pointer: &str| {
            let found = body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| pointer.to_owned())
        };
        text("/scan_details/date_discovered")?;
        text("/scan_details/discovered_by")?;
        let meta = text("/scan_details/meta_data").unwrap_or_default();
        let key = [text("/project/id")?, text("/scan_details/tool")?, text("/scan_details/branch")?, meta];
        let list = match (&body["vulnerabilities"], self.accepts_objects) {
            (Value::Array(list), false) => list.iter().map(vulnerability).collect::<Result<Vec<_>, _>>()?,
            (object @ Value::Object(_), true) => vec![vulnerability(object)?],
            _ => return Err("vulnerabilities".to_owned()),
        };
        let id = format!("65a0000000000000000000{:02x}", self.events.len());
        self.events.push(Event { polls_left: self.polls, failure: self.failure.clone() });
        if self.failure.is_none() {
            let known = self.scans.entry(key).or_default();
            let is = |a: &InvictiVulnerability, b: &InvictiVulnerability| {
                (&a.name, &a.target) == (&b.name, &b.target)
            };
            for old in known.iter_mut() {
                old.open = list.iter().any(|new| is(new, old));
            }
            for new in list {
                if !known.iter().any(|old| is(&new, old)) {
                    known.push(new);
                }
            }
        }
        Ok(id)
    }

    fn status(&mut self, id: &str) -> (u16, Value) {
        let number =
            id.strip_prefix("65a0000000000000000000").and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(event) = number.and_then(|number| self.events.get_mut(number)) else {
            return (400, json!({"error": "failed to get events"}));
        };
        let (status, active, text) = match (event.polls_left.checked_sub(1), &event.failure) {
            (Some(left), _) => {
                event.polls_left = left;
                (4, 1, "Analyzing")
            }
            (None, Some(_)) => (-1, -1, "Failed"),
            (None, None) => (6, 0, "Finished"),
        };
        let message = event.failure.as_ref().filter(|_| status < 0);
        let html = format!("https://invicti.example/events/{id}");
        (
            200,
            json!({
                "id": id, "status": status, "active": active, "status_text": text, "scan_id": "",
                "message": message.map_or("", String::as_str), "links": {"html": html},
            }),
        )
    }
}

/// Reads a vulnerability, and checks its required members.
fn vulnerability(value: &Value) -> Result<InvictiVulnerability, String> {
    let text = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| pointer.to_owned())
    };
    for required in ["/description", "/dast/http_request", "/dast/http_response", "/dast/method"] {
        text(required)?;
    }
    let number =
        |name: &str| value.get(name).filter(|value| value.is_number()).ok_or_else(|| name.to_owned());
    number("cwe_id")?;
    number("cvss_v3")?;
    let severity = number("severity")?.as_u64().filter(|number| *number <= 4).ok_or("severity")?;
    value.pointer("/dast/references").and_then(Value::as_array).ok_or("references")?;
    Ok(InvictiVulnerability { name: text("/name")?, target: text("/dast/target")?, severity, open: true })
}
