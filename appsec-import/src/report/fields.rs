//! The fields of a finding that several formats share, in the form that their readers accept.

use std::borrow::Cow;

use appsec_core::{Cvss, Finding, Rule, Severity, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::sanitize::{first_non_blank, single_line, web_url};

/// The rule's name, or its id, or `finding`: never empty.
pub(super) fn title(finding: &Finding, max: usize) -> Cow<'_, str> {
    let rule = &finding.rule;
    single_line(first_non_blank([rule.name.as_str(), rule.id.as_str()]).unwrap_or("finding"), max)
}

/// The rule's id, or its name, or `finding`: never empty.
pub(super) fn rule_id(rule: &Rule, max: usize) -> Cow<'_, str> {
    single_line(first_non_blank([rule.id.as_str(), rule.name.as_str()]).unwrap_or("finding"), max)
}

/// The rule's references that are web URLs.
pub(super) fn references(rule: &Rule, max: usize) -> impl Iterator<Item = &str> {
    rule.references.iter().filter_map(|text| web_url(text)).take(max)
}

/// The CVSS vector in the form of version 3 and later, with its prefix, which scanners often leave out.
pub(super) fn cvss_vector(cvss: &Cvss) -> Option<String> {
    let vector = cvss.vector.as_deref().map(str::trim)?;
    let version = match cvss.version.as_str() {
        "3" => "3.0",
        version @ ("3.0" | "3.1" | "4.0") => version,
        "4" => "4.0",
        _ => return None,
    };
    let prefixed = vector.strip_prefix("CVSS:").and_then(|rest| rest.split_once('/'));
    let (version, metrics) = prefixed.unwrap_or((version, vector));
    let is_metric = |part: &str| {
        part.split_once(':').is_some_and(|(name, value)| {
            let is_word =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_word(name) && is_word(value)
        })
    };
    (metrics.starts_with("AV:")
        && metrics.len() <= 256
        && metrics.split('/').all(is_metric)
        && version.len() == 3)
        .then(|| format!("CVSS:{version}/{metrics}"))
}

/// The severity as one of the five names that nearly every reader knows; `None` for an unknown severity.
pub(super) fn severity_name(severity: &Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("Critical"),
        Severity::High => Some("High"),
        Severity::Medium => Some("Medium"),
        Severity::Low => Some("Low"),
        Severity::Info => Some("Info"),
        _ => None,
    }
}

/// The name as which one of our enums serializes.
pub(super) fn enum_name(value: &impl Serialize) -> Cow<'static, str> {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => Cow::Owned(name),
        _ => Cow::Borrowed(""),
    }
}

/// Date and time in UTC, in whole seconds, without a time zone.
pub(super) fn utc_seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.chars().take_while(|c| !matches!(c, '.' | 'Z')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cvss_vectors_get_their_prefix_and_malformed_ones_are_dropped() {
        let vector =
            |version: &str, text: &str| cvss_vector(&Cvss::new(version, None, Some(text.to_owned())));
        assert_eq!(vector("3", "AV:N/AC:L").as_deref(), Some("CVSS:3.0/AV:N/AC:L"));
        assert_eq!(vector("3.1", "CVSS:3.1/AV:N/AC:L").as_deref(), Some("CVSS:3.1/AV:N/AC:L"));
        for (version, text) in [("2.0", "AV:N/AC:L"), ("3.1", "high"), ("3.1", "AV:N/; DROP"), ("x", "AV:N")]
        {
            assert_eq!(vector(version, text), None, "{text}");
        }
    }

    #[test]
    fn times_have_no_fraction_and_no_zone() {
        assert_eq!(utc_seconds("2026-03-01T10:20:30.5Z".parse().unwrap()), "2026-03-01T10:20:30");
        assert_eq!(utc_seconds("2026-03-01T10:20:30Z".parse().unwrap()), "2026-03-01T10:20:30");
    }
}
