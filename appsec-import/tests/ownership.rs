//! Whose a database is: a store is created in an empty place, and what belongs to another program, or to another
//! version, is refused and not changed.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::ErrorKind;
use appsec_import::store::{BINDING_HELD, RunRequest};
use appsec_import::{ImportOptions, Importer, SqlStore, Store};
use sqlx::{AnyConnection, Connection as _};

use support::{Script, ScriptedScanner, TestStore, all, at, binding, finding, stores};

async fn sql(url: &str, statements: &'static str) {
    // Fails when a store has done so already.
    let _ = sqlx::any::install_drivers(&[
        #[cfg(feature = "sqlite")]
        sqlx::sqlite::any::DRIVER,
        #[cfg(feature = "postgres")]
        sqlx::postgres::any::DRIVER,
    ]);
    let mut connection = AnyConnection::connect(url).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn import(store: &SqlStore, minute: i64, dry_run: bool) -> appsec_import::Import {
    let findings = vec![finding("p", "/a", Some("id-1"))];
    let scanner = ScriptedScanner::new([Script::conclusive(vec![findings], &["p"])]);
    let importer = Importer::new(Arc::new(scanner), Arc::new(store.clone()));
    let options = ImportOptions::new().with_started_at(at(60 * minute)).with_dry_run(dry_run);
    importer.run(&binding("shop"), &options).await.unwrap()
}

/// A file of SQLite, and every file beside it.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("other.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// The names and contents of all files.
    fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
        files.sort();
        files
    }

    /// Checks that both ways to open the store refuse it, with its path, and change no file.
    async fn assert_refused(&self, why: &str) {
        let before = self.contents();
        for error in [
            SqlStore::connect(&self.url()).await.unwrap_err(),
            SqlStore::connect_existing(&self.url()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let message = error.to_string();
            assert!(message.contains(why) && message.contains("other.db"), "{message}");
        }
        assert!(self.contents() == before, "the files changed");
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_not_changed() {
    let files = Files::new();
    sql(
        &format!("{}?mode=rwc", files.url()),
        "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('x')",
    )
    .await;
    files.assert_refused("another program").await;
    sql(&files.url(), "PRAGMA application_id = 77; PRAGMA journal_mode = WAL").await;
    files.assert_refused("another program").await;
    // A store of the unreleased first version has no application id either.
    sql(&files.url(), "PRAGMA application_id = 0; CREATE TABLE appsec_store (version BIGINT)").await;
    files.assert_refused("unreleased version").await;

    let files = Files::new();
    fs::write(files.path(), "# a text, longer than the header of a database\n".repeat(3)).unwrap();
    files.assert_refused("no SQLite database").await;
    fs::write(files.path(), "short").unwrap();
    files.assert_refused("no SQLite database").await;
}

#[tokio::test]
async fn an_empty_file_becomes_a_store_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new();
    fs::write(files.path(), "").unwrap();
    let store = SqlStore::connect(&files.url()).await.unwrap();
    assert_eq!(store.bindings().await.unwrap(), []);
    store.close().await;
    let header = fs::read(files.path()).unwrap();
    assert_eq!(&header[68..72], b"ASec", "the application id is in the header of the file");

    fs::remove_file(files.path()).unwrap();
    SqlStore::connect(&files.url()).await.unwrap().close().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.path()), 0o600);
}

