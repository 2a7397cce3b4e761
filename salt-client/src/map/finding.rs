//! Maps a posture gap to a finding.

use std::sync::Arc;

use appsec_core::{BindTargetId, EvidenceKind, Finding, Fingerprint, Location, UnknownValues};
use serde_json::Value;

use super::host::{host_target, partition};
use super::parameter::{mask_samples, parameter_text};
use super::rule::RuleCache;
use super::status::{to_finding_status, to_severity};
use crate::model::{PostureGap, present};

/// Maps gaps to findings. Gaps of one policy share its rule.
#[derive(Debug)]
pub(crate) struct FindingMapper {
    scanner: Arc<str>,
    rules: RuleCache,
    unknown: UnknownValues,
    unmasked: bool,
}

/// The parts of a gap that every finding needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) id: &'a str,
    pub(crate) host: &'a str,
    /// The labels of the endpoint and of its host.
    pub(crate) labels: &'a [String],
}

impl FindingMapper {
    /// Creates a mapper for the scanner of that key. Evidence is masked unless `unmasked` is true.
    pub(crate) fn new(scanner: &str, unmasked: bool) -> Self {
        Self { scanner: scanner.into(), rules: RuleCache::default(), unknown: UnknownValues::new(), unmasked }
    }

    /// Returns the finding for a gap. `raw` is the record, if the query asks for it.
    pub(crate) fn finding(
        &mut self,
        gap: &PostureGap,
        identity: Identity<'_>,
        raw: Option<Value>,
    ) -> Finding {
        self.count_unknown(gap);
        let rule = self.rules.rule(gap);
        let method = present(gap.method.as_deref()).unwrap_or_default();
        let path = present(gap.endpoint_path.as_deref()).unwrap_or_default();
        let location = Location::from_host_and_path(identity.host, path).with_method(method);
        let parts: Vec<_> = location.method.as_deref().into_iter().collect();
        let fingerprint = Fingerprint::v1(&self.scanner, &rule.id, &location, &parts);
        let severity = to_severity(gap.severity.as_ref());
        let partition = partition(identity.host);
        let scanner = Arc::clone(&self.scanner);
        let mut finding = Finding::new(scanner, fingerprint, rule, severity, location, partition);
        finding.aliases = vec![identity.id.to_owned()];
        finding.status = gap.status.as_ref().map(to_finding_status);
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

    /// The fields and values that this version does not know, counted.
    pub(crate) fn unknown_mut(&mut self) -> &mut UnknownValues {
        &mut self.unknown
    }

    fn count_unknown(&mut self, gap: &PostureGap) {
        if let Some(severity) = gap.severity.as_ref().filter(|severity| severity.value().is_unknown()) {
            self.unknown.count_value("severity", &severity.to_string());
        }
        if let Some(status) = gap.status.as_ref().filter(|status| status.value().is_unknown()) {
            self.unknown.count_value("status", &status.to_string());
        }
        for (field, text, date) in [
            ("detected", &gap.detected, gap.detected_at()),
            ("lastActivity", &gap.last_activity, gap.last_activity_at()),
        ] {
            // The text itself is not kept, since it can differ in each record.
            if date.is_none() && present(text.as_deref()).is_some_and(|text| text != "0") {
                self.unknown.count_value(field, "not a date");
            }
        }
        gap.extra.keys().for_each(|field| self.unknown.count_field(field));
    }
}

fn targets(identity: Identity<'_>) -> Vec<BindTargetId> {
    let labels = identity.labels.iter().map(|label| BindTargetId::from_parts("label", label));
    std::iter::once(host_target(identity.host)).chain(labels).chain([BindTargetId::all()]).collect()
}

#[cfg(test)]
mod tests {
    use appsec_core::{FindingStatus, Severity};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::rule::UNNAMED;
    use super::super::status::NO_SEVERITY;
    use super::*;
    use crate::model::arbitrary::any_object;

    fn mapper(unmasked: bool) -> FindingMapper {
        FindingMapper::new("saltsecurity", unmasked)
    }

    fn map_with(mapper: &mut FindingMapper, record: Value) -> Finding {
        let gap: PostureGap = serde_json::from_value(record.clone()).unwrap();
        let labels = gap.labels();
        let id = gap.posture_gap_id.clone().unwrap_or_default();
        let host = gap.host.clone().unwrap_or_default();
        mapper.finding(&gap, Identity { id: &id, host: &host, labels: &labels }, Some(record))
    }

    fn map(record: Value) -> Finding {
        map_with(&mut mapper(false), record)
    }

    #[test]
    fn statuses_map_one_to_one_and_unknown_ones_stay() {
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
    fn changing_attributes_are_not_in_the_fingerprint() {
        let one = map(json!({"postureGapId": "1", "postureGapName": "P", "host": "a", "endpointPath": "/x",
            "severity": "Low", "parameters": ["a"], "description": "d"}));
        let two = map(json!({"postureGapId": "2", "postureGapName": "p", "host": "A", "endpointPath": "/x",
            "severity": "High", "parameters": ["b"], "status": "Resolved"}));
        assert_eq!(one.fingerprint, two.fingerprint);
        assert_ne!(one.aliases, two.aliases);
    }

    #[test]
    fn gaps_of_one_policy_share_its_rule() {
        let mut mapper = mapper(false);
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
    fn samples_and_secrets_are_masked_by_default() {
        let record = json!({"parameters": [
            {"parameter": "ssn", "dataSamples": ["078-05-1120"], "nested": {"Sample": "x-canary"}},
            "Authorization: Bearer canary-canary",
        ]});
        let masked = serde_json::to_string(&map(record.clone())).unwrap();
        assert!(!masked.contains("078-05") && !masked.contains("canary"), "{masked}");
        let unmasked = serde_json::to_string(&map_with(&mut mapper(true), record)).unwrap();
        assert!(unmasked.contains("078-05-1120") && unmasked.contains("canary-canary"), "{unmasked}");
    }

    #[test]
    fn a_gap_with_only_id_and_host_is_a_finding() {
        let finding = map(json!({"postureGapId": "1", "host": "a.example"}));
        assert_eq!(finding.rule.name, UNNAMED);
        assert_eq!((finding.location.path.as_str(), finding.location.text.as_str()), ("/", "a.example"));
        assert_eq!(finding.targets, [BindTargetId::new("host:a.example"), BindTargetId::all()]);
    }

    #[test]
    fn unknown_values_fields_and_dates_are_counted() {
        let mut mapper = mapper(false);
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

    proptest! {
        #[test]
        fn any_object_is_a_gap_and_a_finding(record in any_object(), unmasked in any::<bool>()) {
            let gap = PostureGap::from(record.clone());
            let labels = gap.labels();
            let _ = (gap.cwe_numbers(), gap.detected_at(), gap.last_activity_at());
            let host = gap.host.clone().unwrap_or_default();
            let id = gap.posture_gap_id.clone().unwrap_or_default();
            let identity = Identity { id: &id, host: &host, labels: &labels };
            let mut mapper = mapper(unmasked);
            let finding = mapper.finding(&gap, identity, Some(Value::Object(record)));
            let again = mapper.finding(&gap, identity, None);
            prop_assert_eq!(finding.fingerprint, again.fingerprint);
            prop_assert!(std::sync::Arc::ptr_eq(&finding.rule, &again.rule));
        }
    }
}
