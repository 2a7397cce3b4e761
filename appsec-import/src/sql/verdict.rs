//! The verdict, page by page in one transaction. What it decides is decided by the same functions as in `reconcile`.

use appsec_core::{Coverage, Result, Timestamp};

use super::detail::SeenRow;
use super::keys::{alias_key, fingerprint_key, keys_of};
use super::rows::{COLUMNS, Kept, kept, word};
use super::runs::DONE;
use super::{Arg, Dialect, SqlStore, Tx, args, get, json, lost, parse};
use crate::explain::HistoryEntry;
use crate::fold::Observation;
use crate::judge::is_of_a_part;
use crate::outbox::{EventBatcher, Subscription, messages_of};
use crate::reconcile::{Transition, not_seen, seen_again, seen_first};
use crate::store::Run;
use crate::summary::{Summary, Tally};
use crate::telemetry::Verdicts;

/// Findings in one page.
const PAGE: i64 = 512;

/// A verdict under way.
struct Judging<'a> {
    run: &'a Run,
    coverage: &'a Coverage,
    /// Who is told; `None` when nothing is written.
    to: Option<&'a [Subscription]>,
    events: EventBatcher,
    tally: Tally,
    verdicts: Verdicts,
    /// How many findings were known before; the numbers of new ones follow.
    known: i64,
    new: i64,
}

impl SqlStore {
    /// Gives the verdict; without subscriptions to tell, not even an empty list of them, only its summary.
    pub(super) async fn judge_run(
        &self,
        run: &Run,
        coverage: &Coverage,
        to: Option<&[Subscription]>,
    ) -> Result<Summary> {
        self.show_staged(run).await?;
        let mut tx = self.transaction().await?;
        // The binding before the run, as a claim takes them: else each of the two could wait for the other.
        tx.run("UPDATE binding SET findings = findings WHERE id = $1", args![run.binding]).await?;
        tx.hold(run).await?;
        let row = tx.row("SELECT findings FROM binding WHERE id = $1", args![run.binding]).await?;
        let mut judging = Judging {
            run,
            coverage,
            to,
            events: EventBatcher::new(run.note.clone(), run.started_at),
            tally: Tally::default(),
            verdicts: Verdicts::default(),
            known: get(&row.ok_or_else(lost)?, "findings")?,
            new: 0,
        };
        judging.seen(&mut tx).await?;
        judging.unseen(&mut tx).await?;
        let Judging { events, tally, verdicts, known, new, .. } = judging;
        let summary = tally.summary();
        let Some(to) = to else {
            tx.rollback().await?;
            return Ok(summary);
        };
        tx.run("UPDATE binding SET findings = $2 WHERE id = $1", args![run.binding, known + new]).await?;
        for event in events.finish(&summary, coverage) {
            tx.write_messages(&messages_of(&event, to)).await?;
        }
        let end = "UPDATE run SET state = $3, ended_at = $4, summary = $5, coverage = $6, lease_until = 0
                   WHERE binding = $1 AND number = $2";
        let (at, kept_coverage) = (Timestamp::now().to_string(), json(coverage)?);
        tx.run(end, args![run.binding, run.number, DONE, at, json(&summary)?, kept_coverage]).await?;
        tx.commit().await?;
        verdicts.tell(&run.note.binding.scanner);
        self.clear(run).await;
        Ok(summary)
    }

    /// Lets PostgreSQL see how much is staged, where that is more than a page: of the two indexes of the table it would else take the one
    /// that reads the whole run for each finding.
    async fn show_staged(&self, run: &Run) -> Result<()> {
        let text = "SELECT places FROM run WHERE binding = $1 AND number = $2 AND places > $3";
        if self.dialect == Dialect::Postgres
            && !self.rows(text, args![run.binding, run.number, PAGE]).await?.is_empty()
        {
            self.rows("ANALYZE staged", args![]).await?;
        }
        Ok(())
    }

    /// Removes what was staged. The verdict stands whether or not this succeeds: the next claim removes what is left.
    async fn clear(&self, run: &Run) {
        let cleared = async {
            let mut tx = self.transaction().await?;
            tx.drop_staged(run.binding, run.number).await?;
            tx.commit().await
        };
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "what was staged is left for the next run to remove");
        }
    }
}

