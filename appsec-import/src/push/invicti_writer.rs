//! Writes findings in the form that Invicti `AppSec` imports.

use std::io::{self, Write};

use appsec_core::{
    Error, ErrorKind, Evidence, EvidenceKind, Finding, Result, Severity, write_printable_json,
};
use serde::Serialize;

use crate::reconcile::State;
use crate::report::ReportFinding;

/// Writes the list of findings that [`Invicti`](crate::push::Invicti) pushes, one finding at a time.
///
/// ```
/// use appsec_core::Severity;
/// use appsec_core::testing::MemoryScanner;
/// use appsec_import::push::InvictiWriter;
///
/// # fn main() -> appsec_core::Result<()> {
/// let url = "https://shop.example.com/search";
/// let finding = MemoryScanner::finding("app:shop", "SQL injection", Severity::High, url);
/// let mut list = InvictiWriter::new(Vec::new())?;
/// list.write(&finding.into())?;
/// assert!(list.finish()?.starts_with(b"["));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct InvictiWriter<W> {
    out: W,
    findings: u64,
    omitted: u64,
}

impl<W: Write> InvictiWriter<W> {
    /// Begins a list.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(b"[").map_err(write_error)?;
        Ok(Self { out, findings: 0, omitted: 0 })
    }

    /// Adds a finding. Closed findings and false positives are omitted, since every finding of the list is
    /// open at Invicti.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn write(&mut self, finding: &ReportFinding) -> Result<()> {
        if matches!(finding.state, State::Closed | State::FalsePositive) {
            self.omitted += 1;
            return Ok(());
        }
        self.out.write_all(if self.findings == 0 { b"\n" } else { b",\n" }).map_err(write_error)?;
        write_printable_json(&mut self.out, &Vulnerability::new(&finding.finding))
            .map_err(|error| write_error(error.into()))?;
        self.findings += 1;
        Ok(())
    }

    /// The number of findings in the list.
    pub fn findings(&self) -> u64 {
        self.findings
    }

    /// The number of findings that were omitted.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Ends the list and returns the output.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn finish(mut self) -> Result<W> {
        self.out.write_all(b"\n]").and_then(|()| self.out.flush()).map_err(write_error)?;
        Ok(self.out)
    }
}

fn write_error(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the list of findings could not be written")
        .with_operation("invicti: write findings")
        .with_source(cause)
}

/// A finding as the vendor document describes it. Every field except the last of `dast` is required.
#[derive(Debug, Serialize)]
struct Vulnerability<'a> {
    name: &'a str,
    description: &'a str,
    cwe_id: u32,
    cvss_v3: f64,
    severity: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    recommendation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    dast: Dast<'a>,
}

#[derive(Debug, Serialize)]
struct Dast<'a> {
    target: &'a str,
    http_request: &'a str,
    http_response: &'a str,
    method: &'a str,
    references: &'a [String],
}

impl<'a> Vulnerability<'a> {
    fn new(finding: &'a Finding) -> Self {
        let rule = &*finding.rule;
        let evidence = |kind: EvidenceKind| -> &'a str {
            let found = finding.evidence.iter().find(|evidence: &&Evidence| evidence.kind == kind);
            found.map_or("", |evidence| evidence.text.as_str())
        };
        let http_request = evidence(EvidenceKind::Request);
        Self {
            name: &rule.name,
            description: rule.description.as_deref().filter(|text| !text.is_empty()).unwrap_or(&rule.name),
            cwe_id: rule.cwe.first().copied().unwrap_or(0),
            cvss_v3: score(finding),
            severity: severity(&finding.severity),
            recommendation: rule.remediation.as_deref(),
            link: finding.link.as_deref(),
            dast: Dast {
                target: &finding.location.text,
                http_request,
                http_response: evidence(EvidenceKind::Response),
                method: finding.location.method.as_deref().or_else(|| method(http_request)).unwrap_or(""),
                references: &rule.references,
            },
        }
    }
}

/// The vendor document has 4 to 1; 0 for informational findings is assumed. An unknown severity counts as
/// medium.
fn severity(severity: &Severity) -> u8 {
    match severity {
        Severity::Critical => 4,
        Severity::High => 3,
        Severity::Low => 1,
        Severity::Info => 0,
        _ => 2,
    }
}

