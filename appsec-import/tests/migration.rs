//! A store of an earlier version is migrated, and one of a later version is refused and not changed.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use appsec_core::{ErrorKind, Rule};
use appsec_import::reconcile::Change;
use appsec_import::{ImportOptions, Importer, SqlStore, Store};
use sqlx::AnyPool;

use support::{Script, ScriptedScanner, all, at, binding, finding, stores};

/// Undoes what the second version of the tables changed.
const FIRST_VERSION: &str = "
    ALTER TABLE finding DROP COLUMN also_in;
    ALTER TABLE finding DROP COLUMN profile;
    ALTER TABLE finding DROP COLUMN retired_at;
    DROP TABLE retirement;
    CREATE TABLE finding_alias (
        binding BIGINT NOT NULL, alias TEXT NOT NULL, finding BIGINT NOT NULL, PRIMARY KEY (binding, alias, finding)
    );
    INSERT INTO finding_alias SELECT binding, substr(key, 2), finding FROM finding_key WHERE key LIKE 'a%';
    DROP TABLE finding_key;
    DROP TABLE decision;
    CREATE INDEX finding_by_fingerprint ON finding (binding, fingerprint, id);
    DROP INDEX staged_observation_by_finding;
    CREATE INDEX staged_observation_by_finding ON staged_observation (binding, run, known_finding, position);
    UPDATE appsec_store SET version = 1;";

async fn sql(url: &str, statements: &'static str) {
    let pool = AnyPool::connect(url).await.unwrap();
    sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn import(store: &SqlStore, minute: i64, findings: Vec<appsec_core::Finding>) -> appsec_import::Import {
    let scanner = ScriptedScanner::new([Script::conclusive(vec![findings], &["p"])]);
    let importer = Importer::new(Arc::new(scanner), Arc::new(store.clone()));
    importer.run(&binding("shop"), &ImportOptions::new().with_started_at(at(60 * minute))).await.unwrap()
}

#[tokio::test]
async fn findings_of_an_earlier_version_are_found_by_id_and_by_fingerprint() {
    for test in stores().await {
        let seen = vec![finding("p", "/by-id", Some("id-1")), finding("p", "/by-print", None)];
        import(&test.store, 1, seen).await;
        let before = all(&test.store, &binding("shop")).await;
        test.store.close().await;
        sql(&test.url, FIRST_VERSION).await;

        let store = SqlStore::connect(&test.url).await.unwrap();
        assert_eq!(all(&store, &binding("shop")).await, before, "{}", test.name);
        let why = store.explain(&binding("shop"), &before[1].fingerprint).await.unwrap().unwrap();
        assert_eq!(why.history.last().unwrap().change, Change::New, "{}", test.name);

        // The rule was renamed, which changed the fingerprint. The id still finds the finding, and afterwards
        // the new fingerprint does.
        let mut renamed = finding("p", "/by-id", Some("id-1"));
        renamed.rule = Rule::new("r2", "SQL injection, renamed").into();
        renamed.fingerprint = finding("p", "/renamed", None).fingerprint;
        let run = import(&store, 2, vec![renamed.clone(), finding("p", "/by-print", None)]).await;
        assert_eq!((run.summary.recurrent, run.summary.new), (2, 0), "{}", test.name);
        assert!(store.explain(&binding("shop"), &before[0].fingerprint).await.unwrap().is_none());
        assert!(store.explain(&binding("shop"), &renamed.fingerprint).await.unwrap().is_some());
        renamed.aliases.clear();
        let run = import(&store, 3, vec![renamed]).await;
        assert_eq!((run.summary.recurrent, run.summary.closed), (1, 1), "{}", test.name);
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused_and_not_changed() {
    for test in stores().await {
        test.store.close().await;
        sql(&test.url, "UPDATE appsec_store SET version = 99").await;
        for _ in 0..2 {
            let error = SqlStore::connect(&test.url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", test.name);
            assert!(error.message().contains("version 99"), "{error}");
        }
    }
}
