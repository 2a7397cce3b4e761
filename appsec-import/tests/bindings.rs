//! The identity of bindings: names are aliases, and a binding that is moved keeps its history.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use appsec_core::{BindTarget, ErrorKind};
use appsec_import::decision::Decision;
use appsec_import::reconcile::State;
use appsec_import::store::{KnownBinding, RunRequest};
use appsec_import::{
    Binding, Import, ImportOptions, Importer, ScanConfiguration, Store, TARGET_MOVED, known_target,
};

use support::{Script, ScriptedScanner, TestStore, all, at, binding, finding, stores};

/// A scanner that finds one weakness, and lists these targets.
fn scanner(targets: &[(&str, &str)]) -> ScriptedScanner {
    let script = Script::conclusive(vec![vec![finding("p", "/a", Some("id-1"))]], &["p"]);
    let targets = targets.iter().map(|(id, name)| BindTarget::new(*id, *name));
    ScriptedScanner::new([script]).with_targets(targets)
}

async fn import(
    test: &TestStore,
    binding: &Binding,
    minute: i64,
    scanner: ScriptedScanner,
) -> appsec_core::Result<Import> {
    let importer = Importer::new(Arc::new(scanner), Arc::new(test.store.clone())).with_connection("eu");
    importer.run(binding, &ImportOptions::new().with_started_at(at(60 * minute))).await
}

fn to_target(id: &str) -> Binding {
    Binding::new("shop", "memory", ScanConfiguration::new(id))
}

#[test]
fn every_part_of_the_identity_counts_and_labels_do_not() {
    let tagged = ScanConfiguration::new("app:shop").with_scan_tag("tag");
    assert_eq!(Binding::new("shop", "memory", tagged).key(), binding("shop").key());
    let with_tenant = |tenant: &str| binding("shop").with_tenant(tenant.to_owned());
    assert_ne!(with_tenant("https://eu.example").key(), binding("shop").key());
    assert_ne!(with_tenant("https://eu.example").key(), with_tenant("https://us.example").key());
    assert_ne!(to_target("app:api").key(), to_target("app:shop").key());
}

#[test]
fn a_target_is_known_by_its_id_and_by_its_name_within_its_tenant() {
    let known = |tenant: &str, id: &str, name: &str| {
        KnownBinding::new(to_target(id).with_tenant(tenant.to_owned())).with_target_name(name.to_owned())
    };
    let known = [
        known("eu", "app:1", "Shop"),
        known("eu", "app:2", "Api"),
        known("eu", "app:3", "Api"),
        known("us", "app:4", "Shop"),
    ];
    let look_up = |tenant: &str, target: &str| {
        let id = known_target(&to_target(target).with_tenant(tenant.to_owned()), &known);
        id.map(|id| id.map(|id| id.to_string()))
    };
    assert_eq!(look_up("eu", "Shop").unwrap().as_deref(), Some("app:1"));
    assert_eq!(look_up("us", "Shop").unwrap().as_deref(), Some("app:4"));
    assert_eq!(look_up("eu", "app:2").unwrap().as_deref(), Some("app:2"));
    assert_eq!(look_up("eu", "all").unwrap().as_deref(), Some("all"));
    assert_eq!(look_up("eu", "app:4").unwrap(), None);
    let ambiguous = look_up("eu", "Api").unwrap_err();
    assert_eq!(ambiguous.kind(), ErrorKind::InvalidRequest);
    assert!(ambiguous.message().contains("app:2, app:3"), "{ambiguous}");
}

#[tokio::test]
async fn the_names_of_connection_and_target_are_kept_and_follow_the_scanner() {
    for test in stores().await {
        let names = async || {
            let known = test.store.bindings().await.unwrap();
            assert_eq!(known.len(), 1, "{}", test.name);
            (known[0].target_name.clone().unwrap(), known[0].connection.clone().unwrap())
        };
        import(&test, &binding("shop"), 1, scanner(&[("app:shop", "Shop")])).await.unwrap();
        assert_eq!(names().await, ("Shop".to_owned(), "eu".to_owned()));
        let renamed = import(&test, &binding("shop"), 2, scanner(&[("app:shop", "Web shop")])).await.unwrap();
        assert_eq!((renamed.summary.new, renamed.summary.recurrent), (0, 1), "{}", test.name);
        assert_eq!(names().await.0, "Web shop");
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_target_that_is_gone_while_its_name_has_another_id_ends_the_run() {
    for test in stores().await {
        import(&test, &binding("shop"), 1, scanner(&[("app:shop", "Shop")])).await.unwrap();
        let error = import(&test, &binding("shop"), 2, scanner(&[("app:new", "Shop")])).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some(TARGET_MOVED)), "{error}");
        assert_eq!(error.conflicting_id(), Some("app:new"));
        // Without a target of that name it is only missing, and the rest is read.
        let missing = import(&test, &binding("shop"), 3, scanner(&[("app:new", "Other")])).await.unwrap();
        assert_eq!(missing.gaps[0].kind, appsec_core::GapKind::TargetMissing, "{}", test.name);
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_target_that_is_given_by_its_name_is_refused() {
    for test in stores().await {
        let error = import(&test, &to_target("Shop"), 1, scanner(&[("app:shop", "Shop")])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        assert!(error.message().contains("app:shop"), "{error}");
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_moved_binding_keeps_its_findings_history_and_decisions() {
    for test in stores().await {
        import(&test, &binding("shop"), 1, scanner(&[("app:shop", "Shop")])).await.unwrap();
        let found = all(&test.store, &binding("shop")).await.remove(0);
        test.store
            .set_decision(&binding("shop"), &found.fingerprint, Some(Decision::RiskAccepted))
            .await
            .unwrap();
        let to = to_target("app:new").with_tenant("https://eu.example".to_owned());
        test.store.move_binding(&binding("shop"), &to).await.unwrap();

        assert_eq!(all(&test.store, &binding("shop")).await, []);
        let moved = all(&test.store, &to).await;
        assert_eq!((moved.len(), moved[0].state), (1, State::RiskAccepted), "{}", test.name);
        let next = import(&test, &to, 2, scanner(&[("app:new", "Shop")])).await.unwrap();
        assert_eq!((next.run, next.summary.new), (2, 0), "{}", test.name);
        let why = test.store.explain(&to, &found.fingerprint).await.unwrap().unwrap();
        assert_eq!((why.history[0].run, why.decisions.len()), (1, 1), "{}", test.name);
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_binding_is_not_moved_onto_a_history_nor_while_it_is_imported() {
    for test in stores().await {
        let targets = [("app:shop", "Shop"), ("app:new", "New")];
        import(&test, &binding("shop"), 1, scanner(&targets)).await.unwrap();
        import(&test, &to_target("app:new"), 1, scanner(&targets)).await.unwrap();
        let to = |id: &str| to_target(id);
        let error = test.store.move_binding(&binding("shop"), &to("app:new")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let error = test.store.move_binding(&to("app:unknown"), &to("app:3")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let request = RunRequest::new(at(60)).with_lease(Duration::from_mins(1));
        let run = test.store.begin_run(&binding("shop"), &request).await.unwrap();
        let error = test.store.move_binding(&binding("shop"), &to("app:3")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        test.store.release_run(&run).await.unwrap();
        test.store.move_binding(&binding("shop"), &to("app:3")).await.unwrap();
        test.store.close().await;
    }
}
