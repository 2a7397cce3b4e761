//! A fake of DefectDojo.

use std::collections::BTreeMap;
use std::io;

use appsec_http::testing::fake::{Call, Fake, FakeResponse, FakeService};
use serde_json::{Value, json};

use super::common::{Reply, Route, common, respond};
use super::multipart::{find_part, parse_parts};

const SEVERITIES: [&str; 5] = ["Info", "Low", "Medium", "High", "Critical"];

/// A fake of `DefectDojo`.
///
/// It matches findings by title and description within a test and a service, closes absent findings where
/// the request says so, and responds with statistics.
#[derive(Debug)]
pub struct FakeDefectDojo(Fake<DefectDojo>);

common!(FakeDefectDojo);

/// A finding of the fake `DefectDojo`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefectDojoFinding {
    /// The title.
    pub title: String,
    /// The description, by which the finding is matched.
    pub description: String,
    /// The severity.
    pub severity: String,
    /// The service, a part of the product.
    pub service: Option<String>,
    /// Whether it is open; otherwise it is mitigated.
    pub open: bool,
}

#[derive(Default)]
struct DefectDojo {
    token: String,
    /// By product, engagement and title.
    tests: BTreeMap<[String; 3], Vec<DefectDojoFinding>>,
    products: Vec<String>,
}

impl FakeDefectDojo {
    /// Starts a fake that accepts this API key.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        let service = DefectDojo { token: token.to_owned(), ..DefectDojo::default() };
        Fake::start(service).await.map(Self)
    }

    /// The findings of a test; empty where there is no such test.
    pub fn findings(&self, product: &str, engagement: &str, title: &str) -> Vec<DefectDojoFinding> {
        let key = [product, engagement, title].map(str::to_owned);
        self.0.with_service(|dojo| dojo.tests.get(&key).cloned().unwrap_or_default())
    }

    /// The fields of the last form received, including the file.
    pub fn last_form(&self) -> Vec<(String, String)> {
        let calls = self.calls();
        let last = calls.iter().rev().find(|call| call.route == Route::Push);
        last.and_then(|call| parse_parts(call.header("content-type")?, &call.body)).unwrap_or_default()
    }
}

impl FakeService for DefectDojo {
    type Route = Route;
    type Reply = Reply;

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        [(Route::Push, "POST", "/api/v2/reimport-scan/")].into_iter()
    }

    fn is_authorized(&self, credentials: &str) -> bool {
        credentials.strip_prefix("Token ") == Some(&self.token)
    }

    fn respond(&mut self, call: &Call<Route>) -> FakeResponse {
        respond(call, json!({"detail": "Invalid token."}), || self.handle(call))
    }
}

impl DefectDojo {
    fn handle(&mut self, call: &Call<Route>) -> (u16, Value) {
        match self.reimport(call) {
            Ok(answer) => (201, answer),
            Err(refusal) => refusal,
        }
    }

    fn reimport(&mut self, call: &Call<Route>) -> Result<Value, (u16, Value)> {
        let bad = |field: &str, why: &str| (400, json!({ field: [why] }));
        let form = parse_parts(call.header("content-type").unwrap_or_default(), &call.body);
        let form = form.ok_or_else(|| bad("file", "The submitted data was not a file."))?;
        let field = |name: &str| find_part(&form, name);
        let required = |name: &'static str| {
            field(name).ok_or_else(|| bad(name, "This field is required.")).map(str::to_owned)
        };
        if required("scan_type")? != "Generic Findings Import" {
            return Err(bad("scan_type", "This is not a valid choice."));
        }
        let minimum = field("minimum_severity").unwrap_or("Info");
        let minimum = SEVERITIES.iter().position(|known| *known == minimum);
        let minimum = minimum.ok_or_else(|| bad("minimum_severity", "This is not a valid choice."))?;
        let seen = findings(field("file").unwrap_or_default(), field("service"))?;
        let key = [required("product_name")?, required("engagement_name")?, required("test_title")?];
        let is_new = !self.tests.contains_key(&key);
        if is_new && field("auto_create_context") != Some("true") {
            return Err((404, json!({"detail": "A test could not be found!"})));
        }
        if !self.products.contains(&key[0]) {
            self.products.push(key[0].clone());
        }
        // DefectDojo's default is true, so a client that omits the field closes findings.
        let close = field("close_old_findings") != Some("false") && !is_new;
        let known = self.tests.entry(key.clone()).or_default();
        let delta = reimport(known, &seen, minimum, close, field("service"));
        let id = self.tests.keys().position(|other| *other == key).unwrap_or_default() + 1;
        Ok(json!({
            "test": id, "test_id": id, "scan_type": "Generic Findings Import", "close_old_findings": close,
            "statistics": {"before": {}, "delta": delta, "after": {}},
        }))
    }
}

/// Parses the findings of a report. A malformed report is a server error, as in DefectDojo.
fn findings(report: &str, service: Option<&str>) -> Result<Vec<DefectDojoFinding>, (u16, Value)> {
    let broken = |why: &str| (500, json!({"message": format!("Error while parsing the report: {why}")}));
    let report: Value = serde_json::from_str(report).map_err(|_| broken("no JSON"))?;
    let list = report.get("findings").and_then(Value::as_array).ok_or_else(|| broken("no findings"))?;
    let findings = list.iter().map(|finding| {
        let text = |name: &str| finding.get(name).and_then(Value::as_str).map(str::to_owned);
        let severity = text("severity").filter(|word| SEVERITIES.contains(&word.as_str()));
        Some(DefectDojoFinding {
            title: text("title")?,
            description: text("description")?,
            severity: severity?,
            service: text("service").or_else(|| service.map(str::to_owned)),
            open: finding.get("is_mitigated") != Some(&Value::Bool(true)),
        })
    });
    findings.collect::<Option<_>>().ok_or_else(|| broken("a required field is missing"))
}

/// Matches, adds and closes findings. Returns the counts.
fn reimport(
    known: &mut Vec<DefectDojoFinding>,
    seen: &[DefectDojoFinding],
    minimum: usize,
    close: bool,
    service: Option<&str>,
) -> Value {
    let is_included = |finding: &&DefectDojoFinding| {
        SEVERITIES.iter().position(|severity| *severity == finding.severity) >= Some(minimum)
    };
    let same = |a: &DefectDojoFinding, b: &DefectDojoFinding| {
        (&a.title, &a.description, &a.service) == (&b.title, &b.description, &b.service)
    };
    let seen: Vec<&DefectDojoFinding> = seen.iter().filter(is_included).collect();
    let [mut created, mut closed, mut reactivated, mut untouched] = [0u64; 4];
    for old in known.iter_mut() {
        match seen.iter().find(|new| same(new, old)) {
            Some(new) if new.open && !old.open => {
                old.open = true;
                reactivated += 1;
            }
            Some(new) if !new.open && old.open => {
                old.open = false;
                closed += 1;
            }
            Some(_) => untouched += 1,
            None if close && old.open && old.service.as_deref() == service => {
                old.open = false;
                closed += 1;
            }
            None => {}
        }
    }
    for new in seen {
        if !known.iter().any(|old| same(new, old)) {
            known.push(new.clone());
            created += 1;
        }
    }
    let total = |count: u64| json!({"total": {"active": count, "total": count}});
    json!({
        "created": total(created), "closed": total(closed), "reactivated": total(reactivated),
        "left untouched": total(untouched),
    })
}
