//! Values read from a store, which another version may have written.

use std::fmt::Debug;

use appsec_core::{
    Absence, BindTarget, ConnectionReport, Coverage, CoverageGap, Finding, FindingBatch, FindingQuery,
    GapKind, PartitionKey, ResumePoint, Scan, Timestamp,
};
use appsec_import::outbox::{Event, MAX_FINDINGS_PER_EVENT, Subscription};
use appsec_import::reconcile::KnownFinding;
use appsec_import::store::{Explanation, HistoryEntry};
use appsec_import::{Binding, Summary};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Any JSON as each stored type: read or rejected, and what was read can be stored and read again.
pub fn stored(json: &[u8]) {
    let Ok(text) = std::str::from_utf8(json) else { return };
    if let Some(coverage) = read::<Coverage>(text) {
        check(coverage);
    }
    if let Some(summary) = read::<Summary>(text) {
        let _ = summary.kept_open_count();
    }
    if let Some(report) = read::<ConnectionReport>(text) {
        let _ = report.to_string();
    }
    if let Some(explanation) = read::<Explanation>(text) {
        let _ = explanation.to_string();
    }
    if let Some(batch) = read::<FindingBatch>(text) {
        assert_eq!(read::<FindingBatch>(&serde_json::to_string(&batch).unwrap_or_default()), Some(batch));
    }
    if let Some(binding) = read::<Binding>(text) {
        let _ = binding.key();
    }
    if let Some(query) = read::<FindingQuery>(text) {
        let _ = query.validate();
    }
    if let Some(Event { .. }) = read::<Event>(text) {
        const { assert!(MAX_FINDINGS_PER_EVENT > 0) };
    }
    read::<Finding>(text);
    read::<KnownFinding>(text);
    read::<Vec<HistoryEntry>>(text);
    read::<BindTarget>(text);
    read::<Scan>(text);
    read::<ResumePoint>(text);
    read::<Subscription>(text);
}

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = serde_json::from_str(text).ok()?;
    let stored = serde_json::to_string(&value).expect("a value that was read can be stored");
    assert_eq!(serde_json::from_str::<T>(&stored).ok().as_ref(), Some(&value), "{stored}");
    Some(value)
}

fn check(mut coverage: Coverage) {
    assert_eq!(coverage.is_complete(), coverage.gap_count() == 0, "{coverage:?}");
    let partitions: Vec<PartitionKey> = coverage.partitions().map(|(key, _)| key.clone()).collect();
    for key in &partitions {
        assert_eq!(
            coverage.absence_of(key) == Absence::Conclusive,
            coverage.inconclusive_reason(key).is_none()
        );
    }
    let before = coverage.gap_count();
    coverage.add_gap(CoverageGap::new(GapKind::Record, "one more"));
    assert!(coverage.gap_count() >= before && !coverage.is_complete());
    assert!(partitions.iter().all(|key| coverage.absence_of(key) == Absence::Inconclusive));
}

/// One run over any known findings.
#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    known: Vec<KnownFinding>,
    #[serde(default)]
    observed: Vec<Finding>,
    #[serde(default)]
    coverage: Coverage,
}

/// Reconciles any run with any known findings: none is lost, also not in a second equal run.
pub fn reconcile(json: &[u8]) {
    let Ok(run) = serde_json::from_slice::<Run>(json) else { return };
    let known = run.known.len();
    let open = run.known.iter().filter(|known| known.state == appsec_import::reconcile::State::Open).count();
    let now = Timestamp::from_second(1_790_000_000).expect("a time");
    let first = appsec_import::reconcile(run.known, &run.observed, &run.coverage, now);
    assert!(first.transitions.len() >= known && first.transitions.len() <= known + run.observed.len());
    let count = first.summary.new + first.summary.recurrent + first.summary.reopened;
    assert!(count <= run.observed.len() as u64, "{:?}", first.summary);
    assert!(first.summary.kept_open_count() <= open as u64, "{:?}", first.summary);

    let stored: Vec<KnownFinding> =
        first.transitions.into_iter().map(|transition| transition.finding).collect();
    let second = appsec_import::reconcile(stored.clone(), &run.observed, &run.coverage, now);
    assert!(second.transitions.len() >= stored.len());
}
