//! Comma-separated values, for a spreadsheet.

use std::borrow::Cow;
use std::io::{self, Write as _};

use appsec_core::{BindTargetId, Timestamp};

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::options::ReportOptions;
use super::output::Output;
use super::{fields, location, sanitize};

const COLUMNS: [&str; 25] = [
    "fingerprint",
    "scanner",
    "rule_id",
    "title",
    "severity",
    "state",
    "change",
    "status",
    "method",
    "url",
    "host",
    "path",
    "input",
    "cwe",
    "cve",
    "owasp",
    "first_seen",
    "last_seen",
    "closed_at",
    "link",
    "targets",
    "partition",
    "labels",
    "remediation",
    "occurrences",
];

/// Spreadsheets keep 32,767 characters of a cell and truncate or refuse more.
const MAX_CELL: usize = 32_000;

pub(super) struct Csv {
    byte_order_mark: bool,
}

impl Csv {
    pub(super) fn new(options: &ReportOptions) -> Self {
        Self { byte_order_mark: options.byte_order_mark() }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        if self.byte_order_mark {
            out.write_all("\u{feff}".as_bytes())?;
        }
        row(out, COLUMNS.map(Cow::Borrowed))
    }

    fn write(&mut self, report: &ReportFinding, out: &mut Output<'_>) -> io::Result<()> {
        let finding = &report.finding;
        let (rule, at) = (&finding.rule, &finding.location);
        let input = at.input.as_ref().map(|input| {
            let parts = [input.kind.as_deref(), input.name.as_deref()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        let cwe = rule.cwe.iter().map(|cwe| format!("CWE-{cwe}"));
        row(
            out,
            [
                Cow::Owned(finding.fingerprint.to_string()),
                Cow::Borrowed(&*finding.scanner),
                Cow::Borrowed(&rule.id),
                Cow::Borrowed(&rule.name),
                Cow::Borrowed(finding.severity.as_str()),
                fields::enum_name(&report.state),
                report.change.map_or(Cow::Borrowed(""), |change| fields::enum_name(&change)),
                Cow::Borrowed(finding.status.as_ref().map_or("", |status| status.as_str())),
                Cow::Borrowed(at.method.as_deref().unwrap_or("")),
                Cow::Owned(location::url(at)),
                Cow::Borrowed(&at.host),
                Cow::Borrowed(&at.path),
                Cow::Owned(input.unwrap_or_default()),
                list(cwe),
                list(rule.cve.iter()),
                list(rule.owasp.iter()),
                time(finding.first_seen),
                time(finding.last_seen),
                time(report.closed_at),
                Cow::Borrowed(finding.link.as_deref().unwrap_or("")),
                list(finding.targets.iter().map(BindTargetId::as_str)),
                Cow::Borrowed(finding.partition.as_str()),
                list(finding.labels.iter()),
                Cow::Borrowed(rule.remediation.as_deref().unwrap_or("")),
                Cow::Owned(report.occurrences.to_string()),
            ],
        )
    }
}

fn row(out: &mut Output<'_>, cells: [Cow<'_, str>; COLUMNS.len()]) -> io::Result<()> {
    // A small buffer of its own: the output beneath is buffered already.
    let mut writer = ::csv::WriterBuilder::new().buffer_capacity(1024).from_writer(out);
    writer
        .write_record(cells.map(|cell| escape_formula(&cell)).iter().map(String::as_str))
        .map_err(io::Error::from)?;
    writer.flush()
}

/// The cell, with an apostrophe before what a spreadsheet would evaluate as a formula.
fn escape_formula(cell: &str) -> String {
    let clean = sanitize::multi_line(cell, MAX_CELL);
    let starts_formula =
        |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    // Some spreadsheets evaluate a formula after white space too.
    if clean.starts_with(starts_formula) || clean.trim_start().starts_with(starts_formula) {
        format!("'{clean}")
    } else {
        clean.into_owned()
    }
}

fn list(items: impl Iterator<Item = impl AsRef<str>>) -> Cow<'static, str> {
    let items: Vec<_> = items.collect();
    Cow::Owned(items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("; "))
}

fn time(time: Option<Timestamp>) -> Cow<'static, str> {
    time.map_or(Cow::Borrowed(""), |time| Cow::Owned(time.to_string()))
}

#[cfg(test)]
mod tests {
    use super::escape_formula;

    #[test]
    fn formulas_are_escaped_and_other_text_is_unchanged() {
        for formula in ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "\u{a0}=1"]
        {
            assert!(escape_formula(formula).starts_with('\''), "{formula:?}");
        }
        for text in ["", "a=b", "https://a.example/?q=1", "'x"] {
            assert_eq!(escape_formula(text), text);
        }
    }
}
