//! An Invicti `AppSec` that imports vulnerabilities.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::{Call, Fake, Route, Target, common};

/// An Invicti `AppSec`. It compares an import with the one before of the same project, tool, branch and meta data, and closes what is
/// not in it. An import is an event, which finishes after a number of looks.
#[derive(Debug)]
pub struct FakeInvicti(pub(super) Fake<Import>);

common!(FakeInvicti);

/// A vulnerability that a fake Invicti `AppSec` keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvictiVulnerability {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub target: String,
    /// 4 is critical.
    pub severity: u64,
    /// False when it is closed.
    pub open: bool,
}

#[derive(Default)]
pub(super) struct Import {
    /// By project, tool, branch and meta data.
    scans: BTreeMap<[String; 4], Vec<InvictiVulnerability>>,
    events: Vec<Event>,
    looks: u32,
    failure: Option<String>,
    takes_objects: bool,
}

struct Event {
    looks_left: u32,
    failure: Option<String>,
}

impl FakeInvicti {
    /// Starts one with that token.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        Fake::start(Import::default(), token).await.map(Self)
    }

    /// Lets events to come finish after so many looks at them.
    pub fn finish_after(&self, looks: u32) {
        self.0.lock().target.looks = looks;
    }

    /// Lets events to come fail, with these words.
    pub fn fail_with(&self, words: &str) {
        self.0.lock().target.failure = Some(words.to_owned());
    }

    /// Takes one vulnerability as an object from now on, and no array.
    pub fn take_objects(&self) {
        self.0.lock().target.takes_objects = true;
    }

    /// What is kept of a scan.
    pub fn vulnerabilities(
        &self,
        project: &str,
        tool: &str,
        branch: &str,
        meta: &str,
    ) -> Vec<InvictiVulnerability> {
        let key = [project, tool, branch, meta].map(str::to_owned);
        self.0.lock().target.scans.get(&key).cloned().unwrap_or_default()
    }
}

impl Target for Import {
    const ROUTES: &'static [(&'static str, &'static str, Route)] = &[
        ("POST", "/api/v2/vulnerabilities/import/dast", Route::Push),
        ("GET", "/api/v2/events/{id}/status", Route::Status),
    ];
    const CREDENTIALS: (&'static str, &'static str) = ("x-cookie", "");

    fn stranger() -> Value {
        json!({"error": "failed to authorize"})
    }

    fn answer(&mut self, call: &Call<Route>) -> (u16, Value) {
        if call.route == Route::Status {
            return self.status(call.param(0));
        }
        match self.import(&call.json()) {
            Ok(id) => (200, json!({"event_id": id, "message": "vulnerabilities have been uploaded"})),
            Err(missing) => (400, json!({"error": format!("bad request: {missing}")})),
        }
    }
}

impl Import {
    fn import(&mut self, body: &Value) -> Result<String, String> {
        let text = |pointer: &str| {
            let found = body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| pointer.to_owned())
        };
        text("/scan_details/date_discovered")?;
        text("/scan_details/discovered_by")?;
        let meta = text("/scan_details/meta_data").unwrap_or_default();
        let key = [text("/project/id")?, text("/scan_details/tool")?, text("/scan_details/branch")?, meta];
        let list = match (&body["vulnerabilities"], self.takes_objects) {
            (Value::Array(list), false) => list.iter().map(vulnerability).collect::<Result<Vec<_>, _>>()?,
            (object @ Value::Object(_), true) => vec![vulnerability(object)?],
            _ => return Err("vulnerabilities".to_owned()),
        };
        let id = format!("65a0000000000000000000{:02x}", self.events.len());
        self.events.push(Event { looks_left: self.looks, failure: self.failure.clone() });
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
        let (status, active, text) = match (event.looks_left.checked_sub(1), &event.failure) {
            (Some(left), _) => {
                event.looks_left = left;
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

/// A vulnerability that has all that is required.
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
