//! JSON strings, unescaped in one step.
//!
//! The JSON decoder collects a string with escapes in a buffer that grows: four allocator calls where one
//! suffices.

use std::borrow::Cow;

use memchr::memchr;

/// Returns the text of a JSON string. Returns `None` for any other value, an invalid string, and one with
/// `\u` escapes: the JSON decoder has to read these.
pub(super) fn unescape(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    // This reads all bytes: the compiler does not vectorize a loop that may stop early.
    if inner.bytes().map(|byte| u8::from(byte < b' ')).fold(0, |found, control| found | control) != 0 {
        return None;
    }
    let Some(mut at) = memchr(b'\\', inner.as_bytes()) else { return Some(Cow::Borrowed(inner)) };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        text.push_str(rest.get(..at)?);
        text.push(match rest.as_bytes().get(at + 1)? {
            b'n' => '\n',
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            _ => return None,
        });
        rest = rest.get(at + 2..)?;
        match memchr(b'\\', rest.as_bytes()) {
            Some(next) => at = next,
            None => break,
        }
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_values_are_left_to_the_decoder() {
        for value in ["7", "null", "\"", "\"a\nb\"", r#""\u0041""#, r#""\x""#, "[]", ""] {
            assert_eq!(unescape(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_string_without_escapes_is_not_copied() {
        assert!(matches!(unescape("\"a b\""), Some(Cow::Borrowed("a b"))));
        assert_eq!(unescape(r#""a\n""#).as_deref(), Some("a\n"));
    }

    proptest! {
        #[test]
        fn a_string_equals_that_of_a_json_decoder(text in r#"(\\[nrtbf"/\\u]|\PC|[a-z]){0,12}"#) {
            let value = format!("\"{text}\"");
            if let Some(text) = unescape(&value) {
                // The splitter knows whether the last quote ends the string.
                let whole = serde_json::from_str::<String>(&value);
                prop_assume!(whole.is_ok());
                prop_assert_eq!(text, whole.unwrap());
            }
        }
    }
}
