//! Snapshots of one small report of each format.

use appsec_core::FindingStatus;
use appsec_import::reconcile::Change;
use appsec_import::report::{Format, ReportFinding};
use serde_json::Value;

use super::samples::{full, gap, options, report_with};

fn findings() -> Vec<ReportFinding> {
    let mut new = ReportFinding::new(full());
    new.change = Some(Change::New);
    let mut closed = ReportFinding::new(gap(FindingStatus::Fixed));
    closed.change = Some(Change::Closed);
    vec![new, closed]
}

#[test]
fn each_format() {
    for format in Format::ALL {
        let (text, _) =
            report_with(format, &options().with_missing(["a page could not be read".into()]), &findings());
        let pretty = |text: &str| format!("{:#}\n", serde_json::from_str::<Value>(text).unwrap());
        let shown = match format {
            Format::Csv => text,
            Format::Ocsf | Format::JsonLines => text.lines().map(pretty).collect(),
            _ => pretty(&text),
        };
        let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
        insta::assert_snapshot!(format.as_str(), shown.replace(&version, "\"(version)\""));
    }
}

#[test]
fn members_stay_in_their_order() {
    let (text, _) = report_with(Format::JsonLines, &options(), &findings());
    let starts = r#"{"schema_version":1,"fingerprint":"v1:"#;
    assert!(text.lines().all(|line| line.starts_with(starts)), "{text}");
}
