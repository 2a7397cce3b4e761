//! GitLab's DAST report.
//!
//! GitLab recognises a vulnerability by its first identifier and by `path:method:param`, without the host, and
//! newer versions strip query, fragment and trailing slash from the path. So the parameter holds the whole
//! endpoint, host and path included, in every report: the identity of a vulnerability does not change when the
//! project gets a second host.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use appsec_core::{EvidenceKind, Finding, Location, Rule};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::options::{GitLabVersion, ReportOptions};
use super::output::Output;
use super::{fields, http_message, location, sanitize};

// Limits of the schema, and of GitLab, which keeps 20 identifiers.
const MAX_NAME: usize = 255;
const MAX_DESCRIPTION: usize = 64 * 1024;
const MAX_SOLUTION: usize = 7_000;
const MAX_IDENTIFIERS: usize = 20;
/// The most scanned resources that are listed. The list is only displayed.
const MAX_RESOURCES: usize = 5_000;

/// The namespace of the ids, which are version 5 UUIDs of the fingerprint.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1c_92a5_5b0e_4f3b_9d57_30c7_0b8e_41d2);

pub(super) struct GitLab {
    version: GitLabVersion,
    scan: Value,
    resources: BTreeSet<(String, String)>,
    first: bool,
}

impl GitLab {
    pub(super) fn new(options: &ReportOptions) -> Self {
        let analyzer = json!({
            "id": env!("CARGO_PKG_NAME"), "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"),
            "vendor": {"name": env!("CARGO_PKG_NAME")},
        });
        // The schema requires a version, and a hosted scanner has none.
        let scanner = json!({
            "id": if options.scanner().is_empty() { "scanner" } else { options.scanner() },
            "name": options.scanner_name(), "version": "1", "vendor": {"name": options.scanner_name()},
        });
        let missing = options.missing().iter().filter_map(|text| sanitize::first_non_blank([text.as_str()]));
        let messages: Vec<_> = missing
            .take(100)
            .map(|text| json!({"level": "warn", "value": sanitize::single_line(text, 1_000)}))
            .collect();
        let scan = json!({
            "analyzer": analyzer, "scanner": scanner, "type": "dast",
            "status": if options.missing().is_empty() { "success" } else { "failure" },
            "start_time": fields::utc_seconds(options.started_at()),
            "end_time": fields::utc_seconds(options.ended_at()),
            "messages": messages,
        });
        Self { version: options.gitlab_version(), scan, resources: BTreeSet::new(), first: true }
    }
}

impl Encoder for GitLab {
    fn begin(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        let version = match self.version {
            GitLabVersion::V15_0 => "15.0.7",
            GitLabVersion::V15_1 => "15.1.4",
        };
        write!(out, "{{\"version\":\"{version}\",\"vulnerabilities\":[")
    }

    fn write(&mut self, report: &ReportFinding, out: &mut Output<'_>) -> io::Result<()> {
        if self.resources.len() < MAX_RESOURCES {
            let at = &report.finding.location;
            let url = location::url(at);
            if url.len() <= 2_048 {
                self.resources.insert((method(at).into_owned(), url));
            }
        }
        out.element(&mut self.first, &Vulnerability::new(report, self.version))
    }

    /// Writes the scan last, since the scanned resources are complete only now.
    fn finish(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        let resources = self.resources.iter();
        let resources = resources.map(|(method, url)| json!({"method": method, "url": url, "type": "url"}));
        if let Some(scan) = self.scan.as_object_mut() {
            scan.insert("scanned_resources".to_owned(), resources.collect());
        }
        out.write_all(b"\n],\"scan\":")?;
        out.json(&self.scan)?;
        out.write_all(b"}\n")
    }
}

#[derive(Serialize)]
struct Vulnerability<'a> {
    id: String,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    solution: Option<Cow<'a, str>>,
    identifiers: Vec<Identifier<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link<'a>>,
    location: EndpointLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cvss_vectors: Vec<Rating<'a>>,
    details: Value,
}

#[derive(Serialize)]
struct Identifier<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct Link<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct EndpointLocation {
    hostname: String,
    method: String,
    param: String,
    path: String,
}

#[derive(Serialize)]
struct Rating<'a> {
    vendor: Cow<'a, str>,
    vector: String,
}

#[derive(Serialize)]
struct Evidence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    headers: Vec<Header<'a>>,
    method: Cow<'a, str>,
    url: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: Cow<'a, str>,
}

#[derive(Serialize)]
struct Response<'a> {
    headers: Vec<Header<'a>>,
    reason_phrase: Cow<'a, str>,
    status_code: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: Cow<'a, str>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

