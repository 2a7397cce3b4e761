//! The gate: more than a bound says breaks it, and over partial data nothing passes and nothing fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use appsec_core::Severity;
use appsec_import::gate::{Gate, GateCounts, GateOutcome, Thresholds};
use appsec_import::reconcile::{Change, State};

fn counts(findings: &[(Severity, State, Option<Change>)]) -> GateCounts {
    let mut counts = GateCounts::new();
    for (severity, state, change) in findings {
        counts.add(severity, *state, *change);
    }
    counts
}

fn open(severity: &Severity, count: usize) -> GateCounts {
    counts(&vec![(severity.clone(), State::Open, Some(Change::Recurrent)); count])
}

#[test]
fn a_bound_is_broken_by_more_than_it_says() {
    for severity in
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::from("Blocker")]
    {
        let gate = Gate::new().with_total(Thresholds::new().with_max(&severity, 2));
        for (count, outcome) in [(0, GateOutcome::Passed), (2, GateOutcome::Passed), (3, GateOutcome::Failed)]
        {
            assert_eq!(gate.judge(&open(&severity, count), []).outcome(), outcome, "{count} {severity}");
        }
    }
}

#[test]
fn a_gate_without_bounds_lets_everything_pass_but_what_is_not_all() {
    let many = open(&Severity::Critical, 1_000);
    assert!(Gate::new().judge(&many, []).is_passed());
    assert_eq!(Gate::new().judge(&many, ["a page".to_owned()]).outcome(), GateOutcome::Partial);
}

#[test]
fn over_partial_data_nothing_passes_and_nothing_fails() {
    let gate = Gate::new().with_total(Thresholds::new().with_max(&Severity::High, 0));
    for count in [0, 1] {
        let verdict =
            gate.judge(&open(&Severity::High, count), ["host:a: the scan hit its time limit".to_owned()]);
        assert_eq!(verdict.outcome(), GateOutcome::Partial);
        assert!(!verdict.is_passed());
        assert_eq!(verdict.breaches.len(), count, "what is broken is told all the same");
    }
}

#[test]
fn only_what_is_open_counts_and_what_came_back_is_new() {
    let all = counts(&[
        (Severity::High, State::Open, Some(Change::New)),
        (Severity::High, State::Open, Some(Change::Reopened)),
        (Severity::High, State::Open, Some(Change::Recurrent)),
        (Severity::High, State::Open, Some(Change::KeptOpen)),
        (Severity::High, State::Open, None),
        (Severity::High, State::Closed, Some(Change::Closed)),
        (Severity::High, State::RiskAccepted, Some(Change::New)),
        (Severity::High, State::FalsePositive, Some(Change::New)),
        (Severity::High, State::Ignored, Some(Change::New)),
    ]);
    assert_eq!((all.total.high, all.new.high), (5, 2));
    let gate = Gate::new().with_new(Thresholds::new().with_max(&Severity::High, 1));
    assert_eq!(gate.judge(&all, []).outcome(), GateOutcome::Failed);
}

#[test]
fn the_verdict_says_which_bound_and_by_how_much() {
    let gate: Gate =
        serde_json::from_str(r#"{"total": {"critical": 0, "unknown": 0}, "new": {"low": 1}}"#).unwrap();
    let mut all = counts(&vec![(Severity::Low, State::Open, Some(Change::New)); 2]);
    all.add(&Severity::Critical, State::Open, Some(Change::Recurrent));
    all.add(&Severity::from("Blocker"), State::Open, None);
    let verdict = gate.judge(&all, ["chunk 3 failed".to_owned()]);
    assert_eq!(
        verdict.to_string(),
        "the gate cannot be judged, something is missing: 1 critical, 0 high, 0 medium, 2 low, 0 info, 1 of unknown severity\n\
         1 open critical, at most 0 may pass\n\
         1 open of unknown severity, at most 0 may pass\n\
         2 new low, at most 1 may pass\n\
         missing: chunk 3 failed"
    );
    let kept: appsec_import::gate::GateVerdict =
        serde_json::from_str(&serde_json::to_string(&verdict).unwrap()).unwrap();
    assert_eq!(kept, verdict);
}

#[test]
fn a_file_with_a_typing_error_is_no_gate() {
    for text in [
        r#"{"totl": {}}"#,
        r#"{"total": {"critcal": 0}}"#,
        r#"{"total": {"high": -1}}"#,
        r#"{"new": {"high": "0"}}"#,
    ] {
        assert!(serde_json::from_str::<Gate>(text).is_err(), "{text}");
    }
    assert_eq!(serde_json::from_str::<Gate>("{}").unwrap(), Gate::new());
}

/// What an import did not see, by the coverage that it ended with.
#[cfg(feature = "sqlite")]
async fn missing_after(end: appsec_core::Coverage) -> (Vec<String>, Vec<String>) {
    use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore, Store};
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("findings.db").display());
    let store = Arc::new(SqlStore::connect(&url).await.unwrap());
    let script = support::Script { batches: vec![vec![]], end: Some(end), ..support::Script::default() };
    let scanner = Arc::new(support::ScriptedScanner::new([script]));
    let binding = Binding::new("shop", "memory", ScanConfiguration::new("app:shop"));
    let import = Importer::new(scanner, store.clone()).run(&binding, &ImportOptions::new()).await.unwrap();
    let run = store.last_run(&binding).await.unwrap().unwrap();
    store.close().await;
    (import.missing(), run.missing())
}

#[cfg(feature = "sqlite")]
mod support;

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn what_an_import_did_not_see_is_told_and_silence_alone_is_no_loss() {
    use appsec_core::{Coverage, CoverageGap, GapKind};
    let mut seen = Coverage::new();
    seen.mark_inconclusive("p".into(), "an export does not say");
    assert_eq!(missing_after(seen.clone()).await, (vec![], vec![]));
    seen.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 3 failed"));
    let gap = vec!["chunk 3 failed".to_owned()];
    assert_eq!(missing_after(seen).await, (gap.clone(), gap));
    let (import, run) = missing_after(Coverage::new()).await;
    assert_eq!(import, run);
    assert!(import.len() == 1 && import[0].contains("looked at nothing"), "{import:?}");
}
