//! Claims: who holds a binding, and what becomes of a run.

use appsec_core::{Error, ErrorKind, FindingQuery, Result, ScanId, Timestamp};
use sqlx::any::AnyRow;

use super::{SqlStore, Tx, args, get, json, lost, millis, parse, unreadable};
use crate::binding::Binding;
use crate::outbox::{BindingRef, RunRef};
use crate::store::{Claim, Run};

/// A run that is under way, or was left.
pub(super) const OPEN: &str = "open";
/// A run whose verdict is given.
pub(super) const DONE: &str = "done";
/// A dry run: it keeps nobody from the binding.
const DRY: &str = "dry";

/// The tables that hold what a run stages.
const STAGED: [&str; 3] = ["staged", "staged_key", "staged_detail"];

impl SqlStore {
    pub(super) async fn begin_run(&self, binding: &Binding, claim: &Claim) -> Result<Run> {
        let now = millis(Timestamp::now());
        let lease = lease_until(claim.lease);
        let mut tx = self.transaction().await?;
        if let Some(turn) = &claim.turn {
            // Holds the row: whoever takes the next turn waits until the run is begun.
            let hold = "UPDATE scheduled SET fence = fence WHERE name = $1 AND fence = $2";
            if tx.run(hold, args![turn.name.as_str(), turn.fence]).await? == 0 {
                return Err(lost());
            }
        }
        let id = tx.binding(binding).await?;
        tx.sweep(id, now).await?;
        let open = "SELECT number, fence, started_at, lease_until, scan, query, resume, gaps FROM run
                    WHERE binding = $1 AND state = $2";
        let open = if claim.dry_run { None } else { tx.row(open, args![id, OPEN]).await? };
        let run = if let Some(row) = open {
            if get::<i64>(&row, "lease_until")? > now && !claim.take_over {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "another process is importing this binding; it gives signs of life",
                )
                .with_operation("import"));
            }
            let run = left_run(id, binding, &row, claim)?;
            let set =
                "UPDATE run SET fence = $3, lease_until = $4, tag = $5 WHERE binding = $1 AND number = $2";
            let tag = binding.configuration.scan_tag.clone();
            tx.run(set, args![id, run.number, run.fence, lease, tag]).await?;
            run
        } else {
            tx.run("UPDATE binding SET runs = runs + 1 WHERE id = $1", args![id]).await?;
            let row = tx.row("SELECT runs FROM binding WHERE id = $1", args![id]).await?;
            let number = get::<i64>(&row.ok_or_else(lost)?, "runs")?;
            let state = if claim.dry_run { DRY } else { OPEN };
            let insert = "INSERT INTO run (binding, number, fence, state, tag, started_at, lease_until)
                          VALUES ($1, $2, 1, $3, $4, $5, $6)";
            let tag = binding.configuration.scan_tag.clone();
            tx.run(insert, args![id, number, state, tag, claim.at.to_string(), lease]).await?;
            Run::new(id, number, note(binding, number), 1, claim)
        };
        tx.commit().await?;
        Ok(run)
    }

    pub(super) async fn start_over_run(&self, run: &Run, query: &FindingQuery) -> Result<()> {
        let mut tx = self.transaction().await?;
        tx.hold(run).await?;
        tx.drop_staged(run.binding, run.number).await?;
        let set = "UPDATE run SET query = $3, resume = NULL, gaps = NULL, places = 0
                   WHERE binding = $1 AND number = $2";
        tx.run(set, args![run.binding, run.number, json(query)?]).await?;
        tx.commit().await
    }

    pub(super) async fn release_run(&self, run: &Run) -> Result<()> {
        let mut tx = self.transaction().await?;
        if run.dry_run {
            tx.drop_staged(run.binding, run.number).await?;
            let gone = "DELETE FROM run WHERE binding = $1 AND number = $2 AND state = $3";
            tx.run(gone, args![run.binding, run.number, DRY]).await?;
        } else {
            let free = "UPDATE run SET lease_until = 0
                        WHERE binding = $1 AND number = $2 AND fence = $3 AND state = $4";
            tx.run(free, args![run.binding, run.number, run.fence, OPEN]).await?;
        }
        tx.commit().await
    }
}

