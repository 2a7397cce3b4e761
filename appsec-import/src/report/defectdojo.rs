//! DefectDojo's "Generic Findings Import". A key that it does not know makes it refuse the whole file.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use appsec_core::{EvidenceKind, Finding, Timestamp};
use serde::Serialize;

use super::finding::ReportFinding;
use super::options::ReportOptions;
use super::out::Out;
use super::{Encoder, place, text};
use crate::reconcile::State;

// Bounds of DefectDojo's columns.
const MAX_TITLE: usize = 511;
const MAX_ID: usize = 500;
/// Longer prose is refused by nothing and read by nobody.
const MAX_PROSE: usize = 32 * 1024;

pub(super) struct DefectDojo {
    head: String,
    first: bool,
}

impl DefectDojo {
    pub(super) fn new(options: &ReportOptions) -> Self {
        // Its test type is made of this word: the same in every report of the scanner, or nothing is recognised again.
        let head = serde_json::json!({"name": options.name(), "type": options.name(), "dynamic_tool": true});
        Self { head: head.to_string(), first: true }
    }
}

impl Encoder for DefectDojo {
    fn begin(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        write!(out, "{},\"findings\":[", self.head.trim_end_matches('}'))
    }

    fn write(&mut self, report: &ReportFinding, out: &mut Out<'_>) -> io::Result<()> {
        out.element(&mut self.first, &Entry::of(report))
    }

    fn finish(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        out.write_all(b"\n]}\n")
    }
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are DefectDojo's")]
struct Entry<'a> {
    title: Cow<'a, str>,
    severity: &'static str,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_justification: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    active: bool,
    false_p: bool,
    risk_accepted: bool,
    out_of_scope: bool,
    is_mitigated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mitigated: Option<Timestamp>,
    static_finding: bool,
    dynamic_finding: bool,
    unique_id_from_tool: String,
    vuln_id_from_tool: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwe: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vulnerability_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvssv3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvssv4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mitigation: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps_to_reproduce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl<'a> Entry<'a> {
    fn of(report: &'a ReportFinding) -> Self {
        let (finding, rule) = (&report.finding, &report.finding.rule);
        let severity = text::capitalised(&finding.severity);
        let unknown = || format!("the scanner says {}", text::line(finding.severity.as_str(), 100));
        let vector = |major: char| {
            rule.cvss.iter().filter_map(text::vector).find(|vector| vector[5..].starts_with(major))
        };
        let input = finding.location.input.as_ref().and_then(|input| input.name.as_ref());
        let payload = finding.evidence.iter().find(|evidence| evidence.kind == EvidenceKind::Payload);
        let references =
            text::references(rule, 50).chain(finding.link.as_deref().and_then(text::web_address));
        let references: Vec<_> = references.collect();
        Self {
            title: text::title(finding, MAX_TITLE),
            severity: severity.unwrap_or("Info"),
            description: description(finding),
            severity_justification: severity.is_none().then(unknown),
            date: finding.first_seen.map(|time| text::seconds(time).chars().take(10).collect()),
            active: report.state == State::Open,
            false_p: report.state == State::FalsePositive,
            risk_accepted: report.state == State::RiskAccepted,
            out_of_scope: report.state == State::Ignored,
            is_mitigated: report.state == State::Closed,
            mitigated: report.closed_at.filter(|_| report.state == State::Closed),
            static_finding: false,
            dynamic_finding: true,
            unique_id_from_tool: finding.fingerprint.to_string(),
            vuln_id_from_tool: text::rule_id(rule, MAX_ID),
            cwe: rule.cwe.first().copied(),
            vulnerability_ids: rule
                .cve
                .iter()
                .filter_map(|cve| text::first([cve.as_str()]))
                .take(50)
                .collect(),
            cvssv3: vector('3'),
            cvssv4: vector('4'),
            impact: text::optional(rule.description.as_ref(), MAX_PROSE),
            mitigation: text::optional(rule.remediation.as_ref(), MAX_PROSE),
            references: (!references.is_empty()).then(|| references.join("\n")),
            steps_to_reproduce: evidence(finding),
            param: text::optional(input, MAX_ID),
            payload: payload.map(|payload| text::block(&payload.text, text::MAX_EVIDENCE)),
            endpoints: Endpoint::of(finding).into_iter().collect(),
        }
    }
}

/// What tells the finding from others, and nothing else.
///
/// DefectDojo recognises a finding by a hash over title, CWE and this text, not by the id in `unique_id_from_tool`. So it is
/// made of what identifies the finding: no time, no count, no evidence, and no prose of the scanner's, which changes with the scanner.
fn description(finding: &Finding) -> String {
    let mut text = format!(
        "{} at {}\n\n* Scanner: {}\n* Rule: {}\n",
        text::title(finding, MAX_TITLE),
        place::shown(&finding.location),
        text::line(&finding.scanner, 100),
        text::rule_id(&finding.rule, MAX_ID)
    );
    let _ = writeln!(text, "* Fingerprint: {}", finding.fingerprint);
    text
}

fn evidence(finding: &Finding) -> Option<String> {
    let mut text = String::new();
    for evidence in finding.evidence.iter().take(20) {
        let body = text::block(&evidence.text, text::MAX_EVIDENCE);
        // A fence longer than any in the text, so that no evidence breaks out of its block.
        let fence = "`".repeat(3.max(longest_run(&body) + 1));
        let _ = write!(text, "{}:\n\n{fence}\n{body}\n{fence}\n\n", text::line(evidence.kind.as_str(), 100));
    }
    (!text.is_empty()).then_some(text)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

impl<'a> Endpoint<'a> {
    /// The place, where DefectDojo takes it: it refuses the whole file for a host that is none.
    fn of(finding: &'a Finding) -> Option<Self> {
        let place = &finding.location;
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        (place.host.len() <= 253 && place.host.split('.').all(label)).then(|| {
            let path = place::path(place);
            let path = path.trim_start_matches('/');
            Self {
                protocol: place.scheme.as_deref().filter(|scheme| scheme.len() <= 20),
                host: &place.host,
                port: place.port,
                path: (!path.is_empty() && path.len() <= 500).then(|| path.to_owned()),
            }
        })
    }
}