#[tokio::test]
async fn triggers_and_views_in_a_store_are_refused() {
    for (statement, undo) in [
        (
            "CREATE TRIGGER spy AFTER INSERT ON binding BEGIN UPDATE binding SET connection = 'x'; END",
            "DROP TRIGGER spy",
        ),
        ("CREATE VIEW spy AS SELECT * FROM binding", "DROP VIEW spy"),
    ] {
        let files = Files::new();
        SqlStore::connect(&files.url()).await.unwrap().close().await;
        sql(&files.url(), statement).await;
        files.assert_refused("triggers or views").await;
        sql(&files.url(), undo).await;
        SqlStore::connect(&files.url()).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_place_without_a_store_is_not_changed_by_reading() {
    let files = Files::new();
    for empty in [false, true] {
        if empty {
            fs::write(files.path(), "").unwrap();
        }
        let before = files.contents();
        let error = SqlStore::connect_existing(&files.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.message().contains("no store") && error.message().contains("other.db"), "{error}");
        assert!(files.contents() == before, "the files changed");
    }
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    for url in ["sqlite::memory:", "sqlite:x?mode=memory"] {
        assert_eq!(SqlStore::connect(url).await.unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
}

#[tokio::test]
async fn a_store_of_another_version_is_refused_and_not_changed() {
    for test in stores().await {
        test.store.close().await;
        let url = with_schema(&test);
        for (set, found) in [
            ("UPDATE appsec_store SET version = 99", "version 99"),
            ("UPDATE appsec_store SET version = 0", "version 0"),
        ] {
            sql(&url, set).await;
            for _ in 0..2 {
                let error = SqlStore::connect(&test.url).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", test.name);
                assert!(error.message().contains(found), "{error}");
            }
        }
    }
}

/// The URL with the schema of the store in the search path.
fn with_schema(test: &TestStore) -> String {
    if test.name == "postgres" {
        format!("{}&options=-csearch_path%3Dappsec", test.url)
    } else {
        test.url.clone()
    }
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_and_an_empty_one_is_used() {
    for test in stores().await.into_iter().filter(|test| test.name == "postgres") {
        test.store.close().await;
        sql(
            &test.url,
            "DROP SCHEMA appsec CASCADE; CREATE SCHEMA appsec; CREATE TABLE appsec.notes (text TEXT)",
        )
        .await;
        for error in [
            SqlStore::connect(&test.url).await.unwrap_err(),
            SqlStore::connect_existing(&test.url).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        }
        sql(&test.url, "SELECT * FROM appsec.notes; DROP TABLE appsec.notes").await;
        assert_eq!(SqlStore::connect_existing(&test.url).await.unwrap_err().kind(), ErrorKind::NotFound);
        let store = SqlStore::connect(&test.url).await.unwrap();
        import(&store, 1, false).await;
        store.close().await;
        // A view on ours would be refused too; the tables of other schemas are nobody's concern here.
        sql(&test.url, "CREATE TABLE public.binding (id BIGINT)").await;
        let store = SqlStore::connect_existing(&test.url).await.unwrap();
        assert_eq!(all(&store, &binding("shop")).await.len(), 1);
        store.close().await;
        sql(&test.url, "CREATE VIEW appsec.spy AS SELECT 1 AS one").await;
        assert_eq!(SqlStore::connect(&test.url).await.unwrap_err().kind(), ErrorKind::Config);
        // The tables of the unreleased first version were in the schema `public`.
        sql(&test.url, "DROP SCHEMA appsec CASCADE; CREATE TABLE public.appsec_store (version BIGINT)").await;
        let error = SqlStore::connect(&test.url).await.unwrap_err();
        assert!(error.message().contains("unreleased version"), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_at_once_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, shown, cause) in [
        (format!("sqlite:{}/missing/x.db", folder.path().display()), "missing/x.db", "No such file"),
        (format!("sqlite:{}", folder.path().display()), "", "directory"),
        (format!("postgres://me:canary@127.0.0.1:{port}/appsec"), "postgres://me@127.0.0.1", "refused"),
    ] {
        let begun = Instant::now();
        let error = SqlStore::connect(&url).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(20), "{url}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        let text = format!("{error}: {source}");
        assert!(text.contains(shown) && text.contains(cause), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_dry_run_uses_no_number_and_leaves_nothing() {
    for test in stores().await {
        let dry = import(&test.store, 1, true).await;
        assert_eq!((dry.run, dry.summary.new), (0, 1), "{}", test.name);
        assert_eq!(test.store.bindings().await.unwrap(), [], "{}", test.name);
        assert_eq!(import(&test.store, 2, false).await.run, 1, "{}", test.name);
        import(&test.store, 3, true).await;
        assert_eq!(import(&test.store, 4, false).await.run, 2, "{}", test.name);
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_copy_has_what_the_store_has_and_changes_nothing_in_it() {
    for test in stores().await {
        import(&test.store, 1, false).await;
        let folder = tempfile::tempdir().unwrap();
        let copy = test.store.copy_to(&folder.path().join("copy.db")).await.unwrap();
        assert_eq!(copy.is_some(), test.name == "sqlite");
        if let Some(copy) = copy {
            assert_eq!(all(&copy, &binding("shop")).await, all(&test.store, &binding("shop")).await);
            import(&copy, 2, false).await;
            copy.close().await;
            assert_eq!(test.store.last_run(&binding("shop")).await.unwrap().unwrap().number, 1);
        }
        test.store.close().await;
    }
}

#[tokio::test]
async fn a_binding_that_is_held_says_until_when_and_since_when() {
    for test in stores().await {
        let request = RunRequest::new(at(0)).with_lease(Duration::from_secs(90));
        test.store.begin_run(&binding("shop"), &request).await.unwrap();
        let error = test.store.begin_run(&binding("shop"), &request).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some(BINDING_HELD)), "{error}");
        let left = error.retry_after().unwrap().as_secs();
        assert!((30..=90).contains(&left), "{left}");
        assert!(
            error.message().contains("held until 2") && error.message().contains(&format!("(in {left} s)")),
            "{error}"
        );
        assert!(error.message().contains("has not answered since 2"), "{error}");
        let taken = test.store.begin_run(&binding("shop"), &request.with_take_over(true)).await.unwrap();
        assert_eq!((taken.number, taken.fence), (1, 2), "{}", test.name);
        test.store.close().await;
    }
}
