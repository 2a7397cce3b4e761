//! Reading: the findings of a binding, and why one is in its state.

use appsec_core::{Fingerprint, Result};
use sqlx::any::AnyRow;

use super::keys::fingerprint_key;
use super::rows::{COLUMNS, by_key, kept, of_word, time};
use super::runs::DONE;
use super::{SqlStore, args, get, parse};
use crate::binding::Binding;
use crate::explain::{DecisionEntry, Explanation, HistoryEntry};
use crate::judge::State;
use crate::reconcile::KnownFinding;
use crate::store::{EndedRun, FindingNumber, Page};

impl SqlStore {
    pub(super) async fn read_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<(FindingNumber, KnownFinding)>> {
        let text = format!(
            "SELECT {COLUMNS} FROM finding f WHERE f.binding = (SELECT id FROM binding WHERE key = $1) AND f.id > $2
             ORDER BY f.id LIMIT $3"
        );
        let rows = self.rows(&text, args![binding.key(), page.after, i64::from(page.limit)]).await?;
        rows.iter().map(|row| kept(row).map(|kept| (kept.id, kept.finding))).collect()
    }

    pub(super) async fn read_explanation(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
    ) -> Result<Option<Explanation>> {
        let args = args![binding.key(), fingerprint_key(*finding)];
        let Some(row) = self.rows(&by_key(), args).await?.into_iter().next() else {
            return Ok(None);
        };
        let finding = kept(&row)?;
        let text = "SELECT r.number, r.started_at, r.tag, h.state, h.change, h.reason
                    FROM run r LEFT JOIN history h ON h.binding = r.binding AND h.run = r.number AND h.finding = $2
                    WHERE r.binding = (SELECT id FROM binding WHERE key = $1) AND r.state = $3
                        AND r.number >= (SELECT MIN(run) FROM history b WHERE b.binding = r.binding AND b.finding = $2)
                    ORDER BY r.number";
        let rows = self.rows(text, args![binding.key(), finding.id, DONE]).await?;
        let decisions = self.read_decisions(binding, finding.id).await?;
        let mut verdicts: Vec<HistoryEntry> = Vec::with_capacity(rows.len());
        for row in rows {
            let decided = |run| decisions.iter().rfind(|made| made.after_run == run).map(|made| made.state);
            if let Some(verdict) = verdict(&row, verdicts.last(), decided)? {
                verdicts.push(verdict);
            }
        }
        Ok(Some(Explanation::new(finding.finding, verdicts, decisions)))
    }

    async fn read_decisions(&self, binding: &Binding, finding: i64) -> Result<Vec<DecisionEntry>> {
        let text = "SELECT run, at, decision, state FROM decided
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND finding = $2 ORDER BY run, at";
        let rows = self.rows(text, args![binding.key(), finding]).await?;
        let made = rows.iter().map(|row| {
            let decision = get::<Option<String>>(row, "decision")?.map(|word| of_word(&word)).transpose()?;
            let (at, state) = (time(&get::<String>(row, "at")?)?, of_word(&get::<String>(row, "state")?)?);
            Ok(DecisionEntry::new(get(row, "run")?, at, decision, state))
        });
        made.collect()
    }
}

impl SqlStore {
    pub(super) async fn read_lines(&self) -> Result<Vec<Binding>> {
        // A dry run leaves its binding's row, and nothing else.
        let text = "SELECT identity FROM binding l WHERE EXISTS (SELECT 1 FROM run WHERE binding = l.id AND state <> 'dry')
                    ORDER BY id";
        let rows = self.rows(text, args![]).await?;
        rows.iter().map(|row| parse(&get::<String>(row, "identity")?, "a binding")).collect()
    }

    pub(super) async fn read_last_run(&self, binding: &Binding) -> Result<Option<EndedRun>> {
        let text = "SELECT number, started_at, ended_at, tag, summary, coverage FROM run
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = $2 ORDER BY number DESC LIMIT 1";
        let rows = self.rows(text, args![binding.key(), DONE]).await?;
        rows.first().map(ended_run).transpose()
    }
}

fn ended_run(row: &AnyRow) -> Result<EndedRun> {
    let text = |column| get::<String>(row, column);
    let times = (time(&text("started_at")?)?, time(&text("ended_at")?)?);
    let (summary, coverage) = (text("summary")?, text("coverage")?);
    let mut run = EndedRun::new(
        get(row, "number")?,
        times,
        parse(&summary, "a summary")?,
        parse(&coverage, "a coverage")?,
    );
    run.scan_tag = get(row, "tag")?;
    Ok(run)
}

/// A run's verdict: what was kept of it, else what follows from the verdict before and from what was decided since.
fn verdict(
    row: &AnyRow,
    before: Option<&HistoryEntry>,
    decided: impl Fn(i64) -> Option<State>,
) -> Result<Option<HistoryEntry>> {
    let (state, change, reason) = if let Some(state) = get::<Option<String>>(row, "state")? {
        let change: String = get(row, "change")?;
        (of_word(&state)?, of_word(&change)?, get::<Option<String>>(row, "reason")?)
    } else {
        let Some(before) = before else { return Ok(None) };
        let (change, reason) = HistoryEntry::then(before.change, before.reason.as_deref());
        (decided(before.run).unwrap_or(before.state), change, reason.map(str::to_owned))
    };
    Ok(Some(HistoryEntry {
        run: get(row, "number")?,
        at: time(&get::<String>(row, "started_at")?)?,
        scan_tag: get(row, "tag")?,
        state,
        change,
        reason,
    }))
}
