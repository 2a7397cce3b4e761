//! Texts as readers take them: no control characters, no more than they keep, never empty where that is refused.

use std::borrow::Cow;

use appsec_core::{Cvss, Finding, Rule, Severity, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// The most of one piece of evidence that a report holds, JSON Lines excepted, which holds it whole.
pub(super) const MAX_EVIDENCE: usize = 8 * 1024;

/// The text with its line breaks, in at most so many bytes.
///
/// Control characters become U+FFFD: PostgreSQL, which most readers write to, takes no NUL, and terminals take the others too seriously.
pub(super) fn block(text: &str, max: usize) -> Cow<'_, str> {
    cleaned(text, max, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'), '\u{fffd}')
}

/// The text as one line, in at most so many bytes.
pub(super) fn line(text: &str, max: usize) -> Cow<'_, str> {
    match cleaned(text.trim(), max, char::is_control, ' ') {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The first of the texts that says anything.
pub(super) fn first<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    texts.into_iter().find(|text| text.chars().any(|c| !c.is_whitespace() && !c.is_control()))
}

fn cleaned(text: &str, max: usize, unwanted: impl Fn(char) -> bool, instead: char) -> Cow<'_, str> {
    if text.len() <= max && !text.contains(&unwanted) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let c = if unwanted(c) { instead } else { c };
        if clean.len() + c.len_utf8() > max {
            // Makes room for the mark that says there was more.
            while clean.len() + '…'.len_utf8() > max && clean.pop().is_some() {}
            clean.push('…');
            break;
        }
        clean.push(c);
    }
    Cow::Owned(clean)
}

/// The rule's name, else its id, else a word: never empty.
pub(super) fn title(finding: &Finding, max: usize) -> Cow<'_, str> {
    let rule = &finding.rule;
    line(first([rule.name.as_str(), rule.id.as_str()]).unwrap_or("finding"), max)
}

/// The rule's id, else its name: never empty.
pub(super) fn rule_id(rule: &Rule, max: usize) -> Cow<'_, str> {
    line(first([rule.id.as_str(), rule.name.as_str()]).unwrap_or("finding"), max)
}

/// What says something, as one block.
pub(super) fn optional(text: Option<&String>, max: usize) -> Option<Cow<'_, str>> {
    text.and_then(|text| first([text.as_str()])).map(|text| block(text, max))
}

/// The text where it is a web address that a strict reader takes.
pub(super) fn web_address(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let strict = |c: char| c.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(c);
    let escapes = text
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    let begins = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    // `[` and `#` have their place in an address and are refused elsewhere; a link without them is never missed for long.
    (begins
        && escapes
        && text.len() <= 2_048
        && rest.chars().all(strict)
        && !rest.contains(['[', ']'])
        && rest.matches('#').count() <= 1)
        .then_some(text)
}

/// The rule's references that are web addresses.
pub(super) fn references(rule: &Rule, max: usize) -> impl Iterator<Item = &str> {
    rule.references.iter().filter_map(|text| web_address(text)).take(max)
}

/// The vector as CVSS 3 and later write it, with its prefix, which scanners often leave out.
pub(super) fn vector(cvss: &Cvss) -> Option<String> {
    let vector = cvss.vector.as_deref().map(str::trim)?;
    let version = match cvss.version.as_str() {
        "3" => "3.0",
        version @ ("3.0" | "3.1" | "4.0") => version,
        "4" => "4.0",
        _ => return None,
    };
    let bare =
        vector.strip_prefix("CVSS:").and_then(|rest| rest.split_once('/')).map_or(vector, |(_, bare)| bare);
    let part = |part: &str| {
        part.split_once(':').is_some_and(|(name, value)| {
            let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            word(name) && word(value)
        })
    };
    let prefix =
        vector.strip_prefix("CVSS:").and_then(|rest| rest.split_once('/')).map_or(version, |(own, _)| own);
    (bare.starts_with("AV:") && bare.len() <= 256 && bare.split('/').all(part) && prefix.len() == 3)
        .then(|| format!("CVSS:{prefix}/{bare}"))
}

/// The severity in one of five words that nearly every reader has, and `None` for what nobody knows.
pub(super) fn capitalised(severity: &Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("Critical"),
        Severity::High => Some("High"),
        Severity::Medium => Some("Medium"),
        Severity::Low => Some("Low"),
        Severity::Info => Some("Info"),
        _ => None,
    }
}

/// The word that an enum of ours serializes as.
pub(super) fn word(value: &impl Serialize) -> Cow<'static, str> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Cow::Owned(word),
        _ => Cow::Borrowed(""),
    }
}

/// Date and time in UTC, whole seconds, without a zone.
pub(super) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.chars().take_while(|c| !matches!(c, '.' | 'Z')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_keep_no_control() {
        assert_eq!(block("a\0b\n\u{1b}[31m", 100), "a\u{fffd}b\n\u{fffd}[31m");
        assert_eq!(line(" a\r\nb\u{85} ", 100), "a  b");
        for max in [3, 4, 5, 6, 7, 100] {
            let cut = block("ééééééééééééééééééééééééééééééééééééééééééééééééééé", max).into_owned();
            assert!(cut.len() <= max && cut.ends_with('…'), "{max}: {cut}");
        }
        assert_eq!(first(["", " \u{1}", "x"]), Some("x"));
    }

    #[test]
    fn only_web_addresses_are_links() {
        for good in ["https://a.example/x?y=1#z", "http://a/%20"] {
            assert_eq!(web_address(good), Some(good));
        }
        for bad in [
            "",
            "https://",
            "javascript:alert(1)",
            "https://a/ b",
            "https://a/{id}",
            "https://a/%zz",
            "ftp://a",
            "https://a/é",
        ] {
            assert_eq!(web_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn vectors_get_their_prefix_and_odd_ones_are_dropped() {
        let of = |version: &str, text: &str| vector(&Cvss::new(version, None, Some(text.to_owned())));
        assert_eq!(of("3", "AV:N/AC:L").as_deref(), Some("CVSS:3.0/AV:N/AC:L"));
        assert_eq!(of("3.1", "CVSS:3.1/AV:N/AC:L").as_deref(), Some("CVSS:3.1/AV:N/AC:L"));
        for (version, text) in [("2.0", "AV:N/AC:L"), ("3.1", "high"), ("3.1", "AV:N/; DROP"), ("x", "AV:N")]
        {
            assert_eq!(of(version, text), None, "{text}");
        }
    }

    #[test]
    fn times_lose_fraction_and_zone() {
        assert_eq!(seconds("2026-03-01T10:20:30.5Z".parse().unwrap()), "2026-03-01T10:20:30");
        assert_eq!(seconds("2026-03-01T10:20:30Z".parse().unwrap()), "2026-03-01T10:20:30");
    }
}
