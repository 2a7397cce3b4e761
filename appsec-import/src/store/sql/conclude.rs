//! Concludes a run, page by page in one transaction. The transitions are those of
//! [`reconcile`](crate::reconcile()).

use appsec_core::{Coverage, Result, Timestamp};

use super::dialect::Dialect;
use super::errors::run_lost;
use super::finding_detail::ObservedFinding;
use super::finding_key::{alias_key, finding_keys, fingerprint_key};
use super::finding_row::{COLUMNS, StoredRow};
use super::runs::CONCLUDED;
use super::sql_store::SqlStore;
use super::transaction::{Arg, Transaction, args, from_json, get, to_json, to_name};
use crate::metrics::TransitionCounter;
use crate::outbox::{EventBatcher, Subscription, messages_for};
use crate::reconcile::{Observation, Summary, SummaryBuilder, Transition};
use crate::store::explanation::HistoryEntry;
use crate::store::run::Run;

/// The number of findings in one page.
const PAGE: i64 = 512;

/// The state of a run while it is concluded.
struct Conclusion<'a> {
    run: &'a Run,
    coverage: &'a Coverage,
    /// The subscriptions to write messages for; `None` for a preview, which writes nothing.
    subscriptions: Option<&'a [Subscription]>,
    events: EventBatcher,
    summary: SummaryBuilder,
    counter: TransitionCounter,
    /// The number of findings that were known before. The ids of new ones follow it.
    known_count: i64,
    new_count: i64,
}

impl SqlStore {
    /// Reconciles a run with what is known, and returns its summary. Without subscriptions, not even an
    /// empty list, nothing is written.
    pub(super) async fn reconcile_run(
        &self,
        run: &Run,
        coverage: &Coverage,
        subscriptions: Option<&[Subscription]>,
    ) -> Result<Summary> {
        self.analyze_staged(run).await?;
        let mut tx = self.begin().await?;
        // The binding is locked before the run, in the order in which a run begins: else the two could wait
        // for each other.
        let lock = "UPDATE binding SET finding_count = finding_count WHERE id = $1";
        tx.execute(lock, args![run.binding_id]).await?;
        tx.hold(run).await?;
        let select = "SELECT finding_count FROM binding WHERE id = $1";
        let row = tx.row(select, args![run.binding_id]).await?;
        let mut conclusion = Conclusion {
            run,
            coverage,
            subscriptions,
            events: EventBatcher::new(run.reference.clone(), run.started_at).with_remarks(&run.remarks),
            summary: SummaryBuilder::default(),
            counter: TransitionCounter::default(),
            known_count: get(&row.ok_or_else(run_lost)?, "finding_count")?,
            new_count: 0,
        };
        let left_out = "SELECT left_out FROM run WHERE binding = $1 AND number = $2";
        let row = tx.row(left_out, args![run.binding_id, run.number]).await?;
        let left_out: i64 = get(&row.ok_or_else(run_lost)?, "left_out")?;
        conclusion.summary.add_left_out(u64::try_from(left_out).unwrap_or_default());
        conclusion.observed(&mut tx).await?;
        conclusion.unobserved(&mut tx).await?;
        let Conclusion { events, summary, counter, known_count, new_count, .. } = conclusion;
        let summary = summary.build();
        let Some(subscriptions) = subscriptions else {
            tx.rollback().await?;
            return Ok(summary);
        };
        let update = "UPDATE binding SET finding_count = $2 WHERE id = $1";
        tx.execute(update, args![run.binding_id, known_count + new_count]).await?;
        for event in events.finish(&summary, coverage) {
            tx.write_messages(&messages_for(&event, subscriptions)).await?;
        }
        let end = "UPDATE run SET state = $3, ended_at = $4, summary = $5, coverage = $6, lease_until = 0
                   WHERE binding = $1 AND number = $2";
        let (at, summary_json, coverage_json) =
            (Timestamp::now().to_string(), to_json(&summary)?, to_json(coverage)?);
        tx.execute(end, args![run.binding_id, run.number, CONCLUDED, at, summary_json, coverage_json])
            .await?;
        tx.commit().await?;
        counter.record(run.connection.as_deref().unwrap_or(&run.reference.binding.scanner));
        self.remove_staged_of(run).await;
        Ok(summary)
    }

