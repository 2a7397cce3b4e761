//! A `DefectDojo` that takes reports again.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::form::{part, parts};
use super::{Call, Fake, Route, Target, common};

const SEVERITIES: [&str; 5] = ["Info", "Low", "Medium", "High", "Critical"];

/// A `DefectDojo`. It matches findings by title, description and severity within a test and a service, closes what it is told to, and
/// answers with its statistics.
#[derive(Debug)]
pub struct FakeDojo(pub(super) Fake<Dojo>);

common!(FakeDojo);

/// A finding that a fake `DefectDojo` keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DojoFinding {
    /// Its title.
    pub title: String,
    /// Its description, by which it is known again.
    pub description: String,
    /// Its severity.
    pub severity: String,
    /// The part of the product.
    pub service: Option<String>,
    /// False when it is mitigated.
    pub open: bool,
}

#[derive(Default)]
pub(super) struct Dojo {
    /// By product, engagement and title.
    tests: BTreeMap<[String; 3], Vec<DojoFinding>>,
    products: Vec<String>,
}

impl FakeDojo {
    /// Starts one with that API key.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        Fake::start(Dojo::default(), token).await.map(Self)
    }

    /// The findings of a test; empty where there is none.
    pub fn findings(&self, product: &str, engagement: &str, title: &str) -> Vec<DojoFinding> {
        let key = [product, engagement, title].map(str::to_owned);
        self.0.lock().target.tests.get(&key).cloned().unwrap_or_default()
    }

    /// The fields of the last form that arrived, the file among them.
    pub fn last_form(&self) -> Vec<(String, String)> {
        let calls = self.calls();
        let last = calls.iter().rev().find(|call| call.route == Route::Push);
        last.and_then(|call| parts(call.header("content-type")?, &call.body)).unwrap_or_default()
    }
}

impl Target for Dojo {
    const ROUTES: &'static [(&'static str, &'static str, Route)] =
        &[("POST", "/api/v2/reimport-scan/", Route::Push)];
    const CREDENTIALS: (&'static str, &'static str) = ("authorization", "Token ");

    fn stranger() -> Value {
        json!({"detail": "Invalid token."})
    }

    fn answer(&mut self, call: &Call<Route>) -> (u16, Value) {
        match self.reimport(call) {
            Ok(answer) => (201, answer),
            Err(refusal) => refusal,
        }
    }
}

impl Dojo {
    fn reimport(&mut self, call: &Call<Route>) -> Result<Value, (u16, Value)> {
        let bad = |field: &str, why: &str| (400, json!({ field: [why] }));
        let form = parts(call.header("content-type").unwrap_or_default(), &call.body);
        let form = form.ok_or_else(|| bad("file", "The submitted data was not a file."))?;
        let field = |name: &str| part(&form, name);
        let required = |name: &'static str| {
            field(name).ok_or_else(|| bad(name, "This field is required.")).map(str::to_owned)
        };
        if required("scan_type")? != "Generic Findings Import" {
            return Err(bad("scan_type", "This is not a valid choice."));
        }
        let least = field("minimum_severity").unwrap_or("Info");
        let least = SEVERITIES.iter().position(|known| *known == least);
        let least = least.ok_or_else(|| bad("minimum_severity", "This is not a valid choice."))?;
        let seen = findings(field("file").unwrap_or_default(), field("service"))?;
        let key = [required("product_name")?, required("engagement_name")?, required("test_title")?];
        let is_new = !self.tests.contains_key(&key);
        if is_new && field("auto_create_context") != Some("true") {
            return Err((404, json!({"detail": "A test could not be found!"})));
        }
        if !self.products.contains(&key[0]) {
            self.products.push(key[0].clone());
        }
        // Missing means true here, which is why nobody should leave it out.
        let close = field("close_old_findings") != Some("false") && !is_new;
        let known = self.tests.entry(key.clone()).or_default();
        let delta = reimported(known, &seen, least, close, field("service"));
        let id = self.tests.keys().position(|other| *other == key).unwrap_or_default() + 1;
        Ok(json!({
            "test": id, "test_id": id, "scan_type": "Generic Findings Import", "close_old_findings": close,
            "statistics": {"before": {}, "delta": delta, "after": {}},
        }))
    }
}

/// The report's findings. A key that the parser does not know is a fault of the server's, as it is there.
fn findings(report: &str, service: Option<&str>) -> Result<Vec<DojoFinding>, (u16, Value)> {
    let broken = |why: &str| (500, json!({"message": format!("Error while parsing the report: {why}")}));
    let report: Value = serde_json::from_str(report).map_err(|_| broken("no JSON"))?;
    let list = report.get("findings").and_then(Value::as_array).ok_or_else(|| broken("no findings"))?;
    let findings = list.iter().map(|finding| {
        let text = |name: &str| finding.get(name).and_then(Value::as_str).map(str::to_owned);
        let severity = text("severity").filter(|word| SEVERITIES.contains(&word.as_str()));
        Some(DojoFinding {
            title: text("title")?,
            description: text("description")?,
            severity: severity?,
            service: text("service").or_else(|| service.map(str::to_owned)),
            open: finding.get("is_mitigated") != Some(&Value::Bool(true)),
        })
    });
    findings.collect::<Option<_>>().ok_or_else(|| broken("a required field is missing"))
}

/// Matches, adds and closes; gives the numbers.
fn reimported(
    known: &mut Vec<DojoFinding>,
    seen: &[DojoFinding],
    least: usize,
    close: bool,
    service: Option<&str>,
) -> Value {
    let grave = |finding: &&DojoFinding| {
        SEVERITIES.iter().position(|severity| *severity == finding.severity) >= Some(least)
    };
    let same = |a: &DojoFinding, b: &DojoFinding| {
        (&a.title, &a.description, &a.service) == (&b.title, &b.description, &b.service)
    };
    let seen: Vec<&DojoFinding> = seen.iter().filter(grave).collect();
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
