//! JSON Lines: all that is known of a finding, in a form of our own that is published as a schema.

use std::io;

use appsec_core::{
    BindTargetId, Cvss, Evidence, EvidenceKind, Finding, FindingStatus, Fingerprint, Location, PartitionKey,
    Rule, ScanId, Severity, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Encoder;
use super::finding::ReportFinding;
use super::out::Out;
use crate::reconcile::{Change, State};

/// Grows when a member changes its meaning or goes; members that are added do not count.
const VERSION: u32 = 1;

pub(super) struct JsonLines;

impl Encoder for JsonLines {
    fn write(&mut self, report: &ReportFinding, out: &mut Out<'_>) -> io::Result<()> {
        out.json_line(&Line::of(report))
    }
}

/// The JSON Schema of a line of [`Format::JsonLines`](crate::report::Format::JsonLines), draft 2020-12.
///
/// It is in the crate's folder, too, as `schema/finding-1.schema.json`.
pub fn finding_schema() -> Value {
    schemars::schema_for!(Line<'_>).to_value()
}

/// A finding: one rule broken at one place, and where it stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Finding")]
struct Line<'a> {
    /// The version of this form.
    schema_version: u32,
    /// The identity of the finding: `v1:` and 32 hexadecimal digits.
    #[schemars(with = "String")]
    fingerprint: Fingerprint,
    /// The scanner's key.
    scanner: &'a str,
    /// The scanner's own long-lived ids of it.
    aliases: &'a [String],
    rule: RuleForm<'a>,
    /// `critical`, `high`, `medium`, `low` or `info`; any other word is the scanner's own, verbatim.
    #[schemars(with = "String")]
    severity: &'a Severity,
    state: State,
    /// What the last run meant for it; absent where no store was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    /// Where it stands in the scanner's own book.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    status: Option<&'a FindingStatus>,
    /// The change of severity that people or rules made at the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    recast: Option<RecastForm<'a>>,
    location: LocationForm<'a>,
    /// The unit about which the scanner's silence can speak.
    #[schemars(with = "String")]
    partition: &'a PartitionKey,
    /// The bind targets it belongs to.
    #[schemars(with = "Vec<String>")]
    targets: &'a [BindTargetId],
    /// The scan that saw it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    scan: Option<&'a ScanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    /// When it was fixed, by the scanner's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_at: Option<Timestamp>,
    /// When it was closed in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    /// Its page at the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    /// Labels of the place.
    labels: &'a [String],
    /// What proves it.
    evidence: Vec<EvidenceForm<'a>>,
    /// The scanner's record, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a Value>,
}

/// What was found, shared by many findings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rule")]
struct RuleForm<'a> {
    /// The scanner's id of it.
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<&'a str>,
    /// Numbers of MITRE's CWE list.
    cwe: &'a [u32],
    cve: &'a [String],
    owasp: &'a [String],
    /// True where the OWASP places are a guess from CWE or name.
    owasp_is_heuristic: bool,
    cvss: Vec<CvssForm<'a>>,
    references: &'a [String],
    tags: &'a [String],
}

/// A CVSS rating.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Cvss")]
struct CvssForm<'a> {
    version: &'a str,
    /// The base score, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a str>,
}

/// A change of severity.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Recast")]
struct RecastForm<'a> {
    /// The severity before.
    #[schemars(with = "String")]
    original: &'a Severity,
    /// True where the risk is accepted.
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
}

/// Where it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Location")]
struct LocationForm<'a> {
    /// The place as the scanner wrote it.
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'a str>,
    /// The host without a port; empty where it is not known.
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The path, verbatim; it may be a template such as `/orders/{id}`.
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// What the input is: `form`, `link`, `cookie`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    input_kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_name: Option<&'a str>,
}

/// A piece of evidence.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Evidence")]
struct EvidenceForm<'a> {
    /// `request`, `response`, `output`, `proof`, `payload`, `parameter`, `attachment`, or a word added later.
    #[schemars(with = "String")]
    kind: &'a EvidenceKind,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(report: &'a ReportFinding) -> Self {
        let finding: &Finding = &report.finding;
        Self {
            schema_version: VERSION,
            fingerprint: finding.fingerprint,
            scanner: &finding.scanner,
            aliases: &finding.aliases,
            rule: RuleForm::of(&finding.rule),
            severity: &finding.severity,
            state: report.state,
            change: report.change,
            status: finding.status.as_ref(),
            recast: finding.recast.as_ref().map(|recast| RecastForm {
                original: &recast.original,
                accepted: recast.accepted,
                reason: recast.reason.as_deref(),
                rule_id: recast.rule_id.as_deref(),
            }),
            location: LocationForm::of(&finding.location),
            partition: &finding.partition,
            targets: &finding.targets,
            scan: finding.scan.as_ref(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            fixed_at: finding.fixed_at,
            closed_at: report.closed_at,
            link: finding.link.as_deref(),
            labels: &finding.labels,
            evidence: finding.evidence.iter().map(EvidenceForm::of).collect(),
            raw: finding.raw.as_ref(),
        }
    }
}

impl<'a> RuleForm<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            name: &rule.name,
            family: rule.family.as_deref(),
            description: rule.description.as_deref(),
            remediation: rule.remediation.as_deref(),
            cwe: &rule.cwe,
            cve: &rule.cve,
            owasp: &rule.owasp,
            owasp_is_heuristic: rule.owasp_is_heuristic,
            cvss: rule.cvss.iter().map(CvssForm::of).collect(),
            references: &rule.references,
            tags: &rule.tags,
        }
    }
}

impl<'a> CvssForm<'a> {
    fn of(cvss: &'a Cvss) -> Self {
        Self { version: &cvss.version, score: cvss.score, vector: cvss.vector.as_deref() }
    }
}

impl<'a> LocationForm<'a> {
    fn of(place: &'a Location) -> Self {
        Self {
            text: &place.text,
            scheme: place.scheme.as_deref(),
            host: &place.host,
            port: place.port,
            path: &place.path,
            method: place.method.as_deref(),
            input_kind: place.input.as_ref().and_then(|input| input.kind.as_deref()),
            input_name: place.input.as_ref().and_then(|input| input.name.as_deref()),
        }
    }
}

impl<'a> EvidenceForm<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        Self { kind: &evidence.kind, text: &evidence.text }
    }
}
