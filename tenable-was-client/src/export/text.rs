//! Texts of a record, read in one step.
//!
//! The JSON decoder collects a text with escapes piece by piece in a buffer of its own, which grows anew for each text: four allocator
//! calls for one that needs one, and none where there is nothing to unescape.

use std::borrow::Cow;

use memchr::memchr;

/// The text that a JSON string stands for; `None` for what is no string, what is wrong, and what is written with code points.
pub(super) fn read(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    // Over all of it: a loop that may stop early is not turned into vector instructions.
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
    fn what_is_not_read_is_left_to_the_decoder() {
        for value in ["7", "null", "\"", "\"a\nb\"", r#""\u0041""#, r#""\x""#, "[]", ""] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }

    #[test]
    fn what_has_no_escapes_is_not_copied() {
        assert!(matches!(read("\"a b\""), Some(Cow::Borrowed("a b"))));
        assert_eq!(read(r#""a\n""#).as_deref(), Some("a\n"));
    }

    proptest! {
        #[test]
        fn a_text_is_what_a_decoder_makes_of_it(text in r#"(\\[nrtbf"/\\u]|\PC|[a-z]){0,12}"#) {
            let value = format!("\"{text}\"");
            if let Some(read) = read(&value) {
                // Whether the last quote ends the string is the splitter's to know.
                let whole = serde_json::from_str::<String>(&value);
                prop_assume!(whole.is_ok());
                prop_assert_eq!(read, whole.unwrap());
            }
        }
    }
}
