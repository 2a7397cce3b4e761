//! DefectDojo's importer refuses a file with an unknown key, and recognises findings by title, CWE and
//! description.

use std::collections::BTreeSet;

use appsec_core::{EvidenceKind, Finding, FindingStatus, Location, Rule, Severity};
use appsec_import::reconcile::{Change, State};
use appsec_import::report::{Format, ReportFinding, ReportOptions};
use serde_json::{Value, json};

use super::samples::{at, full, gap, in_all_states, nasty, options, plain, report, report_with};

/// The keys of a report and of a finding that DefectDojo's parser knows.
const TOP: [&str; 8] =
    ["name", "type", "version", "description", "static_tool", "dynamic_tool", "soc", "findings"];
const ALLOWED: &str = "title severity description date cwe cve cwes vulnerability_ids epss_score epss_percentile
    cvssv3 cvssv3_score cvssv4 cvssv4_score mitigation impact steps_to_reproduce severity_justification references
    active verified false_p out_of_scope risk_accepted under_review is_mitigated mitigated thread_id
    numerical_severity param payload line file_path component_name component_version static_finding dynamic_finding
    scanner_confidence unique_id_from_tool vuln_id_from_tool nb_occurences publish_date service planned_remediation_date
    effort_for_fixing
    tags kev_date known_exploited ransomware_used fix_available fix_version endpoints files";
const ENDPOINT: [&str; 6] = ["protocol", "host", "port", "path", "query", "fragment"];

fn findings(text: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(text).unwrap();
    report["findings"].as_array().unwrap().clone()
}

#[test]
fn every_key_is_known_to_defectdojos_parser() {
    let allowed: BTreeSet<_> = ALLOWED.split_whitespace().collect();
    let text = report(Format::DefectDojo, [full(), gap(FindingStatus::Fixed)].into_iter().chain(nasty()));
    let report: Value = serde_json::from_str(&text).unwrap();
    for key in report.as_object().unwrap().keys() {
        assert!(TOP.contains(&key.as_str()), "{key}");
    }
    for finding in findings(&text) {
        for (key, value) in finding.as_object().unwrap() {
            assert!(allowed.contains(key.as_str()), "{key}");
            assert!(!value.is_null(), "{key}");
        }
        for (key, max) in [("title", 511), ("unique_id_from_tool", 500), ("vuln_id_from_tool", 500)] {
            let length = finding[key].as_str().unwrap().chars().count();
            assert!((1..=max).contains(&length), "{key}: {length}");
        }
        assert!(
            ["Critical", "High", "Medium", "Low", "Info"].contains(&finding["severity"].as_str().unwrap())
        );
        for endpoint in finding["endpoints"].as_array().into_iter().flatten() {
            assert!(endpoint.as_object().unwrap().keys().all(|key| ENDPOINT.contains(&key.as_str())));
            let host = endpoint["host"].as_str().unwrap();
            let is_address = host.parse::<std::net::IpAddr>().is_ok();
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
            assert!(is_address || (host.len() > 1 && host.bytes().all(is_name)), "{host}");
        }
        for tag in finding["tags"].as_array().into_iter().flatten() {
            let tag = tag.as_str().unwrap();
            assert!(!tag.is_empty() && !tag.contains([' ', ',', '"', '\'', '\n']), "{tag}");
        }
    }
}

/// The fields of DefectDojo's hash.
fn hashed(finding: Finding) -> [Value; 3] {
    let found = findings(&report(Format::DefectDojo, [finding])).remove(0);
    ["title", "cwe", "description"].map(|key| found[key].clone())
}

#[test]
fn a_finding_is_recognised_after_its_other_fields_changed() {
    let first = hashed(full());
    let mut again = full();
    again.evidence.clear();
    again.push_evidence(EvidenceKind::Response, Some("HTTP/1.1 200 OK\nDate: today\n\nanother body"));
    (again.first_seen, again.last_seen, again.status) = (None, Some(at(999)), Some(FindingStatus::Reopened));
    again.location.text = "https://shop.example.com:8443/orders/{id}?q=other".into();
    let mut rule = (*again.rule).clone();
    (rule.description, rule.remediation) = (Some("The vendor rewrote this.".into()), None);
    again.rule = rule.into();
    assert_eq!(hashed(again), first);
}

