//! A fake of GitHub code scanning.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};

use appsec_http::testing::fake::{Call, Fake, FakeResponse, FakeService};
use base64::Engine as _;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::common::{Reply, Route, common, respond};

/// A fake of GitHub code scanning.
///
/// It finishes an upload after a number of status requests, and refuses what GitHub is known to refuse, such
/// as a run that was not successful. An alert of a reference, tool and category becomes fixed when a later
/// analysis of these three does not have it, and of no others.
#[derive(Debug)]
pub struct FakeCodeScanning(Fake<CodeScanning>);

common!(FakeCodeScanning);

/// An alert of a fake GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeScanningAlert {
    /// The reference, such as `refs/heads/main`.
    pub reference: String,
    /// The tool's name.
    pub tool: String,
    /// The analysis' category.
    pub category: String,
    /// Rule, location and fingerprint.
    pub key: String,
    /// Whether it is open; otherwise it is fixed.
    pub open: bool,
}

/// Reference, tool, category and key.
type AlertKey = [String; 4];

#[derive(Default)]
struct CodeScanning {
    token: String,
    alerts: BTreeMap<AlertKey, bool>,
    uploads: Vec<Upload>,
    warnings: Vec<String>,
    polls: u32,
}

struct Upload {
    polls_left: u32,
    errors: Vec<String>,
}

impl FakeCodeScanning {
    /// Starts a fake that accepts this token.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        let service = CodeScanning { token: token.to_owned(), ..CodeScanning::default() };
        Fake::start(service).await.map(Self)
    }

    /// Finishes later uploads only after so many status requests.
    pub fn finish_after_polls(&self, polls: u32) {
        self.0.with_service(|service| service.polls = polls);
    }

    /// The alerts of each analysis. One that several analyses have is there for each of them.
    pub fn alerts(&self) -> Vec<CodeScanningAlert> {
        let alert = |([reference, tool, category, key], open): (&AlertKey, &bool)| CodeScanningAlert {
            reference: reference.clone(),
            tool: tool.clone(),
            category: category.clone(),
            key: key.clone(),
            open: *open,
        };
        self.0.with_service(|service| service.alerts.iter().map(alert).collect())
    }

    /// The number of open alerts, as a person sees it: one that several analyses have counts once, and is open
    /// as long as one of them has it.
    pub fn open_alerts(&self) -> usize {
        let open = self.alerts().into_iter().filter(|alert| alert.open).map(|alert| alert.key);
        open.collect::<BTreeSet<_>>().len()
    }

    /// The warnings about reports that were accepted, such as rules with too many tags.
    pub fn warnings(&self) -> Vec<String> {
        self.0.with_service(|service| service.warnings.clone())
    }
}

impl FakeService for CodeScanning {
    type Route = Route;
    type Reply = Reply;

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        [
            (Route::Push, "POST", "/repos/{owner}/{repo}/code-scanning/sarifs"),
            (Route::Status, "GET", "/repos/{owner}/{repo}/code-scanning/sarifs/{id}"),
        ]
        .into_iter()
    }

    fn is_authorized(&self, credentials: &str) -> bool {
        credentials.strip_prefix("Bearer ") == Some(&self.token)
    }

    fn respond(&mut self, call: &Call<Route>) -> FakeResponse {
        respond(
            call,
            json!({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}),
            || self.handle(call),
        )
    }
}

impl CodeScanning {
    fn handle(&mut self, call: &Call<Route>) -> (u16, Value) {
        if call.route == Route::Status {
            return self.status(call.param(2));
        }
        let upload = call.json();
        match sarif(&upload) {
            Ok(sarif) => {
                let reference = upload["ref"].as_str().unwrap_or_default();
                let errors = self.process(&sarif, reference).err().into_iter().collect();
                let id = format!("6c81cd8e-b078-4ac3-a3be-{:012x}", self.uploads.len());
                self.uploads.push(Upload { polls_left: self.polls, errors });
                (202, json!({"id": id, "url": format!("https://api.github.example{}/{id}", call.path)}))
            }
            Err(refusal) => refusal,
        }
    }

    fn status(&mut self, id: &str) -> (u16, Value) {
        let number = id.rsplit('-').next().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(upload) = number.and_then(|number| self.uploads.get_mut(number)) else {
            return (404, json!({"message": "Not Found"}));
        };
        if let Some(left) = upload.polls_left.checked_sub(1) {
            upload.polls_left = left;
            return (200, json!({"processing_status": "pending"}));
        }
        let status = if upload.errors.is_empty() { "complete" } else { "failed" };
        let errors = (!upload.errors.is_empty()).then_some(&upload.errors);
        (
            200,
            json!({"processing_status": status, "analyses_url": "https://api.github.example/x", "errors": errors}),
        )
    }

