//! The gate: a count above a limit fails it, and over partial data it neither passes nor fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use appsec_core::Severity;
use appsec_import::gate::{Gate, GateCounts, GateOutcome, Thresholds};
use appsec_import::reconcile::{Change, State};

fn counts(findings: &[(Severity, State, Option<Change>)]) -> GateCounts {
    let mut counts = GateCounts::new();
    for (severity, state, change) in findings {
        counts.add(severity, *state, *change, 1);
    }
    counts
}

fn open(severity: &Severity, count: usize) -> GateCounts {
    counts(&vec![(severity.clone(), State::Open, Some(Change::Recurrent)); count])
}

#[test]
fn a_limit_is_exceeded_by_a_higher_count() {
    for severity in
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::from("Blocker")]
    {
        let gate = Gate::new().with_total(Thresholds::new().with_max(&severity, 2));
        for (count, outcome) in [(0, GateOutcome::Passed), (2, GateOutcome::Passed), (3, GateOutcome::Failed)]
        {
            assert_eq!(gate.check(&open(&severity, count), []).outcome(), outcome, "{count} {severity}");
        }
    }
}

#[test]
fn a_gate_without_limits_passes_everything_except_partial_data() {
    let many = open(&Severity::Critical, 1_000);
    assert!(Gate::new().check(&many, []).is_passed());
    assert_eq!(Gate::new().check(&many, ["a page".to_owned()]).outcome(), GateOutcome::Partial);
}

#[test]
fn over_partial_data_nothing_passes_and_nothing_fails() {
    let gate = Gate::new().with_total(Thresholds::new().with_max(&Severity::High, 0));
    for count in [0, 1] {
        let report =
            gate.check(&open(&Severity::High, count), ["host:a: the scan hit its time limit".to_owned()]);
        assert_eq!(report.outcome(), GateOutcome::Partial);
        assert!(!report.is_passed());
        assert_eq!(report.breaches.len(), count, "exceeded limits are reported all the same");
    }
}

#[test]
fn only_open_findings_count_and_reopened_ones_are_new() {
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
    assert_eq!(gate.check(&all, []).outcome(), GateOutcome::Failed);
}

#[test]
fn the_report_names_each_exceeded_limit_and_the_count() {
    let gate: Gate =
        serde_json::from_str(r#"{"total": {"critical": 0, "unknown": 0}, "new": {"low": 1}}"#).unwrap();
    let mut all = counts(&vec![(Severity::Low, State::Open, Some(Change::New)); 2]);
    all.add(&Severity::Critical, State::Open, Some(Change::Recurrent), 1);
    all.add(&Severity::from("Blocker"), State::Open, None, 1);
    let report = gate.check(&all, ["chunk 3 failed".to_owned()]);
    assert_eq!(
        report.to_string(),
        "the gate is undecided, since data is missing: 1 critical, 0 high, 0 medium, 2 low, 0 info, 1 of unknown severity\n\
         1 open critical, the limit is 0\n\
         1 open of unknown severity, the limit is 0\n\
         2 new low, the limit is 1\n\
         missing: chunk 3 failed"
    );
    let kept: appsec_import::gate::GateReport =
        serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(kept, report);
}

#[test]
fn a_file_with_a_misspelt_member_is_refused() {
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

/// What an import and its stored run say is missing, for the coverage that it ended with.
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
async fn gaps_are_missing_and_an_inconclusive_partition_alone_is_not() {
    use appsec_core::{Coverage, CoverageGap, GapKind};
    let mut seen = Coverage::new();
    seen.mark_inconclusive("p".into(), "an export does not say");
    assert_eq!(missing_after(seen.clone()).await, (vec![], vec![]));
    seen.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 3 failed"));
    let gap = vec!["chunk 3 failed".to_owned()];
    assert_eq!(missing_after(seen).await, (gap.clone(), gap));
    let (import, run) = missing_after(Coverage::new()).await;
    assert_eq!(import, run);
    assert!(import.len() == 1 && import[0].contains("examined nothing"), "{import:?}");
}
