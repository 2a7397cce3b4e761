//! Findings, from the records of the three sources: report, detections and export.

use std::borrow::Cow;
use std::sync::Arc;

use appsec_core::{
    BindTargetId, Evidence, EvidenceKind, Finding, FindingStatus, Fingerprint, Input, Location, PartitionKey,
    ProfileKey, Recast, Rule, ScanId, Severity, Timestamp, Verbatim,
};

use crate::TenableWasClient;
use crate::model::{
    ApiTimestamp, ExportFinding, FindingState, ReportFinding, SeverityModification, Vulnerability,
};

/// What the findings of one scan, or of one read of an export, have in context.
#[derive(Debug, Clone)]
pub(crate) struct FindingContext {
    pub(crate) scanner: Arc<str>,
    pub(crate) partition: PartitionKey,
    /// `None` if only the coverage names it.
    pub(crate) profile: Option<ProfileKey>,
    pub(crate) targets: Vec<BindTargetId>,
    pub(crate) scan: Option<ScanId>,
    pub(crate) seen_at: Option<Timestamp>,
}

/// Returns the fingerprint. Tenable's part of it is the set of input type and input name: in lower case,
/// sorted, without empty values. It is a set because the vendor's documents seem to swap the two.
fn fingerprint(rule: &Rule, location: &Location, input: (Option<&str>, Option<&str>)) -> Fingerprint {
    let [kind, name] = [input.0, input.1].map(|text| lower_case(text.unwrap_or_default()));
    let pair = if kind <= name { [&*kind, &*name] } else { [&*name, &*kind] };
    // The empty text sorts first.
    let parts = match pair {
        ["", ""] => &[][..],
        ["", part] => &[part],
        [part, same] if part == same => &[part],
        _ => &pair[..],
    };
    Fingerprint::v1(TenableWasClient::KEY, &rule.id, location, parts)
}

/// Returns the text in lower case. It allocates only if it has to, since nearly all texts are in lower case
/// already.
fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_lowercase())
}

fn new_finding(
    context: FindingContext,
    rule: Arc<Rule>,
    severity: Severity,
    location: Location,
    input: (Option<&str>, Option<&str>),
) -> Finding {
    let fingerprint = fingerprint(&rule, &location, input);
    let mut finding = Finding::new(context.scanner, fingerprint, rule, severity, location, context.partition);
    (finding.targets, finding.profile) = (context.targets, context.profile);
    finding.scan = context.scan;
    finding.last_seen = context.seen_at;
    finding
}

fn location(url: Option<&str>, input: (Option<&str>, Option<&str>)) -> Location {
    Location::from_url(url.unwrap_or_default()).with_input(input.0, input.1)
}

/// Maps a finding of a scan's report. A report contains neither the state nor the first observation.
pub(crate) fn finding_from_report(
    context: FindingContext,
    record: &ReportFinding,
    rule: Arc<Rule>,
) -> Finding {
    let severity = record.risk_factor.clone().unwrap_or_else(no_severity);
    let input = (record.input_type.as_deref(), record.input_name.as_deref());
    let mut finding = new_finding(context, rule, severity, location(record.uri.as_deref(), input), input);
    finding.push_evidence(EvidenceKind::Output, record.output.as_deref());
    finding.push_evidence(EvidenceKind::Proof, record.proof.as_deref());
    finding.push_evidence(EvidenceKind::Payload, record.payload.as_deref());
    finding.push_evidence(EvidenceKind::Request, record.request_headers.as_deref());
    finding.push_evidence(EvidenceKind::Response, record.response_headers.as_deref());
    for link in &record.attachments {
        finding.push_evidence(EvidenceKind::Attachment, Some(link));
    }
    finding
}

