//! What a finding's last observation contained beyond what reconciling needs: rule, location, evidence.
//! Reports are written from it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use appsec_core::{BindTargetId, Evidence, Finding, Location, Recast, Result, Rule, ScanId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::finding_row::{COLUMNS, StoredRow};
use super::sql_store::SqlStore;
use super::transaction::{Transaction, args, from_json, get, to_json};
use crate::binding::Binding;
use crate::reconcile::KnownFinding;
use crate::store::finding::{Page, StoredFinding};
use crate::store::run::Run;

/// The maximum number of rules that a process remembers to be stored. Beyond it, rules are inserted again,
/// which changes nothing.
const MAX_KNOWN_RULES: usize = 65_536;

/// What is stored beside an observation: the digest of its rule, and the other members as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    rule: String,
    body: String,
}

/// Rules by digest that the store is not known to hold.
#[derive(Debug, Default)]
pub(super) struct NewRules(Vec<RuleRow>);

#[derive(Debug, Serialize)]
struct RuleRow {
    id: String,
    body: String,
}

/// The finding that a staged observation is.
#[derive(Debug, Serialize)]
pub(super) struct ObservedFinding {
    pub(super) position: i64,
    pub(super) finding: i64,
}

/// The members of a finding that a [`KnownFinding`] does not have.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    scanner: Cow<'a, Arc<str>>,
    location: Cow<'a, Location>,
    #[serde(default, skip_serializing_if = "is_none")]
    recast: Cow<'a, Option<Recast>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    targets: Cow<'a, [BindTargetId]>,
    #[serde(default, skip_serializing_if = "is_none")]
    scan: Cow<'a, Option<ScanId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fixed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_none")]
    link: Cow<'a, Option<String>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    labels: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "is_empty")]
    evidence: Cow<'a, [Evidence]>,
    #[serde(default, skip_serializing_if = "is_none")]
    raw: Cow<'a, Option<Value>>,
}

#[allow(clippy::ptr_arg, reason = "the signature that serde calls")]
fn is_none<T: Clone>(value: &Cow<'_, Option<T>>) -> bool {
    value.is_none()
}

#[allow(clippy::ptr_arg, reason = "the signature that serde calls")]
fn is_empty<T: Clone>(value: &Cow<'_, [T]>) -> bool {
    value.is_empty()
}

impl<'a> Body<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            scanner: Cow::Borrowed(&finding.scanner),
            location: Cow::Borrowed(&finding.location),
            recast: Cow::Borrowed(&finding.recast),
            targets: Cow::Borrowed(&finding.targets),
            scan: Cow::Borrowed(&finding.scan),
            fixed_at: finding.fixed_at,
            link: Cow::Borrowed(&finding.link),
            labels: Cow::Borrowed(&finding.labels),
            evidence: Cow::Borrowed(&finding.evidence),
            raw: Cow::Borrowed(&finding.raw),
        }
    }

    /// Returns the finding as it was last observed, with what is known of it now.
    fn into_finding(self, known: &KnownFinding, rule: Arc<Rule>) -> Finding {
        let mut finding = Finding::new(
            self.scanner.into_owned(),
            known.fingerprint,
            rule,
            known.severity.clone(),
            self.location.into_owned(),
            known.partition.clone(),
        );
        (finding.recast, finding.targets) = (self.recast.into_owned(), self.targets.into_owned());
        (finding.scan, finding.fixed_at) = (self.scan.into_owned(), self.fixed_at);
        (finding.link, finding.labels) = (self.link.into_owned(), self.labels.into_owned());
        (finding.evidence, finding.raw) = (self.evidence.into_owned(), self.raw.into_owned());
        with_known(finding, known)
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text)[..16].iter().fold(String::with_capacity(32), |id, byte| format!("{id}{byte:02x}"))
}

impl SqlStore {
    /// Returns the details of findings, and the rules that are to be written with them.
    pub(super) fn details(&self, findings: &[Finding]) -> Result<(Vec<Option<Detail>>, NewRules)> {
        // Findings of a batch share their rules, so most rules are recognised by their address.
        let (mut ids, mut new) = (HashMap::new(), HashMap::new());
        let mut details = Vec::with_capacity(findings.len());
        for finding in findings {
            let rule = if let Some(id) = ids.get(&Arc::as_ptr(&finding.rule)) {
                String::clone(id)
            } else {
                let body = to_json(&finding.rule)?;
                let id = digest(&body);
                ids.insert(Arc::as_ptr(&finding.rule), id.clone());
                new.insert(id.clone(), body);
                id
            };
            details.push(Some(Detail { rule, body: to_json(&Body::new(finding))? }));
        }
        let known = self.known_rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<_> = new
            .into_iter()
            .filter(|(id, _)| !known.contains(id))
            .map(|(id, body)| RuleRow { id, body })
            .collect();
        // In one order everywhere, so that two transactions cannot wait for each other.
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok((details, NewRules(rules)))
    }

