//! Findings as rows.

use appsec_core::{Fingerprint, PartitionKey, Result, Severity, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;

use super::{Tx, args, get, json, parse, unreadable};
use crate::judge::{Change, State};
use crate::reconcile::{KnownFinding, Outcome};

/// The columns of a finding, in the order of the statements below.
pub(super) const COLUMNS: &str =
    "f.id, f.fingerprint, f.aliases, f.state, f.decision, f.severity, f.status, f.partition, f.title,
    f.place, f.first_seen, f.last_seen, f.closed_at, f.change, f.reason";

/// A finding as it is written.
#[derive(Debug, Serialize)]
struct FindingRow<'a> {
    id: i64,
    fingerprint: Fingerprint,
    aliases: String,
    state: State,
    decision: Option<String>,
    severity: &'a Severity,
    status: Option<&'a str>,
    partition: &'a PartitionKey,
    title: &'a str,
    place: &'a str,
    first_seen: Timestamp,
    last_seen: Timestamp,
    closed_at: Option<Timestamp>,
    change: Change,
    reason: Option<&'a str>,
}

/// A finding as it is kept, and what the last run meant for it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) finding: KnownFinding,
    pub(super) change: Change,
    pub(super) reason: Option<String>,
}

/// An enum's word.
pub(super) fn word(value: &impl Serialize) -> Result<String> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

pub(super) fn of_word<T: DeserializeOwned>(word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::from(word))
        .map_err(|cause| unreadable("a word").with_source(cause))
}

pub(super) fn time(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|cause| unreadable("a time").with_source(cause))
}

pub(super) fn kept(row: &AnyRow) -> Result<Kept> {
    let text = |column| get::<String>(row, column);
    let optional = |column| get::<Option<String>>(row, column);
    let finding = KnownFinding {
        fingerprint: text("fingerprint")?.parse()?,
        aliases: parse(&text("aliases")?, "aliases")?,
        state: of_word(&text("state")?)?,
        decision: optional("decision")?.map(|word| of_word(&word)).transpose()?,
        severity: Severity::from(text("severity")?.as_str()),
        status: optional("status")?.map(|word| word.as_str().into()),
        partition: PartitionKey::from(text("partition")?),
        title: text("title")?,
        place: text("place")?,
        first_seen: time(&text("first_seen")?)?,
        last_seen: time(&text("last_seen")?)?,
        closed_at: optional("closed_at")?.map(|text| time(&text)).transpose()?,
    };
    Ok(Kept { id: get(row, "id")?, finding, change: of_word(&text("change")?)?, reason: optional("reason")? })
}

impl Tx {
    /// Writes findings, known and new, with their verdicts.
    pub(super) async fn write_findings(&mut self, line: i64, outcomes: &[(i64, Outcome)]) -> Result<()> {
        let rows = outcomes.iter().map(|(id, outcome)| row(*id, outcome)).collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        let write = "INSERT INTO finding (line, id, fingerprint, aliases, state, decision, severity, status, partition,
                title, place, first_seen, last_seen, closed_at, change, reason)
            SELECT $1, CAST(value->>'id' AS BIGINT), value->>'fingerprint', value->>'aliases', value->>'state',
                value->>'decision', value->>'severity', value->>'status', value->>'partition', value->>'title',
                value->>'place', value->>'first_seen', value->>'last_seen', value->>'closed_at', value->>'change',
                value->>'reason'
            FROM {rows:2} WHERE true
            ON CONFLICT (line, id) DO UPDATE SET fingerprint = excluded.fingerprint, aliases = excluded.aliases,
                state = excluded.state, severity = excluded.severity, status = excluded.status,
                partition = excluded.partition, title = excluded.title, place = excluded.place,
                first_seen = excluded.first_seen, last_seen = excluded.last_seen, closed_at = excluded.closed_at,
                change = excluded.change, reason = excluded.reason";
        self.run(write, args![line, json(&rows)?]).await?;
        Ok(())
    }
}

fn row(id: i64, outcome: &Outcome) -> Result<FindingRow<'_>> {
    let finding = &outcome.finding;
    Ok(FindingRow {
        id,
        fingerprint: finding.fingerprint,
        aliases: json(&finding.aliases)?,
        state: finding.state,
        decision: finding.decision.map(|decision| word(&decision)).transpose()?,
        severity: &finding.severity,
        status: finding.status.as_ref().map(appsec_core::FindingStatus::as_str),
        partition: &finding.partition,
        title: &finding.title,
        place: &finding.place,
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
        closed_at: finding.closed_at,
        change: outcome.change,
        reason: outcome.reason.as_deref(),
    })
}