/// Maps a detection of a scan, with its plugin's severity. The detection's id is specific to the scan, so
/// it is not an alias.
pub(crate) fn finding_from_vulnerability(
    context: FindingContext,
    record: &Vulnerability,
    rule: Arc<Rule>,
    severity: Severity,
    base_url: &str,
) -> Finding {
    let details = record.details.as_ref();
    let text = |of: fn(&crate::model::VulnerabilityDetails) -> &Option<String>| {
        details.and_then(|details| of(details).as_deref())
    };
    let input = (text(|d| &d.input_type), text(|d| &d.input_name));
    let mut finding = new_finding(context, rule, severity, location(record.uri.as_deref(), input), input);
    finding.last_seen = at(record.created_at.as_ref()).or(finding.last_seen);
    finding.push_evidence(EvidenceKind::Output, text(|d| &d.output));
    finding.push_evidence(EvidenceKind::Proof, text(|d| &d.proof));
    finding.push_evidence(EvidenceKind::Payload, text(|d| &d.payload));
    let request = details.and_then(|details| details.request.as_ref());
    finding.push_evidence(EvidenceKind::Request, request.and_then(|request| request.headers.as_deref()));
    let response = details.and_then(|details| details.response.as_ref());
    finding.push_evidence(EvidenceKind::Response, response.and_then(|response| response.headers.as_deref()));
    for id in record.attachments.iter().filter_map(|attachment| attachment.attachment_id) {
        let link = format!("{base_url}was/v2/attachments/{id}");
        finding.push_evidence(EvidenceKind::Attachment, Some(&link));
    }
    finding
}

/// Maps a finding of the export: the record of a weakness across scans, with its state and its dates. The
/// record's texts, which are most of its size, are moved into the finding.
pub(crate) fn finding_from_export(
    context: FindingContext,
    record: ExportFinding,
    rule: Arc<Rule>,
) -> Finding {
    let severity = record
        .severity
        .clone()
        .or_else(|| severity_from_number(record.severity_id))
        .unwrap_or_else(no_severity);
    let recast = recast(&record, &severity);
    let mut location = Location::from_url(record.url.unwrap_or_default());
    if let Some(method) = record.http_method.as_deref().filter(|method| is_method(method)) {
        location = location.with_method(method);
    }
    let fingerprint =
        fingerprint(&rule, &location, (record.input_type.as_deref(), record.input_name.as_deref()));
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (kind, name) = (present(record.input_type), present(record.input_name));
    location.input = (kind.is_some() || name.is_some()).then_some(Input { kind, name });
    let mut finding = Finding::new(context.scanner, fingerprint, rule, severity, location, context.partition);
    (finding.targets, finding.profile) = (context.targets, context.profile);
    finding.aliases.extend(present(record.finding_id));
    let accepted = recast.as_ref().is_some_and(|recast| recast.accepted);
    finding.recast = recast;
    finding.status = record.state.as_ref().map(|state| status(state.value(), accepted));
    finding.scan = context.scan;
    finding.first_seen = at(record.first_found.as_ref());
    finding.last_seen = at(record.last_found.as_ref()).or_else(|| at(record.last_observed.as_ref()));
    finding.fixed_at = at(record.last_fixed.as_ref());
    let evidence = [
        (EvidenceKind::Output, present(record.output)),
        (EvidenceKind::Proof, present(record.proof)),
        (EvidenceKind::Payload, present(record.payload)),
    ];
    finding.evidence.reserve_exact(evidence.iter().filter(|(_, text)| text.is_some()).count());
    finding.evidence.extend(evidence.into_iter().filter_map(|(kind, text)| Some(Evidence::new(kind, text?))));
    finding
}

/// Maps a state. Fixed wins over accepted; accepted wins over open and reopened.
fn status(state: &FindingState, accepted: bool) -> FindingStatus {
    match state {
        FindingState::Fixed => FindingStatus::Fixed,
        FindingState::Unknown(state) => FindingStatus::Unknown(state.clone()),
        _ if accepted => FindingStatus::RiskAccepted,
        FindingState::Open | FindingState::Active => FindingStatus::Open,
        FindingState::Reopened => FindingStatus::Reopened,
    }
}

