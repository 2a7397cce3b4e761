//! Findings as rows.

use appsec_core::{PartitionKey, ProfileKey, Result, Severity};
use sqlx::any::AnyRow;

use super::dialect::Dialect;
use super::transaction::{Arg, Transaction, args, from_json, from_name, get, parse_time, to_json, to_name};
use crate::reconcile::{Change, KnownFinding, OccurrenceSet, Transition};

/// The columns that [`StoredRow::new`] reads, of a finding with the alias `f`.
pub(super) const COLUMNS: &str =
    "f.id, f.fingerprint, f.aliases, f.state, f.decision, f.severity, f.status, f.partition,
    f.also_in, f.profile, f.title, f.place, f.first_seen, f.last_seen, f.closed_at, f.retired_at, f.change,
    f.reason, f.occurrences";

/// Returns the query for a finding of a binding. Its parameters are the binding's key and a key of the
/// finding. Where several findings have that key, the oldest is selected.
pub(super) fn finding_by_key(dialect: Dialect) -> String {
    let key = dialect.join("finding_key", "k", "k.binding = b.id AND k.key = $2");
    let finding = dialect.join("finding", "f", "f.binding = b.id AND f.id = k.finding");
    format!("SELECT {COLUMNS} FROM binding b {key} {finding} WHERE b.key = $1 ORDER BY f.id LIMIT 1")
}

/// A finding as it is stored, with how the last run changed it.
#[derive(Debug)]
pub(super) struct StoredRow {
    pub(super) id: i64,
    pub(super) finding: KnownFinding,
    pub(super) change: Change,
    pub(super) reason: Option<String>,
}

impl StoredRow {
    pub(super) fn new(row: &AnyRow) -> Result<Self> {
        let text = |column| get::<String>(row, column);
        let optional = |column| get::<Option<String>>(row, column);
        let also_in = optional("also_in")?.map(|text| from_json(&text, "partitions")).transpose()?;
        let occurrences = optional("occurrences")?.map(|text| from_json(&text, "occurrences")).transpose()?;
        let occurrence_set: OccurrenceSet = occurrences.unwrap_or_default();
        let finding = KnownFinding {
            occurrences: occurrence_set.count().max(1),
            occurrence_set,
            fingerprint: text("fingerprint")?.parse()?,
            aliases: from_json(&text("aliases")?, "aliases")?,
            state: from_name(&text("state")?)?,
            decision: optional("decision")?.map(|name| from_name(&name)).transpose()?,
            severity: Severity::from(text("severity")?.as_str()),
            status: optional("status")?.map(|name| name.as_str().into()),
            partition: PartitionKey::from(text("partition")?),
            also_in: also_in.unwrap_or_default(),
            profile: optional("profile")?.map(ProfileKey::from),
            title: text("title")?,
            place: text("place")?,
            first_seen: parse_time(&text("first_seen")?)?,
            last_seen: parse_time(&text("last_seen")?)?,
            closed_at: optional("closed_at")?.map(|text| parse_time(&text)).transpose()?,
            retired_at: optional("retired_at")?.map(|text| parse_time(&text)).transpose()?,
        };
        let change = from_name(&text("change")?)?;
        Ok(Self { id: get(row, "id")?, finding, change, reason: optional("reason")? })
    }
}

impl Transaction {
    /// Writes known and new findings, with how the run changed them. Decisions are not written.
    pub(super) async fn write_findings(
        &mut self,
        binding: i64,
        transitions: &[(i64, Transition)],
    ) -> Result<()> {
        let rows = transitions.iter().map(|(id, transition)| values(binding, *id, transition));
        let rows = rows.collect::<Result<_>>()?;
        let into = "finding (binding, id, fingerprint, aliases, state, decision, severity, status, partition, also_in, profile, title,
            place, first_seen, last_seen, closed_at, retired_at, change, reason, occurrences)";
        let update = "ON CONFLICT (binding, id) DO UPDATE SET fingerprint = excluded.fingerprint, aliases = excluded.aliases,
            state = excluded.state, severity = excluded.severity, status = excluded.status,
            partition = excluded.partition, also_in = excluded.also_in, profile = excluded.profile, title = excluded.title,
            place = excluded.place, first_seen = excluded.first_seen, last_seen = excluded.last_seen,
            closed_at = excluded.closed_at, retired_at = excluded.retired_at,
            change = excluded.change, reason = excluded.reason, occurrences = excluded.occurrences";
        self.insert(into, rows, update).await
    }
}

/// Returns the values of a finding's row.
fn values(binding: i64, id: i64, transition: &Transition) -> Result<Vec<Arg>> {
    let finding = &transition.finding;
    Ok(args![
        binding,
        id,
        finding.fingerprint.to_string(),
        to_json(&finding.aliases)?,
        to_name(&finding.state)?,
        finding.decision.map(|decision| to_name(&decision)).transpose()?,
        finding.severity.as_str(),
        finding.status.as_ref().map(|status| status.as_str().to_owned()),
        finding.partition.as_str(),
        (!finding.also_in.is_empty()).then(|| to_json(&finding.also_in)).transpose()?,
        finding.profile.as_ref().map(ProfileKey::to_string),
        finding.title.as_str(),
        finding.place.as_str(),
        finding.first_seen.to_string(),
        finding.last_seen.to_string(),
        finding.closed_at.map(|at| at.to_string()),
        finding.retired_at.map(|at| at.to_string()),
        to_name(&transition.change)?,
        transition.reason.clone(),
        (!finding.occurrence_set.is_empty()).then(|| to_json(&finding.occurrence_set)).transpose()?,
    ])
}
