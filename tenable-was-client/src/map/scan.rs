//! Scans, their statuses and their progress.

use appsec_core::{
    BindTargetId, Result, ScanId, ScanProblem, ScanProblemKind, ScanStatus, Timestamp, Verbatim,
};

use crate::model::{ApiTimestamp, Scan, ScanMetadata, ScanState, TenableScanId};

/// How long a scan may be queued before that is reported as a problem (assumed; the service gives up after
/// some hours).
const LONG_QUEUE_MINUTES: i64 = 15;

/// Parses the id of a scan.
pub(crate) fn parse_scan_id(id: &ScanId) -> Result<TenableScanId> {
    id.as_str().parse()
}

/// The id by which every scanner's scans are named, such as for a watch.
impl From<TenableScanId> for ScanId {
    fn from(id: TenableScanId) -> Self {
        Self::new(id.to_string())
    }
}

/// Maps a scan's state. An unknown state has ended if the scan has an end time.
pub(crate) fn map_status(state: Option<&Verbatim<ScanState>>, has_end: bool) -> ScanStatus {
    match state.map(Verbatim::value) {
        None | Some(ScanState::Unknown(_)) if has_end => ScanStatus::Aborted,
        None | Some(ScanState::Ready | ScanState::Queued | ScanState::Pending) => ScanStatus::Queued,
        Some(ScanState::Running) => ScanStatus::Running,
        Some(ScanState::Pausing | ScanState::Paused) => ScanStatus::Paused,
        Some(ScanState::Stopping) => ScanStatus::Stopping,
        Some(ScanState::Processing) => ScanStatus::Processing,
        Some(ScanState::Completed) => ScanStatus::Completed,
        Some(ScanState::Canceled) => ScanStatus::Canceled,
        Some(ScanState::Aborted) => ScanStatus::Aborted,
        Some(ScanState::Unknown(state)) => ScanStatus::Unknown(state.clone()),
    }
}

/// Maps a scan without its children. Its problems are those of its notes and those that its own record
/// shows. `now` is the time of the local clock.
pub(crate) fn map_scan(scan: &Scan, problems: &[ScanProblem], now: Timestamp) -> appsec_core::Scan {
    let status = map_status(scan.status.as_ref(), scan.finalized_at.is_some());
    let mut mapped = appsec_core::Scan::new(scan.scan_id.to_string(), status);
    mapped.provider_status = scan.status.as_ref().map(Verbatim::to_string).unwrap_or_default();
    mapped.target = scan.config_id.map(BindTargetId::from);
    mapped.percent = percent(scan, &mapped.status);
    mapped.created_at = at(scan.created_at.as_ref());
    mapped.started_at = at(scan.started_at.as_ref());
    mapped.ended_at = at(scan.finalized_at.as_ref());
    mapped.location = scan.url().map(str::to_owned);
    mapped.problems.extend_from_slice(problems);
    mapped.problems.extend(own_problem(&mapped, now));
    mapped
}

/// Returns the problem that a scan's record shows by itself, if no note explains it.
fn own_problem(scan: &appsec_core::Scan, now: Timestamp) -> Option<ScanProblem> {
    let explained = scan.problems.iter().any(|problem| problem.kind.limits_results());
    let problem = |kind, message: String| Some(ScanProblem::new(kind, message));
    match scan.status {
        ScanStatus::Queued => {
            let minutes = minutes_since(scan.created_at?, now);
            if minutes < LONG_QUEUE_MINUTES {
                return None;
            }
            problem(
                ScanProblemKind::NoSlot,
                format!("the scan has been queued for {minutes} min; a tenant may run few scans at a time"),
            )
        }
        ScanStatus::Aborted if explained => None,
        ScanStatus::Aborted if scan.started_at.is_none() => problem(
            ScanProblemKind::QueuedTooLong,
            "the scan was aborted before it started; the service does that after some hours in the queue"
                .to_owned(),
        ),
        ScanStatus::Aborted => problem(
            ScanProblemKind::NotFinished,
            format!("the scan ended as {:?} and no note gives the reason", scan.provider_status),
        ),
        _ => None,
    }
}

/// Returns the progress of a scan. The crawl is only its first part, but the only part whose progress the
/// service reports.
fn percent(scan: &Scan, status: &ScanStatus) -> Option<u8> {
    if *status == ScanStatus::Completed {
        return Some(100);
    }
    let metadata = scan.metadata.as_ref()?;
    let share = children(metadata)
        .or_else(|| metadata.estimate_crawl_percent_complete.map(|percent| (percent, 100)))
        .or_else(|| Some((metadata.audited_urls?, metadata.found_urls?)));
    let (done, all) = share.filter(|(_, all)| *all > 0)?;
    // A scan that has not ended is at most at 99 %.
    Some(u8::try_from(done.saturating_mul(100) / all).unwrap_or(99).min(99))
}

fn children(metadata: &ScanMetadata) -> Option<(u64, u64)> {
    Some((metadata.finalized_children?, metadata.total_children.filter(|all| *all > 0)?))
}

