//! Turns the transitions of a run into events.

use appsec_core::{Coverage, Timestamp};

use super::event::{Event, EventData, FindingsChanged, MAX_FINDINGS_PER_EVENT, RunEnded};
use super::event_text::mask_and_truncate;
use super::references::{FindingRef, RunRef};
use crate::reconcile::Change;
use crate::reconcile::KnownFinding;
use crate::reconcile::missing_from;
use crate::reconcile::{KeptOpen, Summary};

/// The most locations, and the most gaps, listed at the end of a run. The counts beside them are complete.
const MAX_REASONS: usize = 50;

/// Collects the transitions of one run into events. It holds at most one event of each kind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{DastApiScannerExt, FindingQuery, Severity, Timestamp};
/// use appsec_import::outbox::{BindingRef, Event, EventBatcher, RunRef};
/// use appsec_import::{ScanConfiguration, reconcile};
///
/// let scanner = MemoryScanner::new().with_finding(MemoryScanner::finding(
///     "app:shop", "SQL injection", Severity::High, "https://shop.example.com/search?q=secret",
/// ));
/// let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await?;
/// let now = Timestamp::now();
/// let run = reconcile(Vec::new(), &findings, &coverage, now);
///
/// let binding = BindingRef::new("shop", "memory", &ScanConfiguration::new("app:shop"));
/// let mut batcher = EventBatcher::new(RunRef::new(binding, "1"), now);
/// let mut events: Vec<Event> = Vec::new();
/// for transition in &run.transitions {
///     events.extend(batcher.push(&transition.finding, transition.change, transition.reason.as_deref()));
/// }
/// events.extend(batcher.finish(&run.summary, &coverage));
///
/// let kinds: Vec<_> = events.iter().map(|event| event.kind().as_str()).collect();
/// assert_eq!(kinds, ["finding.new", "scan.completed"]);
/// assert!(!events[0].to_json().contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventBatcher {
    run: RunRef,
    at: Timestamp,
    new: Batch,
    reopened: Batch,
    closed: Batch,
    remarks: Vec<String>,
}

#[derive(Debug, Default)]
struct Batch {
    parts: u32,
    findings: Vec<FindingRef>,
}

impl Batch {
    fn take(&mut self, run: &RunRef) -> FindingsChanged {
        self.parts = self.parts.saturating_add(1);
        FindingsChanged { run: run.clone(), part: self.parts, findings: std::mem::take(&mut self.findings) }
    }
}

/// Wraps findings into the data of an event.
type ToEventData = fn(FindingsChanged) -> EventData;

impl EventBatcher {
    /// A batcher for the events of a run, which all have the given time.
    pub fn new(run: RunRef, at: Timestamp) -> Self {
        Self {
            run,
            at,
            new: Batch::default(),
            reopened: Batch::default(),
            closed: Batch::default(),
            remarks: Vec::new(),
        }
    }

    /// Sets what the run did not do as it was asked, at most 50 sentences; see
    /// [`Import::remarks`](crate::Import::remarks).
    pub fn with_remarks<'a>(mut self, remarks: impl IntoIterator<Item = &'a String>) -> Self {
        self.remarks = remarks.into_iter().take(MAX_REASONS).map(|text| mask_and_truncate(text)).collect();
        self
    }

    /// Adds the transition of one finding. Returns an event when enough of them are collected.
    pub fn push(&mut self, finding: &KnownFinding, change: Change, reason: Option<&str>) -> Option<Event> {
        let (batch, to_data): (_, ToEventData) = match change {
            Change::New => (&mut self.new, EventData::FindingNew),
            Change::Reopened => (&mut self.reopened, EventData::FindingReopened),
            Change::Closed => (&mut self.closed, EventData::FindingClosed),
            Change::Recurrent | Change::KeptOpen | Change::Unchanged => return None,
        };
        batch.findings.push(FindingRef::new(finding, reason));
        (batch.findings.len() >= MAX_FINDINGS_PER_EVENT)
            .then(|| Event::new(self.at, to_data(batch.take(&self.run))))
    }

    /// Returns the last events: the transitions that remain, and the end of the run. That is
    /// `import.partial` where [something is missing](crate::store::EndedRun::missing), else
    /// `scan.completed`.
    pub fn finish(mut self, summary: &Summary, coverage: &Coverage) -> Vec<Event> {
        let mut events = self.take_rest();
        let mut ended = run_ended(self.run, summary, coverage);
        ended.remarks = self.remarks;
        let partial = !ended.gap_messages.is_empty();
        let data = if partial { EventData::ImportPartial(ended) } else { EventData::ScanCompleted(ended) };
        events.push(Event::new(self.at, data));
        events
    }

    /// Returns the events of the transitions that remain, without the end of a run.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn finish_transitions(mut self) -> Vec<Event> {
        self.take_rest()
    }

    fn take_rest(&mut self) -> Vec<Event> {
        let batches: [(&mut Batch, ToEventData); 3] = [
            (&mut self.new, EventData::FindingNew),
            (&mut self.reopened, EventData::FindingReopened),
            (&mut self.closed, EventData::FindingClosed),
        ];
        batches
            .into_iter()
            .filter(|(batch, _)| !batch.findings.is_empty())
            .map(|(batch, to_data)| Event::new(self.at, to_data(batch.take(&self.run))))
            .collect()
    }
}

fn run_ended(run: RunRef, summary: &Summary, coverage: &Coverage) -> RunEnded {
    let mut kept_open_at: Vec<_> = summary.kept_open.iter().collect();
    kept_open_at.sort_by_key(|kept| std::cmp::Reverse(kept.count));
    let kept_open_at = kept_open_at.into_iter().take(MAX_REASONS);
    RunEnded {
        run,
        new: summary.new,
        recurrent: summary.recurrent,
        reopened: summary.reopened,
        closed: summary.closed,
        kept_open: summary.kept_open_count(),
        kept_open_at: kept_open_at
            .map(|kept| KeptOpen { reason: mask_and_truncate(&kept.reason), ..kept.clone() })
            .collect(),
        gaps: coverage.gap_count(),
        gap_messages: match coverage.gaps() {
            [] => missing_from(coverage),
            gaps => gaps.iter().take(MAX_REASONS).map(|gap| mask_and_truncate(&gap.message)).collect(),
        },
        remarks: Vec::new(),
    }
}
