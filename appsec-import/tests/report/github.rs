//! What GitHub code scanning refuses or truncates although the schema allows it, checked on written
//! reports.

use std::collections::BTreeSet;

use appsec_core::{FindingStatus, Fingerprint, Location, Rule, Severity};
use appsec_import::Completeness;
use appsec_import::report::{Format, ReportFinding, ReportWriter};
use appsec_import::store::ReportParts;
use serde_json::Value;

use super::samples::{files, full, gap, in_all_states, nasty, options, plain, report, report_with};

/// Asserts every rule of GitHub that a report could break.
pub(crate) fn assert_accepted(document: &Value) {
    assert_eq!(document["version"], "2.1.0");
    let runs = document["runs"].as_array().unwrap();
    assert!((1..=20).contains(&runs.len()), "{} runs", runs.len());
    let categories: BTreeSet<_> =
        runs.iter().map(|run| run["automationDetails"]["id"].as_str().unwrap()).collect();
    assert_eq!(categories.len(), runs.len(), "a second run of one category replaces the first");
    for run in runs {
        assert_eq!(run["invocations"][0]["executionSuccessful"], true, "GitHub refuses the file otherwise");
        let results = run["results"].as_array().unwrap();
        assert!(results.len() <= 5_000, "{} results, of which GitHub keeps 5,000", results.len());
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert!(rules.len() <= 25_000);
        let ids: BTreeSet<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rules.len(), "a rule is there once");
        rules.iter().for_each(rule);
        for result in results {
            assert!(ids.contains(result["ruleId"].as_str().unwrap()), "a rule is missing");
            self::result(result);
        }
    }
    no_empty_string(document, "");
}

fn rule(rule: &Value) {
    for part in ["shortDescription", "fullDescription", "help"] {
        assert!(!rule[part]["text"].as_str().unwrap().trim().is_empty(), "{rule}");
    }
    assert!(rule["shortDescription"]["text"].as_str().unwrap().chars().count() <= 1_024);
    assert!(rule["fullDescription"]["text"].as_str().unwrap().chars().count() <= 1_024);
    assert!(rule["name"].as_str().unwrap().chars().count() <= 255);
    assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 10, "{rule}");
    if let Some(score) = rule["properties"].get("security-severity") {
        let score: f64 = score.as_str().unwrap().parse().unwrap();
        assert!(score > 0.0 && score <= 10.0);
    }
}

fn result(result: &Value) {
    let locations = result["locations"].as_array().unwrap();
    assert_eq!(locations.len(), 1);
    let physical = &locations[0]["physicalLocation"];
    let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("dast/") && !uri.contains("://") && uri.len() < 2_000, "{uri}");
    assert!(uri.split('/').all(|segment| !["", ".", ".."].contains(&segment)), "{uri}");
    assert!(uri.is_ascii() && !uri.contains([' ', '\\', '{', '}', '#', '?']), "{uri}");
    let region = serde_json::json!({"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2});
    assert_eq!(physical["region"], region);
    let hash = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
    assert_eq!((hash.len(), &hash[32..]), (34, ":1"), "an upload without it doubles every alert");
    assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
}

fn no_empty_string(value: &Value, path: &str) {
    match value {
        Value::String(text) => assert!(!text.is_empty(), "{path} is empty"),
        Value::Array(items) => items.iter().for_each(|item| no_empty_string(item, &format!("{path}[]"))),
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| no_empty_string(value, &format!("{path}.{key}")));
        }
        _ => {}
    }
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn reports_of_all_samples_are_accepted() {
    assert_accepted(&document(&report(Format::Sarif, [full(), gap(FindingStatus::Open)])));
    assert_accepted(&document(&report(Format::Sarif, nasty())));
    assert_accepted(&document(&report(Format::Sarif, [])));
}

