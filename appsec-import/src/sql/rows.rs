//! Findings as rows.

use appsec_core::{PartitionKey, Result, Severity, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;

use super::{Arg, Tx, args, get, json, parse, unreadable};
use crate::judge::Change;
use crate::reconcile::{KnownFinding, Transition};

/// The columns of a finding, in the order of the statements below.
pub(super) const COLUMNS: &str =
    "f.id, f.fingerprint, f.aliases, f.state, f.decision, f.severity, f.status, f.partition,
    f.also_in, f.title, f.place, f.first_seen, f.last_seen, f.closed_at, f.change, f.reason";

/// Finds the finding of a binding, whose key is the first parameter, by a key of its own, the second; of several the one known first.
pub(super) fn by_key() -> String {
    format!(
        "SELECT {COLUMNS} FROM binding l {{look:finding_key k: k.binding = l.id AND k.key = $2}}
         {{look:finding f: f.binding = l.id AND f.id = k.finding}} WHERE l.key = $1 ORDER BY f.id LIMIT 1"
    )
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
        also_in: optional("also_in")?.map(|text| parse(&text, "partitions")).transpose()?.unwrap_or_default(),
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
    pub(super) async fn write_findings(
        &mut self,
        binding: i64,
        outcomes: &[(i64, Transition)],
    ) -> Result<()> {
        let rows = outcomes.iter().map(|(id, outcome)| row(binding, *id, outcome)).collect::<Result<_>>()?;
        let into = "finding (binding, id, fingerprint, aliases, state, decision, severity, status, partition, also_in, title,
            place, first_seen, last_seen, closed_at, change, reason)";
        let again = "ON CONFLICT (binding, id) DO UPDATE SET fingerprint = excluded.fingerprint, aliases = excluded.aliases,
            state = excluded.state, severity = excluded.severity, status = excluded.status,
            partition = excluded.partition, also_in = excluded.also_in, title = excluded.title, place = excluded.place,
            first_seen = excluded.first_seen, last_seen = excluded.last_seen, closed_at = excluded.closed_at,
            change = excluded.change, reason = excluded.reason";
        self.insert(into, rows, again).await
    }
}

/// A finding as it is written.
fn row(binding: i64, id: i64, outcome: &Transition) -> Result<Vec<Arg>> {
    let finding = &outcome.finding;
    Ok(args![
        binding,
        id,
        finding.fingerprint.to_string(),
        json(&finding.aliases)?,
        word(&finding.state)?,
        finding.decision.map(|decision| word(&decision)).transpose()?,
        finding.severity.as_str(),
        finding.status.as_ref().map(|status| status.as_str().to_owned()),
        finding.partition.as_str(),
        (!finding.also_in.is_empty()).then(|| json(&finding.also_in)).transpose()?,
        finding.title.as_str(),
        finding.place.as_str(),
        finding.first_seen.to_string(),
        finding.last_seen.to_string(),
        finding.closed_at.map(|at| at.to_string()),
        word(&outcome.change)?,
        outcome.reason.clone(),
    ])
}
