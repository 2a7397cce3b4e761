//! Plugins: what a finding says was found. Reports and exports carry their own forms of the same plugin.

use std::sync::Arc;

use appsec_core::Severity;
use serde_json::{Map, Value, json};

use crate::testing::json::object;

/// A plugin, shared by all its findings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakePlugin {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: String,
    /// The severity of its findings before a recast.
    pub severity: Severity,
    /// The description of the weakness.
    pub description: String,
    /// The solution.
    pub solution: Option<String>,
    /// URLs with further information.
    pub see_also: Vec<String>,
    /// CWE numbers.
    pub cwe: Vec<u32>,
    /// CVE ids.
    pub cve: Vec<String>,
    /// Bugtraq ids.
    pub bid: Vec<String>,
    /// WASC names.
    pub wasc: Vec<String>,
    /// Categories in OWASP's lists: year and category. The year `2019` is the API list.
    pub owasp: Vec<(String, String)>,
    /// CVSS 2 score and vector.
    pub cvss2: Option<(f64, String)>,
    /// CVSS 3 score and vector.
    pub cvss3: Option<(f64, String)>,
    /// CVSS 4 score and vector.
    pub cvss4: Option<(f64, String)>,
    /// The vendor's priority rating.
    pub vpr: Option<f64>,
    /// The likelihood of an exploit, in percent.
    pub epss: Option<f64>,
    /// References by type, as in the export.
    pub xrefs: Vec<(String, Vec<String>)>,
}

impl FakePlugin {
    /// A plugin whose CVSS ratings follow from its severity.
    pub fn new(id: u32, name: impl Into<String>, severity: Severity) -> Self {
        let name = name.into();
        let score = match severity {
            Severity::Critical => Some(10.0),
            Severity::High => Some(7.5),
            Severity::Medium => Some(5.3),
            Severity::Low => Some(3.1),
            _ => None,
        };
        let rated = |vector: &str| score.map(|score| (score, vector.to_owned()));
        Self {
            id,
            family: "Web Applications".to_owned(),
            description: format!("What plugin {id} looks for."),
            solution: Some("Change the application.".to_owned()),
            see_also: vec![format!("https://www.example.org/plugins/{id}")],
            cwe: Vec::new(),
            cve: Vec::new(),
            bid: Vec::new(),
            wasc: Vec::new(),
            owasp: Vec::new(),
            cvss2: rated("CVSS2#AV:N/AC:L/Au:N/C:P/I:P/A:N"),
            cvss3: rated("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"),
            cvss4: None,
            vpr: score.map(|score| (score * 8.0).round() / 10.0),
            epss: None,
            xrefs: Vec::new(),
            name,
            severity,
        }
    }

    /// Sets its family.
    pub fn with_family(mut self, family: impl Into<String>) -> Self {
        self.family = family.into();
        self
    }

    /// Sets the description of the weakness, and the solution.
    pub fn with_texts(mut self, description: impl Into<String>, solution: Option<&str>) -> Self {
        self.description = description.into();
        self.solution = solution.map(str::to_owned);
        self
    }

    /// Adds a CWE number.
    pub fn with_cwe(mut self, number: u32) -> Self {
        self.cwe.push(number);
        self
    }

    /// Adds a CVE id.
    pub fn with_cve(mut self, id: impl Into<String>) -> Self {
        self.cve.push(id.into());
        self
    }

    /// Adds a category of one of OWASP's lists, such as `2021` and `A3`, or `2019` and `API8` for the API
    /// list.
    pub fn with_owasp(mut self, year: impl Into<String>, category: impl Into<String>) -> Self {
        self.owasp.push((year.into(), category.into()));
        self
    }

    /// Adds a WASC name.
    pub fn with_wasc(mut self, name: impl Into<String>) -> Self {
        self.wasc.push(name.into());
        self
    }

    /// Adds references of one type.
    pub fn with_xref(mut self, kind: impl Into<String>, ids: &[&str]) -> Self {
        self.xrefs.push((kind.into(), ids.iter().map(|&id| id.to_owned()).collect()));
        self
    }

    /// Sets its CVSS 4 rating.
    pub fn with_cvss4(mut self, score: f64, vector: impl Into<String>) -> Self {
        self.cvss4 = Some((score, vector.into()));
        self
    }

