//! A finding that stands for several occurrences says so, and its identity in a reader stays the same.

use appsec_import::report::{Format, ReportFinding};
use serde_json::Value;

use super::samples::{full, options, report_with, several};

fn document(format: Format, finding: &ReportFinding) -> Value {
    serde_json::from_str(report_with(format, &options(), std::slice::from_ref(finding)).0.trim()).unwrap()
}

#[test]
fn each_format_says_how_many_occurrences_a_finding_has() {
    let one = ReportFinding::new(full());
    for (format, pointer, count) in [
        (Format::Sarif, "/runs/0/results/0/properties/occurrences", Value::from(3)),
        (Format::DefectDojo, "/findings/0/nb_occurences", Value::from(3)),
        (Format::GitLab, "/vulnerabilities/0/details/occurrences/value", Value::from(3)),
        (Format::Ocsf, "/count", Value::from(3)),
        (Format::JsonLines, "/occurrences", Value::from(3)),
        (Format::JsonLines, "/places/1", Value::from("https://shop.example.com/?page=orders")),
    ] {
        assert_eq!(document(format, &several()).pointer(pointer), Some(&count), "{format:?}");
        let single = document(format, &one).pointer(pointer).cloned();
        assert!(single.is_none() || single == Some(1.into()), "{format:?}: {single:?}");
    }
    let message = document(Format::Sarif, &several())["runs"][0]["results"][0]["message"]["text"].clone();
    assert!(message.as_str().unwrap().ends_with(" (3 occurrences)"), "{message}");
    let csv = report_with(Format::Csv, &options(), &[several(), one]).0;
    let last: Vec<_> = csv.lines().filter_map(|line| line.rsplit(',').next()).collect();
    assert_eq!(last, ["occurrences", "3", "1"]);
}

#[test]
fn the_identity_in_a_reader_does_not_depend_on_the_number_of_occurrences() {
    let one = ReportFinding::new(full());
    for (format, pointers) in [
        (Format::Sarif, &["/runs/0/results/0/partialFingerprints", "/runs/0/results/0/ruleId"][..]),
        (Format::DefectDojo, &["/findings/0/title", "/findings/0/description", "/findings/0/cwe"]),
        (
            Format::GitLab,
            &["/vulnerabilities/0/identifiers", "/vulnerabilities/0/location", "/vulnerabilities/0/id"],
        ),
        (Format::Ocsf, &["/finding_info/uid"]),
    ] {
        for pointer in pointers {
            let (several, one) = (document(format, &several()), document(format, &one));
            assert_eq!(several.pointer(pointer), one.pointer(pointer), "{format:?} {pointer}");
            assert!(one.pointer(pointer).is_some(), "{format:?} {pointer}");
        }
    }
}
