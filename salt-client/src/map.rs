//! From a posture gap to a finding.

use std::collections::HashMap;
use std::sync::Arc;

use appsec_core::{
    BindTargetId, EvidenceKind, Finding, FindingStatus, Fingerprint, Location, PartitionKey, Rule, Severity,
    UnknownWords, Verbatim,
};
use serde_json::{Map, Value};

use crate::model::{GapSeverity, GapStatus, PostureGap, names, present};
use crate::owasp;
use crate::scanner::KEY;

/// What stands for a policy without a name.
const UNNAMED: &str = "Unnamed policy";

/// What stands for a severity that the record does not have. It passes every filter, as all that is unknown does.
const NO_SEVERITY: &str = "unspecified";

/// What stands for a sample of recorded traffic where evidence is masked.
const MASKED_SAMPLE: &str = "[masked:sample]";

/// Turns gaps into findings. Gaps of one policy share its rule.
#[derive(Debug)]
pub(crate) struct Mapper {
    scanner: Arc<str>,
    rules: HashMap<String, Arc<Rule>>,
    unknown: UnknownWords,
    unmasked: bool,
}

/// The parts of a gap without which it is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) id: &'a str,
    pub(crate) host: &'a str,
    /// The labels of the endpoint and of its host.
    pub(crate) labels: &'a [String],
}

impl Mapper {
    pub(crate) fn new(unmasked: bool) -> Self {
        Self { scanner: KEY.into(), rules: HashMap::new(), unknown: UnknownWords::new(), unmasked }
    }

    /// The finding that a gap is. Evidence is masked unless the mapper was told otherwise; `raw` is the record, where the query
    /// wants it.
    pub(crate) fn finding(
        &mut self,
        gap: &PostureGap,
        identity: Identity<'_>,
        raw: Option<Value>,
    ) -> Finding {
        self.count_unknown(gap);
        let rule = self.rule(gap);
        let method = present(gap.method.as_deref()).unwrap_or_default();
        let path = present(gap.endpoint_path.as_deref()).unwrap_or_default();
        let location = Location::from_host_and_path(identity.host, path).with_method(method);
        let fingerprint = Fingerprint::v1(
            KEY,
            &rule.id,
            &location,
            &location.method.as_deref().map_or(vec![], |m| vec![m]),
        );
        let severity = gap.severity.as_ref().map_or(NO_SEVERITY.into(), severity);
        let partition = partition(identity.host);
        let mut finding =
            Finding::new(Arc::clone(&self.scanner), fingerprint, rule, severity, location, partition);
        finding.aliases = vec![identity.id.to_owned()];
        finding.status = gap.status.as_ref().map(status);
        finding.targets = targets(identity);
        finding.first_seen = gap.detected_at();
        finding.last_seen = gap.last_activity_at();
        finding.link = present(gap.posture_gap_link.as_deref()).map(str::to_owned);
        finding.labels = gap.labels();
        for parameter in &gap.parameters {
            let text = parameter_text(parameter, self.unmasked);
            finding.push_evidence(EvidenceKind::Parameter, Some(&text));
        }
        finding.raw = raw;
        if !self.unmasked {
            if let Some(parameters) = finding.raw.as_mut().and_then(|raw| raw.get_mut("parameters")) {
                mask_samples(parameters);
            }
            finding.mask_evidence();
        }
        finding
    }

    /// What this version does not know, counted.
    pub(crate) fn unknown_mut(&mut self) -> &mut UnknownWords {
        &mut self.unknown
    }

    /// The rule that a gap breaks: the policy, with its texts and categories.
    fn rule(&mut self, gap: &PostureGap) -> Arc<Rule> {
        let name = present(gap.posture_gap_name.as_deref()).unwrap_or(UNNAMED);
        let mut rule = Rule::new(normalised(name), name);
        rule.description = present(gap.description.as_deref()).map(str::to_owned);
        rule.remediation = present(gap.remediation_suggestion.as_deref()).map(str::to_owned);
        rule.cwe = gap.cwe_numbers();
        rule.tags = names(&gap.categories);
        rule.owasp = owasp::guess(&rule.id, &rule.cwe);
        rule.owasp_is_heuristic = !rule.owasp.is_empty();
        match self.rules.get(&rule.id) {
            Some(known) if **known == rule => Arc::clone(known),
            // A text that speaks of its one gap makes a rule of its own; the last one is kept for the next.
            _ => {
                let rule = Arc::new(rule);
                self.rules.insert(rule.id.clone(), Arc::clone(&rule));
                rule
            }
        }
    }

