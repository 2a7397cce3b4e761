//! What a finding's last observation told beyond what a verdict needs: its rule, place, evidence. Reports are written from it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use appsec_core::{
    BindTargetId, Evidence, Finding, FindingBatch, Location, Recast, Result, Rule, ScanId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::rows::{COLUMNS, kept};
use super::{SqlStore, Tx, args, get, json, parse};
use crate::binding::Binding;
use crate::fold::Observation;
use crate::reconcile::KnownFinding;
use crate::store::{Page, Run, StoredFinding};

/// How many digests of rules a store remembers to have. Beyond it every rule is offered to the database again, which changes nothing.
const MAX_RULES: usize = 65_536;

/// What is kept beside a observation: the digest of its rule, and the rest as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    rule: String,
    body: String,
}

/// Rules by digest that the store is not known to have.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<RuleRow>);

#[derive(Debug, Serialize)]
struct RuleRow {
    id: String,
    body: String,
}

/// Which finding a staged observation is.
#[derive(Debug, Serialize)]
pub(super) struct SeenRow {
    pub(super) place: i64,
    pub(super) finding: i64,
}

/// The members of a finding that a known one has not.
#[derive(Serialize)]
struct Body<'a> {
    scanner: &'a str,
    location: &'a Location,
    #[serde(skip_serializing_if = "Option::is_none")]
    recast: &'a Option<Recast>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    targets: &'a [BindTargetId],
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: &'a Option<ScanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_at: &'a Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: &'a Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    labels: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    evidence: &'a [Evidence],
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: &'a Option<Value>,
}

/// The same, read.
#[derive(Deserialize)]
struct KeptBody {
    scanner: Arc<str>,
    location: Location,
    recast: Option<Recast>,
    #[serde(default)]
    targets: Vec<BindTargetId>,
    scan: Option<ScanId>,
    fixed_at: Option<Timestamp>,
    link: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    evidence: Vec<Evidence>,
    raw: Option<Value>,
}

fn body_of(finding: &Finding) -> Result<String> {
    json(&Body {
        scanner: &finding.scanner,
        location: &finding.location,
        recast: &finding.recast,
        targets: &finding.targets,
        scan: &finding.scan,
        fixed_at: &finding.fixed_at,
        link: &finding.link,
        labels: &finding.labels,
        evidence: &finding.evidence,
        raw: &finding.raw,
    })
}

fn digest(text: &str) -> String {
    Sha256::digest(text)[..16].iter().fold(String::with_capacity(32), |id, byte| format!("{id}{byte:02x}"))
}

impl SqlStore {
    /// Gives each observation the detail of its finding, and tells which rules are to be written for it.
    pub(super) fn details(&self, batch: &FindingBatch, observations: &mut [Observation]) -> Result<Rules> {
        // Findings of a batch share their rules, so most of them are seen by address alone.
        let (mut ids, mut new) = (HashMap::new(), HashMap::new());
        for (finding, observation) in batch.findings.iter().zip(observations) {
            let rule = if let Some(id) = ids.get(&Arc::as_ptr(&finding.rule)) {
                String::clone(id)
            } else {
                let body = json(&finding.rule)?;
                let id = digest(&body);
                ids.insert(Arc::as_ptr(&finding.rule), id.clone());
                new.insert(id.clone(), body);
                id
            };
            observation.detail = Some(Detail { rule, body: body_of(finding)? });
        }
        let known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<_> = new
            .into_iter()
            .filter(|(id, _)| !known.contains(id))
            .map(|(id, body)| RuleRow { id, body })
            .collect();
        // In one order everywhere, so that no two transactions wait for each other.
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Rules(rules))
    }

    /// Notes that rules are written for good.
    pub(super) fn have_rules(&self, rules: Rules) {
        let mut known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_RULES {
            known.extend(rules.0.into_iter().map(|rule| rule.id));
        }
    }

    pub(super) async fn read_stored_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<StoredFinding>> {
        let text = format!(
            "SELECT {COLUMNS}, d.rule AS rule, d.body AS body
             FROM finding f {{maybe:detail d: d.binding = f.binding AND d.finding = f.id}}
             WHERE f.binding = (SELECT id FROM binding WHERE key = $1) AND f.id > $2 ORDER BY f.id LIMIT $3"
        );
        let rows = self.rows(&text, args![binding.key(), page.after, i64::from(page.limit)]).await?;
        let wanted = rows.iter().map(|row| get::<Option<String>>(row, "rule")).collect::<Result<Vec<_>>>()?;
        let rules = self.read_rules(wanted.iter().flatten()).await?;
        let findings = rows.iter().zip(&wanted).map(|(row, rule)| {
            let kept = kept(row)?;
            let rule = rule.as_ref().and_then(|id| rules.get(id));
            let finding = match (get::<Option<String>>(row, "body")?, rule) {
                (Some(body), Some(rule)) => seen_as(&kept.finding, rule.clone(), parse(&body, "a finding")?),
                _ => bare(binding, &kept.finding),
            };
            Ok(StoredFinding::new(kept.id, kept.finding, kept.change, finding))
        });
        findings.collect()
    }

    /// The rules of those digests, each once.
    async fn read_rules(&self, ids: impl Iterator<Item = &String>) -> Result<HashMap<String, Arc<Rule>>> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let text =
            "SELECT r.id AS id, r.body AS body FROM {words:1} AS wanted {look:rule r: r.id = wanted.value}";
        let rows = self.rows(text, args![json(&ids)?]).await?;
        let rules = rows.iter().map(|row| {
            let body: String = get(row, "body")?;
            Ok((get(row, "id")?, Arc::new(parse(&body, "a rule")?)))
        });
        rules.collect()
    }
}

