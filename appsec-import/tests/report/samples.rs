//! Sample findings, and reports of them.

use std::sync::{Arc, Mutex};

use appsec_core::{
    Cvss, EvidenceKind, Finding, FindingStatus, Fingerprint, Location, PartitionKey, Rule, Severity,
    Timestamp,
};
use appsec_import::report::{Format, ReportFinding, ReportOptions, ReportSummary, ReportWriter};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn options() -> ReportOptions {
    ReportOptions::new("tenableiowas", "shop/config:1/main")
        .with_scanner_name("Tenable WAS")
        .with_time(at(0), at(60))
}

pub(crate) fn plain(rule: Rule, severity: Severity, place: Location) -> Finding {
    let fingerprint = Fingerprint::v1("tenableiowas", &rule.id, &place, &[]);
    let partition = PartitionKey::from("config:1 asset:2");
    Finding::new("tenableiowas".into(), fingerprint, rule.into(), severity, place, partition)
}

/// A finding with all its fields.
pub(crate) fn full() -> Finding {
    let mut rule = Rule::new("98115", "SQL Injection");
    rule.family = Some("Injection".into());
    rule.description = Some("The page builds a query from its input.\nTwo lines.".into());
    rule.remediation = Some("Bind parameters.".into());
    (rule.cwe, rule.owasp) = (vec![89, 943], vec!["A3:2021".into()]);
    rule.cvss = vec![
        Cvss::new("3", Some(9.8), Some("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into())),
        Cvss::new("2.0", Some(7.5), Some("AV:N/AC:L/Au:N/C:P/I:P/A:P".into())),
    ];
    rule.references = vec!["https://owasp.example/sqli".into(), "see the book".into()];
    let place = Location::from_url("https://shop.example.com:8443/orders/{id}?q=1")
        .with_method("post")
        .with_input(Some("form"), Some("q"));
    let mut finding = plain(rule, Severity::High, place);
    finding.aliases = vec!["f-1".into()];
    finding.status = Some(FindingStatus::Open);
    finding.push_evidence(
        EvidenceKind::Request,
        Some("POST /orders/7?q=1 HTTP/1.1\r\nHost: shop.example.com\r\nCookie: ***\r\n\r\nq=%27"),
    );
    finding.push_evidence(
        EvidenceKind::Response,
        Some("HTTP/1.1 500 Internal Server Error\r\nServer: x\r\n\r\noops"),
    );
    finding.push_evidence(EvidenceKind::Proof, Some("You have an error in your SQL syntax"));
    finding.push_evidence(EvidenceKind::Payload, Some("'"));
    (finding.first_seen, finding.last_seen) = (Some(at(-86_400)), Some(at(30)));
    finding.link = Some("https://cloud.tenable.com/was/1".into());
    finding.labels = vec!["team:shop".into()];
    finding.targets = vec!["config:1".into()];
    finding
}

/// A finding as Salt sends it: no scheme, no CWE, no evidence.
pub(crate) fn gap(status: FindingStatus) -> Finding {
    let rule = Rule::new("shadow api detection", "Shadow API Detection");
    let place =
        Location::from_host_and_path("portal.example.test", "/internal/export/{name}").with_method("get");
    let mut finding = plain(rule, Severity::Medium, place);
    finding.status = Some(status);
    finding.fixed_at = Some(at(10));
    finding
}

/// Findings with content that breaks careless readers.
pub(crate) fn nasty() -> Vec<Finding> {
    let texts = [
        "",
        " ",
        "\0\u{1}\u{1b}[31m\u{7f}\u{85}",
        "=cmd|' /C calc'!A0",
        "ünï\u{202e}cødé \u{1f480} \u{fffe}",
        "\"quoted\", 'and'\r\nbroken\n\n",
        "</script>{\"a\":[}]",
        "C:\\path\\%2e%2e\\..",
        "https://u:p@host/%zz#a#b",
    ];
    let mut all = Vec::new();
    for text in texts {
        for severity in [Severity::Critical, Severity::from(text)] {
            let mut rule = Rule::new(text, text);
            rule.family = Some(text.into());
            (rule.description, rule.remediation) = (Some(text.into()), Some(text.into()));
            (rule.cve, rule.owasp) = (vec![text.into()], vec![text.into(), text.into()]);
            rule.references = vec![text.into(), format!("https://a.example/{text}")];
            rule.tags = (0..40).map(|number| format!("{text}{}", number / 2)).collect();
            rule.cvss = vec![
                Cvss::new(text, Some(f64::NAN), Some(text.into())),
                Cvss::new("3.1", Some(99.0), Some("AV:".into())),
            ];
            for place in [
                Location::from_url(text),
                Location::from_host_and_path(text, text),
                Location::from_url(format!("https://a.example/{text}/../x//")),
            ] {
                let place = place.with_method(text).with_input(Some(text), Some(text));
                let mut finding = plain(rule.clone(), severity.clone(), place);
                finding.scanner = text.into();
                finding.status = Some(FindingStatus::from(text));
                finding.aliases = vec![text.into()];
                (finding.link, finding.labels) = (Some(text.into()), vec![text.into()]);
                for kind in EvidenceKind::KNOWN.iter().map(|kind| EvidenceKind::from(*kind)) {
                    finding.push_evidence(kind, Some(text));
                }
                finding.push_evidence(
                    EvidenceKind::from(text),
                    Some(&format!("HTTP/1.1 {text}\n{text}: {text}\n\n{text}")),
                );
                all.push(finding);
            }
        }
    }
    let mut large = full();
    let megabyte = "é`\n".repeat(1 << 18);
    large.evidence.clear();
    for kind in [EvidenceKind::Request, EvidenceKind::Response, EvidenceKind::Proof, EvidenceKind::Payload] {
        large.push_evidence(kind, Some(&format!("HTTP/1.1 200 OK\n{megabyte}")));
    }
    large.location.path = format!("/{megabyte}");
    large.fingerprint = Fingerprint::v1("tenableiowas", "98115", &large.location, &[]);
    all.push(large);
    all.push(plain(Rule::new("1", "No host, no CWE"), Severity::from("Blocker"), Location::from_url("")));
    all
}

pub(crate) fn report_with(
    format: Format,
    options: &ReportOptions,
    findings: &[ReportFinding],
) -> (String, ReportSummary) {
    let mut bytes = Vec::new();
    let mut writer = ReportWriter::new(format, options, &mut bytes).unwrap();
    for finding in findings {
        writer.write(finding).unwrap();
    }
    let written = writer.finish().unwrap();
    assert_eq!((written.files, written.bytes), (1, bytes.len() as u64));
    (String::from_utf8(bytes).unwrap(), written)
}

pub(crate) fn report(format: Format, findings: impl IntoIterator<Item = Finding>) -> String {
    let findings: Vec<_> = findings.into_iter().map(ReportFinding::new).collect();
    report_with(format, &options(), &findings).0
}

/// Writes a report that may be split, and returns its files.
pub(crate) fn files(format: Format, findings: impl IntoIterator<Item = ReportFinding>) -> Vec<Vec<u8>> {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let files = Mutex::new(Vec::<Shared>::new());
    let create = |number: u32| {
        let mut files = files.lock().unwrap();
        assert_eq!(number as usize, files.len() + 1);
        files.push(Shared::default());
        Ok(files[files.len() - 1].clone())
    };
    let mut writer = ReportWriter::in_files(format, &options(), create).unwrap();
    for finding in findings {
        writer.write(&finding).unwrap();
    }
    let written = writer.finish().unwrap();
    let files: Vec<_> =
        files.into_inner().unwrap().into_iter().map(|file| file.0.lock().unwrap().clone()).collect();
    assert_eq!(written.files as usize, files.len());
    files
}

/// One finding in each of the states that a report distinguishes.
pub(crate) fn in_all_states() -> Vec<ReportFinding> {
    let statuses = [
        FindingStatus::Open,
        FindingStatus::InProgress,
        FindingStatus::Reopened,
        FindingStatus::Fixed,
        FindingStatus::RiskAccepted,
        FindingStatus::Ignored,
        FindingStatus::FalsePositive,
        FindingStatus::Unknown("Snoozed".into()),
    ];
    statuses
        .into_iter()
        .enumerate()
        .map(|(number, status)| {
            let mut finding = gap(status);
            finding.location.path = format!("/{number}");
            finding.fingerprint = Fingerprint::v1("tenableiowas", "x", &finding.location, &[]);
            ReportFinding::new(finding)
        })
        .collect()
}

/// A finding that stands for three occurrences.
pub(crate) fn several() -> ReportFinding {
    let mut report = ReportFinding::new(full());
    report.occurrences = 3;
    report.places =
        ["users", "orders", "admin"].map(|page| format!("https://shop.example.com/?page={page}")).into();
    report
}
