//! Runs: which process holds a binding, and what becomes of a run that was left.

use std::time::Duration;

use appsec_core::{FindingQuery, Result, ScanId, Timestamp};
use sqlx::any::AnyRow;

use super::errors::{binding_held, run_lost};
use super::sql_store::SqlStore;
use super::transaction::{
    Transaction, args, from_json, from_millis, get, millis_after, parse_time, to_json, to_millis,
};
use super::wait::saying_what_for;
use crate::binding::Binding;
use crate::outbox::{BindingRef, RunRef};
use crate::store::run::{Run, RunRequest};

/// The state of a run that is in progress, or that a process left.
pub(super) const OPEN: &str = "open";
/// The state of a run that was concluded.
pub(super) const CONCLUDED: &str = "concluded";
/// The state of a dry run, which does not hold its binding.
const DRY_RUN: &str = "dry_run";

/// The tables that hold what a run stages.
const STAGING_TABLES: [&str; 3] = ["staged_observation", "staged_key", "staged_detail"];

impl SqlStore {
    pub(super) async fn claim_run(&self, binding: &Binding, request: &RunRequest) -> Result<Run> {
        let now = to_millis(Timestamp::now());
        let lease_until = lease_until(request.lease());
        let mut tx = self.begin().await?;
        if let Some(scheduled) = request.scheduled_run() {
            // Locks the row: a process that starts the next scheduled run waits until this run has begun.
            let lock = "UPDATE scheduled_binding SET fence = fence WHERE name = $1 AND fence = $2";
            if tx.execute(lock, args![scheduled.name.as_str(), scheduled.fence]).await? == 0 {
                return Err(run_lost());
            }
        }
        let what = "another process that begins a run of the binding";
        let id = saying_what_for(tx.lock_binding(binding), what).await?;
        tx.remove_leftovers(id, now).await?;
        let open =
            "SELECT number, fence, started_at, lease_until, renewed_at, scan, query, resume, gaps FROM run
                    WHERE binding = $1 AND state = $2";
        let open = if request.dry_run() { None } else { tx.row(open, args![id, OPEN]).await? };
        let tag = binding.configuration.scan_tag.clone();
        let mut run = if let Some(row) = open {
            let until: i64 = get(&row, "lease_until")?;
            if until > now && !request.take_over() {
                let renewed_at = from_millis(get(&row, "renewed_at")?)?;
                return Err(binding_held(from_millis(until)?, renewed_at, from_millis(now)?));
            }
            let run = resumed_run(id, binding, &row, request)?;
            let update = "UPDATE run SET fence = $3, lease_until = $4, scan_tag = $5, renewed_at = $6
                          WHERE binding = $1 AND number = $2";
            tx.execute(update, args![id, run.number, run.fence, lease_until, tag, now]).await?;
            run
        } else {
            let number = if request.dry_run() {
                // Below zero: a dry run uses no number, and several may run at the same time.
                let lowest = "SELECT MIN(number) AS number FROM run WHERE binding = $1 AND number < 0";
                let row = tx.row(lowest, args![id]).await?;
                let lowest = row.map(|row| get::<Option<i64>>(&row, "number")).transpose()?.flatten();
                lowest.unwrap_or(0).saturating_sub(1)
            } else {
                tx.execute("UPDATE binding SET run_count = run_count + 1 WHERE id = $1", args![id]).await?;
                let row = tx.row("SELECT run_count FROM binding WHERE id = $1", args![id]).await?;
                get::<i64>(&row.ok_or_else(run_lost)?, "run_count")?
            };
            let state = if request.dry_run() { DRY_RUN } else { OPEN };
            let insert = "INSERT INTO run (binding, number, fence, state, scan_tag, started_at, lease_until, renewed_at)
                          VALUES ($1, $2, 1, $3, $4, $5, $6, $7)";
            let started_at = request.started_at().to_string();
            tx.execute(insert, args![id, number, state, tag, started_at, lease_until, now]).await?;
            Run::new(id, number, run_ref(binding, number), 1, request)
        };
        if let Some(connection) = request.connection().filter(|_| !request.dry_run()) {
            let alias = "UPDATE binding SET connection = $2 WHERE id = $1";
            tx.execute(alias, args![id, connection]).await?;
        }
        let row = tx.row("SELECT target_name FROM binding WHERE id = $1", args![id]).await?;
        run.target_name = row.map(|row| get(&row, "target_name")).transpose()?.flatten();
        tx.commit().await?;
        Ok(run)
    }

    pub(super) async fn write_target_name(&self, run: &Run, name: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.hold(run).await?;
        tx.execute("UPDATE binding SET target_name = $2 WHERE id = $1", args![run.binding_id, name]).await?;
        tx.commit().await
    }

