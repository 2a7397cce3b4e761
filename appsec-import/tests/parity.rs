//! The stores give the same transitions as `reconcile`, for random runs.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingStatus, GapKind, PartitionKey, Severity, Timestamp,
};
use appsec_import::reconcile::KnownFinding;
use appsec_import::{ImportOptions, Importer, Summary, reconcile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use support::{Script, ScriptedScanner, all, at, binding, finding, stores};

/// One random run: its batches, and its coverage.
#[derive(Debug, Clone)]
struct RandomRun {
    batches: Vec<Vec<Finding>>,
    vouched: Vec<bool>,
    gap: Option<bool>,
}

impl RandomRun {
    fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::new();
        for (number, vouched) in self.vouched.iter().enumerate() {
            let partition = PartitionKey::from(format!("p{number}"));
            if *vouched {
                coverage.mark_conclusive(partition);
            } else {
                coverage.mark_inconclusive(partition, "the scanner does not say");
            }
        }
        match self.gap {
            Some(true) => coverage.add_gap(CoverageGap::new(GapKind::Chunk, "a chunk failed")),
            Some(false) => {
                coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "time limit").with_partition("p0"));
            }
            None => {}
        }
        coverage
    }
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let status = proptest::option::of(prop_oneof![
        4 => Just(FindingStatus::Open),
        1 => Just(FindingStatus::Reopened),
        2 => Just(FindingStatus::Fixed),
        1 => Just(FindingStatus::RiskAccepted),
        1 => Just(FindingStatus::FalsePositive),
        1 => Just(FindingStatus::Unknown("SNOOZED \"x\"".to_owned())),
    ]);
    let severity = prop_oneof![Just(Severity::High), Just(Severity::Low), Just(Severity::from("Blocker"))];
    let ids = proptest::collection::vec(0..6_u8, 0..3);
    let seen = proptest::option::of(0..300_i64);
    let path = (0..7_u8, 0..3_u8);
    (path, 0..3_u8, ids, status, severity, seen).prop_map(
        |((path, query), host, ids, status, severity, seen)| {
            let mut finding = finding(&format!("p{host}"), &format!("/{path}?page={query}"), None);
            finding.aliases = ids.into_iter().map(|id| format!("id-{id}")).collect();
            finding.aliases.dedup();
            finding.last_seen = seen.map(at);
            finding.fixed_at = (status == Some(FindingStatus::Fixed)).then_some(seen.map(at)).flatten();
            (finding.status, finding.severity) = (status, severity);
            finding
        },
    )
}

fn any_run() -> impl Strategy<Value = RandomRun> {
    let batches = proptest::collection::vec(proptest::collection::vec(any_finding(), 0..5), 0..4);
    let vouched = proptest::collection::vec(proptest::bool::ANY, 3);
    let gap = proptest::option::weighted(0.2, proptest::bool::ANY);
    (batches, vouched, gap).prop_map(|(batches, vouched, gap)| RandomRun { batches, vouched, gap })
}

fn expected(runs: &[RandomRun], times: &[Timestamp]) -> Vec<(Summary, Vec<KnownFinding>)> {
    let mut known = Vec::new();
    let mut results = Vec::new();
    for (random, now) in runs.iter().zip(times) {
        let run = reconcile(known, random.batches.iter().flatten(), &random.coverage(), *now);
        let Summary { received, findings, further_occurrences, repeats, left_out, .. } = run.summary;
        assert_eq!(received, findings + further_occurrences + repeats + left_out, "it adds up");
        assert_eq!(received, random.batches.iter().flatten().count() as u64);
        let occurrences: HashSet<_> = random.batches.iter().flatten().map(Finding::occurrence_key).collect();
        assert!(findings + further_occurrences >= occurrences.len() as u64, "none is folded without a count");
        known = run.transitions.into_iter().map(|transition| transition.finding).collect();
        results.push((run.summary, known.clone()));
    }
    results
}

/// Sequences of random runs give the same summaries and the same findings, in the same order, from the pure
/// function and from each store. A dry run before each run returns the same summary and changes nothing.
#[tokio::test]
async fn a_store_gives_the_same_result_as_the_pure_function() {
    let cases: u32 = std::env::var("PARITY_CASES").map_or(150, |text| text.parse().unwrap());
    let times = [at(0), at(60), at(120), at(180)];
    for test in stores().await {
        let store = Arc::new(test.store.clone());
        let mut runner = TestRunner::deterministic();
        for case in 0..cases {
            let tree = proptest::collection::vec(any_run(), 1..=4).new_tree(&mut runner).unwrap();
            let runs = tree.current();
            let binding = binding(&format!("case {case}"));
            for ((random, now), (summary, known)) in runs.iter().zip(times).zip(expected(&runs, &times)) {
                let before = all(&*store, &binding).await;
                let script = Script {
                    batches: random.batches.clone(),
                    end: Some(random.coverage()),
                    ..Script::default()
                };
                let importer = Importer::new(Arc::new(ScriptedScanner::new([script])), store.clone());
                let options = ImportOptions::new().with_started_at(now);
                let dry = importer.run(&binding, &options.clone().with_dry_run(true)).await.unwrap();
                assert_eq!(dry.summary, summary, "{} case {case}, dry: {runs:?}", test.name);
                assert_eq!(all(&*store, &binding).await, before, "a dry run changes nothing");
                let import = importer.run(&binding, &options).await.unwrap();
                assert_eq!(import.summary, summary, "{} case {case}: {runs:?}", test.name);
                assert_eq!(all(&*store, &binding).await, known, "{} case {case}: {runs:?}", test.name);
            }
        }
    }
}