impl<'a> Vulnerability<'a> {
    fn new(report: &'a ReportFinding, version: GitLabVersion) -> Self {
        let (finding, rule) = (&report.finding, &report.finding.rule);
        let links = fields::references(rule, 20).chain(finding.link.as_deref().and_then(sanitize::web_url));
        // GitLab's schema has CVSS 2 and 3 only.
        let ratings =
            rule.cvss.iter().filter_map(fields::cvss_vector).filter(|vector| vector.starts_with("CVSS:3"));
        Self {
            id: Uuid::new_v5(&NAMESPACE, finding.fingerprint.to_string().as_bytes()).to_string(),
            name: fields::title(finding, MAX_NAME),
            description: sanitize::optional_multi_line(rule.description.as_ref(), MAX_DESCRIPTION),
            severity: fields::severity_name(&finding.severity).unwrap_or("Unknown"),
            solution: sanitize::optional_multi_line(rule.remediation.as_ref(), MAX_SOLUTION),
            identifiers: identifiers(finding, rule),
            links: links.map(|url| Link { url }).collect(),
            location: EndpointLocation::new(&finding.location),
            evidence: Evidence::new(finding),
            cvss_vectors: match version {
                GitLabVersion::V15_0 => Vec::new(),
                GitLabVersion::V15_1 => ratings
                    .map(|vector| Rating { vendor: sanitize::single_line(&finding.scanner, 100), vector })
                    .take(10)
                    .collect(),
            },
            details: details(report),
        }
    }
}

fn details(report: &ReportFinding) -> Value {
    let mut details = json!({
        "fingerprint": {"type": "text", "name": "Fingerprint", "value": report.finding.fingerprint},
    });
    if let Some(count) = report.several_occurrences() {
        details["occurrences"] = json!({"type": "value", "name": "Occurrences", "value": count});
    }
    details
}

/// The scanner's own rule id first: GitLab tracks a vulnerability by the first identifier.
fn identifiers<'a>(finding: &'a Finding, rule: &'a Rule) -> Vec<Identifier<'a>> {
    let scanner = sanitize::first_non_blank([&*finding.scanner]).unwrap_or("scanner");
    let own = Identifier {
        kind: Cow::Owned(format!("{}_rule", sanitize::single_line(scanner, 100))),
        name: fields::title(finding, MAX_NAME),
        value: fields::rule_id(rule, MAX_NAME),
        url: None,
    };
    let cwe = rule.cwe.iter().map(|cwe| Identifier {
        kind: Cow::Borrowed("cwe"),
        name: Cow::Owned(format!("CWE-{cwe}")),
        value: Cow::Owned(cwe.to_string()),
        url: Some(format!("https://cwe.mitre.org/data/definitions/{cwe}.html")),
    });
    let cve = rule.cve.iter().filter(|cve| sanitize::first_non_blank([cve.as_str()]).is_some()).map(|cve| {
        Identifier {
            kind: Cow::Borrowed("cve"),
            name: sanitize::single_line(cve, MAX_NAME),
            value: sanitize::single_line(cve, MAX_NAME),
            url: None,
        }
    });
    std::iter::once(own).chain(cwe).chain(cve).take(MAX_IDENTIFIERS).collect()
}

impl EndpointLocation {
    fn new(at: &Location) -> Self {
        Self {
            hostname: location::origin(at).unwrap_or_default(),
            method: at
                .method
                .as_deref()
                .map_or(String::new(), |method| sanitize::single_line(method, 32).into_owned()),
            param: param(at),
            path: sanitize::single_line(if at.path.is_empty() { "/" } else { &at.path }, 2_000).into_owned(),
        }
    }
}

/// The endpoint, and the input in the form `kind:name` where there is one. The endpoint has no white space, so
/// no input can be taken for a part of it.
fn param(at: &Location) -> String {
    let mut param = location::endpoint(at);
    if let Some(input) = &at.input {
        let [kind, name] = [&input.kind, &input.name]
            .map(|part| sanitize::single_line(part.as_deref().unwrap_or_default(), 1_000));
        let _ = write!(param, " {kind}:{name}");
    }
    param
}

/// The method; GET where none is known, for members that the schema requires.
fn method(location: &Location) -> Cow<'_, str> {
    sanitize::single_line(location.method.as_deref().unwrap_or("GET"), 32)
}

impl<'a> Evidence<'a> {
    fn new(finding: &'a Finding) -> Option<Self> {
        let text = |kind: EvidenceKind| {
            let found = finding.evidence.iter().find(|evidence| evidence.kind == kind);
            found.map(|evidence| evidence.text.as_str()).and_then(|text| sanitize::first_non_blank([text]))
        };
        let summary = text(EvidenceKind::Proof)
            .or_else(|| text(EvidenceKind::Output))
            .or_else(|| text(EvidenceKind::Payload));
        let evidence = Self {
            summary: summary.map(|text| sanitize::multi_line(text, sanitize::MAX_EVIDENCE)),
            request: text(EvidenceKind::Request).map(|text| {
                let request = http_message::parse_request(text);
                Request {
                    headers: headers(request.headers),
                    method: request
                        .line
                        .map_or_else(|| method(&finding.location), |(method, _)| method.into()),
                    url: location::url(&finding.location),
                    body: sanitize::multi_line(request.body, sanitize::MAX_EVIDENCE),
                }
            }),
            response: text(EvidenceKind::Response).and_then(http_message::parse_response).map(|response| {
                Response {
                    headers: headers(response.headers),
                    reason_phrase: sanitize::single_line(response.reason, 200),
                    status_code: response.status,
                    body: sanitize::multi_line(response.body, sanitize::MAX_EVIDENCE),
                }
            }),
        };
        let some = evidence.summary.is_some() || evidence.request.is_some() || evidence.response.is_some();
        some.then_some(evidence)
    }
}

fn headers<'a>(headers: Vec<(&'a str, &'a str)>) -> Vec<Header<'a>> {
    let header = |(name, value)| Header { name, value: sanitize::single_line(value, 1_000) };
    headers.into_iter().map(header).collect()
}
