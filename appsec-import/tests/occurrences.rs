//! The occurrences of a finding are counted alike on every way into the store, and every summary adds up.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod support;

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingStatus, Fingerprint, GapKind, Location, PartitionKey, Rule,
    Severity, Timestamp,
};
use appsec_import::reconcile::{Change, KnownFinding, State};
use appsec_import::{Summary, reconcile};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// One rule broken at `/index.php` with this page in the query, by the scanner's own id.
fn page(page: &str, status: FindingStatus) -> Finding {
    let place = Location::from_url(format!("https://shop.example.com/index.php?page={page}"));
    let fingerprint = Fingerprint::v1("memory", "xss", &place, &[]);
    let rule = Rule::new("xss", "Cross-site scripting").into();
    let partition = PartitionKey::from("p");
    let mut finding = Finding::new("memory".into(), fingerprint, rule, Severity::High, place, partition);
    (finding.aliases, finding.status) = (vec![format!("id-{page}")], Some(status));
    finding.targets = vec!["app:shop".into()];
    finding
}

fn open(pages: &[&str]) -> Vec<Finding> {
    pages.iter().map(|name| page(name, FindingStatus::Open)).collect()
}

fn fixed(name: &str) -> Finding {
    page(name, FindingStatus::Fixed)
}

fn whole() -> Coverage {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from("p"));
    coverage
}

fn partial() -> Coverage {
    let mut coverage = whole();
    coverage.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"));
    coverage
}

/// The only finding after each of the runs, and its change in the last one.
fn after(runs: &[(Vec<Finding>, Coverage)]) -> (KnownFinding, Change) {
    let (mut known, mut change) = (Vec::new(), Change::Unchanged);
    for (second, (seen, coverage)) in (0..).zip(runs) {
        let run = reconcile(known, seen, coverage, at(second));
        assert_eq!(run.transitions.len(), 1, "{:?}", run.transitions);
        change = run.transitions[0].change;
        known = run.transitions.into_iter().map(|transition| transition.finding).collect();
    }
    (known.remove(0), change)
}

fn received(summary: &Summary) -> [u64; 5] {
    let Summary { received, findings, further_occurrences, repeats, left_out, .. } = summary;
    [*received, *findings, *further_occurrences, *repeats, *left_out]
}

#[test]
fn urls_that_differ_by_query_alone_are_occurrences_of_one_finding_and_a_repeat_is_none() {
    let seen = open(&["users", "orders", "admin", "orders"]);
    let run = reconcile(Vec::new(), &seen, &whole(), at(0));
    assert_eq!(received(&run.summary), [4, 1, 2, 1, 0]);
    assert_eq!(
        run.summary.to_string(),
        "1 new, 0 recurrent, 0 reopened, 0 closed, 0 kept open (not observed)\n\
         received 4 records: 1 finding, 2 further occurrences (3 occurrences in all), 1 repeat"
    );
    let finding = &run.transitions[0].finding;
    assert_eq!(finding.occurrences, 3);
    let mut places: Vec<_> = finding.places().collect();
    places.sort_unstable();
    assert_eq!(
        places,
        ["admin", "orders", "users"].map(|name| format!("https://shop.example.com/index.php?page={name}"))
    );
    let read: KnownFinding = serde_json::from_str(&serde_json::to_string(finding).unwrap()).unwrap();
    assert_eq!(&read, finding);
}

#[test]
fn without_a_path_each_id_of_the_scanner_is_an_occurrence() {
    let gaps = (0..120).map(|number| {
        let place = Location::from_host_and_path("api.example.test", "");
        let fingerprint = Fingerprint::v1("memory", "shadow", &place, &[]);
        let rule = Rule::new("shadow", "Shadow API").into();
        let partition = PartitionKey::from("p");
        let mut gap = Finding::new("memory".into(), fingerprint, rule, Severity::High, place, partition);
        gap.aliases = vec![format!("gap-{number}")];
        gap
    });
    let gaps: Vec<_> = gaps.collect();
    let run = reconcile(Vec::new(), &gaps, &whole(), at(0));
    assert_eq!(received(&run.summary), [120, 1, 119, 0, 0]);
    let finding = &run.transitions[0].finding;
    assert_eq!((finding.occurrences, finding.places().len()), (120, 100));
    assert!(finding.places().all(|place| place.starts_with("gap-")));
}

