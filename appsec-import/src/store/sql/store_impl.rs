//! The [`Store`] trait for a SQL store.

use appsec_core::{Coverage, FindingBatch, FindingQuery, Fingerprint, PartitionKey, Result, ScanId};
use async_trait::async_trait;

use super::sql_store::SqlStore;
use crate::binding::Binding;
use crate::decision::{Decision, Retirement};
use crate::outbox::{Message, Outbox, Subscription};
use crate::reconcile::{KnownFinding, Summary};
use crate::store::contract::Store;
use crate::store::explanation::Explanation;
use crate::store::finding::{FindingNumber, Page, StoredFinding};
use crate::store::known_binding::KnownBinding;
use crate::store::partition::KnownPartition;
use crate::store::report_parts::ReportParts;
use crate::store::run::{EndedRun, Run, RunRequest, Staged};

#[async_trait]
impl Store for SqlStore {
    async fn begin_run(&self, binding: &Binding, request: &RunRequest) -> Result<Run> {
        self.claim_run(binding, request).await
    }

    async fn renew_lease(&self, run: &Run) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.hold(run).await?;
        tx.commit().await
    }

    async fn set_scan(&self, run: &Run, scan: Option<&ScanId>) -> Result<()> {
        self.write_scan(run, scan).await
    }

    async fn restart_staging(&self, run: &Run, query: &FindingQuery) -> Result<()> {
        self.clear_staging(run, query).await
    }

    async fn stage(&self, run: &Run, batch: &FindingBatch) -> Result<Staged> {
        self.stage_batch(run, batch).await
    }

    async fn preview(&self, run: &Run, coverage: &Coverage) -> Result<Summary> {
        self.reconcile_run(run, coverage, None).await
    }

    async fn conclude(
        &self,
        run: &Run,
        coverage: &Coverage,
        subscriptions: &[Subscription],
    ) -> Result<Summary> {
        self.reconcile_run(run, coverage, Some(subscriptions)).await
    }

    async fn enqueue_messages(&self, messages: &[Message]) -> Result<()> {
        Outbox::enqueue(self, messages).await
    }

    async fn release_run(&self, run: &Run) -> Result<()> {
        self.end_lease(run).await
    }

    async fn known_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<(FindingNumber, KnownFinding)>> {
        self.read_known_findings(binding, page).await
    }

    async fn stored_findings(&self, binding: &Binding, page: Page) -> Result<Vec<StoredFinding>> {
        self.read_stored_findings(binding, page).await
    }

    async fn bindings(&self) -> Result<Vec<KnownBinding>> {
        self.read_bindings().await
    }

    async fn set_target_name(&self, run: &Run, name: &str) -> Result<()> {
        self.write_target_name(run, name).await
    }

    async fn move_binding(&self, from: &Binding, to: &Binding) -> Result<()> {
        self.give_identity(from, to).await
    }

    async fn last_run(&self, binding: &Binding) -> Result<Option<EndedRun>> {
        self.read_last_run(binding).await
    }

    async fn report_parts(&self, binding: &Binding) -> Result<ReportParts> {
        self.read_report_parts(binding).await
    }

    async fn raise_report_parts(&self, binding: &Binding, parts: ReportParts) -> Result<()> {
        self.write_report_parts(binding, parts).await
    }

    async fn set_decision(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding> {
        self.write_decision(binding, finding, decision).await
    }

    async fn partitions(&self, binding: &Binding) -> Result<Vec<KnownPartition>> {
        self.read_partitions(binding).await
    }

    async fn retire(
        &self,
        binding: &Binding,
        partition: &PartitionKey,
        retirement: &Retirement,
        subscriptions: &[Subscription],
    ) -> Result<u64> {
        self.retire_partition(binding, partition, retirement, subscriptions).await
    }

    async fn explain(&self, binding: &Binding, finding: &Fingerprint) -> Result<Option<Explanation>> {
        self.read_explanation(binding, finding).await
    }
}