/// The finding as it was last seen, with what is known of it now.
fn seen_as(known: &KnownFinding, rule: Arc<Rule>, body: KeptBody) -> Finding {
    let mut finding = Finding::new(
        body.scanner,
        known.fingerprint,
        rule,
        known.severity.clone(),
        body.location,
        known.partition.clone(),
    );
    (finding.recast, finding.targets, finding.scan) = (body.recast, body.targets, body.scan);
    (finding.fixed_at, finding.link, finding.labels) = (body.fixed_at, body.link, body.labels);
    (finding.evidence, finding.raw) = (body.evidence, body.raw);
    with_known(finding, known)
}

/// The finding of which a version before this one kept no more.
fn bare(binding: &Binding, known: &KnownFinding) -> Finding {
    let rule = Rule::new(known.title.as_str(), known.title.as_str()).into();
    let (method, text) = known.place.split_once(' ').unwrap_or(("", &known.place));
    let place = Location::from_url(text).with_method(method);
    let scanner = binding.scanner.as_str().into();
    let (severity, partition) = (known.severity.clone(), known.partition.clone());
    with_known(Finding::new(scanner, known.fingerprint, rule, severity, place, partition), known)
}

fn with_known(mut finding: Finding, known: &KnownFinding) -> Finding {
    (finding.aliases, finding.status) = (known.aliases.clone(), known.status.clone());
    (finding.first_seen, finding.last_seen) = (Some(known.first_seen), Some(known.last_seen));
    finding
}

impl Tx {
    pub(super) async fn write_rules(&mut self, rules: &Rules) -> Result<()> {
        if rules.0.is_empty() {
            return Ok(());
        }
        let write = "INSERT INTO rule (id, body) SELECT value->>'id', value->>'body' FROM {rows:1} WHERE true
                     ON CONFLICT (id) DO NOTHING";
        self.run(write, args![json(&rules.0)?]).await?;
        Ok(())
    }

    /// Stages the details; a observation that came back without one keeps what was staged before.
    pub(super) async fn stage_details(
        &mut self,
        run: &Run,
        observations: &mut [Observation],
        places: &[i64],
    ) -> Result<()> {
        let details = observations.iter_mut().zip(places).filter_map(|(observation, place)| {
            let Detail { rule, body } = observation.detail.take()?;
            Some(args![run.binding, run.number, *place, rule, body])
        });
        let again =
            "ON CONFLICT (binding, run, place) DO UPDATE SET rule = excluded.rule, body = excluded.body";
        self.insert("staged_detail (binding, run, place, rule, body)", details.collect(), again).await
    }

    /// Keeps the staged details for good, where they changed.
    pub(super) async fn keep_details(&mut self, run: &Run, seen: &[SeenRow]) -> Result<()> {
        if seen.is_empty() {
            return Ok(());
        }
        let write = "INSERT INTO detail (binding, finding, rule, body)
                     SELECT $1, CAST(seen.value->>'finding' AS BIGINT), s.rule, s.body
                     FROM {rows:3} AS seen
                     {look:staged_detail s: s.binding = $1 AND s.run = $2 AND s.place = CAST(seen.value->>'place' AS BIGINT)}
                     WHERE true ON CONFLICT (binding, finding) DO UPDATE SET rule = excluded.rule, body = excluded.body
                         WHERE detail.rule <> excluded.rule OR detail.body <> excluded.body";
        self.run(write, args![run.binding, run.number, json(&seen)?]).await?;
        Ok(())
    }
}