    /// Updates PostgreSQL's statistics where more than a page is staged. Of the two indexes of the table it
    /// would otherwise choose the one that reads the whole run for each finding.
    async fn analyze_staged(&self, run: &Run) -> Result<()> {
        let text = "SELECT staged_count FROM run WHERE binding = $1 AND number = $2 AND staged_count > $3";
        if self.dialect == Dialect::Postgres
            && !self.rows(text, args![run.binding_id, run.number, PAGE]).await?.is_empty()
        {
            self.rows("ANALYZE staged_observation", args![]).await?;
        }
        Ok(())
    }

    /// Removes what was staged. The run is concluded whether or not this succeeds: the next one removes
    /// what is left.
    async fn remove_staged_of(&self, run: &Run) {
        let removed = async {
            let mut tx = self.begin().await?;
            tx.remove_staged(run.binding_id, run.number).await?;
            tx.commit().await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "the staged findings are left for the next run to remove");
        }
    }
}

impl Conclusion<'_> {
    /// Concludes on what was observed, in the order in which it was staged.
    async fn observed(&mut self, tx: &mut Transaction) -> Result<()> {
        // Where two observations match one known finding, the first is that finding and the second is a new
        // one.
        let known = tx.dialect().left_join(
            "finding",
            "f",
            "f.binding = s.binding AND f.id = s.known_finding
                 AND NOT EXISTS (SELECT 1 FROM staged_observation o WHERE o.binding = s.binding AND o.run = s.run
                                 AND o.known_finding = s.known_finding AND o.position < s.position)",
        );
        let text = format!(
            "SELECT s.position AS position, s.fingerprint_taken, s.body, {COLUMNS}
             FROM staged_observation s {known}
             WHERE s.binding = $1 AND s.run = $2 AND s.position > $3 ORDER BY s.position LIMIT $4"
        );
        let mut after = -1;
        loop {
            let rows = tx.rows(&text, args![self.run.binding_id, self.run.number, after, PAGE]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = get(last, "position")?;
            let mut page = Page::new(self.run);
            for row in &rows {
                let body: String = get(row, "body")?;
                let observation: Observation = from_json(&body, "an observation")?;
                self.summary.add_observation(&observation);
                let position = get(row, "position")?;
                if get::<Option<i64>>(row, "id")?.is_some() {
                    let before = StoredRow::new(row)?;
                    let taken = get::<i64>(row, "fingerprint_taken")? != 0;
                    let status = observation.status.clone();
                    let transition = Transition::observed_again(
                        before.finding.clone(),
                        observation,
                        self.coverage,
                        self.run.started_at,
                        taken,
                    );
                    if !transition.is_ignored_fix(status.as_ref()) {
                        page.observed.push(ObservedFinding { position, finding: before.id });
                    }
                    page.add_known(&before, transition)?;
                } else {
                    self.new_count += 1;
                    let id = self.known_count + self.new_count;
                    page.observed.push(ObservedFinding { position, finding: id });
                    let transition =
                        Transition::first_observed(observation, self.coverage, self.run.started_at);
                    page.add_new(id, transition)?;
                }
            }
            self.write(tx, page).await?;
        }
    }

    /// Concludes on known findings that were not observed and that the run can change.
    async fn unobserved(&mut self, tx: &mut Transaction) -> Result<()> {
        let text = format!(
            "SELECT {COLUMNS} FROM finding f
             WHERE f.binding = $1 AND f.id > $3 AND f.id <= $4 AND (f.state = 'open' OR f.change NOT IN ('closed', 'unchanged'))
                 AND NOT EXISTS (SELECT 1 FROM staged_observation s
                                 WHERE s.binding = f.binding AND s.run = $2 AND s.known_finding = f.id)
             ORDER BY f.id LIMIT $5"
        );
        let mut after = 0;
        loop {
            let args = args![self.run.binding_id, self.run.number, after, self.known_count, PAGE];
            let rows = tx.rows(&text, args).await?;
            let mut page = Page::new(self.run);
            for row in &rows {
                let before = StoredRow::new(row)?;
                after = before.id;
                let transition =
                    Transition::unobserved(before.finding.clone(), self.coverage, self.run.started_at);
                page.add_known(&before, transition)?;
            }
            if page.transitions.is_empty() {
                return Ok(());
            }
            self.write(tx, page).await?;
        }
    }

    async fn write(&mut self, tx: &mut Transaction, page: Page<'_>) -> Result<()> {
        for (_, transition) in &page.transitions {
            self.summary.add(transition);
            self.counter.add(transition);
        }
        let Some(subscriptions) = self.subscriptions else { return Ok(()) };
        // Events are made only where there are subscriptions: masking their texts costs more than everything
        // else here.
        for (_, transition) in page.transitions.iter().filter(|_| !subscriptions.is_empty()) {
            let event =
                self.events.push(&transition.finding, transition.change, transition.reason.as_deref());
            if let Some(event) = event {
                tx.write_messages(&messages_for(&event, subscriptions)).await?;
            }
        }
        let binding = self.run.binding_id;
        let changed: Vec<_> = page
            .transitions
            .into_iter()
            .zip(page.changed)
            .filter_map(|(transition, changed)| changed.then_some(transition))
            .collect();
        tx.write_findings(binding, &changed).await?;
        tx.keep_details(self.run, &page.observed).await?;
        for (key, finding) in page.removed_keys {
            let delete = "DELETE FROM finding_key WHERE binding = $1 AND key = $2 AND finding = $3";
            tx.execute(delete, args![binding, key, finding]).await?;
        }
        let keys = page.new_keys.into_iter().map(|(key, finding)| args![binding, key, finding]);
        let once = "ON CONFLICT (binding, key, finding) DO NOTHING";
        tx.insert("finding_key (binding, key, finding)", keys.collect(), once).await?;
        tx.insert("history (binding, finding, run, state, change, reason)", page.history, "").await
    }
}