fn recast(record: &ExportFinding, current: &Severity) -> Option<Recast> {
    let accepted = match record.severity_modification_type.as_ref().map(Verbatim::value)? {
        SeverityModification::Accepted => true,
        SeverityModification::Recasted => false,
        SeverityModification::None | SeverityModification::Unknown(_) => return None,
    };
    let by_plugin =
        record.plugin.as_ref().and_then(|plugin| severity_from_number(plugin.original_risk_factor_num));
    let original =
        severity_from_number(record.severity_default_id).or(by_plugin).unwrap_or_else(|| current.clone());
    let mut recast = Recast::new(original, accepted);
    recast.reason = record.recast_reason.clone().filter(|reason| !reason.is_empty());
    recast.rule_id.clone_from(&record.recast_rule_uuid);
    Some(recast)
}

/// Returns the severity of a number, 0 to 4.
fn severity_from_number(number: Option<u64>) -> Option<Severity> {
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    all.into_iter().nth(usize::try_from(number?).ok()?)
}

/// Returns the severity of a record without one: unknown, so that it passes every filter.
pub(crate) fn no_severity() -> Severity {
    Severity::Unknown("none given".into())
}

fn at(moment: Option<&ApiTimestamp>) -> Option<Timestamp> {
    moment.and_then(ApiTimestamp::timestamp)
}

