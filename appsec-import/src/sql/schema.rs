//! The tables, and how a store of an earlier version becomes one of this.

use appsec_core::{Error, ErrorKind, Result};

use super::{Dialect, SqlStore, Tx, args, get};

/// One list of statements for each version of the store, in order. What has been released is never edited: a change is a new list.
const MIGRATIONS: [&[&str]; 6] = [
    &[
        "CREATE TABLE binding (
        id {serial},
        key TEXT NOT NULL UNIQUE,
        identity TEXT NOT NULL,
        runs BIGINT NOT NULL DEFAULT 0,
        findings BIGINT NOT NULL DEFAULT 0
    )",
        "CREATE TABLE run (
        binding BIGINT NOT NULL REFERENCES binding (id),
        number BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        state TEXT NOT NULL,
        tag TEXT,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        lease_until BIGINT NOT NULL,
        scan TEXT,
        query TEXT,
        resume TEXT,
        gaps TEXT,
        places BIGINT NOT NULL DEFAULT 0,
        summary TEXT,
        coverage TEXT,
        PRIMARY KEY (binding, number)
    ){clustered}",
        "CREATE TABLE finding (
        binding BIGINT NOT NULL,
        id BIGINT NOT NULL,
        fingerprint TEXT NOT NULL,
        aliases TEXT NOT NULL,
        state TEXT NOT NULL,
        decision TEXT,
        severity TEXT NOT NULL,
        status TEXT,
        partition TEXT NOT NULL,
        title TEXT NOT NULL,
        place TEXT NOT NULL,
        first_seen TEXT NOT NULL,
        last_seen TEXT NOT NULL,
        closed_at TEXT,
        change TEXT NOT NULL,
        reason TEXT,
        PRIMARY KEY (binding, id)
    ){clustered}",
        "CREATE INDEX finding_by_fingerprint ON finding (binding, fingerprint, id)",
        "CREATE TABLE finding_alias (
        binding BIGINT NOT NULL,
        alias TEXT NOT NULL,
        finding BIGINT NOT NULL,
        PRIMARY KEY (binding, alias, finding)
    ){clustered}",
        "CREATE TABLE history (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        state TEXT NOT NULL,
        change TEXT NOT NULL,
        reason TEXT,
        PRIMARY KEY (binding, finding, run)
    ){clustered}",
        "CREATE TABLE staged (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        place BIGINT NOT NULL,
        found BIGINT,
        taken BIGINT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, run, place)
    ){clustered}",
        "CREATE INDEX staged_by_found ON staged (binding, run, found, place)",
        "CREATE TABLE staged_key (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        key TEXT NOT NULL,
        place BIGINT NOT NULL,
        PRIMARY KEY (binding, run, key)
    ){clustered}",
        "CREATE TABLE outbox (
        id TEXT NOT NULL PRIMARY KEY,
        endpoint TEXT NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL,
        created_at TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        last_error TEXT
    ){clustered}",
        "CREATE INDEX outbox_by_due ON outbox (endpoint, state, due_at)",
    ],
    &[
        // By the digest of its body: rows never change, so bindings and processes that share a rule never wait for each other.
        "CREATE TABLE rule (
        id TEXT NOT NULL PRIMARY KEY,
        body TEXT NOT NULL
    )",
        "CREATE TABLE detail (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        rule TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, finding)
    )",
        "CREATE TABLE staged_detail (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        place BIGINT NOT NULL,
        rule TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, run, place)
    )",
    ],
    // Delivered messages are cleared by age, whatever their endpoint.
    &["CREATE INDEX outbox_delivered ON outbox (due_at) WHERE state = 'delivered'"],
    &[
        // Times are milliseconds. `queued_at` is set while a job of the binding waits or runs.
        "CREATE TABLE scheduled (
        name TEXT NOT NULL PRIMARY KEY,
        body TEXT NOT NULL,
        binding TEXT NOT NULL,
        connection TEXT NOT NULL,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        due_at BIGINT,
        put_off_to BIGINT NOT NULL DEFAULT 0,
        tries BIGINT NOT NULL DEFAULT 0,
        queued_at BIGINT,
        fence BIGINT NOT NULL DEFAULT 0,
        hinted BIGINT NOT NULL DEFAULT 0,
        watermark BIGINT,
        complete_at BIGINT,
        ended_at BIGINT,
        last_error TEXT
    ){clustered}",
        "CREATE INDEX scheduled_by_due ON scheduled (due_at)",
        "CREATE TABLE connection_state (
        name TEXT NOT NULL PRIMARY KEY,
        open_until BIGINT NOT NULL,
        failures BIGINT NOT NULL,
        reason TEXT NOT NULL
    ){clustered}",
    ],
    &[
        // Ids and fingerprints in one table, as they are staged: one look-up finds both, and no other index can be taken for it.
        "CREATE TABLE finding_key (
        binding BIGINT NOT NULL,
        key TEXT NOT NULL,
        finding BIGINT NOT NULL,
        PRIMARY KEY (binding, key, finding)
    ){clustered}",
        "INSERT INTO finding_key SELECT binding, 'a' || alias, finding FROM finding_alias",
        "INSERT INTO finding_key SELECT binding, 'f' || fingerprint, id FROM finding",
        "DROP TABLE finding_alias",
        "DROP INDEX finding_by_fingerprint",
        "DROP INDEX staged_by_found",
        "CREATE INDEX staged_by_found ON staged (binding, run, found, place) WHERE found IS NOT NULL",
        // `run` is the last one whose verdict stood when it was decided.
        "CREATE TABLE decided (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        at TEXT NOT NULL,
        decision TEXT,
        state TEXT NOT NULL,
        PRIMARY KEY (binding, finding, run, at)
    ){clustered}",
    ],
    // A list; nothing where a finding is in one partition, as nearly all are.
    &["ALTER TABLE finding ADD COLUMN also_in TEXT"],
];

/// Any number: it keeps two processes from migrating one PostgreSQL database at a time.
const LOCK: i64 = 7_390_112_604;

impl SqlStore {
    pub(super) async fn migrate(&self) -> Result<()> {
        let mut tx = self.transaction().await?;
        if self.dialect == Dialect::Postgres {
            tx.rows("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)", args![LOCK]).await?;
        }
        tx.run("CREATE TABLE IF NOT EXISTS appsec_store (version BIGINT NOT NULL)", args![]).await?;
        let version = if let Some(row) = tx.row("SELECT version FROM appsec_store", args![]).await? {
            get::<i64>(&row, "version")?
        } else {
            tx.run("INSERT INTO appsec_store (version) VALUES (0)", args![]).await?;
            0
        };
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > MIGRATIONS.len() {
            let known = MIGRATIONS.len();
            let message = format!(
                "the store is of version {version}, and this program knows those up to {known}: use a later program"
            );
            return Err(Error::new(ErrorKind::Unsupported, message).with_operation("import store"));
        }
        for statements in MIGRATIONS.iter().skip(done) {
            self.apply(&mut tx, statements).await?;
        }
        let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        tx.run("UPDATE appsec_store SET version = $1", args![newest]).await?;
        tx.commit().await
    }

    async fn apply(&self, tx: &mut Tx, statements: &[&str]) -> Result<()> {
        let (serial, clustered) = match self.dialect {
            Dialect::Sqlite => ("INTEGER PRIMARY KEY", " WITHOUT ROWID"),
            Dialect::Postgres => ("BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", ""),
        };
        for statement in statements {
            let statement = statement.replace("{serial}", serial).replace("{clustered}", clustered);
            tx.run(&statement, args![]).await?;
        }
        Ok(())
    }
}
