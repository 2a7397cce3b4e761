//! The filter of an export request, read as the service reads it.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::target::FakeTarget;

/// The time window of an export without a time filter.
const DEFAULT_WINDOW: i64 = 30 * 24 * 60 * 60;

const TIMES: [&str; 5] = ["since", "first_found", "last_found", "last_fixed", "indexed_at"];

const LISTS: [&str; 10] = [
    "state",
    "severity",
    "severity_modification_type",
    "asset_uuid",
    "ipv4s",
    "owasp_2010",
    "owasp_2013",
    "owasp_2017",
    "owasp_2021",
    "owasp_api_2019",
];

/// Scores with their lowest and highest value.
const SCORES: [(&str, f64, f64); 4] = [
    ("cvss4_base_score", 0.0, 10.0),
    ("vpr_score", 0.1, 10.0),
    ("vpr_v2_score", 0.1, 10.0),
    ("epss_score", 0.0, 100.0),
];

/// The words that lists hold, in any case of letters.
const WORDS: [(&str, &[&str]); 2] =
    [("state", &["OPEN", "REOPENED", "FIXED"]), ("severity", &["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"])];

/// The properties that a request can select (assumed: no list of them is published).
const PROPERTIES: [&str; 24] = [
    "finding_id",
    "url",
    "input_type",
    "input_name",
    "output",
    "proof",
    "payload",
    "state",
    "severity",
    "severity_id",
    "severity_default_id",
    "severity_modification_type",
    "recast_reason",
    "recast_rule_uuid",
    "first_found",
    "last_found",
    "last_fixed",
    "indexed_at",
    "plugin",
    "asset",
    "scan",
    "http_method",
    "last_observed",
    "risk_context",
];

/// A parsed filter.
#[derive(Debug)]
pub(crate) struct ExportFilter {
    filters: Map<String, Value>,
    include_unlicensed: bool,
    /// The properties of the records; empty means all.
    properties: Vec<String>,
    now: i64,
}

