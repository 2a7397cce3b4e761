//! OCSF 1.8: one event for each finding, one per line.

use std::borrow::Cow;
use std::io;

use appsec_core::{Cvss, FindingStatus, Severity, Timestamp};
use serde::Serialize;

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::options::{OcsfClass, ReportOptions};
use super::output::Output;
use super::{fields, location, sanitize};
use crate::reconcile::{Change, State};

const MAX_PROSE: usize = 16 * 1024;
/// The most CVEs of one rule that are listed: each repeats the rest of the vulnerability.
const MAX_CVE: usize = 50;

pub(super) struct Ocsf {
    class: OcsfClass,
    product: String,
    tenant: Option<String>,
    time: Timestamp,
}

impl Ocsf {
    pub(super) fn new(options: &ReportOptions) -> Self {
        Self {
            class: options.ocsf_class(),
            product: options.scanner_name().to_owned(),
            tenant: options.tenant().map(str::to_owned),
            time: options.ended_at(),
        }
    }
}

impl Encoder for Ocsf {
    fn write(&mut self, report: &ReportFinding, out: &mut Output<'_>) -> io::Result<()> {
        out.json_line(&Event::new(report, self))
    }
}

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    class_uid: u32,
    type_uid: u32,
    time: i64,
    severity_id: u32,
    severity: Cow<'a, str>,
    status_id: u32,
    status: &'static str,
    message: String,
    metadata: Metadata<'a>,
    finding_info: FindingInfo<'a>,
    vulnerabilities: Vec<Vulnerability<'a>>,
    resources: [Resource<'a>; 1],
    /// How many occurrences the event stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_uid: Option<&'a str>,
}

#[derive(Serialize)]
struct Product<'a> {
    name: &'a str,
    vendor_name: &'a str,
    uid: &'a str,
}

#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: String,
    title: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_url: Option<&'a str>,
}

/// Has exactly one of advisory, CVE and CWE, as the schema requires since 1.4.
#[derive(Serialize)]
struct Vulnerability<'a> {
    title: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advisory: Option<Advisory<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cve: Option<Cve<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwe: Option<Cwe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Remediation<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<&'a str>,
}

#[derive(Serialize)]
struct Advisory<'a> {
    uid: Cow<'a, str>,
}

#[derive(Serialize)]
struct Cve<'a> {
    uid: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_cwes: Vec<Cwe>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cvss: Vec<Rating<'a>>,
}

#[derive(Serialize)]
struct Cwe {
    uid: String,
}

#[derive(Serialize)]
struct Rating<'a> {
    base_score: f64,
    version: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector_string: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Remediation<'a> {
    desc: Cow<'a, str>,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    uid: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Cow<'a, str>>,
}

/// What OCSF has no member for.
#[derive(Serialize)]
struct Unmapped<'a> {
    scanner: Cow<'a, str>,
    rule_id: Cow<'a, str>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    cwe: &'a [u32],
}

