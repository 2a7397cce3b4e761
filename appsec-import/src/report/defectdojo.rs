//! DefectDojo's "Generic Findings Import". DefectDojo refuses the whole file for an unknown key.
//!
//! It also knows `epss_score`, `epss_percentile`, `known_exploited`, `ransomware_used`, `kev_date` and
//! `planned_remediation_date`. Neither a finding nor its rule has them, so [`Entry`] does not either.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::Ipv6Addr;

use appsec_core::{EvidenceKind, Finding, Timestamp};
use serde::Serialize;

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::options::ReportOptions;
use super::output::Output;
use super::{fields, location, sanitize};
use crate::reconcile::State;

// The lengths of DefectDojo's columns.
const MAX_TITLE: usize = 511;
const MAX_ID: usize = 500;
const MAX_SERVICE: usize = 200;
const MAX_TAG: usize = 100;
const MAX_TAGS: usize = 20;
/// DefectDojo has no limit for longer text; nobody reads more.
const MAX_PROSE: usize = 32 * 1024;

pub(super) struct DefectDojo {
    header: String,
    service: Option<String>,
    cwe_list: bool,
    without_endpoint: u64,
    first: bool,
}

impl DefectDojo {
    pub(super) fn new(options: &ReportOptions) -> Self {
        // DefectDojo derives the test type from this name. It must be the same in every report of the
        // scanner: findings are matched within a test type.
        let name = options.scanner_name();
        let header = serde_json::json!({"name": name, "type": name, "dynamic_tool": true});
        let service = options.service().and_then(|service| sanitize::first_non_blank([service]));
        Self {
            header: header.to_string(),
            service: service.map(|service| sanitize::single_line(service, MAX_SERVICE).into_owned()),
            cwe_list: options.cwe_list(),
            without_endpoint: 0,
            first: true,
        }
    }
}

impl Encoder for DefectDojo {
    fn begin(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        write!(out, "{},\"findings\":[", self.header.trim_end_matches('}'))
    }

    fn write(&mut self, report: &ReportFinding, out: &mut Output<'_>) -> io::Result<()> {
        let entry = Entry::new(report, self);
        self.without_endpoint +=
            u64::from(entry.endpoints.is_empty() && !report.finding.location.host.is_empty());
        let mut first = std::mem::take(&mut self.first);
        out.element(&mut first, &entry)
    }

    fn without_endpoint(&self) -> u64 {
        self.without_endpoint
    }

