//! Where in a JSON object a member's value stands.

use std::ops::Range;

use memchr::memchr;

/// The members at the top level of an object, in their order: places of the name, with its quotes, and of the value. Ends where there are
/// no more, and where the bytes are not an object as far as they were looked at.
///
/// Strict in what it steps over to the degree that an object which [is whole](Self::is_whole), and of which each name and each value is
/// valid JSON by itself, is valid JSON.
pub(crate) struct Members<'a> {
    object: &'a [u8],
    /// A value of which the end is known.
    known: Option<&'a Range<usize>>,
    /// Where the next member begins; `None` after the last.
    at: Option<usize>,
    whole: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn of(object: &'a [u8], known: Option<&'a Range<usize>>) -> Self {
        let mut members = Self { object, known, at: None, whole: false };
        if let Some(at) = expect(object, spaces(object, 0), b'{') {
            let first = spaces(object, at);
            members.at = Some(first);
            members.close(first);
        }
        members
    }

    /// True when all members were given, the object was closed, and nothing follows.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes the end of the object, where it is here.
    fn close(&mut self, at: usize) {
        if let Some(end) = expect(self.object, at, b'}') {
            self.at = None;
            self.whole = spaces(self.object, end) == self.object.len();
        }
    }
}

impl Iterator for Members<'_> {
    type Item = (Range<usize>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let object = self.object;
        let at = self.at.take()?;
        let name = at..string(object, at)?;
        let at = spaces(object, expect(object, spaces(object, name.end), b':')?);
        let value = match self.known {
            Some(known) if known.start == at => known.clone(),
            _ => at..value(object, at)?,
        };
        let at = spaces(object, value.end);
        self.at = expect(object, at, b',').map(|next| spaces(object, next));
        self.close(at);
        Some((name, value))
    }
}

/// How deep a value may be nested: as deep as the JSON decoder goes in a value of an object.
const DEEPEST: u32 = 126;

fn spaces(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

fn expect(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
}

/// How far a string is searched byte by byte: most are too short for a vector search to pay.
const SHORT: usize = 16;

/// The end of the string that begins at a quote.
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let begin = expect(bytes, at, b'"')?;
    let text = bytes.get(begin..)?;
    let short = text.iter().take(SHORT).position(|byte| matches!(byte, b'"' | b'\\'));
    if let Some(end) = short.filter(|end| text.get(*end) == Some(&b'"')) {
        return Some(begin + end + 1);
    }
    // Quotes and not backslashes, since long texts have many escapes and few quotes.
    let mut at = begin;
    loop {
        at += memchr(b'"', bytes.get(at..)?)? + 1;
        let before = bytes.get(begin..at - 1)?;
        if before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
            return Some(at);
        }
    }
}

/// The end of the value that begins here.
fn value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string(bytes, at),
        b'{' | b'[' => nested(bytes, at),
        b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
            let rest = bytes.get(at..)?;
            let length = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))?;
            Some(at + length)
        }
        _ => None,
    }
}

/// The end of the object or list that begins here.
fn nested(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_u32;
    loop {
        match bytes.get(at)? {
            b'{' | b'[' if depth == DEEPEST => return None,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => {
                at = string(bytes, at)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn member(object: &[u8], name: &str) -> Option<Range<usize>> {
        let name = format!("\"{name}\"");
        let mut members = Members::of(object, None);
        members.find(|(found, _)| object[found.clone()] == *name.as_bytes()).map(|(_, value)| value)
    }

    fn found<'a>(object: &'a str, name: &str) -> Option<&'a str> {
        member(object.as_bytes(), name).map(|span| &object[span])
    }

    #[test]
    fn a_value_whose_end_is_known_is_not_looked_at() {
        let members: Vec<_> = Members::of(br#"{"a":{"x":1}, "b":[2]}"#, Some(&(5..12))).collect();
        assert_eq!(members, [(1..4, 5..12), (14..17, 18..21)]);
    }

    #[test]
    fn what_is_whole_is_closed_and_ends_there() {
        for (object, whole) in [
            ("{}", true),
            (" { } ", true),
            (r#"{"a":1}"#, true),
            (r#" { "a" : [1] , "b" : "}" } "#, true),
            (r#"{"a":1,}"#, false),
            (r#"{,"a":1}"#, false),
            (r#"{"a":1}}"#, false),
            (r#"{"a":1} x"#, false),
            (r#"{"a":1"#, false),
            (r#"{"a":1 "b":2}"#, false),
            (r#"{"a"}"#, false),
            ("{", false),
            ("[]", false),
            ("", false),
        ] {
            let mut members = Members::of(object.as_bytes(), None);
            members.by_ref().for_each(drop);
            assert_eq!(members.is_whole(), whole, "{object}");
        }
    }

    #[test]
    fn a_value_is_as_deep_as_a_decoder_goes() {
        for (depth, valid) in [(126, true), (127, false)] {
            let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), valid);
            assert_eq!(member(text.as_bytes(), "a").is_some(), valid);
        }
    }

    #[test]
    fn the_value_is_found_whatever_stands_before() {
        for (object, expected) in [
            (r#"{"plugin":{"id":1}}"#, Some(r#"{"id":1}"#)),
            (
                r#" { "a" : [1,{"plugin":2},"]}"] , "plugin" : { "x" : "}" } , "b":1}"#,
                Some(r#"{ "x" : "}" }"#),
            ),
            (r#"{"a":"\"plugin\":7","plugin":"x\\"}"#, Some(r#""x\\""#)),
            (r#"{"a":-1.5e3,"plugin":null}"#, Some("null")),
            (r#"{"a":{"plugin":1},"b":"plugin"}"#, None),
            (r#"{"plug\u0069n":1}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
            (r#"{"plugin""#, None),
            (r#"{"plugin":"#, None),
            (r#"{"plugin":{"a":"}"#, None),
            (r#"{"a":}]"#, None),
        ] {
            assert_eq!(found(object, "plugin"), expected, "{object}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,6}|[\"\\\\{}\\[\\]:,plugin]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]|plugin", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_span_holds_what_a_decoder_finds(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let expected = value.as_object().and_then(|object| object.get("plugin"));
            let span = found(&text, "plugin").map(|text| serde_json::from_str::<Value>(text).unwrap());
            prop_assert_eq!(span.as_ref(), expected);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b'\\')], 0..40)) {
            if let Some(span) = member(&bytes, "a") {
                prop_assert!(span.end <= bytes.len() && span.start < span.end);
            }
        }
    }
}