    pub(super) async fn write_scan(&self, run: &Run, scan: Option<&ScanId>) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.hold(run).await?;
        let update = "UPDATE run SET scan = $3 WHERE binding = $1 AND number = $2";
        tx.execute(update, args![run.binding_id, run.number, scan.map(ScanId::to_string)]).await?;
        tx.commit().await
    }

    pub(super) async fn clear_staging(&self, run: &Run, query: &FindingQuery) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.hold(run).await?;
        tx.remove_staged(run.binding_id, run.number).await?;
        let update = "UPDATE run SET query = $3, resume = NULL, gaps = NULL, staged_count = 0, left_out = 0
                      WHERE binding = $1 AND number = $2";
        tx.execute(update, args![run.binding_id, run.number, to_json(query)?]).await?;
        tx.commit().await
    }

    pub(super) async fn end_lease(&self, run: &Run) -> Result<()> {
        let mut tx = self.begin().await?;
        if run.dry_run {
            tx.remove_staged(run.binding_id, run.number).await?;
            let delete = "DELETE FROM run WHERE binding = $1 AND number = $2 AND state = $3";
            tx.execute(delete, args![run.binding_id, run.number, DRY_RUN]).await?;
            tx.remove_if_unused(run.binding_id).await?;
        } else {
            let update = "UPDATE run SET lease_until = 0
                          WHERE binding = $1 AND number = $2 AND fence = $3 AND state = $4";
            tx.execute(update, args![run.binding_id, run.number, run.fence, OPEN]).await?;
        }
        tx.commit().await
    }
}

impl Transaction {
    /// Returns the id of the binding, and locks its row until the transaction ends: of two processes that
    /// begin a run, one waits.
    async fn lock_binding(&mut self, binding: &Binding) -> Result<i64> {
        let key = binding.key();
        let insert = "INSERT INTO binding (key, identity) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
        self.execute(insert, args![key.as_str(), to_json(binding)?]).await?;
        self.execute("UPDATE binding SET identity = identity WHERE key = $1", args![key.as_str()]).await?;
        let row = self.row("SELECT id FROM binding WHERE key = $1", args![key]).await?;
        get(&row.ok_or_else(run_lost)?, "id")
    }

    /// Checks that this process still holds the run, renews its lease, and locks its row until the
    /// transaction ends.
    pub(super) async fn hold(&mut self, run: &Run) -> Result<()> {
        let renew = "UPDATE run SET lease_until = $4, renewed_at = $6
                     WHERE binding = $1 AND number = $2 AND fence = $3 AND state <> $5";
        let (until, now) = (lease_until(run.lease), to_millis(Timestamp::now()));
        match self.execute(renew, args![run.binding_id, run.number, run.fence, until, CONCLUDED, now]).await?
        {
            1 => Ok(()),
            _ => Err(run_lost()),
        }
    }

    /// Removes a binding that no run has used, as after its first dry run.
    async fn remove_if_unused(&mut self, binding: i64) -> Result<()> {
        let delete = "DELETE FROM binding WHERE id = $1 AND run_count = 0
                      AND NOT EXISTS (SELECT 1 FROM run WHERE binding = $1)";
        self.execute(delete, args![binding]).await?;
        Ok(())
    }

    pub(super) async fn remove_staged(&mut self, binding: i64, run: i64) -> Result<()> {
        for table in STAGING_TABLES {
            let delete = format!("DELETE FROM {table} WHERE binding = $1 AND run = $2");
            self.execute(&delete, args![binding, run]).await?;
        }
        let update = "UPDATE run SET staged_count = 0 WHERE binding = $1 AND number = $2";
        self.execute(update, args![binding, run]).await?;
        Ok(())
    }

    /// Removes what processes left that died after they concluded a run, or during a dry run.
    async fn remove_leftovers(&mut self, binding: i64, now: i64) -> Result<()> {
        let leftover = "SELECT number FROM run WHERE binding = $1
                        AND ((state = 'concluded' AND staged_count > 0) OR (state = 'dry_run' AND lease_until < $2))";
        for row in self.rows(leftover, args![binding, now]).await? {
            let number = get::<i64>(&row, "number")?;
            self.remove_staged(binding, number).await?;
            let delete = "DELETE FROM run WHERE binding = $1 AND number = $2 AND state = 'dry_run'";
            self.execute(delete, args![binding, number]).await?;
        }
        Ok(())
    }
}

fn lease_until(lease: Duration) -> i64 {
    millis_after(Timestamp::now(), lease)
}

pub(super) fn run_ref(binding: &Binding, number: i64) -> RunRef {
    let binding_ref =
        BindingRef::new(binding.project.as_str(), binding.scanner.as_str(), &binding.configuration)
            .with_tenant(binding.tenant.clone());
    let run_ref = RunRef::new(binding_ref, number.to_string());
    match &binding.configuration.scan_tag {
        Some(tag) => run_ref.with_scan_tag(tag.as_str()),
        None => run_ref,
    }
}

/// Returns the run that another process left, with the next fencing token.
fn resumed_run(id: i64, binding: &Binding, row: &AnyRow, request: &RunRequest) -> Result<Run> {
    let number = get::<i64>(row, "number")?;
    let fence = get::<i64>(row, "fence")?.saturating_add(1);
    let mut run = Run::new(id, number, run_ref(binding, number), fence, request);
    run.started_at = parse_time(&get::<String>(row, "started_at")?)?;
    run.scan = get::<Option<String>>(row, "scan")?.map(ScanId::new);
    let text = |column| get::<Option<String>>(row, column);
    // A query or resume point that a later version wrote and this one cannot read is ignored: the run starts
    // over.
    run.query = text("query")?.and_then(|text| serde_json::from_str(&text).ok());
    run.resume = text("resume")?.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(text) = text("gaps")? {
        run.gaps = from_json(&text, "gaps")?;
    }
    Ok(run)
}
