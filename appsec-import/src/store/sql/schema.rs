//! The tables of a store.

use super::dialect::Dialect;

/// The version of the tables. Until the first release it grows with each change of the list, and a store of an
/// earlier version is refused; from then on each version has a list of its own, and stores are migrated.
pub(super) const VERSION: i64 = 1;

/// The statements that create the tables.
const TABLES: &[&str] = &[
    // The marker of a store: one row, with the name of this crate and the version.
    "CREATE TABLE appsec_store (
        application TEXT NOT NULL,
        version BIGINT NOT NULL
    )",
    "CREATE TABLE binding (
        id {serial_key},
        key TEXT NOT NULL UNIQUE,
        identity TEXT NOT NULL,
        target_name TEXT,
        connection TEXT,
        run_count BIGINT NOT NULL DEFAULT 0,
        finding_count BIGINT NOT NULL DEFAULT 0
    )",
    "CREATE TABLE run (
        binding BIGINT NOT NULL REFERENCES binding (id),
        number BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        state TEXT NOT NULL,
        scan_tag TEXT,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        lease_until BIGINT NOT NULL,
        renewed_at BIGINT NOT NULL,
        scan TEXT,
        query TEXT,
        resume TEXT,
        gaps TEXT,
        staged_count BIGINT NOT NULL DEFAULT 0,
        left_out BIGINT NOT NULL DEFAULT 0,
        summary TEXT,
        coverage TEXT,
        PRIMARY KEY (binding, number)
    ){clustered}",
    // The most parts that SARIF reports of a binding have had.
    "CREATE TABLE report_parts (
        binding BIGINT NOT NULL PRIMARY KEY REFERENCES binding (id),
        whole_parts BIGINT NOT NULL,
        partial_parts BIGINT NOT NULL
    ){clustered}",
    // `also_in` is a JSON list, NULL where a finding is in one partition, as nearly all are.
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
        also_in TEXT,
        title TEXT NOT NULL,
        place TEXT NOT NULL,
        first_seen TEXT NOT NULL,
        last_seen TEXT NOT NULL,
        closed_at TEXT,
        change TEXT NOT NULL,
        reason TEXT,
        occurrences TEXT,
        profile TEXT,
        retired_at TEXT,
        PRIMARY KEY (binding, id)
    ){clustered}",
    // Aliases and fingerprints in one table, as they are staged: one look-up finds both, and the
    // planner has one index to choose.
    "CREATE TABLE finding_key (
        binding BIGINT NOT NULL,
        key TEXT NOT NULL,
        finding BIGINT NOT NULL,
        PRIMARY KEY (binding, key, finding)
    ){clustered}",
    // The texts of rules by their digest. Rows never change, so bindings and processes that share a
    // rule do not wait for each other.
    "CREATE TABLE rule (
        id TEXT NOT NULL PRIMARY KEY,
        body TEXT NOT NULL
    )",
    "CREATE TABLE finding_detail (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        rule TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, finding)
    )",
    "CREATE TABLE history (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        state TEXT NOT NULL,
        change TEXT NOT NULL,
        reason TEXT,
        PRIMARY KEY (binding, finding, run)
    ){clustered}",
    "CREATE TABLE staged_observation (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        position BIGINT NOT NULL,
        known_finding BIGINT,
        fingerprint_taken BIGINT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, run, position)
    ){clustered}",
    "CREATE INDEX staged_observation_by_finding ON staged_observation (binding, run, known_finding, position)
            WHERE known_finding IS NOT NULL",
    "CREATE TABLE staged_key (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        key TEXT NOT NULL,
        position BIGINT NOT NULL,
        PRIMARY KEY (binding, run, key)
    ){clustered}",
    "CREATE TABLE staged_detail (
        binding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        position BIGINT NOT NULL,
        rule TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (binding, run, position)
    )",
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
    // Delivered messages are removed by age, whatever their endpoint.
    "CREATE INDEX outbox_delivered ON outbox (due_at) WHERE state = 'delivered'",
    // Times are milliseconds. `queued_at` is set while a job of the binding waits or runs.
    "CREATE TABLE scheduled_binding (
        name TEXT NOT NULL PRIMARY KEY,
        body TEXT NOT NULL,
        binding TEXT NOT NULL,
        connection TEXT NOT NULL,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        due_at BIGINT,
        backoff_until BIGINT NOT NULL DEFAULT 0,
        attempts BIGINT NOT NULL DEFAULT 0,
        queued_at BIGINT,
        fence BIGINT NOT NULL DEFAULT 0,
        run_again BIGINT NOT NULL DEFAULT 0,
        watermark BIGINT,
        complete_at BIGINT,
        ended_at BIGINT,
        last_error TEXT,
        remark TEXT
    ){clustered}",
    "CREATE INDEX scheduled_binding_by_due ON scheduled_binding (due_at)",
    "CREATE TABLE circuit_breaker (
        connection TEXT NOT NULL PRIMARY KEY,
        open_until BIGINT NOT NULL,
        failures BIGINT NOT NULL,
        reason TEXT NOT NULL
    ){clustered}",
    // `run` is the last run that had been concluded when the decision was made.
    "CREATE TABLE decision (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        at TEXT NOT NULL,
        decision TEXT,
        state TEXT NOT NULL,
        PRIMARY KEY (binding, finding, run, at)
    ){clustered}",
    // `run` is the last run that had been concluded when the partition was retired.
    "CREATE TABLE retirement (
        binding BIGINT NOT NULL,
        finding BIGINT NOT NULL,
        run BIGINT NOT NULL,
        at TEXT NOT NULL,
        retired_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (binding, finding, run, at)
    ){clustered}",
];

/// The statements that create the tables of a store, in order.
pub(super) fn statements(dialect: Dialect) -> impl Iterator<Item = String> {
    TABLES.iter().map(move |statement| {
        let statement = statement.replace("{serial_key}", dialect.serial_key());
        statement.replace("{clustered}", dialect.clustered())
    })
}
