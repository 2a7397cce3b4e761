//! What a store returns of its findings, bindings and runs after an import.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use appsec_core::{Coverage, Cvss, EvidenceKind, Finding, FindingStatus, Rule, Severity};
use appsec_import::store::{KnownBinding, Page, ReportParts, StoredFinding};
use appsec_import::{ImportOptions, Importer, Store};

use support::{Script, ScriptedScanner, TestStore, at, binding, finding, stores};

const ALL: Page = Page { after: 0, limit: 1_000 };

async fn import(test: &TestStore, minute: i64, batches: Vec<Vec<Finding>>, options: &ImportOptions) {
    let mut end = Coverage::new();
    end.mark_inconclusive("p0".into(), "the scanner does not say");
    let script = Script { batches, end: Some(end), ..Script::default() };
    let store: Arc<dyn Store> = Arc::new(test.store.clone());
    let importer = Importer::new(Arc::new(ScriptedScanner::new([script])), store);
    importer.run(&binding("shop"), &options.clone().with_started_at(at(60 * minute))).await.unwrap();
}

async fn stored(test: &TestStore) -> Vec<StoredFinding> {
    test.store.stored_findings(&binding("shop"), ALL).await.unwrap()
}

/// A finding with every member set, including a NUL character.
fn rich(path: &str, evidence: &str) -> Finding {
    let mut finding = finding("p0", path, Some(path));
    let mut rule = Rule::new("98104", "SQL injection \"blind\"");
    rule.description = Some("A \0 description\nof two bindings".to_owned());
    (rule.cwe, rule.cvss) = (vec![89], vec![Cvss::new("3.1", Some(9.8), None)]);
    finding.rule = rule.into();
    finding.push_evidence(EvidenceKind::Request, Some(evidence));
    finding.labels = vec!["team:\u{1f480}".to_owned()];
    finding.targets = vec!["app:shop".into()];
    finding.link = Some("https://scanner.example/f/1".to_owned());
    finding.raw = Some(serde_json::json!({"a": [1, "\u{0}"]}));
    (finding.first_seen, finding.last_seen) = (Some(at(1)), Some(at(2)));
    finding
}

#[tokio::test]
async fn a_finding_is_returned_as_it_was_last_observed() {
    for test in stores().await {
        let first = rich("/a", "GET /a\r\nX: \0\u{7f}\"");
        import(&test, 1, vec![vec![first.clone()], vec![rich("/b", "GET /b")]], &ImportOptions::new()).await;
        let found = stored(&test).await;
        assert_eq!(found.len(), 2, "{}", test.name);
        assert_eq!(found[0].finding, first, "{}", test.name);
        assert_eq!((found[0].number, found[0].known.title.as_str()), (1, "SQL injection \"blind\""));
        // Findings of one rule share it.
        assert!(Arc::ptr_eq(&found[0].finding.rule, &found[1].finding.rule));

        // Observed again with another rule text and other evidence: those are kept. Not observed: nothing
        // changes.
        let mut again = rich("/a", "GET /a again");
        again.rule = Rule::new("98104", "SQL injection").into();
        (again.severity, again.last_seen) = (Severity::Low, Some(at(90)));
        import(&test, 2, vec![vec![again.clone()]], &ImportOptions::new()).await;
        let found = stored(&test).await;
        assert_eq!(found[0].finding, again, "{}", test.name);
        assert_eq!(found[1].finding, rich("/b", "GET /b"), "{}", test.name);
        let second = test.store.stored_findings(&binding("shop"), Page { after: 1, limit: 1 }).await.unwrap();
        assert_eq!(second, found[1..], "{}", test.name);
        test.store.close().await;
    }
}

