//! Every report can be parsed and has exactly the findings that were written, whatever their content.

use std::collections::BTreeMap;

use appsec_core::{EvidenceKind, Finding, FindingStatus, Location, Rule, Severity};
use appsec_import::report::{Format, ReportFinding};
use proptest::prelude::*;
use serde_json::Value;

use super::github::assert_accepted;
use super::samples::{nasty, options, plain, report_with};

/// The fingerprints in a report, with the number of their occurrences.
fn count_findings(format: Format, text: &str) -> BTreeMap<String, u32> {
    let document = || -> Value { serde_json::from_str(text).unwrap() };
    let list = |list: &Value, pointer: &str| -> Vec<String> {
        let at = |item: &Value| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(at).collect()
    };
    let lines = |pointer: &str| {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        list(&Value::Array(lines), pointer)
    };
    let found = match format {
        Format::Sarif => {
            let document = document();
            assert_accepted(&document);
            let runs = document["runs"].as_array().unwrap();
            runs.iter().flat_map(|run| list(&run["results"], "/partialFingerprints/appsec~1v1")).collect()
        }
        Format::GitLab => list(&document()["vulnerabilities"], "/details/fingerprint/value"),
        Format::DefectDojo => list(&document()["findings"], "/unique_id_from_tool"),
        Format::Ocsf => lines("/finding_info/uid"),
        Format::JsonLines => lines("/fingerprint"),
        Format::Csv => {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert_eq!(reader.headers().unwrap().get(0), Some("fingerprint"));
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            for cell in rows.iter().flat_map(csv::StringRecord::iter) {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            }
            rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>()
        }
        other => panic!("{other} is not read back"),
    };
    count(found)
}

fn count(found: Vec<String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for fingerprint in found {
        *counts.entry(fingerprint).or_default() += 1;
    }
    counts
}

fn check(findings: Vec<Finding>) {
    let findings: Vec<_> = findings.into_iter().map(ReportFinding::new).collect();
    for format in Format::ALL {
        let kept = findings.iter().filter(|finding| format.includes(finding.state));
        let expected: Vec<_> = kept.map(|finding| finding.finding.fingerprint.to_string()).collect();
        let (text, written) = report_with(format, &options(), &findings);
        assert_eq!(written.findings, expected.len() as u64);
        assert_eq!(written.omitted, (findings.len() - expected.len()) as u64);
        assert_eq!(count_findings(format, &text), count(expected), "{format}");
    }
}

#[test]
fn nasty_findings_are_all_written() {
    check(nasty());
    check(Vec::new());
}

#[test]
fn json_lines_keep_a_megabyte_of_evidence_and_the_others_truncate() {
    let large: Vec<_> = nasty()
        .into_iter()
        .filter(|finding| finding.approximate_size() > 1 << 20)
        .map(ReportFinding::new)
        .collect();
    assert_eq!(large.len(), 1);
    for format in Format::ALL {
        let (_, written) = report_with(format, &options(), &large);
        let whole = written.bytes > 4 << 20;
        assert_eq!(whole, format == Format::JsonLines, "{format}: {} bytes", written.bytes);
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>(),
        2 => "[=+@\\-\t\r\n'\"`{}/?#%:\\\\ a-z]{0,12}",
        1 => Just("https://a.example:8443/x/{id}?q=1#f".to_owned()),
    ]
}

fn findings() -> impl Strategy<Value = Finding> {
    let words = prop::collection::vec(texts(), 10);
    let status = prop::option::of(prop::sample::select(FindingStatus::KNOWN.to_vec()));
    (words, status, prop::collection::vec(any::<u32>(), 0..3), any::<bool>(), any::<i32>(), any::<f64>())
        .prop_map(|(words, status, cwe, by_url, second, score)| {
            let [id, name, severity, place, path, method, input, evidence, link, prose]: [String; 10] =
                words.try_into().unwrap();
            let mut rule = Rule::new(id, name);
            (rule.cwe, rule.cve) = (cwe, vec![link.clone()]);
            rule.cvss = vec![appsec_core::Cvss::new("3.1", Some(score), Some(prose.clone()))];
            (rule.description, rule.references) = (Some(prose), vec![link.clone()]);
            let place =
                if by_url { Location::from_url(&place) } else { Location::from_host_and_path(&place, &path) };
            let place = place.with_method(&method).with_input(Some(&input), None);
            let mut finding = plain(rule, Severity::from(severity.as_str()), place);
            finding.status = status.map(FindingStatus::from);
            for kind in [EvidenceKind::Request, EvidenceKind::Response, EvidenceKind::Proof] {
                finding.push_evidence(kind, Some(&evidence));
            }
            (finding.link, finding.last_seen) = (Some(link), Some(super::samples::at(second.into())));
            finding
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_report_can_be_parsed(findings in prop::collection::vec(findings(), 0..6)) {
        check(findings);
    }
}

#[test]
fn csv_begins_with_a_byte_order_mark_where_it_is_wanted() {
    let findings = [ReportFinding::new(super::samples::full())];
    let (plain, _) = report_with(Format::Csv, &options(), &findings);
    let (marked, written) = report_with(Format::Csv, &options().with_byte_order_mark(true), &findings);
    assert_eq!(marked.strip_prefix('\u{feff}'), Some(plain.as_str()));
    assert_eq!(written.bytes, marked.len() as u64);
}