/// A page of transitions, and what is to be written of them.
#[derive(Debug)]
struct Page<'a> {
    run: &'a Run,
    transitions: Vec<(i64, Transition)>,
    /// For each transition, whether the finding's row changes.
    changed: Vec<bool>,
    observed: Vec<ObservedFinding>,
    new_keys: Vec<(String, i64)>,
    removed_keys: Vec<(String, i64)>,
    history: Vec<Vec<Arg>>,
}

impl<'a> Page<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            transitions: Vec::new(),
            changed: Vec::new(),
            observed: Vec::new(),
            new_keys: Vec::new(),
            removed_keys: Vec::new(),
            history: Vec::new(),
        }
    }

    fn add_new(&mut self, id: i64, transition: Transition) -> Result<()> {
        let finding = &transition.finding;
        self.new_keys.extend(finding_keys(finding.fingerprint, &finding.aliases).map(|key| (key, id)));
        self.add_history(id, &transition)?;
        self.transitions.push((id, transition));
        self.changed.push(true);
        Ok(())
    }

    fn add_known(&mut self, before: &StoredRow, transition: Transition) -> Result<()> {
        let (was, is) = (&before.finding, &transition.finding);
        let new = is.aliases.iter().filter(|alias| !was.aliases.contains(alias));
        self.new_keys.extend(new.map(|alias| (alias_key(alias), before.id)));
        if was.fingerprint != is.fingerprint {
            self.new_keys.push((fingerprint_key(is.fingerprint), before.id));
            self.removed_keys.push((fingerprint_key(was.fingerprint), before.id));
        }
        let expected = HistoryEntry::expected_after(before.change, before.reason.as_deref());
        let is_expected =
            expected == (transition.change, transition.reason.as_deref()) && was.state == is.state;
        if !is_expected {
            self.add_history(before.id, &transition)?;
        }
        let is_same = was == is && before.change == transition.change && before.reason == transition.reason;
        self.transitions.push((before.id, transition));
        self.changed.push(!is_same);
        Ok(())
    }

    fn add_history(&mut self, finding: i64, transition: &Transition) -> Result<()> {
        let (state, change) = (to_name(&transition.finding.state)?, to_name(&transition.change)?);
        let reason = transition.reason.clone();
        self.history.push(args![self.run.binding_id, finding, self.run.number, state, change, reason]);
        Ok(())
    }
}