#[test]
fn the_real_url_is_in_the_message_and_the_properties() {
    let report = document(&report(Format::Sarif, [full()]));
    let result = &report["runs"][0]["results"][0];
    assert_eq!(
        result["message"]["text"],
        "SQL Injection at POST https://shop.example.com:8443/orders/{id}, input form q"
    );
    let url = "https://shop.example.com:8443/orders/%7Bid%7D";
    assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], url);
    assert_eq!(result["webRequest"]["target"], url);
    assert_eq!(result["properties"]["url"], url);
    assert_eq!(
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "dast/shop.example.com%3A8443/orders/%7Bid%7D"
    );
}

#[test]
fn only_open_findings_are_reported_since_github_ignores_suppressions() {
    let (text, written) = report_with(Format::Sarif, &options(), &in_all_states());
    assert_eq!((written.findings, written.omitted), (4, 4));
    let report = document(&text);
    let states: BTreeSet<_> = report["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["properties"]["state"])
        .map(Value::to_string)
        .collect();
    assert_eq!(states, BTreeSet::from(["\"open\"".to_owned()]));
}

#[test]
fn a_rule_has_the_severity_of_its_worst_finding_in_githubs_bands() {
    let rule = |id: &str, severity: Severity, path: &str| {
        plain(Rule::new(id, id), severity, Location::from_url(format!("https://a.example{path}")))
    };
    let report = document(&report(
        Format::Sarif,
        [
            rule("low then critical", Severity::Low, "/1"),
            rule("low then critical", Severity::Critical, "/2"),
            rule("medium", Severity::Medium, "/"),
            rule("info", Severity::Info, "/"),
            rule("odd", Severity::from("Blocker"), "/"),
        ],
    ));
    let run = &report["runs"][0];
    let scores: Vec<_> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["id"].as_str().unwrap(), rule["properties"]["security-severity"].as_str()))
        .collect();
    assert_eq!(
        scores,
        [
            ("tenableiowas/low then critical", Some("9.1")),
            ("tenableiowas/medium", Some("5.5")),
            ("tenableiowas/info", None),
            ("tenableiowas/odd", None),
        ]
    );
    let severities: Vec<_> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["properties"]["severity"].as_str().unwrap())
        .collect();
    assert_eq!(severities, ["critical", "medium", "low", "info", "Blocker"], "worst first");
}

