//! The parts of a SARIF document that come from findings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use appsec_core::{EvidenceKind, Finding, Severity, Timestamp};
use serde::Serialize;

use crate::reconcile::{Change, State};
use crate::report::finding::ReportFinding;
use crate::report::{fields, http_message, location, sanitize};

/// GitHub's limit for the short and the full description of a rule.
const MAX_DESCRIPTION: usize = 1_024;
const MAX_NAME: usize = 255;
const MAX_HELP: usize = 16 * 1024;
/// GitHub refuses a rule with more than 20 tags, and drops those beyond 10 with a warning.
const MAX_TAGS: usize = 10;

#[derive(Serialize)]
pub(super) struct Rule<'a> {
    id: &'a str,
    name: Cow<'a, str>,
    #[serde(rename = "shortDescription")]
    short: Text<'a>,
    #[serde(rename = "fullDescription")]
    full: Text<'a>,
    help: Text<'a>,
    #[serde(rename = "helpUri", skip_serializing_if = "Option::is_none")]
    help_uri: Option<&'a str>,
    // The last member, with `tags` as its last: `with_severity` appends to both.
    properties: RuleProperties<'a>,
}

#[derive(Serialize)]
struct RuleProperties<'a> {
    tags: Vec<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: Cow<'a, str>,
}

/// The rule's id in the report. It names the scanner, since GitHub distinguishes the rules of several
/// scanners by id.
pub(super) fn rule_id(finding: &Finding) -> String {
    let scanner = sanitize::first_non_blank([&*finding.scanner]).unwrap_or("scanner");
    format!("{}/{}", sanitize::single_line(scanner, 100), fields::rule_id(&finding.rule, 200))
}

impl<'a> Rule<'a> {
    pub(super) fn new(finding: &'a Finding, id: &'a str) -> Self {
        let rule = &finding.rule;
        let title = || fields::title(finding, MAX_DESCRIPTION);
        let text = |part: Option<&'a String>, max| sanitize::optional_multi_line(part, max);
        let help =
            text(rule.remediation.as_ref(), MAX_HELP).or_else(|| text(rule.description.as_ref(), MAX_HELP));
        Self {
            id,
            name: fields::title(finding, MAX_NAME),
            short: Text { text: title() },
            full: Text { text: text(rule.description.as_ref(), MAX_DESCRIPTION).unwrap_or_else(title) },
            help: Text { text: help.unwrap_or_else(title) },
            help_uri: fields::references(rule, 1).next(),
            properties: RuleProperties { tags: tags(finding) },
        }
    }

    /// The stored rule with its severity, which is known only after all its results.
    pub(super) fn with_severity(rule: &[u8], level: usize) -> Vec<u8> {
        let severity = Severity::WORST_FIRST.get(level);
        let mut rule = rule.strip_suffix(b"}}").unwrap_or(rule).to_vec();
        if let Some(score) = severity.and_then(score) {
            rule.extend_from_slice(format!(",\"security-severity\":\"{score}\"").as_bytes());
        }
        let level = severity.map_or("warning", sarif_level);
        rule.extend_from_slice(format!("}},\"defaultConfiguration\":{{\"level\":\"{level}\"}}}}").as_bytes());
        rule
    }
}

/// The score that GitHub shows as critical (above 9.0), high, medium or low. Informational and unknown
/// severities have none.
fn score(severity: &Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.1"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.5"),
        _ => None,
    }
}

fn sarif_level(severity: &Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Low | Severity::Info => "note",
        _ => "warning",
    }
}

fn tags(finding: &Finding) -> Vec<Cow<'_, str>> {
    let rule = &finding.rule;
    let cwe = rule.cwe.iter().map(|cwe| Cow::Owned(format!("external/cwe/cwe-{cwe}")));
    let others = rule.cve.iter().chain(&rule.owasp).chain(rule.family.as_ref()).chain(&rule.tags);
    let mut seen = BTreeSet::new();
    std::iter::once(Cow::Borrowed("security"))
        .chain(cwe)
        .chain(others.map(|tag| sanitize::single_line(tag, 100)))
        .filter(|tag| !tag.is_empty() && seen.insert(tag.clone()))
        .take(MAX_TAGS)
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Result<'a> {
    rule_id: &'a str,
    level: &'static str,
    message: Text<'a>,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_viewer_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_response: Option<Response<'a>>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Fingerprints {
    // The one that GitHub reads. For uploads through the API it computes none, and without one each upload
    // duplicates the alerts.
    #[serde(rename = "primaryLocationLineHash")]
    primary: String,
    #[serde(rename = "appsec/v1")]
    own: String,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    target: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_phrase: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    url: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    severity: Cow<'a, str>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrences: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Cow<'a, str>>,
}