impl<'a> Event<'a> {
    fn new(report: &'a ReportFinding, settings: &'a Ocsf) -> Self {
        let (finding, rule) = (&report.finding, &report.finding.rule);
        let class_uid = match settings.class {
            OcsfClass::VulnerabilityFinding => 2002,
            OcsfClass::PostureFinding => 2007,
        };
        let (activity_id, activity_name) = activity(report);
        let (status_id, status) = status(report);
        let title = fields::title(finding, 1_024);
        Self {
            activity_id,
            activity_name,
            category_uid: 2,
            class_uid,
            type_uid: class_uid * 100 + activity_id,
            time: report.closed_at.or(finding.last_seen).unwrap_or(settings.time).as_millisecond(),
            severity_id: severity(&finding.severity),
            severity: fields::severity_name(&finding.severity)
                .map_or_else(|| sanitize::single_line(finding.severity.as_str(), 100), Cow::Borrowed),
            status_id,
            status,
            message: format!("{title} at {}", location::describe(&finding.location)),
            metadata: Metadata {
                version: "1.8.0",
                product: Product {
                    name: &settings.product,
                    vendor_name: &settings.product,
                    uid: &finding.scanner,
                },
                tenant_uid: settings.tenant.as_deref(),
            },
            finding_info: FindingInfo {
                uid: finding.fingerprint.to_string(),
                title,
                desc: sanitize::optional_multi_line(rule.description.as_ref(), MAX_PROSE),
                first_seen_time: finding.first_seen.map(Timestamp::as_millisecond),
                last_seen_time: finding.last_seen.map(Timestamp::as_millisecond),
                src_url: finding.link.as_deref().and_then(sanitize::web_url),
            },
            vulnerabilities: vulnerabilities(report),
            resources: [Resource {
                kind: "Web endpoint",
                name: location::url(&finding.location),
                uid: sanitize::single_line(finding.partition.as_str(), 1_024),
                labels: finding
                    .labels
                    .iter()
                    .take(100)
                    .map(|label| sanitize::single_line(label, 256))
                    .collect(),
            }],
            count: report.several_occurrences(),
            unmapped: Unmapped {
                scanner: sanitize::single_line(&finding.scanner, 100),
                rule_id: fields::rule_id(rule, 1_024),
                state: report.state,
                change: report.change,
                cwe: &rule.cwe,
            },
        }
    }
}

fn activity(report: &ReportFinding) -> (u32, &'static str) {
    match (report.state, report.change) {
        (State::Closed, _) => (3, "Close"),
        (_, None | Some(Change::New)) => (1, "Create"),
        (_, Some(_)) => (2, "Update"),
    }
}

fn status(report: &ReportFinding) -> (u32, &'static str) {
    match report.state {
        State::Open if report.finding.status == Some(FindingStatus::InProgress) => (2, "In Progress"),
        State::Open => (1, "New"),
        State::Closed => (4, "Resolved"),
        State::RiskAccepted | State::FalsePositive | State::Ignored => (3, "Suppressed"),
    }
}

fn severity(severity: &Severity) -> u32 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
        // 99 means a severity that the schema lacks; its name is in `severity`.
        _ => 99,
    }
}

/// One vulnerability for each CVE; without a CVE one for the CWE; without both one for the scanner's own
/// rule.
fn vulnerabilities(report: &ReportFinding) -> Vec<Vulnerability<'_>> {
    let rule = &report.finding.rule;
    let entry = |advisory, cve, cwe| Vulnerability {
        title: fields::title(&report.finding, 1_024),
        advisory,
        cve,
        cwe,
        remediation: sanitize::optional_multi_line(rule.remediation.as_ref(), MAX_PROSE)
            .map(|desc| Remediation { desc }),
        references: fields::references(rule, 50).collect(),
    };
    let cves =
        rule.cve.iter().filter(|cve| sanitize::first_non_blank([cve.as_str()]).is_some()).take(MAX_CVE);
    let of_cves: Vec<_> = cves
        .map(|cve| {
            let related_cwes = rule.cwe.iter().copied().map(weakness).collect();
            let ratings = rule.cvss.iter().filter_map(rating).collect();
            entry(None, Some(Cve { uid: sanitize::single_line(cve, 100), related_cwes, cvss: ratings }), None)
        })
        .collect();
    if !of_cves.is_empty() {
        return of_cves;
    }
    let cwe = rule.cwe.first().copied().map(weakness);
    let advisory = cwe.is_none().then(|| Advisory { uid: fields::rule_id(rule, 1_024) });
    vec![entry(advisory, None, cwe)]
}

fn weakness(number: u32) -> Cwe {
    Cwe { uid: format!("CWE-{number}") }
}

fn rating(cvss: &Cvss) -> Option<Rating<'_>> {
    let base_score = cvss.score.filter(|score| (0.0..=10.0).contains(score))?;
    let vector_string = sanitize::optional_multi_line(cvss.vector.as_ref(), 512);
    Some(Rating { base_score, version: sanitize::single_line(&cvss.version, 16), vector_string })
}
