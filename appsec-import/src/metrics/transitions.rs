//! The counter of findings that runs concluded on.

use crate::reconcile::Transition;

/// Counts the transitions of one run, and records them once the run is committed.
#[derive(Debug, Default)]
pub(crate) struct TransitionCounter {
    #[cfg(feature = "metrics")]
    counts: Vec<Count>,
}

#[cfg(feature = "metrics")]
#[derive(Debug)]
struct Count {
    severity: appsec_core::Severity,
    state: crate::reconcile::State,
    change: crate::reconcile::Change,
    findings: u64,
}

impl TransitionCounter {
    #[cfg(feature = "metrics")]
    pub(crate) fn add(&mut self, transition: &Transition) {
        let (severity, state) = (&transition.finding.severity, transition.finding.state);
        let change = transition.change;
        let same = |count: &&mut Count| {
            count.state == state && count.change == change && count.severity == *severity
        };
        match self.counts.iter_mut().find(same) {
            Some(count) => count.findings += 1,
            None => self.counts.push(Count { severity: severity.clone(), state, change, findings: 1 }),
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(clippy::unused_self, reason = "without the feature there is nothing to count for")]
    pub(crate) fn add(&mut self, _: &Transition) {}

    /// Adds the counts to the metric.
    #[cfg(feature = "metrics")]
    pub(crate) fn record(self, connection: &str) {
        for Count { severity, state, change, findings } in self.counts {
            let (state, change) = (label(&state), label(&change));
            ::metrics::counter!("appsec_import_findings_total", "connection" => connection.to_owned(),
                "severity" => severity.as_str().to_owned(), "state" => state, "change" => change)
            .increment(findings);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(clippy::unused_self, reason = "without the feature there is nothing to record")]
    pub(crate) fn record(self, _: &str) {}
}

/// The name of an enum's variant, as it is serialized.
#[cfg(feature = "metrics")]
fn label(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
