//! Users' decisions override the scanner's status, and are part of a finding's explanation.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use appsec_core::{ErrorKind, Finding, FindingStatus, Fingerprint};
use appsec_import::decision::Decision;
use appsec_import::reconcile::{Change, State};
use appsec_import::{Import, ImportOptions, Importer, Store};

use support::{Script, ScriptedScanner, TestStore, all, at, binding, finding, stores};

async fn import(test: &TestStore, minute: i64, findings: Vec<Finding>) -> Import {
    let scanner = ScriptedScanner::new([Script::conclusive(vec![findings], &["p"])]);
    let importer = Importer::new(Arc::new(scanner), Arc::new(test.store.clone()));
    importer.run(&binding("shop"), &ImportOptions::new().with_started_at(at(60 * minute))).await.unwrap()
}

async fn state(test: &TestStore) -> (State, Option<Decision>) {
    let known = all(&test.store, &binding("shop")).await.remove(0);
    (known.state, known.decision)
}

async fn decide(test: &TestStore, finding: &Fingerprint, decision: Option<Decision>) -> State {
    test.store.set_decision(&binding("shop"), finding, decision).await.unwrap().state
}

#[tokio::test]
async fn a_decision_counts_until_it_is_withdrawn_or_the_finding_is_fixed() {
    for test in stores().await {
        let seen = finding("p", "/a", Some("id-1"));
        let mut fixed = seen.clone();
        fixed.status = Some(FindingStatus::Fixed);
        import(&test, 1, vec![seen.clone()]).await;
        let accepted = Some(Decision::RiskAccepted);
        assert_eq!(decide(&test, &seen.fingerprint, accepted).await, State::RiskAccepted, "{}", test.name);

        // Observed again, it is not open. Not observed, where absence is conclusive, it is not closed either.
        let run = import(&test, 2, vec![seen.clone()]).await;
        assert_eq!((run.summary.recurrent, state(&test).await), (1, (State::RiskAccepted, accepted)));
        let run = import(&test, 3, vec![]).await;
        assert_eq!((run.summary.closed, state(&test).await), (0, (State::RiskAccepted, accepted)));

        // The status "fixed" closes it. When it is observed again, the decision counts again.
        let run = import(&test, 4, vec![fixed]).await;
        assert_eq!((run.summary.closed, state(&test).await), (1, (State::Closed, accepted)));
        assert_eq!(
            decide(&test, &seen.fingerprint, accepted).await,
            State::Closed,
            "what is closed stays closed"
        );
        let run = import(&test, 5, vec![seen.clone()]).await;
        assert_eq!((run.summary.reopened, state(&test).await), (1, (State::RiskAccepted, accepted)));

        // Withdrawn: the scanner's status counts.
        assert_eq!(decide(&test, &seen.fingerprint, None).await, State::Open, "{}", test.name);
        import(&test, 6, vec![seen.clone()]).await;
        assert_eq!(state(&test).await, (State::Open, None), "{}", test.name);

        let why = test.store.explain(&binding("shop"), &seen.fingerprint).await.unwrap().unwrap();
        let history: Vec<_> = why.history.iter().map(|entry| (entry.change, entry.state)).collect();
        let expected = [
            (Change::New, State::Open),
            (Change::Recurrent, State::RiskAccepted),
            (Change::Unchanged, State::RiskAccepted),
            (Change::Closed, State::Closed),
            (Change::Reopened, State::RiskAccepted),
            (Change::Recurrent, State::Open),
        ];
        assert_eq!(history, expected, "{}", test.name);
        let after: Vec<_> = why.decisions.iter().map(|entry| (entry.after_run, entry.state)).collect();
        assert_eq!(after, [(1, State::RiskAccepted), (4, State::Closed), (5, State::Open)], "{}", test.name);
        assert!(why.to_string().contains(": decided, risk accepted\nrun 2"), "{why}");
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_decision_about_an_unknown_finding_is_refused() {
    for test in stores().await {
        let unknown = finding("p", "/b", None).fingerprint;
        for _ in 0..2 {
            let error = test.store.set_decision(&binding("shop"), &unknown, None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{}", test.name);
            import(&test, 1, vec![finding("p", "/a", None)]).await;
        }
    }
}

/// A decision that is made while a run stages is not overwritten when the run is concluded.
#[tokio::test]
async fn a_decision_made_during_a_run_is_kept() {
    for test in stores().await {
        let seen = finding("p", "/a", Some("id-1"));
        import(&test, 1, vec![seen.clone()]).await;
        let mut scanner = ScriptedScanner::new([Script::conclusive(vec![vec![seen.clone()]; 20], &["p"])]);
        scanner.pause = std::time::Duration::from_millis(20);
        let importer = Importer::new(Arc::new(scanner), Arc::new(test.store.clone()));
        let run = tokio::spawn(async move {
            importer.run(&binding("shop"), &ImportOptions::new().with_started_at(at(120))).await.unwrap()
        });
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        assert!(!run.is_finished());
        decide(&test, &seen.fingerprint, Some(Decision::FalsePositive)).await;
        run.await.unwrap();
        assert_eq!(
            state(&test).await,
            (State::FalsePositive, Some(Decision::FalsePositive)),
            "{}",
            test.name
        );
    }
}