impl<'a> Result<'a> {
    pub(super) fn new(report: &'a ReportFinding, rule_id: &'a str) -> Self {
        let finding = &report.finding;
        let at = &finding.location;
        let evidence = |kind: EvidenceKind| {
            let found = finding.evidence.iter().find(|evidence| evidence.kind == kind);
            found.and_then(|evidence| sanitize::first_non_blank([evidence.text.as_str()]))
        };
        let proof = evidence(EvidenceKind::Proof).or_else(|| evidence(EvidenceKind::Output));
        let own = finding.fingerprint.to_string();
        let mut message =
            format!("{} at {}", fields::title(finding, MAX_DESCRIPTION), location::describe(at));
        if let Some(count) = report.several_occurrences() {
            let _ = write!(message, " ({count} occurrences)");
        }
        let method = at
            .method
            .as_deref()
            .map(|method| sanitize::single_line(method, 32))
            .filter(|method| !method.is_empty());
        Self {
            rule_id,
            level: sarif_level(&finding.severity),
            message: Text { text: Cow::Owned(message) },
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: ArtifactLocation { uri: location::artifact_path(at) },
                    region: Region { start_line: 1, start_column: 1, end_line: 1, end_column: 2 },
                },
                logical_locations: [LogicalLocation {
                    fully_qualified_name: location::url(at),
                    kind: "resource",
                }],
            }],
            partial_fingerprints: Fingerprints {
                primary: format!("{}:1", own.rsplit(':').next().unwrap_or(&own)),
                own,
            },
            hosted_viewer_uri: finding.link.as_deref().and_then(sanitize::web_url),
            web_request: match evidence(EvidenceKind::Request).map(http_message::parse_request) {
                Some(request) => Some(Request {
                    method: request.line.map(|(method, _)| Cow::Borrowed(method)).or(method),
                    target: location::url(at),
                    headers: headers(request.headers),
                    body: body(request.body),
                }),
                None => method.map(|method| Request {
                    method: Some(method),
                    target: location::url(at),
                    headers: BTreeMap::new(),
                    body: None,
                }),
            },
            web_response: evidence(EvidenceKind::Response).and_then(http_message::parse_response).map(
                |response| Response {
                    status_code: response.status,
                    reason_phrase: Some(sanitize::single_line(response.reason, 200))
                        .filter(|reason| !reason.is_empty()),
                    headers: headers(response.headers),
                    body: body(response.body),
                },
            ),
            properties: Properties {
                url: location::url(at),
                severity: sanitize::single_line(finding.severity.as_str(), 100),
                state: report.state,
                change: report.change,
                first_seen: finding.first_seen,
                last_seen: finding.last_seen,
                occurrences: report.several_occurrences(),
                proof: proof.map(|text| sanitize::multi_line(text, sanitize::MAX_EVIDENCE)),
            },
        }
    }
}

/// The headers by name. Those without a value are left out; the values of a repeated header are joined.
fn headers<'a>(headers: Vec<(&'a str, &'a str)>) -> BTreeMap<&'a str, String> {
    let mut by_name = BTreeMap::<_, String>::new();
    for (name, value) in headers {
        let value = sanitize::single_line(value, 1_000);
        if value.is_empty() {
            continue;
        }
        let joined = by_name.entry(name).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&value);
    }
    by_name
}

fn body(body: &str) -> Option<Text<'_>> {
    sanitize::first_non_blank([body])
        .map(|body| Text { text: sanitize::multi_line(body, sanitize::MAX_EVIDENCE) })
}