    /// Wraps it in an `Arc` that findings can share.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// The plugin's members of a finding in the JSON report: integers for CWE, lower-case severity, `null`
    /// for absent values.
    pub(crate) fn in_report(&self) -> Map<String, Value> {
        let mut xrefs: Vec<_> =
            self.cwe.iter().map(|cwe| json!({"xref_name": "CWE", "xref_value": cwe.to_string()})).collect();
        xrefs.extend(self.wasc.iter().map(|name| json!({"xref_name": "WASC", "xref_value": name})));
        object(json!({
            "plugin_id": self.id,
            "plugin_publication_date": "2017-03-31T00:00:00+00:00",
            "plugin_modification_date": "2023-10-16T00:00:00.24529+00:00",
            "name": self.name,
            "family": self.family,
            "synopsis": self.name,
            "description": self.description,
            "solution": self.solution,
            "risk_factor": self.severity.as_str(),
            "cvss": self.cvss2.as_ref().map(|(score, _)| score),
            "cvss_vector": self.cvss2.as_ref().map(|(_, vector)| vector),
            "cvssv3": self.cvss3.as_ref().map(|(score, _)| score),
            "cvssv3_vector": self.cvss3.as_ref().map(|(_, vector)| vector),
            "cves": self.cve,
            "cwe": self.cwe,
            "wasc": self.wasc,
            "owasp": self.owasp(),
            // Never observed with values in a report.
            "bid": [],
            "see_also": self.see_also,
            "xrefs": xrefs,
        }))
    }

    pub(crate) fn owasp(&self) -> Value {
        self.owasp.iter().map(|(year, category)| json!({"year": year, "category": category})).collect()
    }

    /// The plugin block of an exported finding: strings for CWE, upper-case severity, absent values left
    /// out.
    pub(crate) fn in_export(&self) -> Value {
        let cwe: Vec<_> = self.cwe.iter().map(u32::to_string).collect();
        let xrefs: Vec<_> = self.xrefs.iter().map(|(kind, ids)| json!({"type": kind, "id": ids})).collect();
        let frameworks: Vec<_> = ["canvas", "metasploit", "d2_elliot", "exploithub", "core"]
            .iter()
            .map(|kind| json!({"type": kind, "ids": []}))
            .collect();
        let mut plugin = object(json!({
            "id": self.id,
            "name": self.name,
            "family": self.family,
            "risk_factor": self.severity.as_str().to_uppercase(),
            "original_risk_factor_num": severity_id(&self.severity),
            "type": "REMOTE",
            "intel_type": "SENSOR",
            "locale": "en",
            "publication_date": "2017-03-31T00:00:00Z",
            "modification_date": "2023-10-16T00:00:00Z",
            "synopsis": self.name,
            "description": self.description,
            "exploitability_ease": "No known exploits are available",
            "public_display": self.id,
            "in_the_news": false,
            "exploited_by_malware": false,
            "see_also": self.see_also,
            "cwe": cwe,
            "cve": self.cve,
            "bid": self.bid,
            "wasc": self.wasc,
            "policy": [],
            "xrefs": xrefs,
            "exploit_frameworks": frameworks,
            // A field of tomorrow: clients keep what they do not know.
            "exposure_class": "external",
        }));
        if let Some(solution) = &self.solution {
            plugin.insert("solution".into(), json!(solution));
        }
        for (list, year) in [
            ("owasp_2010", "2010"),
            ("owasp_2013", "2013"),
            ("owasp_2017", "2017"),
            ("owasp_2021", "2021"),
            ("owasp_api_2019", "2019"),
        ] {
            let categories = self.owasp_of(year);
            if !categories.is_empty() {
                plugin.insert(list.into(), json!(categories));
            }
        }
        if let Some((score, vector)) = &self.cvss2 {
            plugin.insert("cvss2_base_score".into(), json!(score));
            plugin.insert("cvss2_vector".into(), words(vector, CVSS2));
            plugin.insert("cvss2_temporal_vector".into(), json!({}));
        }
        if let Some((score, vector)) = &self.cvss3 {
            plugin.insert("cvss3_base_score".into(), json!(score));
            plugin.insert("cvss3_vector".into(), words(vector, CVSS3));
            plugin.insert("cvss3_temporal_vector".into(), json!({}));
        }
        if let Some((score, vector)) = &self.cvss4 {
            plugin.insert("cvss4_base_score".into(), json!(score));
            plugin.insert("cvss4_vector".into(), words(vector, CVSS4));
            let threat =
                json!({"threat_score": 3.6, "exploit_maturity": "Unreported", "raw": "CVSS:4.0/E:U"});
            plugin.insert("cvss4_threat_vector".into(), threat);
        }
        if let Some(score) = self.vpr {
            let drivers = json!({
                "age_of_vuln": {"lower_bound": 731},
                "exploit_code_maturity": "UNPROVEN",
                "cvss_impact_score_predicted": false,
                "cvss3_impact_score": 2.7,
                "threat_intensity_last28": "VERY_LOW",
                "threat_sources_last28": ["No recorded events"],
                "product_coverage": "VERY_HIGH",
            });
            let vpr = json!({"score": score, "drivers": drivers, "updated": "2026-09-30T06:00:29Z"});
            plugin.insert("vpr".into(), vpr);
        }
        if let Some(score) = self.epss {
            plugin.insert("epss_score".into(), json!(score));
        }
        Value::Object(plugin)
    }