impl ExportFilter {
    /// Parses a request body. The error is a sentence.
    pub(crate) fn parse(body: &Value, now: Timestamp) -> Result<Self, String> {
        let Some(body) = body.as_object() else { return Err("The body must be an object".to_owned()) };
        for (key, value) in body {
            let fits = match key.as_str() {
                "num_assets" => value.is_i64() || value.is_u64(),
                "include_unlicensed" => value.is_boolean(),
                "filters" => value.is_object() || value.is_null(),
                "properties" => value.as_array().is_some_and(|names| names.iter().all(is_property)),
                _ => false,
            };
            if !fits {
                return Err(format!("Invalid value of '{key}'"));
            }
        }
        let filters = body.get("filters").and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, value) in &filters {
            let key = key.as_str();
            let fits = match key {
                "asset_name" => value.is_string(),
                "plugin_ids" => value.as_array().is_some_and(|ids| ids.iter().all(Value::is_u64)),
                _ if TIMES.contains(&key) => value.is_i64() || value.is_u64(),
                _ if LISTS.contains(&key) => {
                    value.as_array().is_some_and(|all| all.iter().all(|word| is_word(key, word)))
                }
                _ => is_score(key, value),
            };
            if !fits {
                return Err(format!("Invalid filter '{key}'"));
            }
        }
        let filter = Self {
            filters,
            include_unlicensed: body.get("include_unlicensed") == Some(&json!(true)),
            properties: texts(body.get("properties")),
            now: now.as_second(),
        };
        let precise =
            ["first_found", "last_found", "last_fixed"].iter().any(|name| filter.time(name).is_some());
        if precise && filter.time("since").is_some() {
            return Err("'since' does not go with first_found, last_found or last_fixed".to_owned());
        }
        if precise && filter.list("state").is_empty() {
            return Err("'state' is required with first_found, last_found and last_fixed".to_owned());
        }
        Ok(filter)
    }

    /// The filters as a job's status shows them: an unset number is shown as 0.
    pub(crate) fn echo(&self) -> Value {
        let mut echo = self.filters.clone();
        for time in TIMES {
            echo.entry(time).or_insert(json!(0));
        }
        Value::Object(echo)
    }

    /// Cuts a record down to the requested properties. A property whose name differs between request and
    /// response is translated (observed for one).
    pub(crate) fn cut(&self, record: Value) -> Value {
        if self.properties.is_empty() {
            return record;
        }
        let mut cut = json!({});
        for name in &self.properties {
            let name = if name == "asset.name" { "asset.fqdn" } else { name };
            let pointer = format!("/{}", name.replace('.', "/"));
            let Some(value) = record.pointer(&pointer) else { continue };
            match name.split_once('.') {
                Some((outer, inner)) => cut[outer][inner] = value.clone(),
                None => cut[name] = value.clone(),
            }
        }
        cut
    }

    pub(crate) fn admits_target(&self, target: &FakeTarget) -> bool {
        // An empty list is no filter: it means every asset.
        let assets = self.list("asset_uuid");
        let ipv4s = self.list("ipv4s");
        let host = target.authority().split(':').next().unwrap_or_default();
        (target.licensed || self.include_unlicensed)
            && (assets.is_empty() || assets.contains(&target.asset_id.as_str()))
            && (ipv4s.is_empty() || ipv4s.contains(&target.ipv4.as_str()))
            && self.filters.get("asset_name").is_none_or(|name| name == host)
    }

    pub(crate) fn admits(&self, finding: &FakeFinding) -> bool {
        let plugin = &finding.plugin;
        let severity = finding.current_severity().as_str();
        let modification = self.list("severity_modification_type");
        let plugin_ids = self.filters.get("plugin_ids").and_then(Value::as_array);
        self.admits_time(finding)
            && is_among(&self.list("severity"), severity)
            // Unlike the other fields, this one is upper case only.
            && (modification.is_empty() || modification.contains(&finding.modification.as_str()))
            && plugin_ids.is_none_or(|ids| ids.is_empty() || ids.contains(&json!(plugin.id)))
            && LISTS.iter().filter(|list| list.starts_with("owasp")).all(|list| {
                let (wanted, year) = (self.list(list), list.rsplit('_').next().unwrap_or_default());
                wanted.is_empty() || plugin.owasp_of(year).iter().any(|category| is_among(&wanted, category))
            })
            && self.admits_score("cvss4_base_score", plugin.cvss4.as_ref().map(|(score, _)| *score))
            && self.admits_score("vpr_score", plugin.vpr)
            && self.admits_score("vpr_v2_score", plugin.vpr)
    }

    fn admits_time(&self, finding: &FakeFinding) -> bool {
        let is_fixed = finding.state.eq_ignore_ascii_case("FIXED");
        let fixed_or_found =
            finding.last_fixed.filter(|_| is_fixed).unwrap_or(finding.last_found).as_second();
        let since = self.time("since");
        let states = self.list("state");
        let admits_state = match (states.as_slice(), since) {
            // With `since` alone the fixed ones come too.
            ([], Some(_)) => true,
            ([], None) => is_among(&["OPEN", "REOPENED"], &finding.state),
            (states, _) => is_among(states, &finding.state),
        };
        let bounded = TIMES.iter().any(|name| self.time(name).is_some());
        let window = since.or((!bounded).then_some(self.now - DEFAULT_WINDOW));
        let from = |name: &str, at: Option<Timestamp>| {
            self.time(name).is_none_or(|from| at.is_some_and(|at| at.as_second() >= from))
        };
        admits_state
            && window.is_none_or(|from| fixed_or_found >= from)
            && from("first_found", Some(finding.first_found))
            && from("last_found", Some(finding.last_found))
            && from("last_fixed", finding.last_fixed)
            && self.time("indexed_at").is_none_or(|from| fixed_or_found + 3600 >= from)
    }

    fn admits_score(&self, name: &str, score: Option<f64>) -> bool {
        let Some(bounds) = self.filters.get(name).and_then(Value::as_object) else { return true };
        let Some(score) = score else { return false };
        bounds.iter().all(|(operator, value)| {
            let among =
                || value.as_array().is_some_and(|all| all.iter().any(|one| one.as_f64() == Some(score)));
            let bound = value.as_f64().unwrap_or_default();
            match operator.as_str() {
                "eq" => among(),
                "neq" => !among(),
                "gt" => score > bound,
                "gte" => score >= bound,
                "lt" => score < bound,
                _ => score <= bound,
            }
        })
    }

    fn time(&self, name: &str) -> Option<i64> {
        self.filters.get(name).and_then(Value::as_i64).filter(|seconds| *seconds != 0)
    }

    fn list(&self, name: &str) -> Vec<&str> {
        let all = self.filters.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).collect()
    }
}

/// Whether the list is empty or contains the word, ignoring case.
fn is_among(list: &[&str], word: &str) -> bool {
    list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn is_property(name: &Value) -> bool {
    let outer = name.as_str().and_then(|name| name.split('.').next());
    outer.is_some_and(|outer| PROPERTIES.contains(&outer))
}

/// Whether a list may contain the value. The categories of OWASP's lists have no leading zero.
fn is_word(list: &str, word: &Value) -> bool {
    let Some(word) = word.as_str() else { return false };
    let is_place = |letters: &str| (1..=10).any(|place| word == format!("{letters}{place}"));
    match WORDS.iter().find(|(name, _)| *name == list) {
        Some((_, words)) => is_among(words, word),
        None if list == "owasp_api_2019" => is_place("API"),
        None => !list.starts_with("owasp") || is_place("A"),
    }
}

fn is_score(name: &str, value: &Value) -> bool {
    let Some((_, least, most)) = SCORES.iter().find(|(score, ..)| *score == name) else { return false };
    let Some(bounds) = value.as_object() else { return false };
    let ranges = ["gt", "gte", "lt", "lte"];
    let is_within = |value: &Value| value.as_f64().is_some_and(|score| (*least..=*most).contains(&score));
    let fits = bounds.iter().all(|(key, value)| match key.as_str() {
        "eq" | "neq" => value.as_array().is_some_and(|all| all.iter().all(is_within)),
        key => ranges.contains(&key) && is_within(value),
    });
    fits && !(bounds.contains_key("eq") && ranges.iter().any(|range| bounds.contains_key(*range)))
}