    fn count_unknown(&mut self, gap: &PostureGap) {
        if let Some(word) = gap.severity.as_ref().filter(|word| word.value().is_unknown()) {
            self.unknown.word("severity", &word.to_string());
        }
        if let Some(word) = gap.status.as_ref().filter(|word| word.value().is_unknown()) {
            self.unknown.word("status", &word.to_string());
        }
        for (field, text, read) in [
            ("detected", &gap.detected, gap.detected_at()),
            ("lastActivity", &gap.last_activity, gap.last_activity_at()),
        ] {
            // The text itself is not kept: every record may hold another one.
            if read.is_none() && present(text.as_deref()).is_some_and(|text| text != "0") {
                self.unknown.word(field, "not a date");
            }
        }
        gap.extra.keys().for_each(|field| self.unknown.field(field));
    }
}

/// A host as a key: lower case, since names of hosts do not tell case apart.
pub(crate) fn host_key(host: &str) -> String {
    host.trim().to_lowercase()
}

/// The unit about which absence can speak: a host.
pub(crate) fn partition(host: &str) -> PartitionKey {
    PartitionKey::new(format!("host:{}", host_key(host)))
}

fn targets(identity: Identity<'_>) -> Vec<BindTargetId> {
    let host = BindTargetId::of("host", &host_key(identity.host));
    let labels = identity.labels.iter().map(|label| BindTargetId::of("label", label));
    std::iter::once(host).chain(labels).chain([BindTargetId::all()]).collect()
}

