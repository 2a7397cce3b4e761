//! The messages that the importer writes, in each store's outbox.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use appsec_core::{
    Cause, ConnectionReport, ConnectionStep, Coverage, CoverageGap, ErrorKind, GapKind, StepKind,
};
use appsec_import::outbox::{Event, EventData, EventKind, Outbox, Subscription};
use appsec_import::{ImportOptions, Importer, SqlStore};

use support::{Script, ScriptedScanner, at, binding, finding, stores};

fn importer(scanner: &ScriptedScanner, store: &SqlStore) -> Importer {
    Importer::new(Arc::new(scanner.clone()), Arc::new(store.clone()))
}

fn notifying(second: i64, endpoint: &str) -> ImportOptions {
    ImportOptions::new().with_started_at(at(second)).with_subscriptions([Subscription::all_events(endpoint)])
}

/// The messages for the endpoint that were not claimed before, by kind.
async fn notified(store: &SqlStore, endpoint: &str) -> Vec<Event> {
    let messages = store.claim(endpoint, at(100_000), Duration::from_mins(1), 100).await.unwrap();
    let events = messages.iter().map(|message| serde_json::from_str(&message.payload).unwrap());
    let mut events: Vec<Event> = events.collect();
    events.sort_by_key(Event::kind);
    events
}

/// Fails with an error of the kind, after one batch.
fn broken(kind: ErrorKind) -> Script {
    let mut script = Script::conclusive(vec![vec![finding("p", "/a", None)], vec![]], &["p"]);
    (script.fails_after, script.fails_as) = (Some(1), Some(kind));
    script
}

#[tokio::test]
async fn an_incomplete_run_is_notified_as_partial_with_what_stays_open() {
    for test in stores().await {
        let first = (0..40).map(|number| finding("p", &format!("/{number}"), None)).collect();
        let mut limited = Coverage::new();
        limited.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit"));
        let silent = Script { end: Some(limited), ..Script::default() };
        let scanner = ScriptedScanner::new([Script::conclusive(vec![first], &["p"]), silent]);
        let importer = importer(&scanner, &test.store);
        importer.run(&binding("x"), &notifying(0, "before")).await.unwrap();
        importer.run(&binding("x"), &notifying(60, "chat")).await.unwrap();
        let events = notified(&test.store, "chat").await;
        let [Event { data: EventData::ImportPartial(ended), timestamp, .. }] = events.as_slice() else {
            panic!("{}: {events:?}", test.name)
        };
        assert_eq!((ended.kept_open, ended.gaps, *timestamp), (40, 1, at(60)), "{}", test.name);
        assert_eq!(ended.gap_messages, ["the scan hit its time limit"]);
        assert_eq!(
            ended.kept_open_at[0].to_string(),
            "40 findings of shop.example.com stay open: the scan hit its time limit; nothing heard since 2026-09-21"
        );
    }
}

#[tokio::test]
async fn a_scanner_that_cannot_be_read_is_notified_once_for_a_run() {
    for test in stores().await {
        for kind in [ErrorKind::Auth, ErrorKind::PermissionDenied, ErrorKind::Transport, ErrorKind::Server] {
            let name = format!("{} {kind:?}", test.name);
            let scanner = ScriptedScanner::new([broken(kind), broken(kind), broken(kind)]);
            let importer = importer(&scanner, &test.store);
            for second in [0, 60] {
                let error = importer.run(&binding(&name), &notifying(second, &name)).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{name}: the run's own error is what its caller gets");
            }
            let events = notified(&test.store, &name).await;
            let [
                Event { data: EventData::ImportFailed(ended), .. },
                Event { data: EventData::ConnectionFailed(failed), timestamp, .. },
            ] = events.as_slice()
            else {
                panic!("{name}: {events:?}")
            };
            assert!(ended.problem.contains("503 Service Unavailable"), "{name}: {ended:?}");
            assert_eq!((&ended.binding.project, ended.run.as_deref()), (&name, Some("1")));
            assert_eq!(*timestamp, at(0), "{name}: of the run, however often it is gone on with");
            assert!(failed.problem.contains("503 Service Unavailable"), "{name}: {failed:?}");
            assert_eq!(failed.binding.project, name);
        }
    }
}

#[tokio::test]
async fn the_result_of_a_connection_test_is_notified_with_its_remedy() {
    for test in stores().await {
        let mut scanner = ScriptedScanner::new([broken(ErrorKind::Auth)]);
        let mut report = ConnectionReport::new("memory", "memory:");
        report.push(ConnectionStep::failed(
            StepKind::Credentials,
            Cause::ExpiredCredentials,
            Duration::ZERO,
            "the token has expired",
            "make a new one",
        ));
        scanner.report = report;
        importer(&scanner, &test.store).run(&binding("x"), &notifying(0, "chat")).await.unwrap_err();
        let events = notified(&test.store, "chat").await;
        let EventData::ConnectionFailed(failed) = &events[1].data else { panic!("{events:?}") };
        assert_eq!(failed.cause, Some(Cause::ExpiredCredentials), "{}", test.name);
        assert_eq!(failed.remedy.as_deref(), Some("make a new one"));
        assert!(failed.problem.contains("the token has expired"), "{}", failed.problem);
    }
}

#[tokio::test]
async fn other_errors_are_not_notified_as_a_failed_connection() {
    for test in stores().await {
        for kind in [ErrorKind::InvalidRequest, ErrorKind::Unsupported, ErrorKind::Conflict] {
            let project = format!("{kind:?}");
            let scanner = ScriptedScanner::new([broken(kind)]);
            let importer = importer(&scanner, &test.store);
            importer.run(&binding(&project), &notifying(0, "chat")).await.unwrap_err();
            assert_eq!(scanner.tests.load(Ordering::SeqCst), 0, "{} {kind:?}", test.name);
        }
        // A stream without a coverage is an error in the scanner's code.
        let scanner = ScriptedScanner::new([Script::default()]);
        importer(&scanner, &test.store).run(&binding("stops"), &notifying(0, "chat")).await.unwrap_err();
        let events = notified(&test.store, "chat").await;
        let kinds: Vec<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds, [EventKind::ImportFailed; 4], "{}: every error is told", test.name);
        // A dry run notifies nobody, and without a subscription no connection test is made.
        let scanner = ScriptedScanner::new([broken(ErrorKind::Auth)]);
        let importer = importer(&scanner, &test.store);
        let dry = notifying(0, "chat").with_dry_run(true);
        importer.run(&binding("dry"), &dry).await.unwrap_err();
        let other = Subscription::all_events("chat").with_events([EventKind::FindingNew]);
        let other = notifying(0, "chat").with_subscriptions([other]);
        importer.run(&binding("other"), &other).await.unwrap_err();
        assert_eq!(scanner.tests.load(Ordering::SeqCst), 0, "{}", test.name);
        assert!(notified(&test.store, "chat").await.is_empty(), "{}", test.name);
    }
}