#[tokio::test]
async fn the_occurrence_seen_last_is_returned_with_the_highest_severity() {
    for test in stores().await {
        let (mut early, mut late) = (rich("/a", "early"), rich("/a", "late"));
        (early.last_seen, early.severity) = (Some(at(5)), Severity::Critical);
        (late.last_seen, late.severity) = (Some(at(50)), Severity::Low);
        for batches in
            [vec![vec![late.clone(), early.clone()]], vec![vec![late.clone()], vec![early.clone()]]]
        {
            import(&test, 1, batches, &ImportOptions::new()).await;
            let found = stored(&test).await;
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].finding.evidence, late.evidence, "{}", test.name);
            assert_eq!(found[0].finding.severity, Severity::Critical);
        }
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_dry_run_keeps_nothing() {
    for test in stores().await {
        import(&test, 1, vec![vec![rich("/a", "GET")]], &ImportOptions::new().with_dry_run(true)).await;
        assert_eq!(stored(&test).await, []);
        assert_eq!(test.store.last_run(&binding("shop")).await.unwrap(), None);
        test.store.close().await;
    }
}

#[tokio::test]
async fn bindings_and_their_last_runs_are_listed() {
    for test in stores().await {
        assert_eq!(test.store.bindings().await.unwrap(), []);
        import(&test, 1, vec![vec![rich("/a", "GET")]], &ImportOptions::new()).await;
        let mut fixed = rich("/a", "GET");
        fixed.status = Some(FindingStatus::Fixed);
        import(&test, 2, vec![vec![fixed]], &ImportOptions::new()).await;
        let run = test.store.last_run(&binding("shop")).await.unwrap().unwrap();
        let known = KnownBinding::new(binding("shop"))
            .with_target_name("Shop".to_owned())
            .with_last_run_at(run.ended_at);
        assert_eq!(test.store.bindings().await.unwrap(), [known]);
        assert_eq!((run.number, run.started_at, run.summary.closed), (2, at(120), 1), "{}", test.name);
        assert_eq!(run.coverage.inconclusive_reason(&"p0".into()), Some("the scanner does not say"));
        assert_eq!(test.store.last_run(&binding("other")).await.unwrap(), None);
        test.store.close().await;
    }
}

#[tokio::test]
async fn the_parts_of_reports_are_recorded_and_never_fewer() {
    for test in stores().await {
        let (known, unknown) = (binding("shop"), binding("another"));
        import(&test, 1, vec![vec![rich("/a", "GET /a")]], &ImportOptions::new()).await;
        assert_eq!(test.store.report_parts(&known).await.unwrap(), ReportParts::default(), "{}", test.name);
        for (given, recorded) in [((2, 0), (2, 0)), ((1, 3), (2, 3)), ((4, 1), (4, 3))] {
            let parts = ReportParts::new(given.0, given.1);
            test.store.raise_report_parts(&known, parts).await.unwrap();
            let recorded = ReportParts::new(recorded.0, recorded.1);
            assert_eq!(test.store.report_parts(&known).await.unwrap(), recorded, "{}", test.name);
        }
        test.store.raise_report_parts(&unknown, ReportParts::new(2, 2)).await.unwrap();
        assert_eq!(test.store.report_parts(&unknown).await.unwrap(), ReportParts::default(), "{}", test.name);
    }
}

#[tokio::test]
async fn the_last_run_knows_its_query_and_so_whether_the_findings_are_complete() {
    for test in stores().await {
        let last = async || test.store.last_run(&binding("shop")).await.unwrap().unwrap();
        // Nothing is proven by absence, and the import has everything all the same.
        import(&test, 1, vec![vec![rich("/a", "GET /a")]], &ImportOptions::new()).await;
        assert!(last().await.completeness().is_complete(), "{}", test.name);
        let filtered = ImportOptions::new().with_severities([Severity::High]);
        import(&test, 2, vec![vec![rich("/a", "GET /a")]], &filtered).await;
        let run = last().await;
        assert_eq!(
            run.completeness().reason(),
            Some("only a part was requested, by severity"),
            "{}",
            test.name
        );
    }
}
