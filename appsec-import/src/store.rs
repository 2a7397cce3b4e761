//! Where bindings, their runs and their findings are kept.

use std::fmt;
use std::time::Duration;

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingBatch, FindingQuery, Fingerprint, Result, ResumePoint, ScanId,
    Timestamp,
};
use async_trait::async_trait;

use crate::binding::Binding;
use crate::explain::Explanation;
use crate::judge::{Change, Decision};
use crate::outbox::{Message, RunRef, Subscription};
use crate::reconcile::KnownFinding;
use crate::summary::Summary;

/// What a run asks for when it claims its binding.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The time at which the run counts as made.
    pub at: Timestamp,
    /// How long the claim holds without a sign of life.
    pub lease: Duration,
    /// Takes over a run whose claim still holds, whose process is known to be dead.
    pub take_over: bool,
    /// A run that is for its summary only. It claims nothing and leaves nothing.
    pub dry_run: bool,
    /// The turn of a schedule that the run is; it must still be the binding's last.
    pub turn: Option<ScheduledRun>,
}

/// A turn of a scheduled binding. Whoever has an older one is late, and begins nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The scheduled binding's name.
    pub name: String,
    /// Grows with each turn of the binding.
    pub fence: i64,
}

impl Claim {
    /// A claim for a run at the given time, with a lease of two minutes.
    pub fn new(at: Timestamp) -> Self {
        Self { at, lease: Duration::from_mins(2), take_over: false, dry_run: false, turn: None }
    }
}

/// A run that holds its binding. What it carries beyond its names is where an earlier process left off.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The store's number of the binding.
    pub binding: i64,
    /// The run's number among those of its binding, from 1.
    pub number: i64,
    /// How the run is named in what is told of it.
    pub note: RunRef,
    /// Grows with each process that holds the run; one with an older fence writes nothing.
    pub fence: i64,
    /// The time at which the run counts as made; kept when another process goes on with it.
    pub started_at: Timestamp,
    /// How long the claim holds without a sign of life.
    pub lease: Duration,
    /// True when nothing of it stays.
    pub dry_run: bool,
    /// The scan that was started for it.
    pub scan: Option<ScanId>,
    /// What was asked of the scanner.
    pub query: Option<FindingQuery>,
    /// Where to go on after what is staged.
    pub resume: Option<ResumePoint>,
    /// What was missing so far.
    pub gaps: Vec<CoverageGap>,
}

impl Run {
    /// A run that begins.
    pub fn new(binding: i64, number: i64, note: RunRef, fence: i64, claim: &Claim) -> Self {
        Self {
            binding,
            number,
            note,
            fence,
            started_at: claim.at,
            lease: claim.lease,
            dry_run: claim.dry_run,
            scan: None,
            query: None,
            resume: None,
            gaps: Vec::new(),
        }
    }
}

