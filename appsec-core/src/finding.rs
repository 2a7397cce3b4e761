//! Findings in one shape, whatever the scanner.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bind::BindTargetId;
use crate::coverage::{PartitionKey, ProfileKey};
use crate::fingerprint::Fingerprint;
use crate::location::Location;
use crate::mask::{mask, mask_json};
use crate::occurrence::OccurrenceKey;
use crate::scan::ScanId;
use crate::severity::Severity;

crate::open_enum! {
    /// The status of a finding at the scanner.
    pub enum FindingStatus {
        /// Open.
        Open = "open",
        /// Being worked on.
        InProgress = "in_progress",
        /// Fixed once, and found again.
        Reopened = "reopened",
        /// Fixed or resolved, as reported by the scanner.
        Fixed = "fixed",
        /// The risk is accepted, by a person or a rule.
        RiskAccepted = "risk_accepted",
        /// Ignored.
        Ignored = "ignored",
        /// Not a weakness.
        FalsePositive = "false_positive",
    }
}

impl FindingStatus {
    /// The rank of a status among the occurrences of one finding; the highest rank wins.
    ///
    /// An unknown status has the highest rank and `Fixed` the lowest. A missing status ranks just above
    /// `Fixed`.
    pub fn precedence(status: Option<&Self>) -> u8 {
        match status {
            Some(Self::Unknown(_)) => 8,
            Some(Self::Reopened) => 7,
            Some(Self::Open) => 6,
            Some(Self::InProgress) => 5,
            Some(Self::RiskAccepted) => 4,
            Some(Self::Ignored) => 3,
            Some(Self::FalsePositive) => 2,
            None => 1,
            Some(Self::Fixed) => 0,
        }
    }
}

/// A CVSS rating.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cvss {
    /// The version, as in `3.1`; `3` where the scanner does not tell the minor.
    pub version: String,
    /// The base score, 0 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The vector, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
}

impl Cvss {
    /// A rating by the given version of CVSS.
    pub fn new(version: impl Into<String>, score: Option<f64>, vector: Option<String>) -> Self {
        Self { version: version.into(), score, vector }
    }
}

/// What was found: a plugin of Tenable's, a posture policy of Salt's. Shared by many findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rule {
    /// The scanner's id of the rule; for Salt the policy's name, in lower case and single blanks.
    pub id: String,
    /// Its name for a person.
    pub name: String,
    /// The group it belongs to, as the scanner names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// What the weakness is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// The numbers of its weaknesses in MITRE's CWE list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwe: Vec<u32>,
    /// The vulnerabilities it stands for in the CVE list, as in `CVE-2015-9251`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cve: Vec<String>,
    /// Its categories in the OWASP lists, as in `A3:2021` or `API8:2019`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owasp: Vec<String>,
    /// Whether the OWASP categories are derived from CWE or name, not reported by the scanner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owasp_is_heuristic: bool,
    /// Its ratings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cvss: Vec<Cvss>,
    /// Links to further reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// The scanner's categories for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Rule {
    /// A rule of which only id and name are known.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            family: None,
            description: None,
            remediation: None,
            cwe: Vec::new(),
            cve: Vec::new(),
            owasp: Vec::new(),
            owasp_is_heuristic: false,
            cvss: Vec::new(),
            references: Vec::new(),
            tags: Vec::new(),
        }
    }
}

crate::open_enum! {
    /// What a piece of evidence is.
    pub enum EvidenceKind {
        /// The request that showed it.
        Request = "request",
        /// The response to it.
        Response = "response",
        /// What the scanner printed.
        Output = "output",
        /// The part of the response that proves it.
        Proof = "proof",
        /// What was sent to provoke it.
        Payload = "payload",
        /// A parameter concerned.
        Parameter = "parameter",
        /// A link to a file.
        Attachment = "attachment",
    }
}

/// A piece of evidence. Its text is masked unless the query asked otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Its text.
    pub text: String,
}

impl Evidence {
    /// A piece of evidence.
    pub fn new(kind: EvidenceKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// A change of severity that a user or a rule made at the scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recast {
    /// The severity before.
    pub original: Severity,
    /// True where the rule accepts the risk, false where it only changes the severity.
    pub accepted: bool,
    /// The comment in the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The scanner's id of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
}

impl Recast {
    /// A change from the given severity.
    pub fn new(original: Severity, accepted: bool) -> Self {
        Self { original, accepted, reason: None, rule_id: None }
    }
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The scanner's key.
    pub scanner: Arc<str>,
    /// The identity across runs, and across the ways to read findings, such as report and export.
    pub fingerprint: Fingerprint,
    /// The scanner's own long-lived ids of it, matched before the fingerprint; empty where the source of
    /// the finding has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What was found.
    pub rule: Arc<Rule>,
    /// The current severity.
    pub severity: Severity,
    /// The status; `None` where the source does not report it. A known status is not overwritten by `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FindingStatus>,
    /// The change of severity made at the scanner; `None` where there is none, or the source does not report
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recast: Option<Recast>,
    /// Where it is.
    pub location: Location,
    /// The partition that it belongs to.
    pub partition: PartitionKey,
    /// The profile of the examination that saw it. `None` where its source does not say; then the profile
    /// that the coverage names for its partition counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileKey>,
    /// The bind targets it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<BindTargetId>,
    /// The scan that saw it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanId>,
    /// When it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    /// When it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// When it was fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_at: Option<Timestamp>,
    /// Its page at the scanner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Labels of the place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What proves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// The scanner's record, when the query asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
    /// The occurrence key from before the location was masked; `None` where masking left it as it is.
    #[serde(skip)]
    occurrence: Option<OccurrenceKey>,
}

impl Finding {
    /// A finding of which only the required parts are known.
    pub fn new(
        scanner: Arc<str>,
        fingerprint: Fingerprint,
        rule: Arc<Rule>,
        severity: Severity,
        location: Location,
        partition: PartitionKey,
    ) -> Self {
        Self {
            scanner,
            fingerprint,
            aliases: Vec::new(),
            rule,
            severity,
            status: None,
            recast: None,
            location,
            partition,
            profile: None,
            targets: Vec::new(),
            scan: None,
            first_seen: None,
            last_seen: None,
            fixed_at: None,
            link: None,
            labels: Vec::new(),
            evidence: Vec::new(),
            raw: None,
            occurrence: None,
        }
    }

