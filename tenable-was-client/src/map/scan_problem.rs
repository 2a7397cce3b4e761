//! The scanner's notes as problems of a scan.

use appsec_core::{ScanProblem, ScanProblemKind, Severity, eq_ignore_case_and_separators};

use crate::model::{ReportNote, ScanNote};

/// The problem that the note reports.
impl From<&ScanNote> for ScanProblem {
    fn from(note: &ScanNote) -> Self {
        problem(note.title.as_deref(), note.message.as_deref(), note.severity.as_ref())
    }
}

/// The problem that the note reports.
impl From<&ReportNote> for ScanProblem {
    fn from(note: &ReportNote) -> Self {
        problem(note.title.as_deref(), note.message.as_deref(), note.severity.as_ref())
    }
}

/// Returns the problem that a note reports. The known titles are those of the vendor's pages and of
/// recordings. Any other title is [`ScanProblemKind::Other`].
fn problem(title: Option<&str>, message: Option<&str>, severity: Option<&Severity>) -> ScanProblem {
    let (title, message) = (title.unwrap_or_default(), message.unwrap_or_default());
    let titles = [
        ("Scan Time Limit Reached", ScanProblemKind::TimeLimit),
        ("Target Response Has Been Truncated", ScanProblemKind::ResponseTruncated),
        ("Out of Scope URL", ScanProblemKind::OutOfScope),
        ("Scan Crashed", ScanProblemKind::ScannerCrashed),
        ("Authentication Failed", ScanProblemKind::AuthenticationFailed),
        ("Service Stopped Responding", ScanProblemKind::TargetUnreachable),
        ("Target Unreachable", ScanProblemKind::TargetUnreachable),
    ];
    let private = |text: &str| text.contains("Private target") && text.contains("not allowed");
    let kind = if private(title) || private(message) {
        ScanProblemKind::PrivateTarget
    } else {
        titles
            .into_iter()
            .find(|(known, _)| eq_ignore_case_and_separators(known, title))
            .map_or(ScanProblemKind::Other, |(_, kind)| kind)
    };
    let text = match (title, message) {
        ("", "") => "a note without text".to_owned(),
        (title, "") => title.to_owned(),
        ("", message) => message.to_owned(),
        (title, message) => format!("{title}: {message}"),
    };
    let problem = ScanProblem::new(kind, text);
    match severity {
        Some(severity) => problem.with_severity(severity.clone()),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notes_become_problems() {
        for (title, message, kind, limits) in [
            ("Scan Time Limit Reached", "", ScanProblemKind::TimeLimit, true),
            ("scan time limit reached", "", ScanProblemKind::TimeLimit, true),
            ("Target Response Has Been Truncated", "x", ScanProblemKind::ResponseTruncated, true),
            ("Out of Scope URL", "x", ScanProblemKind::OutOfScope, false),
            ("Scan Crashed", "x", ScanProblemKind::ScannerCrashed, true),
            ("Authentication Failed", "x", ScanProblemKind::AuthenticationFailed, true),
            ("Service Stopped Responding", "x", ScanProblemKind::TargetUnreachable, true),
            ("Target Unreachable", "x", ScanProblemKind::TargetUnreachable, true),
            ("Scan Failed", "Private target 10.0.0.1 is not allowed", ScanProblemKind::PrivateTarget, true),
            ("Moon In The Wrong House", "x", ScanProblemKind::Other, false),
        ] {
            let note: ScanNote =
                serde_json::from_value(json!({"severity": "high", "title": title, "message": message}))
                    .unwrap();
            let problem = ScanProblem::from(&note);
            assert_eq!(problem.kind, kind, "{title}");
            assert_eq!(problem.kind.limits_results(), limits, "{title}");
            assert_eq!(problem.severity, Some(Severity::High));
            assert!(problem.message.starts_with(title));
        }
        let empty: ReportNote = serde_json::from_value(json!({})).unwrap();
        assert_eq!(ScanProblem::from(&empty).message, "a note without text");
    }
}