impl Tx {
    /// The binding's number. Holds the binding's row until the transaction ends, so that of two claims one waits for the other.
    async fn binding(&mut self, binding: &Binding) -> Result<i64> {
        let key = binding.key();
        let insert = "INSERT INTO binding (key, identity) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
        self.run(insert, args![key.as_str(), json(binding)?]).await?;
        self.run("UPDATE binding SET identity = identity WHERE key = $1", args![key.as_str()]).await?;
        let row = self.row("SELECT id FROM binding WHERE key = $1", args![key]).await?;
        get(&row.ok_or_else(lost)?, "id")
    }

    /// Makes sure that the run is still ours, and gives a sign of life. Whoever takes it over waits until the transaction ends.
    pub(super) async fn hold(&mut self, run: &Run) -> Result<()> {
        let hold = "UPDATE run SET lease_until = $4
                    WHERE binding = $1 AND number = $2 AND fence = $3 AND state <> $5";
        let until = lease_until(run.lease);
        match self.run(hold, args![run.binding, run.number, run.fence, until, DONE]).await? {
            1 => Ok(()),
            _ => Err(lost()),
        }
    }

    pub(super) async fn drop_staged(&mut self, binding: i64, run: i64) -> Result<()> {
        for table in STAGED {
            let gone = format!("DELETE FROM {table} WHERE binding = $1 AND run = $2");
            self.run(&gone, args![binding, run]).await?;
        }
        self.run("UPDATE run SET places = 0 WHERE binding = $1 AND number = $2", args![binding, run]).await?;
        Ok(())
    }

    /// Removes what processes left that died after their verdict, or during a dry run.
    async fn sweep(&mut self, binding: i64, now: i64) -> Result<()> {
        let left = "SELECT number FROM run WHERE binding = $1
                    AND ((state = 'done' AND places > 0) OR (state = 'dry' AND lease_until < $2))";
        for row in self.rows(left, args![binding, now]).await? {
            let number = get::<i64>(&row, "number")?;
            self.drop_staged(binding, number).await?;
            let gone = "DELETE FROM run WHERE binding = $1 AND number = $2 AND state = 'dry'";
            self.run(gone, args![binding, number]).await?;
        }
        Ok(())
    }
}

fn lease_until(lease: std::time::Duration) -> i64 {
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    millis(Timestamp::now()).saturating_add(lease)
}

fn note(binding: &Binding, number: i64) -> RunRef {
    let note = BindingRef::new(binding.project.as_str(), binding.scanner.as_str(), &binding.configuration);
    let note = RunRef::new(note, number.to_string());
    match &binding.configuration.scan_tag {
        Some(tag) => note.with_scan_tag(tag.as_str()),
        None => note,
    }
}

/// The run that another process left, with the next fence.
fn left_run(id: i64, binding: &Binding, row: &AnyRow, claim: &Claim) -> Result<Run> {
    let number = get::<i64>(row, "number")?;
    let fence = get::<i64>(row, "fence")?.saturating_add(1);
    let mut run = Run::new(id, number, note(binding, number), fence, claim);
    let started_at: String = get(row, "started_at")?;
    run.started_at = started_at.parse().map_err(|cause| unreadable("a time").with_source(cause))?;
    run.scan = get::<Option<String>>(row, "scan")?.map(ScanId::new);
    let text = |column| get::<Option<String>>(row, column);
    // What a later version wrote and this one cannot read is as if it were not there: the run starts over.
    run.query = text("query")?.and_then(|text| serde_json::from_str(&text).ok());
    run.resume = text("resume")?.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(text) = text("gaps")? {
        run.gaps = parse(&text, "gaps")?;
    }
    Ok(run)
}
