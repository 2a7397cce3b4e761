//! JSON Lines: all fields of a finding, in a form of our own that is published as a JSON Schema.

use std::io;

use appsec_core::{
    BindTargetId, Cvss, Evidence, EvidenceKind, Finding, FindingStatus, Fingerprint, Location, PartitionKey,
    Rule, ScanId, Severity, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::output::Output;
use crate::reconcile::{Change, State};

/// Incremented when a member is removed or changes its meaning, not when one is added.
const VERSION: u32 = 1;

pub(super) struct JsonLines;

impl Encoder for JsonLines {
    fn write(&mut self, report: &ReportFinding, out: &mut Output<'_>) -> io::Result<()> {
        out.json_line(&Line::new(report))
    }
}

/// Returns the JSON Schema (draft 2020-12) of one line of
/// [`Format::JsonLines`](crate::report::Format::JsonLines).
///
/// The crate's folder has it as `schema/finding-1.schema.json`.
pub fn finding_schema() -> Value {
    schemars::schema_for!(Line<'_>).to_value()
}

/// A finding: one rule broken at one location, and its state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Finding")]
struct Line<'a> {
    /// The version of this schema.
    schema_version: u32,
    /// The identity of the finding: `v1:` and 32 hexadecimal digits.
    #[schemars(with = "String")]
    fingerprint: Fingerprint,
    /// The scanner's key.
    scanner: &'a str,
    /// The scanner's own long-lived ids of the finding.
    aliases: &'a [String],
    rule: RuleForm<'a>,
    /// `critical`, `high`, `medium`, `low` or `info`; any other value is the scanner's own, verbatim.
    #[schemars(with = "String")]
    severity: &'a Severity,
    state: State,
    /// What the last run changed; absent where no store was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    /// The scanner's own status of the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    status: Option<&'a FindingStatus>,
    /// A change of the severity that a user or a rule made at the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    recast: Option<RecastForm<'a>>,
    location: LocationForm<'a>,
    /// The number of its occurrences: distinct URLs and inputs.
    occurrences: u64,
    /// The places of the occurrences where there are several, at most 100 of them.
    places: &'a [String],
    /// The part of the scanner's data in which the absence of a finding can be conclusive.
    #[schemars(with = "String")]
    partition: &'a PartitionKey,
    /// The bind targets that the finding belongs to.
    #[schemars(with = "Vec<String>")]
    targets: &'a [BindTargetId],
    /// The scan that last found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    scan: Option<&'a ScanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    /// When it was fixed, according to the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_at: Option<Timestamp>,
    /// When it was closed in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    /// The URL of its page at the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    /// The labels of the location.
    labels: &'a [String],
    /// The evidence for the finding.
    evidence: Vec<EvidenceForm<'a>>,
    /// The scanner's record, where the import requested it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a Value>,
}

/// The rule that is broken, shared by many findings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rule")]
struct RuleForm<'a> {
    /// The scanner's id of the rule.
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<&'a str>,
    /// CWE numbers.
    cwe: &'a [u32],
    cve: &'a [String],
    owasp: &'a [String],
    /// Whether the OWASP categories are derived from CWE or name rather than given by the scanner.
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
    /// Whether the risk is accepted.
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
}

/// The location of a finding.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Location")]
struct LocationForm<'a> {
    /// The location, verbatim from the scanner.
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'a str>,
    /// The host without a port; empty where it is unknown.
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The path, verbatim; it may be a template such as `/orders/{id}`.
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// The kind of the input: `form`, `link`, `cookie`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    input_kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_name: Option<&'a str>,
}

/// A piece of evidence.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Evidence")]
struct EvidenceForm<'a> {
    /// `request`, `response`, `output`, `proof`, `payload`, `parameter`, `attachment`, or a value added
    /// later.
    #[schemars(with = "String")]
    kind: &'a EvidenceKind,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn new(report: &'a ReportFinding) -> Self {
        let finding: &Finding = &report.finding;
        Self {
            schema_version: VERSION,
            fingerprint: finding.fingerprint,
            scanner: &finding.scanner,
            aliases: &finding.aliases,
            rule: RuleForm::new(&finding.rule),
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
            location: LocationForm::new(&finding.location),
            occurrences: report.occurrences,
            places: &report.places,
            partition: &finding.partition,
            targets: &finding.targets,
            scan: finding.scan.as_ref(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            fixed_at: finding.fixed_at,
            closed_at: report.closed_at,
            link: finding.link.as_deref(),
            labels: &finding.labels,
            evidence: finding.evidence.iter().map(EvidenceForm::new).collect(),
            raw: finding.raw.as_ref(),
        }
    }
}

impl<'a> RuleForm<'a> {
    fn new(rule: &'a Rule) -> Self {
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
            cvss: rule.cvss.iter().map(CvssForm::new).collect(),
            references: &rule.references,
            tags: &rule.tags,
        }
    }
}

impl<'a> CvssForm<'a> {
    fn new(cvss: &'a Cvss) -> Self {
        Self { version: &cvss.version, score: cvss.score, vector: cvss.vector.as_deref() }
    }
}

impl<'a> LocationForm<'a> {
    fn new(at: &'a Location) -> Self {
        Self {
            text: &at.text,
            scheme: at.scheme.as_deref(),
            host: &at.host,
            port: at.port,
            path: &at.path,
            method: at.method.as_deref(),
            input_kind: at.input.as_ref().and_then(|input| input.kind.as_deref()),
            input_name: at.input.as_ref().and_then(|input| input.name.as_deref()),
        }
    }
}

impl<'a> EvidenceForm<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        Self { kind: &evidence.kind, text: &evidence.text }
    }
}
