//! The memory outbox, and the JSON form of events.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "suites/outbox.rs"]
mod suite;

use appsec_core::{
    Cause, ConnectionReport, ConnectionStep, Coverage, CoverageGap, Finding, FindingStatus, Fingerprint,
    GapKind, Location, PartitionKey, Rule, Severity, StepKind, Timestamp,
};
use appsec_import::outbox::{
    BindingRef, ConnectionFailed, Event, EventBatcher, EventData, EventKind, MAX_FINDINGS_PER_EVENT,
    MemoryOutbox, Message, RunRef, Subscription, messages_for,
};
use appsec_import::{Environment, ScanConfiguration, reconcile};
use serde_json::{Value, json};

fn binding() -> BindingRef {
    let configuration = ScanConfiguration::new("host:shop.example.com")
        .with_environment(Environment::Production)
        .with_branch("main");
    BindingRef::new("shop", "memory", &configuration)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn finding(path: &str) -> Finding {
    let place = Location::from_url(format!("https://user:canary@shop.example.com{path}?token=canary"));
    let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
    let rule = Rule::new("r", "SQL injection").into();
    let partition = PartitionKey::from("host:shop.example.com");
    let mut finding = Finding::new("memory".into(), fingerprint, rule, Severity::High, place, partition);
    finding.aliases = vec![format!("id{path}")];
    finding.push_evidence(appsec_core::EvidenceKind::Request, Some("canary"));
    finding.raw = Some(json!({ "request": "canary" }));
    finding
}

fn conclusive_coverage() -> Coverage {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from("host:shop.example.com"));
    coverage
}

/// The events of a second run, after a run that read `first`.
fn events(first: &[Finding], second: &[Finding], coverage: &Coverage) -> Vec<Event> {
    let known = reconcile(Vec::new(), first, &conclusive_coverage(), at(0)).transitions;
    let known = known.into_iter().map(|outcome| outcome.finding).collect();
    let run = reconcile(known, second, coverage, at(60));
    let mut batcher = EventBatcher::new(RunRef::new(binding(), "7").with_scan_tag("nightly"), at(60));
    let mut events = Vec::new();
    for outcome in &run.transitions {
        events.extend(batcher.push(&outcome.finding, outcome.change, outcome.reason.as_deref()));
    }
    events.extend(batcher.finish(&run.summary, coverage));
    events
}

#[tokio::test]
async fn the_memory_outbox_fulfils_the_contract() {
    suite::check(&MemoryOutbox::new()).await;
}

#[test]
fn an_event_has_a_stable_form_and_no_evidence() {
    let mut fixed = finding("/gone");
    fixed.status = Some(FindingStatus::Fixed);
    let events = events(&[finding("/gone")], &[fixed, finding("/new")], &conclusive_coverage());
    let forms: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(&event.to_json()).unwrap()).collect();
    let binding = json!({
        "project": "shop", "scanner": "memory", "bind_target": "host:shop.example.com",
        "environment": "production", "branch": "main",
    });
    assert_eq!(
        forms,
        [
            json!({
                "type": "finding.new",
                "timestamp": "2026-09-21T14:14:20Z",
                "data": {
                    "binding": binding, "run": "7", "scan_tag": "nightly", "part": 1,
                    "findings": [{
                        "fingerprint": finding("/new").fingerprint, "aliases": ["id/new"],
                        "severity": "high", "state": "open", "rule": "SQL injection",
                        "place": "https://shop.example.com/new", "partition": "host:shop.example.com",
                        "first_seen": "2026-09-21T14:14:20Z", "last_seen": "2026-09-21T14:14:20Z",
                    }],
                },
            }),
            json!({
                "type": "finding.closed",
                "timestamp": "2026-09-21T14:14:20Z",
                "data": {
                    "binding": binding, "run": "7", "scan_tag": "nightly", "part": 1,
                    "findings": [{
                        "fingerprint": finding("/gone").fingerprint, "aliases": ["id/gone"],
                        "severity": "high", "state": "closed", "rule": "SQL injection",
                        "place": "https://shop.example.com/gone", "partition": "host:shop.example.com",
                        "first_seen": "2026-09-21T14:13:20Z", "last_seen": "2026-09-21T14:14:20Z",
                        "reason": "the scanner reports it as fixed",
                    }],
                },
            }),
            json!({
                "type": "scan.completed",
                "timestamp": "2026-09-21T14:14:20Z",
                "data": {
                    "binding": binding, "run": "7", "scan_tag": "nightly",
                    "new": 1, "recurrent": 0, "reopened": 0, "closed": 1, "kept_open": 0, "gaps": 0,
                },
            }),
        ]
    );
    for event in &events {
        assert!(!event.to_json().contains("canary"), "{}", event.to_json());
        assert_eq!(serde_json::from_str::<Event>(&event.to_json()).unwrap(), *event, "it is read back");
    }
}

