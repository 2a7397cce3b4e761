//! Reads bindings, findings, runs and explanations.

use appsec_core::{Fingerprint, Result};
use sqlx::any::AnyRow;

use super::finding_key::fingerprint_key;
use super::finding_row::{COLUMNS, StoredRow, finding_by_key};
use super::runs::CONCLUDED;
use super::sql_store::SqlStore;
use super::transaction::{args, from_json, from_name, get, parse_time};
use crate::binding::Binding;
use crate::decision::DecisionEntry;
use crate::reconcile::{Change, KnownFinding, State};
use crate::store::explanation::{Explanation, HistoryEntry};
use crate::store::finding::{FindingNumber, Page};
use crate::store::run::EndedRun;

impl SqlStore {
    pub(super) async fn read_known_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<(FindingNumber, KnownFinding)>> {
        let text = format!(
            "SELECT {COLUMNS} FROM finding f WHERE f.binding = (SELECT id FROM binding WHERE key = $1) AND f.id > $2
             ORDER BY f.id LIMIT $3"
        );
        let rows = self.rows(&text, args![binding.key(), page.after, i64::from(page.limit)]).await?;
        rows.iter().map(|row| StoredRow::new(row).map(|stored| (stored.id, stored.finding))).collect()
    }

    pub(super) async fn read_last_run(&self, binding: &Binding) -> Result<Option<EndedRun>> {
        let text = "SELECT number, started_at, ended_at, scan_tag, query, summary, coverage FROM run
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = $2 ORDER BY number DESC LIMIT 1";
        let rows = self.rows(text, args![binding.key(), CONCLUDED]).await?;
        rows.first().map(ended_run).transpose()
    }

    pub(super) async fn read_explanation(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
    ) -> Result<Option<Explanation>> {
        let args = args![binding.key(), fingerprint_key(*finding)];
        let Some(row) = self.rows(&finding_by_key(self.dialect), args).await?.into_iter().next() else {
            return Ok(None);
        };
        let finding = StoredRow::new(&row)?;
        let text = "SELECT r.number, r.started_at, r.scan_tag, h.state, h.change, h.reason
                    FROM run r LEFT JOIN history h ON h.binding = r.binding AND h.run = r.number AND h.finding = $2
                    WHERE r.binding = (SELECT id FROM binding WHERE key = $1) AND r.state = $3
                        AND r.number >= (SELECT MIN(run) FROM history b WHERE b.binding = r.binding AND b.finding = $2)
                    ORDER BY r.number";
        let rows = self.rows(text, args![binding.key(), finding.id, CONCLUDED]).await?;
        let decisions = self.read_decisions(binding, finding.id).await?;
        let retirements = self.read_retirements(binding, finding.id).await?;
        let mut history: Vec<HistoryEntry> = Vec::with_capacity(rows.len());
        for row in rows {
            let decided =
                |run| decisions.iter().rfind(|entry| entry.after_run == run).map(|entry| entry.state);
            let retired = |run| retirements.iter().any(|entry| entry.after_run == run);
            if let Some(entry) = history_entry(&row, history.last(), decided, retired)? {
                history.push(entry);
            }
        }
        Ok(Some(Explanation::new(finding.finding, history, decisions).with_retirements(retirements)))
    }

    async fn read_decisions(&self, binding: &Binding, finding: i64) -> Result<Vec<DecisionEntry>> {
        let text = "SELECT run, at, decision, state FROM decision
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND finding = $2 ORDER BY run, at";
        let rows = self.rows(text, args![binding.key(), finding]).await?;
        let entries = rows.iter().map(|row| {
            let decision =
                get::<Option<String>>(row, "decision")?.map(|name| from_name(&name)).transpose()?;
            let at = parse_time(&get::<String>(row, "at")?)?;
            let state = from_name(&get::<String>(row, "state")?)?;
            Ok(DecisionEntry::new(get(row, "run")?, at, decision, state))
        });
        entries.collect()
    }
}

fn ended_run(row: &AnyRow) -> Result<EndedRun> {
    let text = |column| get::<String>(row, column);
    let times = (parse_time(&text("started_at")?)?, parse_time(&text("ended_at")?)?);
    let (summary, coverage) = (text("summary")?, text("coverage")?);
    let mut run = EndedRun::new(
        get(row, "number")?,
        times,
        from_json(&summary, "a summary")?,
        from_json(&coverage, "a coverage")?,
    );
    run.scan_tag = get(row, "scan_tag")?;
    // A query that a later version wrote is not known to this one.
    run.query = get::<Option<String>>(row, "query")?.and_then(|query| serde_json::from_str(&query).ok());
    Ok(run)
}

/// Returns the entry of a run: the stored one, else the one that follows from the entry before and from
/// decisions and retirements since.
fn history_entry(
    row: &AnyRow,
    before: Option<&HistoryEntry>,
    decided: impl Fn(i64) -> Option<State>,
    retired: impl Fn(i64) -> bool,
) -> Result<Option<HistoryEntry>> {
    let (state, change, reason) = if let Some(state) = get::<Option<String>>(row, "state")? {
        let change: String = get(row, "change")?;
        (from_name(&state)?, from_name(&change)?, get::<Option<String>>(row, "reason")?)
    } else {
        let Some(before) = before else { return Ok(None) };
        let change = if retired(before.run) { Change::Closed } else { before.change };
        let (change, reason) = HistoryEntry::expected_after(change, before.reason.as_deref());
        let state =
            if retired(before.run) { State::Closed } else { decided(before.run).unwrap_or(before.state) };
        (state, change, reason.map(str::to_owned))
    };
    Ok(Some(HistoryEntry {
        run: get(row, "number")?,
        at: parse_time(&get::<String>(row, "started_at")?)?,
        scan_tag: get(row, "scan_tag")?,
        state,
        change,
        reason,
    }))
}
