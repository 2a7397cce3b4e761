//! Reports against the schemas of their readers. Environment variables name the schema files, which we may
//! not redistribute.

use std::process::{Command, Stdio};

use appsec_core::FindingStatus;
use appsec_import::report::{Format, GitLabVersion, OcsfClass, ReportFinding, ReportOptions, finding_schema};
use serde_json::Value;

use super::samples::{full, gap, in_all_states, nasty, options, report_with, several};

fn all_kinds() -> Vec<ReportFinding> {
    let findings = [full(), gap(FindingStatus::Open)].into_iter().chain(nasty());
    findings.map(ReportFinding::new).chain(in_all_states()).chain([several()]).collect()
}

fn validator(variable: &str) -> Option<jsonschema::Validator> {
    let Ok(path) = std::env::var(variable) else {
        println!("skipped: {variable} does not name a schema");
        return None;
    };
    let text = std::fs::read_to_string(path).unwrap();
    // Two patterns of the SARIF schema have a stray bracket and are no valid regular expressions. Our reports
    // lack their members.
    let schema: Value = serde_json::from_str(&text.replace("{2}]?$", "{2}$")).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

fn assert_valid(validator: &jsonschema::Validator, document: &Value, what: &str) {
    let errors: Vec<_> = validator
        .iter_errors(document)
        .take(5)
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// Reports with and without findings, and with something missing.
fn cases() -> Vec<(ReportOptions, Vec<ReportFinding>)> {
    let missing = ["a: the scan hit its time limit".to_owned(), String::new(), "\0".to_owned()];
    vec![
        (options(), Vec::new()),
        (options(), all_kinds()),
        (options().with_missing(missing), vec![ReportFinding::new(full())]),
        (ReportOptions::new("", ""), all_kinds()),
    ]
}

#[test]
fn sarif_is_valid() {
    let Some(validator) = validator("SARIF_SCHEMA") else { return };
    for (options, findings) in cases() {
        let (text, _) = report_with(Format::Sarif, &options, &findings);
        assert_valid(&validator, &serde_json::from_str(&text).unwrap(), "SARIF");
    }
}

#[test]
fn gitlab_is_valid() {
    let Some(validator) = validator("GITLAB_DAST_SCHEMA") else { return };
    for (options, findings) in cases() {
        let (text, _) = report_with(Format::GitLab, &options, &findings);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["version"], "15.0.7");
        assert_valid(&validator, &document, "GitLab");
    }
}

#[test]
fn gitlab_15_1_adds_only_cvss_vectors() {
    let options = options().with_gitlab_version(GitLabVersion::V15_1);
    let (text, _) = report_with(Format::GitLab, &options, &[ReportFinding::new(full())]);
    let mut document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["version"], "15.1.4");
    let vulnerability = document["vulnerabilities"][0].as_object_mut().unwrap();
    let ratings = vulnerability.remove("cvss_vectors").unwrap();
    assert_eq!(ratings[0]["vector"], "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
    assert_eq!(ratings.as_array().unwrap().len(), 1, "its schema has no place for other versions");
    let (older, _) = report_with(Format::GitLab, &super::samples::options(), &[ReportFinding::new(full())]);
    let older: Value = serde_json::from_str(&older).unwrap();
    assert_eq!(document["vulnerabilities"], older["vulnerabilities"]);
}

#[test]
fn json_lines_match_our_schema_which_is_the_one_in_the_folder() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/finding-1.schema.json");
    let text = format!("{:#}\n", finding_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert_eq!(kept, text, "the schema changed: raise its version or run with UPDATE_SCHEMA=1");
    let mut strict = finding_schema();
    forbid_unknown_members(&mut strict);
    let validator = jsonschema::options().should_validate_formats(true).build(&strict).unwrap();
    let (text, _) = report_with(Format::JsonLines, &options(), &all_kinds());
    for line in text.lines() {
        assert_valid(&validator, &serde_json::from_str(line).unwrap(), "JSON Lines");
    }
}

/// Makes the schema refuse members that it does not name.
fn forbid_unknown_members(schema: &mut Value) {
    if let Value::Object(map) = schema {
        if map.contains_key("properties") {
            map.insert("additionalProperties".into(), false.into());
        }
        map.values_mut().for_each(forbid_unknown_members);
    }
}

#[test]
fn ocsf_is_valid() {
    let Ok(python) = std::env::var("OCSF_PYTHON") else {
        println!("skipped: OCSF_PYTHON does not name a Python that has ocsf-json-schema and jsonschema");
        return;
    };
    let mut lines = String::new();
    for class in [OcsfClass::VulnerabilityFinding, OcsfClass::PostureFinding] {
        let options = options().with_ocsf_class(class).with_tenant("acme");
        lines.push_str(&report_with(Format::Ocsf, &options, &all_kinds()).0);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/ocsf.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim(), format!("{} events are valid", lines.lines().count()));
}
