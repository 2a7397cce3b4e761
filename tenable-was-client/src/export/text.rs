//! Texts of a record, read into memory of the right size at once.
//!
//! The JSON decoder collects a text with escapes piece by piece in a buffer of its own, which grows anew for each record: four allocator
//! calls for a text that needs one.

use memchr::memchr;

/// Reads a text, where it is one and none was read before; false where that is left to the decoder.
pub(super) fn take(value: &[u8], to: &mut Option<String>) -> bool {
    if to.is_some() {
        return false;
    }
    *to = read(value);
    to.is_some()
}

/// The text that a JSON string stands for; `None` for what is no string, what is wrong, and what is written with code points.
fn read(value: &[u8]) -> Option<String> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    // Over all of it: a loop that may stop early is not turned into vector instructions.
    if inner.iter().map(|byte| u8::from(*byte < b' ')).fold(0, |found, control| found | control) != 0 {
        return None;
    }
    let inner = std::str::from_utf8(inner).ok()?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
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
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_read_is_left_to_the_decoder() {
        for value in ["7", "null", "\"", "\"a\nb\"", r#""\u0041""#, r#""\x""#, "[]", ""] {
            assert_eq!(read(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(read(b"\"\xff\""), None);
        let mut first = None;
        assert!(take(br#""a\n""#, &mut first) && !take(br#""b""#, &mut first));
        assert_eq!(first.as_deref(), Some("a\n"));
    }

    proptest! {
        #[test]
        fn a_text_is_what_a_decoder_makes_of_it(text in r#"(\\[nrtbf"/\\u]|\PC|[a-z]){0,12}"#) {
            let value = format!("\"{text}\"");
            if let Some(read) = read(value.as_bytes()) {
                // Whether the last quote ends the string is the splitter's to know.
                let whole = serde_json::from_str::<String>(&value);
                prop_assume!(whole.is_ok());
                prop_assert_eq!(read, whole.unwrap());
            }
        }
    }
}