#[test]
fn a_fixed_occurrence_does_not_count_while_another_is_open() {
    let mut seen = open(&["users", "orders"]);
    seen.push(fixed("admin"));
    let (finding, change) = after(&[(seen, whole())]);
    assert_eq!((finding.state, change, finding.occurrences), (State::Open, Change::New, 2));

    // The same page by two ids of the scanner, one of them fixed: it is open.
    let both = vec![fixed("users"), page("users", FindingStatus::Open)];
    let (finding, _) = after(&[(both, whole())]);
    assert_eq!((finding.state, finding.occurrences), (State::Open, 1));

    let all = ["users", "orders", "admin"].map(fixed).to_vec();
    let (finding, change) = after(&[(open(&["users", "orders", "admin"]), whole()), (all, partial())]);
    assert_eq!((finding.state, change, finding.occurrences), (State::Closed, Change::Closed, 3));
}

#[test]
fn a_part_of_the_list_adds_occurrences_and_removes_only_fixed_ones() {
    let three = || (open(&["users", "orders", "admin"]), whole());
    for (what, seen, coverage, occurrences, change) in [
        ("a known one and a new one", open(&["admin", "help"]), partial(), 4, Change::Recurrent),
        ("one is fixed, the others not observed", vec![fixed("admin")], partial(), 2, Change::KeptOpen),
        (
            "one open, one fixed",
            [open(&["users"]), vec![fixed("admin")]].concat(),
            partial(),
            2,
            Change::Recurrent,
        ),
        ("the whole list", open(&["users"]), whole(), 1, Change::Recurrent),
    ] {
        let (finding, now) = after(&[three(), (seen, coverage)]);
        assert_eq!((finding.state, now, finding.occurrences), (State::Open, change, occurrences), "{what}");
        if occurrences > 1 {
            assert_eq!(finding.places().len() as u64, occurrences, "{what}");
        }
    }
}

#[test]
fn one_after_the_other_fixed_leaves_at_least_one_until_the_finding_closes() {
    let three = (open(&["users", "orders", "admin"]), whole());
    let step = |name| (vec![fixed(name)], partial());
    let (finding, _) = after(&[three.clone(), step("users"), step("orders")]);
    assert_eq!((finding.state, finding.occurrences), (State::Open, 1));
    let (finding, _) = after(&[three, step("users"), step("orders"), step("admin")]);
    assert_eq!(
        (finding.state, finding.occurrences),
        (State::Open, 1),
        "a part of the list does not close it"
    );
}