#[test]
fn a_run_with_a_gap_is_partial_and_lists_what_stays_open_and_why() {
    let mut coverage = Coverage::new();
    coverage.mark_inconclusive(PartitionKey::from("host:shop.example.com"), "the scan hit its time limit");
    coverage.add_gap(CoverageGap::new(GapKind::Record, "record 3 cannot be decoded"));
    let events = events(&[finding("/a")], &[], &coverage);
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, [EventKind::ImportPartial]);
    let EventData::ImportPartial(ended) = &events[0].data else { panic!("{events:?}") };
    assert_eq!((ended.kept_open, ended.gaps), (1, 1));
    assert_eq!(ended.gap_messages, ["record 3 cannot be decoded"]);
    assert_eq!(ended.kept_open_at[0].count, 1);
}

#[test]
fn a_run_that_read_nothing_is_partial_and_says_so() {
    let events = events(&[], &[], &Coverage::new());
    let [Event { data: EventData::ImportPartial(ended), .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(ended.gaps, 0);
    assert!(ended.gap_messages[0].contains("examined nothing"), "{:?}", ended.gap_messages);
}

#[test]
fn many_findings_become_several_events_of_bounded_size() {
    let long = "x".repeat(5000);
    let many: Vec<_> = (0..250).map(|number| finding(&format!("/{number}/{long}"))).collect();
    let events = events(&[], &many, &conclusive_coverage());
    let mut seen = Vec::new();
    let mut parts = Vec::new();
    for event in &events {
        assert!(event.to_json().len() < 200_000, "{} bytes", event.to_json().len());
        if let EventData::FindingNew(new) = &event.data {
            assert!(new.findings.len() <= MAX_FINDINGS_PER_EVENT);
            parts.push(new.part);
            seen.extend(new.findings.iter().map(|finding| finding.fingerprint));
        }
    }
    assert_eq!(parts, [1, 2, 3]);
    assert_eq!(seen, many.iter().map(|finding| finding.fingerprint).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap().kind(), EventKind::ScanCompleted);
}

#[test]
fn each_endpoint_gets_a_message_for_each_event_it_wants() {
    let event = &events(&[], &[finding("/a")], &conclusive_coverage())[0];
    let subscriptions = [
        Subscription::all_events("everything"),
        Subscription::all_events("new").with_events([EventKind::FindingNew]),
        Subscription::all_events("closed").with_events([EventKind::FindingClosed]),
    ];
    let messages = messages_for(event, &subscriptions);
    assert_eq!(messages.iter().map(|m| m.endpoint.as_str()).collect::<Vec<_>>(), ["everything", "new"]);
    assert_ne!(messages[0].id, messages[1].id);
    assert_eq!(messages[0].id, Message::new("everything", event).id, "written twice, it is one");
    assert!(messages[0].id.as_str().starts_with("msg_"));
}

#[test]
fn an_event_about_a_failed_connection_says_what_to_do() {
    let mut report = ConnectionReport::new("memory", "https://api.example/");
    let now = std::time::Duration::ZERO;
    report.push(ConnectionStep::passed(StepKind::Http, now, "it answers"));
    assert_eq!(ConnectionFailed::from_report(binding(), &report), None, "nothing failed");
    let (saw, remedy) = ("401: expired at ?token=canary", "make a new token");
    report.push(ConnectionStep::failed(StepKind::Credentials, Cause::ExpiredCredentials, now, saw, remedy));
    let failed = ConnectionFailed::from_report(binding(), &report).unwrap();
    assert_eq!((failed.cause, failed.remedy.as_deref()), (Some(Cause::ExpiredCredentials), Some(remedy)));
    let json = Event::new(at(0), EventData::ConnectionFailed(failed)).to_json();
    assert!(json.contains(r#""cause":"expired_credentials""#) && !json.contains("canary"), "{json}");
}
