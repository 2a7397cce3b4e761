//! Scans, their states and their troubles.

use appsec_core::{
    BindTargetId, Error, ErrorKind, Result, ScanId, ScanProblem, ScanProblemKind, ScanStatus, Severity,
    Timestamp, Verbatim,
};

use crate::model::{
    ApiTimestamp, ConfigId, ReportNote, Scan, ScanMetadata, ScanNote, ScanState, TenableScanId,
};

/// How long a scan may wait before that is called a trouble (assumed; the service gives up after some hours).
const WAITS_LONG_MINUTES: i64 = 15;

/// What a bind target stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The whole tenant. It is not listed, and can be read from.
    All,
    /// A scan configuration.
    Config(ConfigId),
}

/// Reads a bind target's id.
pub(crate) fn target_of(id: &BindTargetId) -> Result<Target> {
    if *id == BindTargetId::all() {
        return Ok(Target::All);
    }
    if id.kind() != "config" {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("{id} is not a bind target of Tenable WAS: config:<uuid> is needed"),
        ));
    }
    id.value().parse().map(Target::Config)
}

/// Reads the id of a bind target that must be a configuration.
pub(crate) fn config_of(id: &BindTargetId) -> Result<ConfigId> {
    match target_of(id)? {
        Target::Config(config) => Ok(config),
        Target::All => Err(Error::new(
            ErrorKind::InvalidRequest,
            "the whole tenant has no scans of its own: name a configuration",
        )),
    }
}

/// Reads a scan's id.
pub(crate) fn scan_id_of(id: &ScanId) -> Result<TenableScanId> {
    id.as_str().parse()
}

/// Where a scan stands. A word nobody knows is an end where the scan says when it ended.
pub(crate) fn status_of(state: Option<&Verbatim<ScanState>>, has_end: bool) -> ScanStatus {
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
        Some(ScanState::Unknown(word)) => ScanStatus::Unknown(word.clone()),
    }
}

/// A scan without its children, with the troubles that its own record and its notes show. `now` is this machine's time.
pub(crate) fn scan_of(scan: &Scan, notes: &[ScanProblem], now: Timestamp) -> appsec_core::Scan {
    let status = status_of(scan.status.as_ref(), scan.finalized_at.is_some());
    let mut mapped = appsec_core::Scan::new(scan.scan_id.to_string(), status);
    mapped.provider_status = scan.status.as_ref().map(Verbatim::to_string).unwrap_or_default();
    mapped.target = scan.config_id.map(BindTargetId::from);
    mapped.percent = percent(scan, &mapped.status);
    mapped.created_at = at(scan.created_at.as_ref());
    mapped.started_at = at(scan.started_at.as_ref());
    mapped.ended_at = at(scan.finalized_at.as_ref());
    mapped.location = scan.url().map(str::to_owned);
    mapped.problems.extend_from_slice(notes);
    mapped.problems.extend(trouble(&mapped, now));
    mapped
}

/// The trouble that a scan's record shows by itself, where no note explains it.
fn trouble(scan: &appsec_core::Scan, now: Timestamp) -> Option<ScanProblem> {
    let explained = scan.problems.iter().any(|problem| problem.kind.limits_results());
    let problem = |kind, message: String| Some(ScanProblem::new(kind, message));
    match scan.status {
        ScanStatus::Queued => {
            let minutes = minutes_since(scan.created_at?, now);
            if minutes < WAITS_LONG_MINUTES {
                return None;
            }
            problem(
                ScanProblemKind::NoSlot,
                format!("the scan has waited for {minutes} min; a tenant may run few scans at a time"),
            )
        }
        ScanStatus::Aborted if explained => None,
        ScanStatus::Aborted if scan.started_at.is_none() => problem(
            ScanProblemKind::QueuedTooLong,
            "the scan was given up before it began; the service does that after some hours in the queue"
                .to_owned(),
        ),
        ScanStatus::Aborted => problem(
            ScanProblemKind::NotFinished,
            format!("the scan ended as {:?} and no note says why", scan.provider_status),
        ),
        _ => None,
    }
}

/// How far a scan is. The crawl is only the first part of a scan, but the only one of which the service gives a share.
fn percent(scan: &Scan, status: &ScanStatus) -> Option<u8> {
    if *status == ScanStatus::Completed {
        return Some(100);
    }
    let metadata = scan.metadata.as_ref()?;
    let share = children(metadata)
        .or_else(|| metadata.estimate_crawl_percent_complete.map(|percent| (percent, 100)))
        .or_else(|| Some((metadata.audited_urls?, metadata.found_urls?)));
    let (done, all) = share.filter(|(_, all)| *all > 0)?;
    // What has not ended is not done, whatever the numbers say.
    Some(u8::try_from(done.saturating_mul(100) / all).unwrap_or(99).min(99))
}

fn children(metadata: &ScanMetadata) -> Option<(u64, u64)> {
    Some((metadata.finalized_children?, metadata.total_children.filter(|all| *all > 0)?))
}

/// The scan with its children, and its share done from theirs where it has none of its own.
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

