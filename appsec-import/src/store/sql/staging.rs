//! Staging: findings are merged into observations as they arrive, so that a run of any size needs the
//! memory of one batch.

use std::collections::{HashMap, HashSet};

use appsec_core::{Finding, FindingBatch, Result};

use super::errors::run_lost;
use super::finding_detail::{Detail, NewRules};
use super::finding_key::{alias_key, finding_keys, fingerprint_key};
use super::sql_store::SqlStore;
use super::transaction::{Arg, Transaction, args, from_json, get, to_json};
use crate::reconcile::{Observation, Occurrences, best_match};
use crate::store::run::{Run, Staged};

impl SqlStore {
    /// Returns the findings of the batch that are to be staged where some are to be left out; see
    /// [`Store::stage`](crate::store::Store::stage).
    async fn leave_out_others(
        &self,
        run: &Run,
        batch: &FindingBatch,
    ) -> Result<(Option<Vec<Finding>>, Staged)> {
        let is_asked_for = |finding: &Finding| run.query.as_ref().is_none_or(|query| query.asks_for(finding));
        let mut staged = Staged::default();
        if batch.findings.iter().all(is_asked_for) {
            return Ok((None, staged));
        }
        let key = |alias: &String| alias_key(&alias.replace('\0', "\u{fffd}"));
        let others = batch.findings.iter().filter(|finding| !is_asked_for(finding));
        let keys: Vec<_> = others.flat_map(|finding| &finding.aliases).map(key).collect();
        let select = format!(
            "SELECT DISTINCT k.key AS key FROM {} AS wanted {}",
            self.dialect.json_texts(2),
            self.dialect.join("finding_key", "k", "k.binding = $1 AND k.key = wanted.value"),
        );
        let rows = self.rows(&select, args![run.binding_id, to_json(&keys)?]).await?;
        let known = rows.iter().map(|row| get::<String>(row, "key")).collect::<Result<HashSet<_>>>()?;
        let mut kept = Vec::with_capacity(batch.findings.len());
        for finding in &batch.findings {
            if is_asked_for(finding) || finding.aliases.iter().any(|alias| known.contains(&key(alias))) {
                kept.push(finding.clone());
            } else {
                staged.leave_out(finding);
            }
        }
        Ok((Some(kept), staged))
    }

    pub(super) async fn stage_batch(&self, run: &Run, batch: &FindingBatch) -> Result<Staged> {
        let (kept, staged) = self.leave_out_others(run, batch).await?;
        let findings = kept.as_deref().unwrap_or(&batch.findings);
        let is_of_other_target = |finding: &Finding| {
            !finding.targets.is_empty() && run.query.as_ref().is_some_and(|query| !query.asks_for(finding))
        };
        let observations = findings.iter().map(|finding| {
            Observation::new(finding).with_other_target(is_of_other_target(finding)).without_nul()
        });
        // Reconciling does not need the details, and a dry run keeps none.
        let (details, rules) = if run.dry_run {
            (vec![None; findings.len()], NewRules::default())
        } else {
            self.details(findings)?
        };
        let observations: Vec<_> = observations.zip(details).collect();
        let mut tx = self.begin().await?;
        tx.hold(run).await?;
        tx.write_rules(&rules).await?;
        let select = "SELECT staged_count FROM run WHERE binding = $1 AND number = $2";
        let row = tx.row(select, args![run.binding_id, run.number]).await?;
        let count: i64 = get(&row.ok_or_else(run_lost)?, "staged_count")?;
        let count = tx.stage_observations(run, observations, count).await?;
        // What of the batch is not staged on purpose. The counter keeps the summary adding up.
        let left_out = i64::try_from(staged.left_out).unwrap_or(i64::MAX);
        let gaps: Vec<_> = batch.gaps.iter().chain(&staged.gap).collect();
        let update = "UPDATE run SET resume = $3, gaps = $4, staged_count = $5, left_out = left_out + $6
                      WHERE binding = $1 AND number = $2";
        let (resume, gaps) = (to_json(&batch.resume)?, to_json(&gaps)?);
        tx.execute(update, args![run.binding_id, run.number, resume, gaps, count, left_out]).await?;
        tx.commit().await?;
        self.remember_rules(rules);
        Ok(staged)
    }
}