    fn finish(&mut self, out: &mut Output<'_>) -> io::Result<()> {
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
    service: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwe: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cwes: Vec<String>,
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
    /// The spelling is DefectDojo's.
    #[serde(skip_serializing_if = "Option::is_none")]
    nb_occurences: Option<u64>,
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
    fn new(report: &'a ReportFinding, format: &DefectDojo) -> Self {
        let (finding, rule) = (&report.finding, &report.finding.rule);
        let severity = fields::severity_name(&finding.severity);
        let unknown =
            || format!("the scanner says {}", sanitize::single_line(finding.severity.as_str(), 100));
        let vector = |major: char| {
            rule.cvss.iter().filter_map(fields::cvss_vector).find(|vector| vector[5..].starts_with(major))
        };
        let input = finding.location.input.as_ref().and_then(|input| input.name.as_ref());
        let payload = finding.evidence.iter().find(|evidence| evidence.kind == EvidenceKind::Payload);
        let references =
            fields::references(rule, 50).chain(finding.link.as_deref().and_then(sanitize::web_url));
        let references: Vec<_> = references.collect();
        Self {
            title: fields::title(finding, MAX_TITLE),
            severity: severity.unwrap_or("Info"),
            description: description(finding),
            severity_justification: severity.is_none().then(unknown),
            date: finding.first_seen.map(|time| fields::utc_seconds(time).chars().take(10).collect()),
            active: report.state == State::Open,
            false_p: report.state == State::FalsePositive,
            risk_accepted: report.state == State::RiskAccepted,
            out_of_scope: report.state == State::Ignored,
            is_mitigated: report.state == State::Closed,
            mitigated: report.closed_at.filter(|_| report.state == State::Closed),
            static_finding: false,
            dynamic_finding: true,
            unique_id_from_tool: finding.fingerprint.to_string(),
            vuln_id_from_tool: fields::rule_id(rule, MAX_ID),
            service: format.service.clone(),
            tags: tags(finding),
            cwe: rule.cwe.first().copied(),
            cwes: rule.cwe.iter().filter(|_| format.cwe_list).map(|cwe| format!("CWE-{cwe}")).collect(),
            vulnerability_ids: rule
                .cve
                .iter()
                .filter_map(|cve| sanitize::first_non_blank([cve.as_str()]))
                .take(50)
                .collect(),
            cvssv3: vector('3'),
            cvssv4: vector('4'),
            impact: sanitize::optional_multi_line(rule.description.as_ref(), MAX_PROSE),
            mitigation: sanitize::optional_multi_line(rule.remediation.as_ref(), MAX_PROSE),
            references: (!references.is_empty()).then(|| references.join("\n")),
            steps_to_reproduce: evidence(finding),
            param: sanitize::optional_multi_line(input, MAX_ID),
            payload: payload.map(|payload| sanitize::multi_line(&payload.text, sanitize::MAX_EVIDENCE)),
            nb_occurences: report.several_occurrences(),
            endpoints: Endpoint::new(finding).into_iter().collect(),
        }
    }
}

/// A text of what identifies the finding, and nothing else.
///
/// DefectDojo recognises a finding by a hash over title, CWE and this text, not by `unique_id_from_tool`.
/// So the text has no time, no count, no evidence, and none of the scanner's prose, which may change with a
/// version of the scanner.
fn description(finding: &Finding) -> String {
    let mut text = format!(
        "{} at {}\n\n* Scanner: {}\n* Rule: {}\n",
        fields::title(finding, MAX_TITLE),
        location::describe(&finding.location),
        sanitize::single_line(&finding.scanner, 100),
        fields::rule_id(&finding.rule, MAX_ID)
    );
    let _ = writeln!(text, "* Fingerprint: {}", finding.fingerprint);
    text
}

/// The labels of the finding and the tags of its rule. DefectDojo refuses white space, commas and quotes in a
/// tag.
fn tags(finding: &Finding) -> Vec<String> {
    let is_refused = |c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\'');
    let mut seen = BTreeSet::new();
    let tags = finding.labels.iter().chain(&finding.rule.tags).filter_map(|tag| {
        let tag = sanitize::first_non_blank([tag.as_str()])?;
        let tag = sanitize::single_line(tag, MAX_TAG).replace(is_refused, "-");
        let tag = tag.trim_matches('-');
        (!tag.is_empty()).then(|| tag.to_owned())
    });
    // Case does not distinguish tags there.
    tags.filter(|tag| seen.insert(tag.to_lowercase())).take(MAX_TAGS).collect()
}

fn evidence(finding: &Finding) -> Option<String> {
    let mut text = String::new();
    for evidence in finding.evidence.iter().take(20) {
        let body = sanitize::multi_line(&evidence.text, sanitize::MAX_EVIDENCE);
        // A fence longer than any in the text, so that no evidence ends its block.
        let fence = "`".repeat(3.max(longest_run(&body) + 1));
        let _ = write!(
            text,
            "{}:\n\n{fence}\n{body}\n{fence}\n\n",
            sanitize::single_line(evidence.kind.as_str(), 100)
        );
    }
    (!text.is_empty()).then_some(text)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

impl<'a> Endpoint<'a> {
    /// The location; `None` where DefectDojo refuses the host.
    fn new(finding: &'a Finding) -> Option<Self> {
        let at = &finding.location;
        let host = endpoint_host(&at.host)?;
        let path = location::path(at);
        let path = path.trim_start_matches('/');
        Some(Self {
            protocol: at.scheme.as_deref().filter(|scheme| scheme.len() <= 20),
            host,
            port: at.port,
            path: (!path.is_empty() && path.len() <= 500).then(|| path.to_owned()),
        })
    }
}

/// The host as DefectDojo takes it: an IP address, without brackets, or a name of
/// `^[A-Za-z0-9_\-\+][A-Za-z0-9_\.\-\+]+$` (its `Endpoint.clean`). One letter is no name for it.
fn endpoint_host(host: &str) -> Option<&str> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Some(bare);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    // An empty label matches its expression, but is in no host.
    ((2..=253).contains(&host.len()) && host.split('.').all(is_label)).then_some(host)
}