/// Where bindings, their runs and their findings are kept.
///
/// Each method is one transaction, or as many as it likes where it says so. Every method that takes a [`Run`] writes nothing and
/// answers `Conflict` when another process has taken the run over, or when it has ended.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Begins a run, or goes on with one that a dead process left.
    ///
    /// # Errors
    /// `Conflict` while another process holds the binding, or when the claim's turn is over.
    async fn begin(&self, binding: &Binding, claim: &Claim) -> Result<Run>;

    /// Gives a sign of life.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn renew(&self, run: &Run) -> Result<()>;

    /// Keeps which scan was started; `None` forgets one that the scanner has no more.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn keep_scan(&self, run: &Run, scan: Option<&ScanId>) -> Result<()>;

    /// Begins to stage the answer to a query, and drops whatever was staged.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn start_over(&self, run: &Run, query: &FindingQuery) -> Result<()>;

    /// Stages a batch with its resume point and gaps. A finding that comes again changes nothing, or is an occurrence.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn stage(&self, run: &Run, batch: &FindingBatch) -> Result<()>;

    /// What the verdict on what is staged would be. Writes nothing.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn preview(&self, run: &Run, coverage: &Coverage) -> Result<Summary>;

    /// Gives the verdict on what is staged, as [`reconcile`](crate::reconcile) would, writes the messages that the subscriptions
    /// ask for, and ends the run: all or nothing.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn conclude(&self, run: &Run, coverage: &Coverage, to: &[Subscription]) -> Result<Summary>;

    /// Writes messages that belong to no verdict, as of a scanner that cannot be read. One whose id is known already is left as it is.
    ///
    /// # Errors
    /// Those of the store; then nothing was written.
    async fn tell(&self, messages: &[Message]) -> Result<()>;

    /// Lets the run go: a dry run vanishes, another can be gone on with at once.
    ///
    /// # Errors
    /// Those of the store; a run that is lost or has ended is no error here.
    async fn release(&self, run: &Run) -> Result<()>;

    /// The findings of a binding in the order in which they became known, a page at a time.
    ///
    /// # Errors
    /// Those of the store.
    async fn findings(&self, binding: &Binding, page: Page) -> Result<Vec<(FindingNumber, KnownFinding)>>;

    /// The findings of a binding with all that their last observation told, in the same order and pages: what reports are written from.
    ///
    /// # Errors
    /// Those of the store.
    async fn stored_findings(&self, binding: &Binding, page: Page) -> Result<Vec<StoredFinding>>;

    /// The bindings that ever had a run, in the order of their first.
    ///
    /// # Errors
    /// Those of the store.
    async fn bindings(&self) -> Result<Vec<Binding>>;

    /// The last run of a binding whose verdict was given; `None` where there is none.
    ///
    /// # Errors
    /// Those of the store.
    async fn last_run(&self, binding: &Binding) -> Result<Option<EndedRun>>;

    /// Keeps what a person decided about a finding, or takes it back with `None`, and gives the finding as it stands now.
    ///
    /// The decision stands against the scanner's word until it is taken back or the scanner says that the finding is fixed. A closed
    /// finding stays closed; the decision counts when it comes back.
    ///
    /// # Errors
    /// `NotFound` when the binding does not know the finding.
    async fn decide(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding>;

    /// Why a finding is in its state, run by run; `None` where the binding does not know it.
    ///
    /// # Errors
    /// Those of the store.
    async fn explain(&self, binding: &Binding, finding: &Fingerprint) -> Result<Option<Explanation>>;
}

/// A finding's number among those of its binding, from 1.
pub type FindingNumber = i64;

/// A finding of a binding with all that its last observation told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredFinding {
    /// Its number.
    pub number: FindingNumber,
    /// What is known of it.
    pub known: KnownFinding,
    /// What the last run that judged it meant for it.
    pub change: Change,
    /// The finding: identity, severity, status and times are those of `known`, the rest is what its last observation told, masked as it
    /// came. Where that was imported by a version that did not keep it, only what `known` has.
    pub finding: Finding,
}

impl StoredFinding {
    /// A finding as it is known and as it was last seen.
    pub fn new(number: FindingNumber, known: KnownFinding, change: Change, finding: Finding) -> Self {
        Self { number, known, change, finding }
    }
}

/// A run whose verdict was given.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndedRun {
    /// The run's number among those of its binding.
    pub number: i64,
    /// The time at which the run counts as made.
    pub started_at: Timestamp,
    /// When the verdict was given.
    pub ended_at: Timestamp,
    /// Its label.
    pub scan_tag: Option<String>,
    /// What it meant.
    pub summary: Summary,
    /// What it saw, and what its silence meant.
    pub coverage: Coverage,
}

impl EndedRun {
    /// A run that ended.
    pub fn new(
        number: i64,
        (started_at, ended_at): (Timestamp, Timestamp),
        summary: Summary,
        coverage: Coverage,
    ) -> Self {
        Self { number, started_at, ended_at, scan_tag: None, summary, coverage }
    }
}

/// A page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Those after this number; 0 for the first page.
    pub after: FindingNumber,
    /// At most so many.
    pub limit: u32,
}