#[test]
fn a_finding_of_a_store_without_occurrences_is_read_as_one() {
    let (finding, _) = after(&[(open(&["users"]), whole())]);
    let mut stored = serde_json::to_value(&finding).unwrap();
    stored.as_object_mut().unwrap().retain(|name, _| !name.starts_with("occurrence"));
    let read: KnownFinding = serde_json::from_value(stored).unwrap();
    assert_eq!((read.occurrences, read.places().len()), (1, 0));
    let run = reconcile(vec![read], &open(&["users", "orders"]), &partial(), at(9));
    assert_eq!(run.transitions[0].finding.occurrences, 2);
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod stored {
    use std::sync::Arc;

    use appsec_import::gate::{Gate, GateCount, GateCounts, GateOutcome, Thresholds};
    use appsec_import::{ImportOptions, Importer, Store as _};

    use super::support::{Script, ScriptedScanner, all, binding, stores};
    use super::*;

    #[tokio::test]
    async fn occurrences_survive_batches_a_dead_process_and_batches_that_come_again() {
        for test in stores().await {
            let store = Arc::new(test.store.clone());
            let batches: Vec<_> =
                [["a", "b"], ["c", "a"], ["d", "d"], ["e", "b"]].map(|names| open(&names)).into();
            let dies = Script { batches: batches.clone(), fails_after: Some(2), ..Script::default() };
            // The second process gets the second batch again.
            let mut again = batches.clone();
            again.insert(2, batches[1].clone());
            let scanner = ScriptedScanner::new([dies, Script::conclusive(again, &["p"])]);
            let importer = Importer::new(Arc::new(scanner), store.clone());
            let binding = binding("shop");
            importer.run(&binding, &ImportOptions::new()).await.unwrap_err();
            let import = importer.run(&binding, &ImportOptions::new()).await.unwrap();
            assert!(import.resumed, "{}", test.name);
            assert_eq!(received(&import.summary), [10, 1, 4, 5, 0], "{}", test.name);
            assert_eq!(
                store.last_run(&binding).await.unwrap().unwrap().summary,
                import.summary,
                "{}",
                test.name
            );
            let known = all(&*store, &binding).await;
            assert_eq!(
                (known.len(), known[0].occurrences, known[0].places().len()),
                (1, 5, 5),
                "{}",
                test.name
            );

            let text = store.explain(&binding, &known[0].fingerprint).await.unwrap().unwrap().to_string();
            assert!(text.contains("\n5 occurrences:\n"), "{text}");
            assert!(text.contains("\n  https://shop.example.com/index.php?page=e\n"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_gate_counts_findings_or_occurrences() {
        for test in stores().await {
            let script = Script::conclusive(vec![open(&["users", "orders", "admin"])], &["p"]);
            let store = Arc::new(test.store.clone());
            let importer = Importer::new(Arc::new(ScriptedScanner::new([script])), store.clone());
            importer.run(&binding("shop"), &ImportOptions::new()).await.unwrap();
            let counts = GateCounts::from_store(&*store, &binding("shop")).await.unwrap();
            assert_eq!((counts.total.high, counts.total_occurrences.high), (1, 3), "{}", test.name);
            assert_eq!((counts.new.high, counts.new_occurrences.high), (1, 3), "{}", test.name);

            let gate = Gate::new().with_total(Thresholds::new().with_max(&Severity::High, 2));
            let report = gate.check(&counts, []);
            assert_eq!(report.outcome(), GateOutcome::Passed);
            let text = "the gate is passed: 0 critical, 1 high, 0 medium, 0 low, 0 info; \
                        1 finding stands for 3 occurrences";
            assert_eq!(report.to_string(), text);

            let report = gate.with_count(GateCount::Occurrences).check(&counts, []);
            assert_eq!(report.outcome(), GateOutcome::Failed);
            let text = "the gate failed, counting occurrences: 0 critical, 3 high, 0 medium, 0 low, 0 info; \
                        of 1 finding\n3 open high, the limit is 2";
            assert_eq!(report.to_string(), text);
        }
    }

    #[tokio::test]
    async fn many_occurrences_of_one_finding_are_counted_within_a_few_percent() {
        let names: Vec<_> = (0..6_000).map(|number| format!("p{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let batch = |names: &[&str]| {
            let mut findings = open(names);
            for finding in &mut findings {
                finding.aliases.clear();
            }
            findings
        };
        let batches = names.chunks(500).chain(names.chunks(500)).map(batch).collect();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = Arc::new(appsec_import::SqlStore::connect(&url).await.unwrap());
        let scanner = ScriptedScanner::new([Script::conclusive(batches, &["p"])]);
        let importer = Importer::new(Arc::new(scanner), store.clone());
        let summary = importer.run(&binding("shop"), &ImportOptions::new()).await.unwrap().summary;
        let known = all(&*store, &binding("shop")).await;
        assert!(known[0].occurrences.abs_diff(6_000) < 300, "{}", known[0].occurrences);
        assert_eq!(summary.further_occurrences, known[0].occurrences - 1);
        assert_eq!((summary.received, summary.findings), (12_000, 1));
        assert_eq!(
            summary.repeats,
            12_000 - known[0].occurrences,
            "it adds up, although one part is an estimate"
        );
    }
}