    /// Remembers rules whose transaction was committed.
    pub(super) fn remember_rules(&self, rules: NewRules) {
        let mut known = self.known_rules.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_KNOWN_RULES {
            known.extend(rules.0.into_iter().map(|rule| rule.id));
        }
    }

    pub(super) async fn read_stored_findings(
        &self,
        binding: &Binding,
        page: Page,
    ) -> Result<Vec<StoredFinding>> {
        let detail =
            self.dialect.left_join("finding_detail", "d", "d.binding = f.binding AND d.finding = f.id");
        let text = format!(
            "SELECT {COLUMNS}, d.rule AS rule, d.body AS body FROM finding f {detail}
             WHERE f.binding = (SELECT id FROM binding WHERE key = $1) AND f.id > $2 ORDER BY f.id LIMIT $3"
        );
        let rows = self.rows(&text, args![binding.key(), page.after, i64::from(page.limit)]).await?;
        let ids = rows.iter().map(|row| get::<Option<String>>(row, "rule")).collect::<Result<Vec<_>>>()?;
        let rules = self.read_rules(ids.iter().flatten()).await?;
        let findings = rows.iter().zip(&ids).map(|(row, rule)| {
            let stored = StoredRow::new(row)?;
            let rule = rule.as_ref().and_then(|id| rules.get(id));
            let finding = match (get::<Option<String>>(row, "body")?, rule) {
                (Some(body), Some(rule)) => {
                    let body: Body<'_> = from_json(&body, "a finding")?;
                    body.into_finding(&stored.finding, rule.clone())
                }
                _ => without_detail(binding, &stored.finding),
            };
            Ok(StoredFinding::new(stored.id, stored.finding, stored.change, finding))
        });
        findings.collect()
    }

    /// Reads the rules with the given digests, each once.
    async fn read_rules(&self, ids: impl Iterator<Item = &String>) -> Result<HashMap<String, Arc<Rule>>> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let text = format!(
            "SELECT r.id AS id, r.body AS body FROM {} AS wanted {}",
            self.dialect.json_texts(1),
            self.dialect.join("rule", "r", "r.id = wanted.value"),
        );
        let rows = self.rows(&text, args![to_json(&ids)?]).await?;
        let rules = rows.iter().map(|row| {
            let body: String = get(row, "body")?;
            Ok((get(row, "id")?, Arc::new(from_json(&body, "a rule")?)))
        });
        rules.collect()
    }
}

/// Returns the finding whose detail is not stored.
fn without_detail(binding: &Binding, known: &KnownFinding) -> Finding {
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
    finding.profile.clone_from(&known.profile);
    finding
}

impl Transaction {
    pub(super) async fn write_rules(&mut self, rules: &NewRules) -> Result<()> {
        if rules.0.is_empty() {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO rule (id, body) SELECT value->>'id', value->>'body' FROM {} WHERE true
             ON CONFLICT (id) DO NOTHING",
            self.dialect().json_objects(1),
        );
        self.execute(&insert, args![to_json(&rules.0)?]).await?;
        Ok(())
    }

    /// Stages details by their positions. An observation without a new detail keeps the one that was staged
    /// before.
    pub(super) async fn stage_details(
        &mut self,
        run: &Run,
        details: impl Iterator<Item = (i64, Option<Detail>)>,
    ) -> Result<()> {
        let details = details.filter_map(|(position, detail)| {
            let Detail { rule, body } = detail?;
            Some(args![run.binding_id, run.number, position, rule, body])
        });
        let update =
            "ON CONFLICT (binding, run, position) DO UPDATE SET rule = excluded.rule, body = excluded.body";
        self.insert("staged_detail (binding, run, position, rule, body)", details.collect(), update).await
    }

    /// Copies the staged details of a page of observations to their findings, where they changed.
    pub(super) async fn keep_details(&mut self, run: &Run, observed: &[ObservedFinding]) -> Result<()> {
        if observed.is_empty() {
            return Ok(());
        }
        let staged = self.dialect().join(
            "staged_detail",
            "s",
            "s.binding = $1 AND s.run = $2 AND s.position = CAST(observed.value->>'position' AS BIGINT)",
        );
        let write = format!(
            "INSERT INTO finding_detail (binding, finding, rule, body)
             SELECT $1, CAST(observed.value->>'finding' AS BIGINT), s.rule, s.body
             FROM {} AS observed {staged}
             WHERE true ON CONFLICT (binding, finding) DO UPDATE SET rule = excluded.rule, body = excluded.body
                 WHERE finding_detail.rule <> excluded.rule OR finding_detail.body <> excluded.body",
            self.dialect().json_objects(3),
        );
        self.execute(&write, args![run.binding_id, run.number, to_json(&observed)?]).await?;
        Ok(())
    }
}