impl Judging<'_> {
    /// What was seen, in the order in which it came.
    async fn seen(&mut self, tx: &mut Tx) -> Result<()> {
        // Of two observations that are one known finding the first is it; the second is a finding of its own.
        let text = format!(
            "SELECT s.place AS at, s.taken, s.body, {COLUMNS}
             FROM staged s {{maybe:finding f: f.binding = s.binding AND f.id = s.found
                 AND NOT EXISTS (SELECT 1 FROM staged o WHERE o.binding = s.binding AND o.run = s.run
                                 AND o.found = s.found AND o.place < s.place)}}
             WHERE s.binding = $1 AND s.run = $2 AND s.place > $3 ORDER BY s.place LIMIT $4"
        );
        let mut after = -1;
        loop {
            let rows = tx.rows(&text, args![self.run.binding, self.run.number, after, PAGE]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = get(last, "at")?;
            let mut page = Page::of(self.run);
            for row in &rows {
                let body: String = get(row, "body")?;
                let observation: Observation = parse(&body, "a observation")?;
                let place = get(row, "at")?;
                if get::<Option<i64>>(row, "id")?.is_some() {
                    let was = kept(row)?;
                    let taken = get::<i64>(row, "taken")? != 0;
                    let status = observation.status.clone();
                    let now = seen_again(
                        was.finding.clone(),
                        observation,
                        self.coverage,
                        self.run.started_at,
                        taken,
                    );
                    if !is_of_a_part(status.as_ref(), now.finding.state) {
                        page.seen.push(SeenRow { place, finding: was.id });
                    }
                    page.again(&was, now)?;
                } else {
                    self.new += 1;
                    page.seen.push(SeenRow { place, finding: self.known + self.new });
                    let now = seen_first(observation, self.coverage, self.run.started_at);
                    page.first(self.known + self.new, now)?;
                }
            }
            self.write(tx, page).await?;
        }
    }

    /// What was known and not seen, as far as the run means anything for it.
    async fn unseen(&mut self, tx: &mut Tx) -> Result<()> {
        let text = format!(
            "SELECT {COLUMNS} FROM finding f
             WHERE f.binding = $1 AND f.id > $3 AND f.id <= $4 AND (f.state = 'open' OR f.change NOT IN ('closed', 'unchanged'))
                 AND NOT EXISTS (SELECT 1 FROM staged s WHERE s.binding = f.binding AND s.run = $2 AND s.found = f.id)
             ORDER BY f.id LIMIT $5"
        );
        let mut after = 0;
        loop {
            let rows =
                tx.rows(&text, args![self.run.binding, self.run.number, after, self.known, PAGE]).await?;
            let mut page = Page::of(self.run);
            for row in &rows {
                let was = kept(row)?;
                after = was.id;
                let now = not_seen(was.finding.clone(), self.coverage, self.run.started_at);
                page.again(&was, now)?;
            }
            if page.outcomes.is_empty() {
                return Ok(());
            }
            self.write(tx, page).await?;
        }
    }

    async fn write(&mut self, tx: &mut Tx, page: Page<'_>) -> Result<()> {
        for (_, outcome) in &page.outcomes {
            self.tally.add(outcome);
            self.verdicts.add(outcome);
        }
        let Some(to) = self.to else { return Ok(()) };
        // What nobody wants is not made: masking texts costs more than all else here.
        for (_, outcome) in page.outcomes.iter().filter(|_| !to.is_empty()) {
            let event = self.events.push(&outcome.finding, outcome.change, outcome.reason.as_deref());
            if let Some(event) = event {
                tx.write_messages(&messages_of(&event, to)).await?;
            }
        }
        let changed = page.changed;
        let written: Vec<_> = page
            .outcomes
            .into_iter()
            .zip(changed)
            .filter_map(|(outcome, changed)| changed.then_some(outcome))
            .collect();
        tx.write_findings(self.run.binding, &written).await?;
        tx.keep_details(self.run, &page.seen).await?;
        for (key, finding) in page.lost_keys {
            let gone = "DELETE FROM finding_key WHERE binding = $1 AND key = $2 AND finding = $3";
            tx.run(gone, args![self.run.binding, key, finding]).await?;
        }
        let keys = page.keys.into_iter().map(|(key, finding)| args![self.run.binding, key, finding]);
        let once = "ON CONFLICT (binding, key, finding) DO NOTHING";
        tx.insert("finding_key (binding, key, finding)", keys.collect(), once).await?;
        tx.insert("history (binding, finding, run, state, change, reason)", page.history, "").await
    }
}

/// A page of verdicts, and what of them is to be written.
#[derive(Debug)]
struct Page<'a> {
    run: &'a Run,
    outcomes: Vec<(i64, Transition)>,
    changed: Vec<bool>,
    seen: Vec<SeenRow>,
    keys: Vec<(String, i64)>,
    lost_keys: Vec<(String, i64)>,
    history: Vec<Vec<Arg>>,
}

impl<'a> Page<'a> {
    fn of(run: &'a Run) -> Self {
        let (outcomes, changed, seen, history) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { run, outcomes, changed, seen, keys: Vec::new(), lost_keys: Vec::new(), history }
    }

    fn first(&mut self, id: i64, outcome: Transition) -> Result<()> {
        self.keys.extend(keys_of(outcome.finding.fingerprint, &outcome.finding.aliases).map(|key| (key, id)));
        self.remember(id, &outcome)?;
        self.outcomes.push((id, outcome));
        self.changed.push(true);
        Ok(())
    }

    fn again(&mut self, was: &Kept, now: Transition) -> Result<()> {
        let new = now.finding.aliases.iter().filter(|alias| !was.finding.aliases.contains(alias));
        self.keys.extend(new.map(|alias| (alias_key(alias), was.id)));
        if was.finding.fingerprint != now.finding.fingerprint {
            self.keys.push((fingerprint_key(now.finding.fingerprint), was.id));
            self.lost_keys.push((fingerprint_key(was.finding.fingerprint), was.id));
        }
        let expected = HistoryEntry::then(was.change, was.reason.as_deref());
        let surprising =
            expected != (now.change, now.reason.as_deref()) || was.finding.state != now.finding.state;
        if surprising {
            self.remember(was.id, &now)?;
        }
        let same = was.finding == now.finding && was.change == now.change && was.reason == now.reason;
        self.outcomes.push((was.id, now));
        self.changed.push(!same);
        Ok(())
    }

    fn remember(&mut self, finding: i64, outcome: &Transition) -> Result<()> {
        let (state, change) = (word(&outcome.finding.state)?, word(&outcome.change)?);
        let reason = outcome.reason.clone();
        self.history.push(args![self.run.binding, finding, self.run.number, state, change, reason]);
        Ok(())
    }
}
