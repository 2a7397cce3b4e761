//! Staging: findings folded into observations as they come, so that a run of any size needs the memory of a batch.

use std::collections::HashMap;

use appsec_core::{FindingBatch, Result};

use super::detail::Rules;
use super::keys::{alias_key, fingerprint_key, keys_of};
use super::{Arg, SqlStore, Tx, args, get, json, lost, parse};
use crate::fold::{Folder, Observation};
use crate::reconcile::same;
use crate::store::Run;

impl SqlStore {
    pub(super) async fn stage_batch(&self, run: &Run, batch: &FindingBatch) -> Result<()> {
        let mut observations: Vec<_> =
            batch.findings.iter().map(|finding| Observation::of(finding).stored()).collect();
        // The verdict needs none of the rest, and a dry run has nothing else.
        let rules = if run.dry_run { Rules::default() } else { self.details(batch, &mut observations)? };
        let mut tx = self.transaction().await?;
        tx.hold(run).await?;
        tx.write_rules(&rules).await?;
        let row = tx
            .row("SELECT places FROM run WHERE binding = $1 AND number = $2", args![run.binding, run.number])
            .await?;
        let places: i64 = get(&row.ok_or_else(lost)?, "places")?;
        let places = tx.fold_in(run, observations, places).await?;
        let set = "UPDATE run SET resume = $3, gaps = $4, places = $5 WHERE binding = $1 AND number = $2";
        let (resume, gaps) = (json(&batch.resume)?, json(&batch.gaps)?);
        tx.run(set, args![run.binding, run.number, resume, gaps, places]).await?;
        tx.commit().await?;
        self.have_rules(rules);
        Ok(())
    }
}

impl Tx {
    /// Folds the observations into those that are staged, and gives the next free place.
    async fn fold_in(&mut self, run: &Run, observations: Vec<Observation>, next: i64) -> Result<i64> {
        if observations.is_empty() {
            return Ok(next);
        }
        let (mut folder, mut places) = self.staged(run, &observations).await?;
        let known_keys = folder.keys().0.len() + folder.keys().1.len();
        for observation in observations {
            folder.add(observation);
        }
        let (by_fingerprint, by_alias) = folder.keys();
        let count = by_fingerprint.values().chain(by_alias.values()).max().map_or(0, |last| last + 1);
        let mut next = next;
        while places.len() < count {
            places.push(next);
            next += 1;
        }
        let keys = by_fingerprint.iter().map(|(fingerprint, at)| (fingerprint_key(*fingerprint), *at));
        let keys = keys.chain(by_alias.iter().map(|(alias, at)| (alias_key(alias), *at)));
        let keys: Vec<_> = keys
            .filter_map(|(key, at)| places.get(at).map(|place| args![run.binding, run.number, key, *place]))
            .collect();
        if keys.len() > known_keys {
            let into = "staged_key (binding, run, key, place)";
            self.insert(into, keys, "ON CONFLICT (binding, run, key) DO NOTHING").await?;
        }
        let mut observations = folder.into_sightings();
        self.stage_details(run, &mut observations, &places).await?;
        let rows = self.match_known(run, observations, &places).await?;
        let again = "ON CONFLICT (binding, run, place) DO UPDATE
                     SET found = excluded.found, taken = excluded.taken, body = excluded.body";
        self.insert("staged (binding, run, place, found, taken, body)", rows, again).await?;
        Ok(next)
    }

    /// What is staged already of these observations, and its places.
    async fn staged(&mut self, run: &Run, observations: &[Observation]) -> Result<(Folder, Vec<i64>)> {
        let keys: Vec<_> = observations.iter().flat_map(|s| keys_of(s.fingerprint, &s.aliases)).collect();
        let find = "SELECT k.key AS key, s.place AS place, s.body AS body
                    FROM {words:3} AS wanted
                    {look:staged_key k: k.binding = $1 AND k.run = $2 AND k.key = wanted.value}
                    {look:staged s: s.binding = k.binding AND s.run = k.run AND s.place = k.place}";
        let rows = self.rows(find, args![run.binding, run.number, json(&keys)?]).await?;
        let (mut folder, mut places, mut at) = (Folder::default(), Vec::new(), HashMap::new());
        for row in rows {
            let place: i64 = get(&row, "place")?;
            let index = if let Some(index) = at.get(&place) {
                *index
            } else {
                let body: String = get(&row, "body")?;
                let index = folder.restore(parse(&body, "a observation")?);
                places.push(place);
                at.insert(place, index);
                index
            };
            let key: String = get(&row, "key")?;
            match key.split_at_checked(1) {
                Some(("f", fingerprint)) => folder.restore_fingerprint(fingerprint.parse()?, index),
                Some((_, alias)) => folder.restore_alias(alias.to_owned(), index),
                None => {}
            }
        }
        Ok((folder, places))
    }

    /// The observations as they are staged, with the known findings that they are. What is known does not change between staging and verdict,
    /// since one run at a time holds the binding.
    async fn match_known(
        &mut self,
        run: &Run,
        observations: Vec<Observation>,
        places: &[i64],
    ) -> Result<Vec<Vec<Arg>>> {
        let keys: Vec<Vec<_>> =
            observations.iter().map(|s| keys_of(s.fingerprint, &s.aliases).collect()).collect();
        let known = self.known(run.binding, &keys.iter().flatten().collect::<Vec<_>>()).await?;
        let rows = observations.into_iter().zip(places).zip(&keys).map(|((observation, place), keys)| {
            let mut of_each = keys.iter().map(|key| known.get(key).map(Vec::as_slice).unwrap_or_default());
            let same_print = of_each.next().unwrap_or_default();
            // The known finding that it is, unless an earlier observation is; and whether its fingerprint is that of a known one.
            let (found, taken) = (same(of_each, same_print), i64::from(!same_print.is_empty()));
            Ok(args![run.binding, run.number, *place, found, taken, json(&observation)?])
        });
        rows.collect()
    }

    /// The known findings of those keys.
    async fn known(&mut self, binding: i64, keys: &[&String]) -> Result<HashMap<String, Vec<i64>>> {
        let find = "SELECT DISTINCT k.key AS key, k.finding AS finding FROM {words:2} AS wanted
                    {look:finding_key k: k.binding = $1 AND k.key = wanted.value}";
        let mut known = HashMap::<_, Vec<_>>::new();
        for row in self.rows(find, args![binding, json(&keys)?]).await? {
            known.entry(get(&row, "key")?).or_default().push(get(&row, "finding")?);
        }
        Ok(known)
    }
}