#[test]
fn different_findings_have_different_hashes() {
    // Another input of the same page.
    let mut other = full();
    other.fingerprint = "v1:00000000000000000000000000000000".parse().unwrap();
    assert_ne!(hashed(other), hashed(full()));
    let all: Vec<_> = nasty();
    let fingerprints: BTreeSet<_> = all.iter().map(|finding| finding.fingerprint).collect();
    let hashes: BTreeSet<_> =
        all.into_iter().map(|finding| hashed(finding).map(|part| part.to_string())).collect();
    assert!(hashes.len() >= fingerprints.len());
}

#[test]
fn each_host_that_defectdojo_takes_is_an_endpoint() {
    for (url, endpoint) in [
        ("http://juice_shop:3000/", json!({"protocol": "http", "host": "juice_shop", "port": 3000})),
        (
            "https://api_v2.example.com/x",
            json!({"protocol": "https", "host": "api_v2.example.com", "path": "x"}),
        ),
        ("http://[2001:db8::7]:8080/", json!({"protocol": "http", "host": "2001:db8::7", "port": 8080})),
        ("http://192.0.2.7:3000/", json!({"protocol": "http", "host": "192.0.2.7", "port": 3000})),
        ("https://-bad.example.com/", json!({"protocol": "https", "host": "-bad.example.com"})),
        ("https://a+b/", json!({"protocol": "https", "host": "a+b"})),
        ("https://a/", Value::Null),
        ("https://a..b/", Value::Null),
        ("https://bücher.example/", Value::Null),
        ("https://[2001:db8::zz]/", Value::Null),
    ] {
        let finding = plain(Rule::new("1", "A rule"), Severity::Low, Location::from_url(url));
        let (text, written) = report_with(Format::DefectDojo, &options(), &[ReportFinding::new(finding)]);
        assert_eq!(findings(&text)[0]["endpoints"][0], endpoint, "{url}");
        assert_eq!(written.without_endpoint, u64::from(endpoint.is_null()), "{url}");
    }
    let nowhere = plain(Rule::new("1", "A rule"), Severity::Low, Location::from_url(""));
    let (_, written) = report_with(Format::DefectDojo, &options(), &[ReportFinding::new(nowhere)]);
    assert_eq!(written.without_endpoint, 0, "there is no host that could be refused");
}

#[test]
fn tags_service_and_cwes_are_written_where_they_are_known_and_wanted() {
    let mut finding = full();
    finding.labels = vec!["team: shop, eu".into(), "PCI".into(), " ".into()];
    let mut rule = (*finding.rule).clone();
    rule.tags = vec!["pci".into(), "it's".into()];
    finding.rule = rule.into();
    let written = |options: &ReportOptions| {
        findings(&report_with(Format::DefectDojo, options, &[ReportFinding::new(finding.clone())]).0)
            .remove(0)
    };
    let plain = written(&options());
    assert_eq!(plain["tags"], json!(["team:-shop--eu", "PCI", "it-s"]));
    assert_eq!((&plain["cwe"], plain.get("cwes"), plain.get("service")), (&json!(89), None, None));
    let full = written(&options().with_service("checkout").with_cwe_list(true));
    assert_eq!(full["cwes"], json!(["CWE-89", "CWE-943"]));
    assert_eq!((&full["cwe"], &full["service"]), (&json!(89), &json!("checkout")));
}

#[test]
fn states_become_flags() {
    let text = report_with(Format::DefectDojo, &options(), &in_all_states()).0;
    let flags = |finding: &Value| {
        let keys = ["active", "is_mitigated", "risk_accepted", "out_of_scope", "false_p"];
        keys.into_iter().filter(|key| finding[key] == true).collect::<Vec<_>>().join(" ")
    };
    let found: Vec<_> = findings(&text).iter().map(flags).collect();
    let expected =
        ["active", "active", "active", "is_mitigated", "risk_accepted", "out_of_scope", "false_p", "active"];
    assert_eq!(found, expected);
    assert_eq!(findings(&text)[3]["mitigated"], at(10).to_string());
}

#[test]
fn evidence_stays_inside_its_code_block() {
    let mut finding = full();
    finding.evidence.clear();
    finding.push_evidence(EvidenceKind::Proof, Some("```\n# not a heading\n````"));
    let mut report = ReportFinding::new(finding);
    (report.state, report.change) = (State::Open, Some(Change::New));
    let text = report_with(Format::DefectDojo, &options(), &[report]).0;
    let steps = findings(&text)[0]["steps_to_reproduce"].as_str().unwrap().to_owned();
    assert_eq!(steps, "proof:\n\n`````\n```\n# not a heading\n````\n`````\n\n");
}
