//! The contract of a store.

use std::fmt;

use appsec_core::{Coverage, FindingBatch, FindingQuery, Fingerprint, PartitionKey, Result, ScanId};
use async_trait::async_trait;

use super::explanation::Explanation;
use super::finding::{FindingNumber, Page, StoredFinding};
use super::known_binding::KnownBinding;
use super::partition::KnownPartition;
use super::report_parts::ReportParts;
use super::run::{EndedRun, Run, RunRequest, Staged};
use crate::binding::Binding;
use crate::decision::{Decision, Retirement};
use crate::outbox::{Message, Subscription};
use crate::reconcile::{KnownFinding, Summary};

/// The [code](appsec_core::Error::code) of the error for a binding whose run another process holds. Its
/// [`retry_after`](appsec_core::Error::retry_after) is the rest of that lease.
pub const BINDING_HELD: &str = "binding_held";

/// Stores bindings, their runs and their findings.
///
/// Each method is one transaction, unless its documentation says otherwise. A method that takes a [`Run`]
/// writes nothing and returns `Conflict` when another process has taken the run over, or when the run has
/// ended.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Begins a run of the binding, or resumes one that a dead process left.
    ///
    /// # Errors
    /// `Conflict` while another process holds the binding, or when the request's scheduled run is over.
    async fn begin_run(&self, binding: &Binding, request: &RunRequest) -> Result<Run>;

    /// Renews the lease of the run: its heartbeat.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn renew_lease(&self, run: &Run) -> Result<()>;

    /// Sets the scan that was started for the run; `None` removes a scan that the scanner does not know any
    /// more.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn set_scan(&self, run: &Run, scan: Option<&ScanId>) -> Result<()>;

    /// Sets the query of the run and removes everything that is staged.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn restart_staging(&self, run: &Run, query: &FindingQuery) -> Result<()>;

    /// Stages a batch with its resume point and gaps. Staging a finding twice changes nothing, or adds an
    /// occurrence.
    ///
    /// A finding that names none of the bind targets which the run's query asks for is staged only if the binding
    /// knows one of its aliases: it is the binding's, whichever bind target saw it last. The others are left
    /// out and counted. If one of them names no bind target at all, that is a gap, which is stored with those
    /// of the batch.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn stage(&self, run: &Run, batch: &FindingBatch) -> Result<Staged>;

    /// Returns the summary that [`conclude`](Self::conclude) would return. Writes nothing.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn preview(&self, run: &Run, coverage: &Coverage) -> Result<Summary>;

    /// Reconciles what is staged with what is known, as [`reconcile`](crate::reconcile()) does, writes the
    /// messages that the subscriptions ask for, and ends the run. Either all of this is written or
    /// nothing.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn conclude(
        &self,
        run: &Run,
        coverage: &Coverage,
        subscriptions: &[Subscription],
    ) -> Result<Summary>;

    /// Writes messages that do not belong to a concluded run, for instance about a scanner that cannot be
    /// read. A message whose id exists already is not changed.
    ///
    /// # Errors
    /// Those of the store; then nothing was written.
    async fn enqueue_messages(&self, messages: &[Message]) -> Result<()>;

    /// Releases the run: a dry run is removed, and another process can resume any other run immediately.
    ///
    /// # Errors
    /// Those of the store. A run that is lost or has ended is no error here.
    async fn release_run(&self, run: &Run) -> Result<()>;

    /// Returns a page of the binding's findings, in the order in which they became known.
    ///
    /// # Errors
    /// Those of the store.
    async fn known_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<(FindingNumber, KnownFinding)>>;

    /// Returns a page of the binding's findings with everything that their last observation contained, in
    /// the same order and pages. Reports are written from these.
    ///
    /// # Errors
    /// Those of the store.
    async fn stored_findings(&self, binding: &Binding, page: Page) -> Result<Vec<StoredFinding>>;

    /// Returns the bindings that ever had a run, in the order of their first.
    ///
    /// # Errors
    /// Those of the store.
    async fn bindings(&self) -> Result<Vec<KnownBinding>>;

    /// Sets the name of the bind target of the run's binding, as the scanner lists it.
    ///
    /// # Errors
    /// `Conflict` when the run is lost.
    async fn set_target_name(&self, run: &Run, name: &str) -> Result<()>;

    /// Gives a binding another identity. Its runs, findings and decisions are kept.
    ///
    /// # Errors
    /// `NotFound` when the store does not know `from`; `Conflict` when `to` has runs of its own, or while a
    /// process imports `from`.
    async fn move_binding(&self, from: &Binding, to: &Binding) -> Result<()>;

    /// Returns the last concluded run of a binding; `None` where there is none.
    ///
    /// # Errors
    /// Those of the store.
    async fn last_run(&self, binding: &Binding) -> Result<Option<EndedRun>>;

    /// Returns the most parts that SARIF reports of the binding have had; none for an unknown binding.
    ///
    /// # Errors
    /// Those of the store.
    async fn report_parts(&self, binding: &Binding) -> Result<ReportParts>;

    /// Records that a SARIF report of the binding has these parts. Smaller numbers than the recorded ones
    /// change nothing, and neither does a binding that the store does not know.
    ///
    /// # Errors
    /// Those of the store.
    async fn raise_report_parts(&self, binding: &Binding, parts: ReportParts) -> Result<()>;

    /// Sets a user's decision about a finding, or withdraws it with `None`, and returns the finding as it
    /// is now.
    ///
    /// The decision overrides the scanner's status until it is withdrawn or the scanner reports the finding
    /// as fixed. A closed finding stays closed; the decision counts when it is observed again.
    ///
    /// # Errors
    /// `NotFound` when the binding does not know the finding.
    async fn set_decision(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding>;

    /// Returns the partitions with open findings of the binding, in the order of their keys.
    ///
    /// # Errors
    /// Those of the store.
    async fn partitions(&self, binding: &Binding) -> Result<Vec<KnownPartition>>;

    /// Closes the open findings of a partition that is not examined any more, stores who retired it, why and
    /// when, writes the messages that the subscriptions ask for, and returns the number of findings that
    /// closed.
    ///
    /// A finding that another partition holds too stays open there. A later observation reopens a finding; an
    /// observation from before the retirement does not.
    ///
    /// # Errors
    /// `NotFound` when the binding has no open findings in the partition.
    async fn retire(
        &self,
        binding: &Binding,
        partition: &PartitionKey,
        retirement: &Retirement,
        subscriptions: &[Subscription],
    ) -> Result<u64>;

    /// Returns why a finding is in its state, run by run; `None` where the binding does not know it.
    ///
    /// # Errors
    /// Those of the store.
    async fn explain(&self, binding: &Binding, finding: &Fingerprint) -> Result<Option<Explanation>>;
}