impl Transaction {
    /// Merges observations into those that are staged. `count` is the number of staged observations; the
    /// new number is returned.
    async fn stage_observations(
        &mut self,
        run: &Run,
        observations: Vec<(Observation, Option<Detail>)>,
        count: i64,
    ) -> Result<i64> {
        if observations.is_empty() {
            return Ok(count);
        }
        let (mut occurrences, mut positions) = self.staged(run, &observations).await?;
        let known_keys = occurrences.keys().0.len() + occurrences.keys().1.len();
        for (observation, detail) in observations {
            occurrences.add(observation, detail);
        }
        let (by_fingerprint, by_alias) = occurrences.keys();
        let merged = by_fingerprint.values().chain(by_alias.values()).max().map_or(0, |last| last + 1);
        let mut next = count;
        while positions.len() < merged {
            positions.push(next);
            next += 1;
        }
        let keys = by_fingerprint.iter().map(|(fingerprint, index)| (fingerprint_key(*fingerprint), *index));
        let keys = keys.chain(by_alias.iter().map(|(alias, index)| (alias_key(alias), *index)));
        let keys: Vec<_> = keys
            .filter_map(|(key, index)| {
                positions.get(index).map(|position| args![run.binding_id, run.number, key, *position])
            })
            .collect();
        if keys.len() > known_keys {
            let into = "staged_key (binding, run, key, position)";
            self.insert(into, keys, "ON CONFLICT (binding, run, key) DO NOTHING").await?;
        }
        let (observations, details): (Vec<_>, Vec<_>) = occurrences.into_observations().into_iter().unzip();
        self.stage_details(run, positions.iter().copied().zip(details)).await?;
        let rows = self.match_known(run, observations, &positions).await?;
        let update =
            "ON CONFLICT (binding, run, position) DO UPDATE SET known_finding = excluded.known_finding,
                      fingerprint_taken = excluded.fingerprint_taken, body = excluded.body";
        let into = "staged_observation (binding, run, position, known_finding, fingerprint_taken, body)";
        self.insert(into, rows, update).await?;
        Ok(next)
    }

    /// Returns what is staged of these observations, and its positions.
    async fn staged(
        &mut self,
        run: &Run,
        observations: &[(Observation, Option<Detail>)],
    ) -> Result<(Occurrences<Option<Detail>>, Vec<i64>)> {
        let keys = observations.iter().flat_map(|(seen, _)| finding_keys(seen.fingerprint, &seen.aliases));
        let keys: Vec<_> = keys.collect();
        let dialect = self.dialect();
        let key_join =
            dialect.join("staged_key", "k", "k.binding = $1 AND k.run = $2 AND k.key = wanted.value");
        let observation_join = dialect.join(
            "staged_observation",
            "s",
            "s.binding = k.binding AND s.run = k.run AND s.position = k.position",
        );
        let select = format!(
            "SELECT k.key AS key, s.position AS position, s.body AS body
             FROM {} AS wanted {key_join} {observation_join}",
            dialect.json_texts(3),
        );
        let rows = self.rows(&select, args![run.binding_id, run.number, to_json(&keys)?]).await?;
        let (mut occurrences, mut positions) = (Occurrences::default(), Vec::new());
        let mut indices = HashMap::new();
        for row in rows {
            let position: i64 = get(&row, "position")?;
            let index = if let Some(index) = indices.get(&position) {
                *index
            } else {
                let body: String = get(&row, "body")?;
                let index = occurrences.restore(from_json(&body, "an observation")?, None);
                positions.push(position);
                indices.insert(position, index);
                index
            };
            let key: String = get(&row, "key")?;
            match key.split_at_checked(1) {
                Some(("f", fingerprint)) => occurrences.restore_fingerprint(fingerprint.parse()?, index),
                Some((_, alias)) => occurrences.restore_alias(alias.to_owned(), index),
                None => {}
            }
        }
        Ok((occurrences, positions))
    }

    /// Returns the rows of the observations, with the known findings that they are.
    ///
    /// Known findings do not change between staging and concluding, since one run at a time holds the
    /// binding.
    async fn match_known(
        &mut self,
        run: &Run,
        observations: Vec<Observation>,
        positions: &[i64],
    ) -> Result<Vec<Vec<Arg>>> {
        let keys = observations.iter().map(|seen| finding_keys(seen.fingerprint, &seen.aliases).collect());
        let keys: Vec<Vec<_>> = keys.collect();
        let known = self.known_by_key(run.binding_id, &keys.iter().flatten().collect::<Vec<_>>()).await?;
        let rows =
            observations.into_iter().zip(positions).zip(&keys).map(|((observation, position), keys)| {
                let mut by_key = keys.iter().map(|key| known.get(key).map(Vec::as_slice).unwrap_or_default());
                let by_fingerprint = by_key.next().unwrap_or_default();
                // The known finding that it is, unless an earlier observation is the same one.
                let known_finding = best_match(by_key, by_fingerprint);
                let fingerprint_taken = i64::from(!by_fingerprint.is_empty());
                let body = to_json(&observation)?;
                Ok(args![run.binding_id, run.number, *position, known_finding, fingerprint_taken, body])
            });
        rows.collect()
    }

    /// Returns the ids of the known findings that have the keys.
    async fn known_by_key(&mut self, binding: i64, keys: &[&String]) -> Result<HashMap<String, Vec<i64>>> {
        let select = format!(
            "SELECT DISTINCT k.key AS key, k.finding AS finding FROM {} AS wanted {}",
            self.dialect().json_texts(2),
            self.dialect().join("finding_key", "k", "k.binding = $1 AND k.key = wanted.value"),
        );
        let mut known = HashMap::<_, Vec<_>>::new();
        for row in self.rows(&select, args![binding, to_json(&keys)?]).await? {
            known.entry(get(&row, "key")?).or_default().push(get(&row, "finding")?);
        }
        Ok(known)
    }
}