/// Adds the children to a scan. If it has no progress of its own, it gets the mean of theirs.
pub(crate) fn with_child_progress(
    mut parent: appsec_core::Scan,
    children: Vec<appsec_core::Scan>,
) -> appsec_core::Scan {
    if parent.percent.is_none() && !children.is_empty() {
        let done = |child: &appsec_core::Scan| {
            if child.is_ended() { 100 } else { u32::from(child.percent.unwrap_or_default()) }
        };
        let mean = children.iter().map(done).sum::<u32>() / u32::try_from(children.len()).unwrap_or(u32::MAX);
        parent.percent = u8::try_from(mean).ok().map(|percent| percent.min(99));
    }
    parent.children = children;
    parent
}

fn at(moment: Option<&ApiTimestamp>) -> Option<Timestamp> {
    moment.and_then(ApiTimestamp::timestamp)
}

fn minutes_since(then: Timestamp, now: Timestamp) -> i64 {
    now.as_second().saturating_sub(then.as_second()) / 60
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind;
    use serde_json::{Value, json};

    use super::*;

    fn scan(mut value: Value) -> Scan {
        value["scan_id"] = json!("9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a");
        serde_json::from_value(value).unwrap()
    }

    fn now() -> Timestamp {
        "2026-10-01T04:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_state_has_its_status() {
        for (state, expected) in [
            ("ready", ScanStatus::Queued),
            ("queued", ScanStatus::Queued),
            ("pending", ScanStatus::Queued),
            ("running", ScanStatus::Running),
            ("pausing", ScanStatus::Paused),
            ("paused", ScanStatus::Paused),
            ("stopping", ScanStatus::Stopping),
            ("processing", ScanStatus::Processing),
            ("completed", ScanStatus::Completed),
            ("canceled", ScanStatus::Canceled),
            ("aborted", ScanStatus::Aborted),
            ("initializing", ScanStatus::Unknown("initializing".into())),
        ] {
            let mapped = map_scan(&scan(json!({"status": state})), &[], now());
            assert_eq!(mapped.status, expected, "{state}");
            assert_eq!(mapped.provider_status, state);
        }
        let ended = scan(json!({"status": "imported", "finalized_at": "2026-10-01T01:10:00Z"}));
        assert_eq!(
            map_scan(&ended, &[], now()).status,
            ScanStatus::Aborted,
            "an unknown state with an end time has ended"
        );
    }

    fn kinds(value: Value, notes: &[ScanProblem]) -> Vec<ScanProblemKind> {
        map_scan(&scan(value), notes, now()).problems.into_iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn a_long_wait_and_an_unexplained_end_are_problems() {
        let created = "2026-10-01T00:00:02Z";
        assert_eq!(kinds(json!({"status": "queued", "created_at": created}), &[]), [ScanProblemKind::NoSlot]);
        assert_eq!(kinds(json!({"status": "queued", "created_at": "2026-10-01T03:59:00Z"}), &[]), []);
        assert_eq!(
            kinds(json!({"status": "aborted", "started_at": null}), &[]),
            [ScanProblemKind::QueuedTooLong]
        );
        assert_eq!(
            kinds(json!({"status": "aborted", "started_at": created}), &[]),
            [ScanProblemKind::NotFinished]
        );
        let crashed = ScanProblem::new(ScanProblemKind::ScannerCrashed, "Scan Crashed");
        assert_eq!(kinds(json!({"status": "aborted"}), &[crashed]), [ScanProblemKind::ScannerCrashed]);
        assert_eq!(kinds(json!({"status": "completed"}), &[]), []);
    }

    #[test]
    fn progress_is_read_from_whichever_field_has_it() {
        for (value, expected) in [
            (json!({"status": "completed", "metadata": null}), Some(100)),
            (json!({"status": "running", "metadata": {"found_urls": 240, "audited_urls": 60}}), Some(25)),
            (json!({"status": "running", "metadata": {"found_urls": 240, "audited_urls": 240}}), Some(99)),
            (json!({"status": "running", "metadata": {"found_urls": 0, "audited_urls": 0}}), None),
            (
                json!({"status": "running", "metadata": {"estimate_crawl_percent_complete": 40, "found_urls": 9}}),
                Some(40),
            ),
            (
                json!({"status": "running", "metadata": {"finalized_children": 1, "total_children": 4}}),
                Some(25),
            ),
            (json!({"status": "queued", "metadata": null}), None),
        ] {
            assert_eq!(map_scan(&scan(value.clone()), &[], now()).percent, expected, "{value}");
        }
        let parent = appsec_core::Scan::new("p", ScanStatus::Running);
        let done = appsec_core::Scan::new("a", ScanStatus::Completed);
        let queued = appsec_core::Scan::new("b", ScanStatus::Queued);
        assert_eq!(with_child_progress(parent, vec![done, queued]).percent, Some(50));
    }

    #[test]
    fn invalid_scan_ids_are_refused() {
        assert_eq!(parse_scan_id(&"x".into()).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