/// The CVSS 3 score, or the lowest score of the severity, since the import requires a number.
fn score(finding: &Finding) -> f64 {
    let score = finding
        .rule
        .cvss
        .iter()
        .find(|rating| rating.version.starts_with('3'))
        .and_then(|rating| rating.score);
    score.unwrap_or(match severity(&finding.severity) {
        4 => 9.0,
        3 => 7.0,
        2 => 4.0,
        1 => 0.1,
        _ => 0.0,
    })
}

/// The method in the first line of a request.
fn method(request: &str) -> Option<&str> {
    let word = request.split(' ').next()?;
    ((2..=10).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(word)
}

#[cfg(test)]
mod tests {
    use appsec_core::testing::MemoryScanner;
    use appsec_core::{Cvss, FindingStatus, Rule};
    use serde_json::{Value, json};

    use super::*;

    fn finding(severity: Severity) -> Finding {
        MemoryScanner::finding("app:shop", "SQL injection", severity, "https://shop.example.com/search")
    }

    fn list(findings: impl IntoIterator<Item = Finding>) -> (Value, u64, u64) {
        let mut list = InvictiWriter::new(Vec::new()).unwrap();
        for finding in findings {
            list.write(&finding.into()).unwrap();
        }
        let counts = (list.findings(), list.omitted());
        (serde_json::from_slice(&list.finish().unwrap()).unwrap(), counts.0, counts.1)
    }

    #[test]
    fn a_finding_has_every_field_that_the_import_requires() {
        let mut full = finding(Severity::Critical);
        let mut rule = Rule::new("98118", "SQL injection");
        rule.description = Some("Input reaches the database.".to_owned());
        rule.remediation = Some("Bind parameters.".to_owned());
        rule.cwe = vec![89, 943];
        rule.references = vec!["https://cwe.example/89".to_owned()];
        rule.cvss = vec![Cvss::new("2.0", Some(7.5), None), Cvss::new("3.1", Some(9.8), None)];
        full.rule = rule.into();
        full.evidence = vec![
            Evidence::new(EvidenceKind::Request, "POST /search HTTP/1.1"),
            Evidence::new(EvidenceKind::Response, "HTTP/1.1 500 Oops"),
        ];
        let (list, findings, omitted) = list([full]);
        assert_eq!((findings, omitted), (1, 0));
        assert_eq!(
            list,
            json!([{
                "name": "SQL injection", "description": "Input reaches the database.", "cwe_id": 89, "cvss_v3": 9.8, "severity": 4,
                "recommendation": "Bind parameters.",
                "dast": {
                    "target": "https://shop.example.com/search", "method": "POST",
                    "http_request": "POST /search HTTP/1.1", "http_response": "HTTP/1.1 500 Oops",
                    "references": ["https://cwe.example/89"],
                },
            }])
        );
    }

    #[test]
    fn severities_are_numbers_and_an_unknown_one_is_medium() {
        for (severity, number, score) in [
            (Severity::Critical, 4, 9.0),
            (Severity::High, 3, 7.0),
            (Severity::Medium, 2, 4.0),
            (Severity::Low, 1, 0.1),
            (Severity::Info, 0, 0.0),
            (Severity::from("Blocker"), 2, 4.0),
        ] {
            let (list, ..) = list([finding(severity)]);
            assert_eq!((&list[0]["severity"], &list[0]["cvss_v3"]), (&json!(number), &json!(score)));
        }
    }

    #[test]
    fn closed_findings_and_false_positives_are_omitted() {
        let in_status = |status: FindingStatus| {
            let mut finding = finding(Severity::High);
            finding.status = Some(status);
            finding
        };
        let all = [
            FindingStatus::Fixed,
            FindingStatus::FalsePositive,
            FindingStatus::Open,
            FindingStatus::RiskAccepted,
            FindingStatus::Ignored,
        ];
        let (_, findings, omitted) = list(all.map(in_status));
        assert_eq!((findings, omitted), (3, 2));
        assert_eq!(list([]).0, json!([]));
    }
}
