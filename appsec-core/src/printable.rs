//! Text from outside, made safe for people to look at.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::mask::compiled;

/// Control characters, format characters (bidirectional overrides, zero-width characters, the byte order
/// mark), and the two line breaks that are neither.
static INVISIBLE: LazyLock<Regex> = LazyLock::new(|| compiled(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]"));

/// The same without the line breaks and the tab of plain text.
static INVISIBLE_IN_LINES: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]--[\n\r\t]]"));

fn is_plain_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn escape<'a>(text: &'a str, pattern: &Regex) -> Cow<'a, str> {
    if is_plain_ascii(text) {
        return Cow::Borrowed(text);
    }
    pattern.replace_all(text, |found: &Captures<'_>| match &found[0] {
        "\n" => "\\n".to_owned(),
        "\r" => "\\r".to_owned(),
        "\t" => "\\t".to_owned(),
        other => other.escape_unicode().to_string(),
    })
}

/// A text from outside in one line, as it may be shown in a terminal, a log or a report.
///
/// Displays as the text with every control character, line break and format character (Unicode's categories
/// Cc, Cf, Zl and Zp) replaced by its escape: `\n`, `\t`, `\u{202e}`. So a text cannot begin a line of its own,
/// send a command to a terminal, or reverse or hide what is around it. Other characters are as they are, the
/// backslash included.
///
/// ```
/// use appsec_core::Printable;
///
/// assert_eq!(Printable("XSS\n::error::\u{202e}").to_string(), r"XSS\n::error::\u{202e}");
/// assert_eq!(Printable("größer, 日本語").to_string(), "größer, 日本語");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a str);

impl<'a> Printable<'a> {
    /// Returns the text that is displayed. Nothing is copied where nothing is escaped.
    pub fn to_cow(self) -> Cow<'a, str> {
        escape(self.0, &INVISIBLE)
    }

    /// Returns the text with its line breaks and tabs, and everything else escaped: for evidence of several
    /// lines in a document where no line has a meaning of its own.
    pub fn to_lines(self) -> Cow<'a, str> {
        escape(self.0, &INVISIBLE_IN_LINES)
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_cow())
    }
}

/// Cuts a text to at most `max` bytes, at a character's border. A text that was cut ends in `…`.
pub fn truncate(text: impl Into<String>, max: usize) -> String {
    let mut text = text.into();
    if text.len() > max {
        let mut end = max.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Writes a value as JSON in which no control character and no format character stands as it is: each is
/// escaped as `\u202e`. The value that a parser reads is the same.
///
/// # Errors
/// Those of the writer, and of a value that JSON cannot represent.
pub fn write_printable_json(
    out: impl io::Write,
    value: &(impl Serialize + ?Sized),
) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, PrintableJson(CompactFormatter)))
}

/// Returns a value as JSON, as [`write_printable_json`] writes it.
///
/// # Errors
/// For a value that JSON cannot represent.
pub fn printable_json(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let mut out = Vec::new();
    write_printable_json(&mut out, value)?;
    String::from_utf8(out).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// Compact JSON with invisible characters escaped.
struct PrintableJson(CompactFormatter);

impl Formatter for PrintableJson {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain_ascii(fragment) {
            return self.0.write_string_fragment(out, fragment);
        }
        let mut written = 0;
        for found in INVISIBLE.find_iter(fragment) {
            out.write_all(&fragment.as_bytes()[written..found.start()])?;
            for unit in found.as_str().encode_utf16() {
                write!(out, "\\u{unit:04x}")?;
            }
            written = found.end();
        }
        out.write_all(&fragment.as_bytes()[written..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_invisible_is_escaped_and_everything_else_stays() {
        for (text, shown) in [
            ("", ""),
            ("GET https://a.example/?q=\"x\"&r='\\'", "GET https://a.example/?q=\"x\"&r='\\'"),
            ("a\tb\r\nc\0", r"a\tb\r\nc\u{0}"),
            ("\u{1b}[31mred\u{9b}0m\u{7f}", r"\u{1b}[31mred\u{9b}0m\u{7f}"),
            ("\u{202e}evil\u{2066}\u{200b}\u{feff}\u{ad}", r"\u{202e}evil\u{2066}\u{200b}\u{feff}\u{ad}"),
            ("\u{2028}\u{2029}\u{85}", r"\u{2028}\u{2029}\u{85}"),
            ("\u{e0041}", r"\u{e0041}"),
            ("é e\u{301} 日本 🙂 \u{a0}", "é e\u{301} 日本 🙂 \u{a0}"),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
        assert_eq!(Printable("a\n\u{202e}b").to_lines(), "a\n\\u{202e}b");
        assert_eq!(format!("[{:>4}]", Printable("a\n")), "[ a\\n]", "it is padded as it is shown");
    }

    #[test]
    fn json_is_escaped_and_reads_back() {
        let text = "a\n\u{1b}\u{9b}\u{202e}\u{e0041}é";
        let json = printable_json(&serde_json::json!({ text: [text] })).unwrap();
        assert_eq!(json, r#"{"a\n\u001b\u009b\u202e\udb40\udc41é":["a\n\u001b\u009b\u202e\udb40\udc41é"]}"#);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value[text][0], text);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("éééé", 7), "éé…");
        for max in 0..12 {
            assert!(truncate("日本語日本語", max).len() <= max.max(3), "{max}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_printable_and_any_json_reads_back(text in "\\PC*|(?s:.*)") {
            let shown = Printable(&text).to_string();
            prop_assert!(!INVISIBLE.is_match(&shown));
            prop_assert_eq!(Printable(&shown).to_string(), shown.clone());
            let json = printable_json(&text).unwrap();
            prop_assert!(!INVISIBLE.is_match(&json));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
