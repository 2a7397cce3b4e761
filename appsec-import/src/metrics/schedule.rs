//! The metrics of scheduled runs.

use appsec_core::{Result, Timestamp};

use crate::store::SqlStore;

/// Counts a scheduled run that ended with the given result.
pub(crate) fn record_scheduled_run(connection: &str, result: &'static str) {
    ::metrics::counter!("appsec_schedule_runs_total", "connection" => connection.to_owned(), "result" => result)
        .increment(1);
}

/// Sets the gauges that are read from the store.
pub(crate) async fn record_store(store: &SqlStore) -> Result<()> {
    let now = Timestamp::now();
    let depth = store.queue_depth(now).await?;
    for (state, bindings) in
        [("due", depth.due), ("queued", depth.queued), ("backing_off", depth.backing_off)]
    {
        ::metrics::gauge!("appsec_schedule_bindings", "state" => state).set(to_f64(bindings));
    }
    for (binding, at) in store.last_complete_imports().await? {
        let seconds = now.as_second().saturating_sub(at.as_second());
        ::metrics::gauge!("appsec_schedule_since_complete_seconds", "binding" => binding)
            .set(to_f64(seconds));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn to_f64(number: i64) -> f64 {
    number as f64
}
