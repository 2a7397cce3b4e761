//! Figures by the `metrics` facade; without that feature, nothing. Their names and labels are a table in the README.

use crate::reconcile::Transition;

/// The findings that a run gave its verdict on.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    #[cfg(feature = "metrics")]
    counts: Vec<Count>,
}

#[cfg(feature = "metrics")]
#[derive(Debug)]
struct Count {
    severity: appsec_core::Severity,
    state: crate::judge::State,
    change: crate::judge::Change,
    findings: u64,
}

impl Verdicts {
    #[cfg(feature = "metrics")]
    pub(crate) fn add(&mut self, outcome: &Transition) {
        let (severity, state, change) = (&outcome.finding.severity, outcome.finding.state, outcome.change);
        let same = |count: &&mut Count| {
            count.state == state && count.change == change && count.severity == *severity
        };
        match self.counts.iter_mut().find(same) {
            Some(count) => count.findings += 1,
            None => self.counts.push(Count { severity: severity.clone(), state, change, findings: 1 }),
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(clippy::unused_self, reason = "there is nothing to count for")]
    pub(crate) fn add(&mut self, _: &Transition) {}

    /// Tells of them once they are kept.
    #[cfg(feature = "metrics")]
    pub(crate) fn tell(self, connection: &str) {
        for Count { severity, state, change, findings } in self.counts {
            let (state, change) = (label(&state), label(&change));
            metrics::counter!("appsec_import_findings_total", "connection" => connection.to_owned(),
                "severity" => severity.as_str().to_owned(), "state" => state, "change" => change)
            .increment(findings);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(clippy::unused_self, reason = "there is nothing to tell")]
    pub(crate) fn tell(self, _: &str) {}
}

/// The enum's word, as everywhere.
#[cfg(feature = "metrics")]
fn label(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How a turn of a binding ended.
#[cfg(feature = "worker")]
pub(crate) fn turn_ended(connection: &str, result: &'static str) {
    metrics::counter!("appsec_schedule_turns_total", "connection" => connection.to_owned(), "result" => result)
        .increment(1);
}

/// The figures that are read from the store.
#[cfg(feature = "worker")]
pub(crate) async fn of_store(store: &crate::sql::SqlStore) -> appsec_core::Result<()> {
    let now = appsec_core::Timestamp::now();
    let depth = store.depth(now).await?;
    for (state, bindings) in [("due", depth.due), ("queued", depth.queued), ("put_off", depth.put_off)] {
        metrics::gauge!("appsec_schedule_bindings", "state" => state).set(figure(bindings));
    }
    for (binding, at) in store.completed().await? {
        let seconds = now.as_second().saturating_sub(at.as_second());
        metrics::gauge!("appsec_schedule_since_complete_seconds", "binding" => binding).set(figure(seconds));
    }
    Ok(())
}

#[cfg(feature = "worker")]
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn figure(number: i64) -> f64 {
    number as f64
}