    /// Returns which occurrence of its finding this is, by the rules of [`OccurrenceKey`].
    ///
    /// It is that of the location before [`mask_evidence`](Self::mask_evidence), so masking never makes
    /// two occurrences one. The key of a location that was masked is not serialized: a finding that was
    /// read back has the key of the masked location.
    pub fn occurrence_key(&self) -> OccurrenceKey {
        self.occurrence
            .unwrap_or_else(|| OccurrenceKey::new(&self.location, self.aliases.first().map(String::as_str)))
    }

    /// Adds a piece of evidence, unless it is empty.
    pub fn push_evidence(&mut self, kind: EvidenceKind, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.evidence.push(Evidence::new(kind, text));
        }
    }

    /// Masks every field that can hold evidence: its pieces, the place's text, the link and the raw record.
    ///
    /// The fingerprint and the [`occurrence_key`](Self::occurrence_key) are those from before, so masking
    /// never changes an identity.
    pub fn mask_evidence(&mut self) {
        /// Returns the masked text where masking changes it.
        fn changed(text: &str) -> Option<String> {
            match mask(text) {
                Cow::Owned(changed) => Some(changed),
                Cow::Borrowed(_) => None,
            }
        }
        fn masked(text: &mut String) {
            if let Some(changed) = changed(text) {
                *text = changed;
            }
        }
        self.evidence.iter_mut().for_each(|evidence| masked(&mut evidence.text));
        let (text, path) = (changed(&self.location.text), changed(&self.location.path));
        let name = self.location.input.as_ref().and_then(|input| changed(input.name.as_ref()?));
        if text.is_some() || path.is_some() || name.is_some() {
            self.occurrence = Some(self.occurrence_key());
        }
        let place = &mut self.location;
        place.text = text.unwrap_or_else(|| std::mem::take(&mut place.text));
        place.path = path.unwrap_or_else(|| std::mem::take(&mut place.path));
        if let (Some(input), Some(name)) = (&mut place.input, name) {
            input.name = Some(name);
        }
        if let Some(link) = &mut self.link {
            masked(link);
        }
        if let Some(raw) = &mut self.raw {
            mask_json(raw);
        }
    }

    /// The approximate size in bytes, without the rule, which is shared.
    pub fn approximate_size(&self) -> usize {
        let texts = self.evidence.iter().map(|evidence| evidence.text.len()).sum::<usize>();
        let raw = self.raw.as_ref().map_or(0, json_weight);
        512 + texts + raw + self.location.text.len() + self.location.path.len()
    }
}

fn json_weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 24 + text.len(),
        Value::Array(items) => 24 + items.iter().map(json_weight).sum::<usize>(),
        Value::Object(map) => {
            24 + map.iter().map(|(key, value)| 48 + key.len() + json_weight(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
    }
}

/// A change of a finding's status, to be written back to the scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusChange {
    /// The scanner's own id of the finding: one of its aliases.
    pub finding: String,
    /// The new status.
    pub status: FindingStatus,
    /// Why, for scanners that keep a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl StatusChange {
    /// A change of the finding with that id.
    pub fn new(finding: impl Into<String>, status: FindingStatus) -> Self {
        Self { finding: finding.into(), status, comment: None }
    }

    /// Sets the comment.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(url: &str) -> Finding {
        let place = Location::from_url(url).with_input(Some("link"), Some("to=jo@example.com"));
        let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
        let rule = Rule::new("r", "r").into();
        Finding::new("memory".into(), fingerprint, rule, Severity::High, place, PartitionKey::from("p"))
    }

    #[test]
    fn masking_never_makes_two_occurrences_one() {
        let one = finding("https://a.example/x?token=one&page=2");
        let other = finding("https://a.example/x?token=other&page=2");
        let (mut masked, mut masked_other) = (one.clone(), other.clone());
        for _ in 0..2 {
            masked.mask_evidence();
            masked_other.mask_evidence();
            assert_eq!(masked.location, masked_other.location, "what tells them apart is a secret");
            assert_eq!(masked.occurrence_key(), one.occurrence_key());
            assert_eq!(masked_other.occurrence_key(), other.occurrence_key());
        }
        assert_ne!(one.occurrence_key(), other.occurrence_key());
        assert!(!serde_json::to_string(&masked).unwrap().contains(&one.occurrence_key().to_string()));
    }
}