#[test]
fn the_category_is_the_same_for_every_report_of_a_target() {
    let id = |findings| {
        let report = document(&report(Format::Sarif, findings));
        report["runs"][0]["automationDetails"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id(vec![full()]), id(vec![]));
    assert_eq!(id(vec![]), "appsec/tenableiowas/shop/config:1/main/");
}

/// The categories of the runs of a report, each with the number of its results.
fn categories(document: &Value) -> Vec<(String, usize)> {
    let runs = document["runs"].as_array().unwrap().iter();
    runs.map(|run| {
        let id = run["automationDetails"]["id"].as_str().unwrap().to_owned();
        (id, run["results"].as_array().unwrap().len())
    })
    .collect()
}

#[test]
fn what_is_missing_is_a_notification_and_changes_the_category() {
    let with_gap = options().with_missing(["chunk 2 failed".to_owned()]);
    let filtered = options().with_completeness(&Completeness::unproven("only a part was requested"));
    for (options, note) in [(with_gap, "chunk 2 failed"), (filtered, "only a part was requested")] {
        let report = document(&report_with(Format::Sarif, &options, &[ReportFinding::new(full())]).0);
        assert_accepted(&report);
        let notes = &report["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        assert_eq!(notes[0]["message"]["text"], note);
        assert_eq!(notes.as_array().unwrap().len(), 1);
        let category = "appsec/tenableiowas/shop/config:1/main/partial/".to_owned();
        assert_eq!(categories(&report), [(category, 1)]);
    }
}

#[test]
fn parts_of_earlier_reports_are_written_without_results() {
    let base = "appsec/tenableiowas/shop/config:1/main";
    let earlier = ReportParts::new(3, 2);
    let whole = options().with_earlier_parts(earlier);
    let (text, written) = report_with(Format::Sarif, &whole, &[ReportFinding::new(full())]);
    let whole_report = document(&text);
    assert_accepted(&whole_report);
    let expected = [("", 1), ("part-2/", 0), ("part-3/", 0), ("partial/", 0), ("partial/part-2/", 0)];
    assert_eq!(categories(&whole_report), expected.map(|(part, count)| (format!("{base}/{part}"), count)));
    assert_eq!(written.parts, earlier);

    let partial = whole.with_missing(["a gap".to_owned()]);
    let (text, written) = report_with(Format::Sarif, &partial, &[ReportFinding::new(full())]);
    let expected = [("partial/", 1), ("partial/part-2/", 0)];
    assert_eq!(
        categories(&document(&text)),
        expected.map(|(part, count)| (format!("{base}/{part}"), count)),
        "it closes nothing that whole reports opened"
    );
    assert_eq!(written.parts, earlier);

    // Beyond what one upload takes, the parts without results are in further files.
    let mut files = Vec::new();
    let many_parts = options().with_earlier_parts(ReportParts::new(30, 0));
    let in_files = |_| {
        let file = tempfile::NamedTempFile::new().unwrap();
        files.push(file.reopen().unwrap());
        Ok(file)
    };
    ReportWriter::in_files(Format::Sarif, &many_parts, in_files).unwrap().finish().unwrap();
    let runs: Vec<_> = files
        .iter()
        .map(|file| {
            let report: Value = serde_json::from_reader(file).unwrap();
            assert_accepted(&report);
            report["runs"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(runs, [20, 10]);
}

fn many(count: u32) -> impl Iterator<Item = ReportFinding> {
    (0..count).map(|number| {
        let severity = Severity::WORST_FIRST[number as usize % 5].clone();
        let rule = Rule::new((number % 300).to_string(), "A rule");
        ReportFinding::new(plain(rule, severity, Location::from_url(format!("https://a.example/{number}"))))
    })
}

fn rank(result: &Value) -> usize {
    let word = result["properties"]["severity"].as_str().unwrap();
    Severity::WORST_FIRST.iter().position(|severity| severity.as_str() == word).unwrap()
}

#[test]
fn beyond_the_limits_a_report_is_split_into_runs_and_files() {
    let count = 26_000;
    let files = files(Format::Sarif, many(count));
    assert!(files.len() > 1);
    let (mut seen, mut ranks, mut categories) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for file in &files {
        assert!(file.len() <= 10_000_000, "{} bytes", file.len());
        let report: Value = serde_json::from_slice(file).unwrap();
        assert_accepted(&report);
        for run in report["runs"].as_array().unwrap() {
            assert!(categories.insert(run["automationDetails"]["id"].to_string()), "no category twice");
            for result in run["results"].as_array().unwrap() {
                assert!(seen.insert(result["partialFingerprints"]["appsec/v1"].to_string()));
                ranks.push(rank(result));
            }
        }
    }
    assert_eq!(seen.len(), count as usize);
    assert!(ranks.is_sorted(), "worst first over all files");
}

#[test]
fn large_findings_fill_a_file_before_its_runs_are_full() {
    let large = (0..400).map(|number| {
        let mut finding = full();
        finding.evidence.iter_mut().for_each(|evidence| evidence.text.push_str(&"\n\u{1}x".repeat(50_000)));
        finding.fingerprint = Fingerprint::v1("tenableiowas", &number.to_string(), &finding.location, &[]);
        ReportFinding::new(finding)
    });
    let files = files(Format::Sarif, large);
    assert!(files.len() > 1);
    for file in &files {
        assert!(file.len() <= 10_000_000, "{} bytes", file.len());
        assert_accepted(&serde_json::from_slice(file).unwrap());
    }
}

#[test]
fn a_single_file_has_as_many_runs_as_needed() {
    let findings: Vec<_> = many(5_001).collect();
    let report = document(&report_with(Format::Sarif, &options(), &findings).0);
    assert_accepted(&report);
    let sizes: Vec<_> = report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["results"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [5_000, 1]);
}