/// A policy's name as an id: lower case, single blanks.
fn normalised(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn severity(word: &Verbatim<GapSeverity>) -> Severity {
    match word.value() {
        GapSeverity::Info => Severity::Info,
        GapSeverity::Low => Severity::Low,
        GapSeverity::Medium => Severity::Medium,
        GapSeverity::High => Severity::High,
        GapSeverity::Critical => Severity::Critical,
        GapSeverity::Unknown(word) => Severity::Unknown(word.as_str().into()),
    }
}

pub(crate) fn status(word: &Verbatim<GapStatus>) -> FindingStatus {
    match word.value() {
        GapStatus::Open => FindingStatus::Open,
        GapStatus::InProcess => FindingStatus::InProgress,
        GapStatus::Resolved => FindingStatus::Fixed,
        GapStatus::Ignored => FindingStatus::Ignored,
        GapStatus::Unknown(word) => FindingStatus::Unknown(word.clone()),
    }
}

/// A parameter as text: a word as it is; of an object its name, then the rest as `key: value`.
fn parameter_text(parameter: &Value, with_samples: bool) -> String {
    let mut parameter = parameter.clone();
    if !with_samples {
        mask_samples(&mut parameter);
    }
    match parameter {
        Value::String(text) => text,
        Value::Object(mut map) => {
            let name = ["parameter", "name", "key", "id"].iter().find_map(|key| take_string(&mut map, key));
            let rest = map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| match value {
                Value::String(text) => format!("{key}: {text}"),
                other => format!("{key}: {other}"),
            });
            name.into_iter().chain(rest).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn take_string(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    present(map.get(key)?.as_str())?;
    match map.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Hides samples of recorded traffic. They are personal data by design, in shapes that no pattern finds.
fn mask_samples(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key.to_ascii_lowercase().contains("sample") && !value.is_null() {
                    *value = Value::String(MASKED_SAMPLE.to_owned());
                } else {
                    mask_samples(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_samples),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map_with(mapper: &mut Mapper, record: Value) -> Finding {
        let gap: PostureGap = serde_json::from_value(record.clone()).unwrap();
        let labels = gap.labels();
        let id = gap.posture_gap_id.clone().unwrap_or_default();
        let host = gap.host.clone().unwrap_or_default();
        mapper.finding(&gap, Identity { id: &id, host: &host, labels: &labels }, Some(record))
    }

    fn map(record: Value) -> Finding {
        map_with(&mut Mapper::new(false), record)
    }

    #[test]
    fn statuses_map_one_to_one_and_unknown_words_stay() {
        for (word, expected) in [
            ("Open", FindingStatus::Open),
            ("In Process", FindingStatus::InProgress),
            ("Resolved", FindingStatus::Fixed),
            ("Ignored", FindingStatus::Ignored),
            ("Snoozed", FindingStatus::Unknown("Snoozed".into())),
        ] {
            assert_eq!(map(json!({"status": word})).status, Some(expected));
        }
        assert_eq!(map(json!({"status": null})).status, None);
    }

    #[test]
    fn an_unknown_or_absent_severity_is_kept_as_unknown() {
        assert_eq!(map(json!({"severity": "INFO"})).severity, Severity::Info);
        assert_eq!(map(json!({"severity": "Blocker"})).severity, Severity::Unknown("Blocker".into()));
        for absent in [json!(null), json!(""), json!("N/A")] {
            let finding = map(json!({"severity": absent}));
            assert_eq!(finding.severity, Severity::Unknown(NO_SEVERITY.into()), "{absent}");
        }
    }

    #[test]
    fn the_fingerprint_follows_the_published_vector() {
        let finding = map(json!({
            "postureGapId": "1", "postureGapName": " Shadow  API\tDetection ", "host": "Portal.example.test",
            "method": "get", "endpointPath": "/internal/export/{name}",
        }));
        assert_eq!(finding.fingerprint.to_string(), "v1:1cb69d783c782ecbeb7cfb3ddc8519d1");
        assert_eq!(finding.rule.id, "shadow api detection");
        assert_eq!(finding.partition.as_str(), "host:portal.example.test");
    }

    #[test]
    fn an_absent_method_is_left_out_of_the_fingerprint() {
        let without = map(json!({"postureGapName": "P", "host": "a", "endpointPath": "/x"}));
        let filler = map(json!({"postureGapName": "P", "host": "a", "endpointPath": "/x", "method": "N/A"}));
        let get = map(json!({"postureGapName": "P", "host": "a", "endpointPath": "/x", "method": "GET"}));
        assert_eq!(without.fingerprint, filler.fingerprint);
        assert_ne!(without.fingerprint, get.fingerprint);
        assert_eq!(without.location.method, None);
    }

    #[test]
    fn what_changes_while_the_weakness_stays_is_not_in_the_fingerprint() {
        let one = map(json!({"postureGapId": "1", "postureGapName": "P", "host": "a", "endpointPath": "/x",
            "severity": "Low", "parameters": ["a"], "description": "d"}));
        let two = map(json!({"postureGapId": "2", "postureGapName": "p", "host": "A", "endpointPath": "/x",
            "severity": "High", "parameters": ["b"], "status": "Resolved"}));
        assert_eq!(one.fingerprint, two.fingerprint);
        assert_ne!(one.aliases, two.aliases);
    }

    #[test]
    fn gaps_of_one_policy_share_its_rule() {
        let mut mapper = Mapper::new(false);
        let one = map_with(&mut mapper, json!({"postureGapName": "P", "host": "a"}));
        let two = map_with(&mut mapper, json!({"postureGapName": "P", "host": "b"}));
        let other =
            map_with(&mut mapper, json!({"postureGapName": "P", "host": "b", "description": "of b alone"}));
        assert!(Arc::ptr_eq(&one.rule, &two.rule));
        assert!(!Arc::ptr_eq(&one.rule, &other.rule));
        assert_eq!(other.rule.description.as_deref(), Some("of b alone"));
    }

    #[test]
    fn a_guess_at_owasp_is_marked() {
        let guessed = map(json!({"postureGapName": "Shadow API Detection"}));
        assert_eq!(
            (guessed.rule.owasp.as_slice(), guessed.rule.owasp_is_heuristic),
            (&["API9:2023".to_owned()][..], true)
        );
        let none = map(json!({"postureGapName": "Mine"}));
        assert!(none.rule.owasp.is_empty() && !none.rule.owasp_is_heuristic);
    }

    #[test]
    fn parameters_are_evidence_whatever_their_shape() {
        let finding = map(json!({"parameters": [
            "plain",
            {"parameter": "a[i].number", "dataType": "Account number", "location": "Response Content", "position": 3, "note": null},
            {"dataType": "Email"},
            42,
        ]}));
        let texts: Vec<_> = finding.evidence.iter().map(|evidence| evidence.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "plain",
                "a[i].number; dataType: Account number; location: Response Content; position: 3",
                "dataType: Email",
                "42"
            ]
        );
    }

    #[test]
    fn samples_and_secrets_are_masked_unless_asked_otherwise() {
        let record = json!({"parameters": [
            {"parameter": "ssn", "dataSamples": ["078-05-1120"], "nested": {"Sample": "x-canary"}},
            "Authorization: Bearer canary-canary",
        ]});
        let masked = serde_json::to_string(&map(record.clone())).unwrap();
        assert!(!masked.contains("078-05") && !masked.contains("canary"), "{masked}");
        let unmasked = serde_json::to_string(&map_with(&mut Mapper::new(true), record)).unwrap();
        assert!(unmasked.contains("078-05-1120") && unmasked.contains("canary-canary"), "{unmasked}");
    }

    #[test]
    fn a_gap_of_nothing_but_nulls_is_still_a_finding() {
        let finding = map(json!({"postureGapId": "1", "host": "a.example"}));
        assert_eq!(finding.rule.name, UNNAMED);
        assert_eq!((finding.location.path.as_str(), finding.location.text.as_str()), ("/", "a.example"));
        assert_eq!(finding.targets, [BindTargetId::new("host:a.example"), BindTargetId::all()]);
    }

    #[test]
    fn unknown_words_fields_and_dates_are_counted() {
        let mut mapper = Mapper::new(false);
        for _ in 0..2 {
            map_with(
                &mut mapper,
                json!({"severity": "Blocker", "status": "Snoozed", "detected": "yesterday", "lastActivity": "0", "owner": 1}),
            );
        }
        let counted: Vec<_> = mapper.unknown_mut().iter().collect();
        assert_eq!(
            counted,
            [("detected=not a date", 2), ("owner", 2), ("severity=Blocker", 2), ("status=Snoozed", 2)]
        );
    }
}
