//! Maps severities and statuses.

use appsec_core::{Error, ErrorKind, FindingStatus, Result, Severity, Verbatim};

use crate::model::{GapSeverity, GapStatus};

/// The severity of a finding whose record has none. As an unknown severity it passes every filter.
pub(super) const NO_SEVERITY: &str = "unspecified";

pub(super) fn to_severity(severity: Option<&Verbatim<GapSeverity>>) -> Severity {
    match severity.map(Verbatim::value) {
        Some(GapSeverity::Info) => Severity::Info,
        Some(GapSeverity::Low) => Severity::Low,
        Some(GapSeverity::Medium) => Severity::Medium,
        Some(GapSeverity::High) => Severity::High,
        Some(GapSeverity::Critical) => Severity::Critical,
        Some(GapSeverity::Unknown(text)) => Severity::Unknown(text.as_str().into()),
        None => Severity::Unknown(NO_SEVERITY.into()),
    }
}

pub(crate) fn to_finding_status(status: &Verbatim<GapStatus>) -> FindingStatus {
    match status.value() {
        GapStatus::Open => FindingStatus::Open,
        GapStatus::InProcess => FindingStatus::InProgress,
        GapStatus::Resolved => FindingStatus::Fixed,
        GapStatus::Ignored => FindingStatus::Ignored,
        GapStatus::Unknown(text) => FindingStatus::Unknown(text.clone()),
    }
}

/// Returns Salt's status for a finding's status.
///
/// # Errors
/// `InvalidRequest` for a status that would be read back as another one: an accepted risk would come back
/// as ignored.
pub(crate) fn to_gap_status(status: &FindingStatus) -> Result<GapStatus> {
    Ok(match status {
        FindingStatus::Open => GapStatus::Open,
        FindingStatus::InProgress => GapStatus::InProcess,
        FindingStatus::Fixed => GapStatus::Resolved,
        FindingStatus::Ignored => GapStatus::Ignored,
        other => {
            let message = format!("Salt has no status {other}; it has open, in_progress, fixed and ignored");
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_that_is_read_back_as_the_same_is_written() {
        for known in FindingStatus::KNOWN {
            let status = FindingStatus::from(*known);
            match to_gap_status(&status) {
                Ok(written) => {
                    assert!(["open", "in_progress", "fixed", "ignored"].contains(known), "{written}");
                    assert_eq!(to_finding_status(&written.into()), status);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{known}"),
            }
        }
        assert!(to_gap_status(&FindingStatus::Unknown("Snoozed".into())).is_err());
    }
}
