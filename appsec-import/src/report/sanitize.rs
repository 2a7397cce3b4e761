//! Text that readers accept: no invisible characters, no more than they keep, never empty where that is
//! refused.

use std::borrow::Cow;

use appsec_core::{Printable, truncate};

/// The most bytes of one piece of evidence in a report. JSON Lines is the exception: it has all of it.
pub(super) const MAX_EVIDENCE: usize = 8 * 1024;

/// The text with its line breaks, in at most `max` bytes. Other invisible characters are escaped:
/// PostgreSQL, in which most readers store reports, refuses NUL, terminals execute control characters, and
/// bidirectional overrides change what a reader sees.
pub(super) fn multi_line(text: &str, max: usize) -> Cow<'_, str> {
    printable(text, max, Printable::to_lines)
}

/// The text as one line, in at most `max` bytes. Line breaks and other invisible characters are escaped.
pub(super) fn single_line(text: &str, max: usize) -> Cow<'_, str> {
    printable(text.trim(), max, Printable::to_cow)
}

/// The first of the texts that has a visible character.
pub(super) fn first_non_blank<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    texts.into_iter().find(|text| text.chars().any(|c| !c.is_whitespace() && !c.is_control()))
}

/// The text as [`multi_line`] gives it; `None` where it is absent or blank.
pub(super) fn optional_multi_line(text: Option<&String>, max: usize) -> Option<Cow<'_, str>> {
    text.and_then(|text| first_non_blank([text.as_str()])).map(|text| multi_line(text, max))
}

fn printable<'a>(text: &'a str, max: usize, shown: fn(Printable<'a>) -> Cow<'a, str>) -> Cow<'a, str> {
    // What is cut off need not be escaped first.
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let shown = shown(Printable(&text[..end]));
    if end == text.len() && shown.len() <= max {
        return shown;
    }
    let mut shown = shown.into_owned();
    shown.push('…');
    Cow::Owned(truncate(shown, max))
}

/// The text where it is an http or https URL that a strict reader accepts.
pub(super) fn web_url(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_strict = |c: char| c.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(c);
    let escapes_are_valid = text
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    let has_host = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    // `[` and a second `#` are refused although `[` is valid in an IPv6 host: such a link is rare, and a
    // refused report is worse.
    (has_host
        && escapes_are_valid
        && text.len() <= 2_048
        && rest.chars().all(is_strict)
        && !rest.contains(['[', ']'])
        && rest.matches('#').count() <= 1)
        .then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_keep_no_control_character() {
        assert_eq!(multi_line("a\0b\n\u{1b}[31m", 100), "a\\u{0}b\n\\u{1b}[31m");
        assert_eq!(single_line(" a\r\nb\u{202e} ", 100), r"a\r\nb\u{202e}");
        for max in [3, 4, 5, 6, 7, 100] {
            let cut = multi_line("ééééééééééééééééééééééééééééééééééééééééééééééééééé", max).into_owned();
            assert!(cut.len() <= max && cut.ends_with('…'), "{max}: {cut}");
        }
        assert_eq!(first_non_blank(["", " \u{1}", "x"]), Some("x"));
    }

    #[test]
    fn only_web_urls_are_links() {
        for good in ["https://a.example/x?y=1#z", "http://a/%20"] {
            assert_eq!(web_url(good), Some(good));
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
            assert_eq!(web_url(bad), None, "{bad}");
        }
    }
}