/// Whether the text is an HTTP method. The data stream has been observed to write `SSL` there.
fn is_method(text: &str) -> bool {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    methods.iter().any(|method| method.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::map::{rule_from_export, rule_from_id, rule_from_report};
    use crate::model::PluginId;

    fn context() -> FindingContext {
        FindingContext {
            scanner: TenableWasClient::KEY.into(),
            partition: PartitionKey::unattributed(),
            profile: None,
            targets: vec![BindTargetId::from("config:5b1f2a34-0c1d-4e5f-8a9b-101112131415")],
            scan: None,
            seen_at: None,
        }
    }

    fn exported(record: Value) -> Finding {
        let record: ExportFinding = serde_json::from_value(record).unwrap();
        let rule = record
            .plugin
            .as_ref()
            .map_or_else(|| rule_from_id(PluginId(1)), |plugin| rule_from_export(plugin));
        let scan = record.scan.as_ref().and_then(|scan| scan.uuid.as_deref()).map(ScanId::from);
        finding_from_export(FindingContext { scan, ..context() }, record, rule.into())
    }

    fn reported(record: Value) -> Finding {
        let record: ReportFinding = serde_json::from_value(record).unwrap();
        let rule = rule_from_report(&record);
        finding_from_report(context(), &record, rule.into())
    }

    #[test]
    fn a_weakness_has_one_fingerprint_by_report_and_by_export() {
        let plugin = json!({"id": 98104});
        let export = exported(
            json!({"url": "https://shop.example.com/search", "input_type": "link", "input_name": "q", "plugin": plugin}),
        );
        let report = reported(
            json!({"plugin_id": 98104, "uri": "https://SHOP.example.com:443/search?q=x", "input_type": "LINK", "input_name": "q"}),
        );
        assert_eq!(export.fingerprint, report.fingerprint);
        assert_eq!(
            export.fingerprint.to_string(),
            "v1:fa3e421df90b5bc686fb650ff173c533",
            "the published vector"
        );
        let swapped = exported(
            json!({"url": "https://shop.example.com/search", "input_type": "Q", "input_name": "link", "plugin": plugin}),
        );
        assert_eq!(swapped.fingerprint, report.fingerprint, "the vendor seems to swap the two");
        let bare = exported(json!({"url": "http://192.0.2.119", "plugin": {"id": 98009}}));
        let empty = reported(
            json!({"plugin_id": 98009, "uri": "http://192.0.2.119/", "input_type": "", "input_name": null}),
        );
        assert_eq!(bare.fingerprint, empty.fingerprint, "null, absent and empty are the same");
        assert_ne!(bare.fingerprint, export.fingerprint);
    }

    #[test]
    fn the_status_is_made_of_the_state_and_of_acceptance() {
        for (state, change, expected) in [
            ("OPEN", "NONE", FindingStatus::Open),
            ("ACTIVE", "NONE", FindingStatus::Open),
            ("reopened", "NONE", FindingStatus::Reopened),
            ("FIXED", "NONE", FindingStatus::Fixed),
            ("OPEN", "ACCEPTED", FindingStatus::RiskAccepted),
            ("REOPENED", "accepted", FindingStatus::RiskAccepted),
            ("FIXED", "ACCEPTED", FindingStatus::Fixed),
            ("OPEN", "RECASTED", FindingStatus::Open),
            ("SNOOZED", "ACCEPTED", FindingStatus::Unknown("SNOOZED".into())),
        ] {
            let finding = exported(json!({"state": state, "severity_modification_type": change}));
            assert_eq!(finding.status, Some(expected), "{state} {change}");
        }
        assert_eq!(exported(json!({})).status, None);
        assert_eq!(reported(json!({"plugin_id": 1})).status, None, "a report has no state");
    }

    #[test]
    fn a_recast_keeps_both_severities() {
        let finding = exported(
            json!({"severity": "LOW", "severity_id": 1, "severity_default_id": 3, "severity_modification_type": "RECASTED",
            "recast_reason": "behind a WAF", "recast_rule_uuid": "51515151-6161-4717-8818-919191919191"}),
        );
        let recast = finding.recast.unwrap();
        assert_eq!(
            (finding.severity, recast.original, recast.accepted),
            (Severity::Low, Severity::High, false)
        );
        assert_eq!(recast.reason.as_deref(), Some("behind a WAF"));
        let by_plugin = exported(json!({"severity": "LOW", "severity_modification_type": "ACCEPTED",
            "plugin": {"id": 1, "original_risk_factor_num": "4"}}));
        assert_eq!(by_plugin.recast.unwrap().original, Severity::Critical);
        assert_eq!(exported(json!({"severity": "LOW", "severity_modification_type": "NONE"})).recast, None);
    }

    #[test]
    fn a_severity_is_read_in_any_case_or_by_number_and_an_unknown_one_is_kept() {
        for (record, expected) in [
            (json!({"severity": "MEDIUM"}), Severity::Medium),
            (json!({"severity": "medium"}), Severity::Medium),
            (json!({"severity_id": 4}), Severity::Critical),
            (json!({"severity": "BLOCKER", "severity_id": 4}), Severity::Unknown("BLOCKER".into())),
            (json!({}), no_severity()),
        ] {
            assert_eq!(exported(record.clone()).severity, expected, "{record}");
        }
    }

    #[test]
    fn evidence_is_taken_from_every_field_that_has_some() {
        let finding = reported(
            json!({"plugin_id": 1, "output": "o", "proof": "p", "payload": "x", "request_headers": "GET", "response_headers": "200",
            "attachments": ["https://cloud.tenable.com/was/v2/attachments/1"]}),
        );
        let kinds: Vec<&str> = finding.evidence.iter().map(|evidence| evidence.kind.as_str()).collect();
        assert_eq!(kinds, ["output", "proof", "payload", "request", "response", "attachment"]);
        let none = reported(json!({"plugin_id": 1, "output": "", "proof": null}));
        assert!(none.evidence.is_empty());
    }

    #[test]
    fn ids_dates_and_method_of_the_export_are_kept() {
        let finding = exported(
            json!({"finding_id": "044a6c5f-3b1c-5c2d-bc76-36e0072a0001", "first_found": "2026-05-01T00:44:10Z",
            "last_found": "2026-10-01T00:44:10Z", "last_fixed": "2026-10-02T00:00:00Z", "http_method": "SSL", "scan": {"uuid": "s"}}),
        );
        assert_eq!(finding.aliases, ["044a6c5f-3b1c-5c2d-bc76-36e0072a0001"]);
        assert_eq!(finding.last_seen.unwrap().to_string(), "2026-10-01T00:44:10Z");
        assert_eq!(finding.fixed_at.unwrap().to_string(), "2026-10-02T00:00:00Z");
        assert_eq!(finding.scan, Some(ScanId::from("s")));
        assert_eq!(finding.location.method, None);
    }
}