    /// The categories in OWASP's list of that year.
    pub(crate) fn owasp_of(&self, year: &str) -> Vec<&str> {
        self.owasp.iter().filter(|(known, _)| known == year).map(|(_, category)| category.as_str()).collect()
    }

    pub(crate) fn summary(&self) -> Value {
        json!({"plugin_id": self.id, "name": self.name, "family": self.family, "policy": []})
    }

    pub(crate) fn details(&self) -> Value {
        let cwe: Vec<_> = self.cwe.iter().map(u32::to_string).collect();
        json!({
            "plugin_id": self.id,
            "name": self.name,
            "family": self.family,
            "solution": self.solution,
            "description": self.description,
            "synopsis": self.name,
            "published": "2017-03-31T00:00:00Z",
            "patch_published": null,
            "plugin_modified": "2023-10-16T00:00:00Z",
            "risk_factor": self.severity.as_str(),
            "see_also": self.see_also,
            "cvss3_base_score": self.cvss3.as_ref().map(|(score, _)| score),
            "wasc": self.wasc,
            "cwe": cwe,
            "owasp": self.owasp(),
        })
    }
}

/// 0 to 4, info to critical.
pub(crate) fn severity_id(severity: &Severity) -> u8 {
    match severity {
        Severity::Critical => 4,
        Severity::High => 3,
        Severity::Medium => 2,
        Severity::Low => 1,
        _ => 0,
    }
}

/// A CVSS metric: its letters in the vector, its name in the export, and the name of each value.
type Metric = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

pub(crate) const ACCESS: &[(&str, &str)] =
    &[("N", "Network"), ("A", "Adjacent"), ("L", "Local"), ("P", "Physical")];

pub(crate) const COMPLEXITY: &[(&str, &str)] = &[("L", "Low"), ("M", "Medium"), ("H", "High")];

pub(crate) const LEVEL: &[(&str, &str)] =
    &[("H", "High"), ("L", "Low"), ("N", "None"), ("P", "Partial"), ("C", "Complete")];

pub(crate) const CVSS2: &[Metric] = &[
    ("AV", "access_vector", ACCESS),
    ("AC", "access_complexity", COMPLEXITY),
    ("Au", "authentication", &[("N", "None required"), ("S", "Single"), ("M", "Multiple")]),
    ("C", "confidentiality_impact", LEVEL),
    ("I", "integrity_impact", LEVEL),
    ("A", "availability_impact", LEVEL),
];

// Observed: version 3 has the member names of version 2.
pub(crate) const CVSS3: &[Metric] = &[
    ("AV", "access_vector", ACCESS),
    ("AC", "access_complexity", COMPLEXITY),
    ("C", "confidentiality_impact", LEVEL),
    ("I", "integrity_impact", LEVEL),
    ("A", "availability_impact", LEVEL),
];

pub(crate) const CVSS4: &[Metric] = &[
    ("AV", "attack_vector", ACCESS),
    ("AC", "attack_complexity", COMPLEXITY),
    ("AT", "attack_requirements", &[("N", "None"), ("P", "Present")]),
    ("PR", "privileges_required", LEVEL),
    ("UI", "user_interaction", &[("N", "None"), ("P", "Passive"), ("A", "Active")]),
    ("VC", "vulnerable_system_confidentiality", LEVEL),
    ("VI", "vulnerable_system_integrity", LEVEL),
    ("VA", "vulnerable_system_availability", LEVEL),
    ("SC", "subsequent_system_confidentiality", LEVEL),
    ("SI", "subsequent_system_integrity", LEVEL),
    ("SA", "subsequent_system_availability", LEVEL),
];

/// A CVSS vector in the spelled-out form that the export has beside the raw text.
pub(crate) fn words(vector: &str, metrics: &[Metric]) -> Value {
    let mut words = Map::new();
    for part in vector.split(['#', '/']) {
        let Some((letters, value)) = part.split_once(':') else { continue };
        let metric = metrics.iter().find(|(known, ..)| *known == letters);
        let word =
            metric.and_then(|(_, name, all)| Some((name, all.iter().find(|(letter, _)| *letter == value)?)));
        if let Some((name, (_, word))) = word {
            words.insert((*name).to_owned(), json!(word));
        }
    }
    words.insert("raw".into(), json!(vector));
    Value::Object(words)
}
