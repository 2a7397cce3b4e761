//! Whose a database is. A store is created in an empty one; what belongs to another program is refused before
//! anything in it is set or written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use appsec_core::Result;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::dialect::Dialect;
use super::errors::{at_place, cannot_open, earlier_version, foreign, later_version, no_store};
use super::place::Place;
use super::schema::{VERSION, statements};
use super::transaction::get;

/// The application id in the header of a store's file: `ASec` in ASCII.
const APPLICATION_ID: u32 = 0x4153_6563;

/// The name in the marker row of a store.
const APPLICATION: &str = "appsec-import";

/// The bytes at the start of a SQLite file that hold the application id.
const HEADER_BYTES: usize = 72;

/// The first bytes of a SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// An arbitrary number. In PostgreSQL it keeps two processes from creating a store at the same time.
const LOCK: i64 = 7_390_112_604;

/// Whether there is something at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or an empty file.
    Nothing,
    /// A store of this program.
    Store,
}

/// Looks at the header of a SQLite file, without opening it as a database: that may create files beside it, or
/// roll back what its own program left.
pub(super) fn look_at_file(place: &Place) -> Result<Found> {
    let Some(path) = place.path() else { return Ok(Found::Nothing) };
    let header = match read_header(path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(cannot_open(place, error)),
    };
    match (header.get(..MAGIC.len()), header.get(HEADER_BYTES - 4..HEADER_BYTES)) {
        (_, _) if header.is_empty() => Ok(Found::Nothing),
        (Some(MAGIC), Some(id)) if id == APPLICATION_ID.to_be_bytes() => Ok(Found::Store),
        (Some(MAGIC), Some(_)) => Err(foreign(
            place,
            "it is the database of another program, or of an unreleased version of this one",
        )),
        _ => Err(foreign(place, "it is no SQLite database")),
    }
}

/// Creates the empty file of a new store, which only its owner can read: it holds findings.
pub(super) fn create_file(place: &Place) -> Result<()> {
    let Some(path) = place.path() else { return Ok(()) };
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(cannot_open(place, error)),
        _ => Ok(()),
    }
}

fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let limit = u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut header)?;
    Ok(header)
}

/// Checks that the database is a store of this version, and creates the store in an empty one where `create`
/// is true. Everything happens in one transaction.
pub(super) async fn claim(connection: &mut AnyConnection, place: &Place, create: bool) -> Result<()> {
    let begin = match place.dialect {
        // A transaction that only reads does not wait for the lock of a writer.
        Dialect::Sqlite if !create => "PRAGMA trusted_schema=OFF; BEGIN",
        Dialect::Sqlite => "PRAGMA trusted_schema=OFF; BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    };
    run(connection, place, begin).await?;
    let claimed = match place.dialect {
        Dialect::Sqlite => claim_sqlite(connection, place, create).await,
        Dialect::Postgres => claim_postgres(connection, place, create).await,
    };
    run(connection, place, if claimed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    claimed
}

async fn claim_sqlite(connection: &mut AnyConnection, place: &Place, create: bool) -> Result<()> {
    let text = "SELECT (SELECT application_id FROM pragma_application_id) AS id, COUNT(*) AS objects,
            COUNT(CASE WHEN type IN ('trigger', 'view') THEN 1 END) AS programs FROM sqlite_schema";
    let row = one(connection, place, text).await?;
    let count = |column| get::<i64>(&row, column);
    match (count("id")?, count("objects")?) {
        (0, 0) if create => {
            let mut script = vec![format!("PRAGMA application_id = {APPLICATION_ID}")];
            script.extend(statements(Dialect::Sqlite));
            script.push(marker());
            run(connection, place, &script.join(";\n")).await
        }
        (0, 0) => Err(no_store(place)),
        (id, _) if id != i64::from(APPLICATION_ID) => {
            Err(foreign(place, "it is the database of another program"))
        }
        _ if count("programs")? > 0 => {
            // The store has none, and one that was added would run with each statement of ours.
            Err(foreign(place, "it has triggers or views, which a store does not have"))
        }
        _ => check_version(connection, place, "appsec_store").await,
    }
}

async fn claim_postgres(connection: &mut AnyConnection, place: &Place, create: bool) -> Result<()> {
    if create {
        run(connection, place, &format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    }
    let objects = |which: &str| {
        format!(
            "(SELECT COUNT(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE {which})"
        )
    };
    let text = format!(
        "SELECT (SELECT COUNT(*) FROM pg_catalog.pg_namespace WHERE nspname = 'appsec') AS schemas, {} AS objects,
            {} AS marker, {} AS earlier, {} AS programs,
            (SELECT COUNT(*) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'appsec' AND NOT t.tgisinternal) AS triggers",
        objects("n.nspname = 'appsec'"),
        objects("n.nspname = 'appsec' AND c.relname = 'appsec_store' AND c.relkind = 'r'"),
        objects("n.nspname = 'public' AND c.relname = 'appsec_store'"),
        objects("n.nspname = 'appsec' AND c.relkind IN ('v', 'm')"),
    );
    let row = one(connection, place, &text).await?;
    let count = |column| get::<i64>(&row, column);
    if count("marker")? > 0 {
        if count("programs")? + count("triggers")? > 0 {
            return Err(foreign(place, "its schema has triggers or views, which a store does not have"));
        }
        return check_version(connection, place, "appsec.appsec_store").await;
    }
    if count("objects")? > 0 {
        return Err(foreign(place, "its schema `appsec` belongs to another program"));
    }
    if count("earlier")? > 0 {
        return Err(foreign(place, "it has the tables of an unreleased version of this program"));
    }
    if !create {
        return Err(no_store(place));
    }
    // The schema may have been created by somebody with more permissions.
    let schema = if count("schemas")? == 0 { "CREATE SCHEMA appsec; " } else { "" };
    let mut script = vec![format!("{schema}SET LOCAL search_path TO appsec")];
    script.extend(statements(Dialect::Postgres));
    script.push(marker());
    run(connection, place, &script.join(";\n")).await
}

fn marker() -> String {
    format!("INSERT INTO appsec_store (application, version) VALUES ('{APPLICATION}', {VERSION})")
}

async fn check_version(connection: &mut AnyConnection, place: &Place, table: &str) -> Result<()> {
    let text = format!("SELECT application, version FROM {table}");
    // A table of another program lacks the columns.
    let row = one(connection, place, &text).await.map_err(|_| foreign(place, "its marker cannot be read"))?;
    if get::<String>(&row, "application")? != APPLICATION {
        return Err(foreign(place, "its marker is that of another program"));
    }
    match get::<i64>(&row, "version")? {
        VERSION => Ok(()),
        later if later > VERSION => Err(later_version(place, later)),
        earlier => Err(earlier_version(place, earlier)),
    }
}

async fn run(connection: &mut AnyConnection, place: &Place, script: &str) -> Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(script.to_owned())).execute(connection).await;
    done.map(drop).map_err(|cause| at_place(place, cause))
}

async fn one(connection: &mut AnyConnection, place: &Place, text: &str) -> Result<AnyRow> {
    let row = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_one(connection).await;
    row.map_err(|cause| at_place(place, cause))
}