    fn process(&mut self, sarif: &Value, reference: &str) -> Result<(), String> {
        let runs = sarif["runs"].as_array().ok_or("the file has no runs")?;
        if runs.len() > 20 {
            return Err("too many runs".to_owned());
        }
        let (mut analyses, mut warnings) = (BTreeMap::new(), Vec::new());
        for run in runs {
            let invocations = run["invocations"].as_array().map_or(&[][..], Vec::as_slice);
            if invocations.iter().any(|invocation| invocation["executionSuccessful"] == false) {
                return Err("unsuccessful execution".to_owned());
            }
            warnings.extend(check_tags(run)?);
            let tool = run["tool"]["driver"]["name"].as_str().ok_or("a run has no tool")?.to_owned();
            let id = run["automationDetails"]["id"].as_str().unwrap_or_default();
            let category = id.rsplit_once('/').map_or(id, |(category, _)| category).to_owned();
            let results = run["results"].as_array().ok_or("a run has no results")?;
            let keys = results.iter().map(key).collect::<Result<BTreeSet<_>, _>>()?;
            if analyses.insert((tool, category), keys).is_some() {
                return Err("multiple runs with the same category in one file are not supported".to_owned());
            }
        }
        for ((tool, category), keys) in analyses {
            let origin = [reference.to_owned(), tool, category];
            for (alert, open) in self.alerts.iter_mut().filter(|(alert, _)| alert[..3] == origin) {
                *open = keys.contains(&alert[3]);
            }
            let [reference, tool, category] = origin;
            for key in keys {
                self.alerts.insert([reference.clone(), tool.clone(), category.clone(), key], true);
            }
        }
        self.warnings.extend(warnings);
        Ok(())
    }
}

/// Refuses a rule with more than 20 tags, and returns a warning for each that loses those beyond 10.
fn check_tags(run: &Value) -> Result<Vec<String>, String> {
    let rules = run["tool"]["driver"]["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let mut warnings = Vec::new();
    for rule in rules {
        let tags = rule["properties"]["tags"].as_array().map_or(0, Vec::len);
        if tags > 20 {
            return Err(format!("the rule {} has {tags} tags", rule["id"]));
        }
        if tags > 10 {
            warnings
                .push(format!("the rule {} had {tags} tags, which is more than the limit of 10", rule["id"]));
        }
    }
    Ok(warnings)
}

/// The key of a result. Results with the same key are one alert.
fn key(result: &Value) -> Result<String, String> {
    let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str();
    let uri =
        uri.filter(|uri| !uri.is_empty()).ok_or("locationFromSarifResult: expected artifact location")?;
    if uri.contains("://") {
        return Err(format!(
            "the SARIF URI scheme of {uri:?} did not match the checkout URI scheme \"file\""
        ));
    }
    let rule = result["ruleId"].as_str().unwrap_or_default();
    // Without a fingerprint GitHub would not recognise the alert again.
    let fingerprint = result["partialFingerprints"]["primaryLocationLineHash"].as_str();
    let fingerprint = fingerprint.ok_or("the result has no fingerprint")?;
    Ok(format!("{rule} {uri} {fingerprint}"))
}

/// Decodes the report of an upload.
fn sarif(upload: &Value) -> Result<Value, (u16, Value)> {
    let refused = |status: u16, why: &str| {
        (status, json!({"message": why, "documentation_url": "https://docs.github.com/rest"}))
    };
    let commit = upload["commit_sha"].as_str().unwrap_or_default();
    if commit.len() != 40 || !upload["ref"].as_str().is_some_and(|reference| reference.starts_with("refs/")) {
        return Err(refused(422, "Invalid request. commit_sha and ref are required"));
    }
    let packed = upload["sarif"].as_str().unwrap_or_default();
    let packed = base64::engine::general_purpose::STANDARD.decode(packed);
    let packed = packed.map_err(|_| refused(400, "sarif is not valid Base64"))?;
    let mut text = String::new();
    let read = GzDecoder::new(&*packed).read_to_string(&mut text);
    read.map_err(|_| refused(400, "sarif is not a valid gzip"))?;
    let sarif: Value =
        serde_json::from_str(&text).map_err(|_| refused(400, "Invalid SARIF. JSON syntax error"))?;
    if sarif["version"] != "2.1.0" {
        return Err(refused(400, "Invalid SARIF. version is not 2.1.0"));
    }
    Ok(sarif)
}