/// The scan by the id that every scanner's scans have, as for a watch.
impl From<TenableScanId> for ScanId {
    fn from(id: TenableScanId) -> Self {
        Self::new(id.to_string())
    }
}

/// The configuration as what a project is bound to.
impl From<ConfigId> for BindTargetId {
    fn from(id: ConfigId) -> Self {
        Self::of("config", &id.to_string())
    }
}

/// A remark, wherever it stands.
pub(crate) trait NoteText {
    fn title(&self) -> Option<&str>;
    fn message(&self) -> Option<&str>;
    fn severity(&self) -> Option<&Severity>;
}

macro_rules! note_text {
    ($($type:ty),+) => {$(
        impl NoteText for $type {
            fn title(&self) -> Option<&str> {
                self.title.as_deref()
            }
            fn message(&self) -> Option<&str> {
                self.message.as_deref()
            }
            fn severity(&self) -> Option<&Severity> {
                self.severity.as_ref()
            }
        }
    )+};
}

note_text!(ScanNote, ReportNote);

/// The trouble that a remark tells of.
impl From<&ScanNote> for ScanProblem {
    fn from(note: &ScanNote) -> Self {
        problem_of_note(note)
    }
}

/// The trouble that a remark tells of.
impl From<&ReportNote> for ScanProblem {
    fn from(note: &ReportNote) -> Self {
        problem_of_note(note)
    }
}

/// The trouble that a remark tells of. Titles are those known from the vendor's pages and recordings; others are kept as they are.
pub(crate) fn problem_of_note(note: &impl NoteText) -> ScanProblem {
    let (title, message) = (note.title().unwrap_or_default(), note.message().unwrap_or_default());
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
            .find(|(known, _)| appsec_core::same_word(known, title))
            .map_or(ScanProblemKind::Other, |(_, kind)| kind)
    };
    let text = match (title, message) {
        ("", "") => "a note without words".to_owned(),
        (title, "") => title.to_owned(),
        ("", message) => message.to_owned(),
        (title, message) => format!("{title}: {message}"),
    };
    let problem = ScanProblem::new(kind, text);
    match note.severity() {
        Some(severity) => problem.with_severity(severity.clone()),
        None => problem,
    }
}

fn at(moment: Option<&ApiTimestamp>) -> Option<Timestamp> {
    moment.and_then(ApiTimestamp::timestamp)
}

fn minutes_since(then: Timestamp, now: Timestamp) -> i64 {
    now.as_second().saturating_sub(then.as_second()) / 60
}

#[cfg(test)]
mod tests {
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
    fn every_word_has_its_status() {
        for (word, expected) in [
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
            let mapped = scan_of(&scan(json!({"status": word})), &[], now());
            assert_eq!(mapped.status, expected, "{word}");
            assert_eq!(mapped.provider_status, word);
        }
        let ended = scan(json!({"status": "imported", "finalized_at": "2026-10-01T01:10:00Z"}));
        assert_eq!(
            scan_of(&ended, &[], now()).status,
            ScanStatus::Aborted,
            "the time of the end is a second sign of it"
        );
    }

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
            let problem = problem_of_note(&note);
            assert_eq!(problem.kind, kind, "{title}");
            assert_eq!(problem.kind.limits_results(), limits, "{title}");
            assert_eq!(problem.severity, Some(Severity::High));
            assert!(problem.message.starts_with(title));
        }
        let empty: ReportNote = serde_json::from_value(json!({})).unwrap();
        assert_eq!(problem_of_note(&empty).message, "a note without words");
    }

    fn kinds(value: Value, notes: &[ScanProblem]) -> Vec<ScanProblemKind> {
        scan_of(&scan(value), notes, now()).problems.into_iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn waiting_long_and_ending_unexplained_are_problems_by_themselves() {
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
    fn progress_is_taken_from_where_it_is() {
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
            assert_eq!(scan_of(&scan(value.clone()), &[], now()).percent, expected, "{value}");
        }
        let parent = appsec_core::Scan::new("p", ScanStatus::Running);
        let half = appsec_core::Scan::new("a", ScanStatus::Completed);
        let none = appsec_core::Scan::new("b", ScanStatus::Queued);
        assert_eq!(with_child_progress(parent, vec![half, none]).percent, Some(50));
    }

    #[test]
    fn ids_that_are_not_tenables_are_refused() {
        let uuid = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
        assert_eq!(
            target_of(&format!("config:{uuid}").as_str().into()).unwrap(),
            Target::Config(uuid.parse().unwrap())
        );
        assert_eq!(target_of(&BindTargetId::all()).unwrap(), Target::All);
        for id in ["config:", "config:x", "host:shop.example.com", uuid, "", "ALL", "config:../../x"] {
            assert_eq!(target_of(&id.into()).unwrap_err().kind(), ErrorKind::InvalidRequest, "{id}");
        }
        assert_eq!(config_of(&BindTargetId::all()).unwrap_err().kind(), ErrorKind::InvalidRequest);
        assert_eq!(scan_id_of(&"x".into()).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
