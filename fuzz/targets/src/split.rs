//! The element splitter, compared with a decoder of the whole document.

use std::sync::Arc;

use appsec_http::json::{ArrayPath, KnownBlocks, Limits, MemberKind, SplitError, SplitErrorKind, Splitter};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The elements and the other members, or the error.
type Split = Result<(Vec<Bytes>, Option<String>), (SplitErrorKind, u64)>;

/// However the bytes are cut, the splitter and a decoder of its elements return what `serde_json` returns
/// for the whole, and reject what it rejects.
pub fn splitter(document: &[u8]) {
    for at in [ArrayPath::Root, ArrayPath::Field("findings")] {
        let whole = split(document, at, &[usize::MAX]);
        let lengths_from_input: Vec<usize> =
            document.iter().take(8).map(|byte| usize::from(*byte % 32) + 1).collect();
        for lengths in [&[1][..], &[2, 3, 5, 7], &lengths_from_input] {
            assert_eq!(split(document, at, lengths), whole, "{at:?}, cut by {lengths:?}");
        }
        // The splitter limits the nesting depth; a decoder that skips values does not.
        if matches!(whole, Err((SplitErrorKind::TooDeep(_), _))) {
            continue;
        }
        for lengths in [&[usize::MAX][..], &[2, 3, 5, 7], &lengths_from_input] {
            assert_eq!(
                split_with_members(document, at, lengths),
                whole,
                "{at:?}, members recorded, cut by {lengths:?}"
            );
        }
        let decoded = whole.ok().filter(|(elements, _)| {
            elements.iter().all(|element| serde_json::from_slice::<Box<RawValue>>(element).is_ok())
        });
        let (elements, rest) = decoded.unzip();
        let (expected, rest_members) = reference(document, at).unzip();
        assert_eq!(elements, expected, "{at:?}");
        let rest = rest.flatten().map(|rest| members(rest.as_bytes()).expect("the rest is an object"));
        assert_eq!(rest.map(Members::texts), rest_members.flatten().map(Members::texts), "{at:?}");
    }
}

/// Splits a document that arrives in pieces of the given lengths, repeated as needed.
fn split(document: &[u8], at: ArrayPath, lengths: &[usize]) -> Split {
    split_by(Splitter::new(at, Limits::new()), document, lengths)
}

/// The same, with every known-block candidate known.
fn split_with_members(document: &[u8], at: ArrayPath, lengths: &[usize]) -> Split {
    split_by(Splitter::new(at, Limits::new()).with_known_blocks(Arc::new(Everything)), document, lengths)
}

fn split_by(mut splitter: Splitter, document: &[u8], lengths: &[usize]) -> Split {
    let describe = |error: SplitError| (error.kind(), error.offset());
    let mut elements = Vec::new();
    let mut left = document;
    let mut lengths = lengths.iter().cycle();
    while !left.is_empty() {
        let length = lengths.next().map_or(usize::MAX, |length| *length);
        let (piece, rest) = left.split_at(length.clamp(1, left.len()));
        splitter.feed(Bytes::copy_from_slice(piece));
        while let Some(element) = splitter.next_element().map_err(describe)? {
            check_members(&element, &splitter);
            elements.push(element);
        }
        left = rest;
    }
    let rest = splitter.finish().map_err(describe)?;
    Ok((elements, rest.map(|rest| rest.get().to_owned())))
}

/// Checks that the recorded members are those that a decoder finds, if all of them are valid. The element is
/// valid in this case, too.
fn check_members(element: &[u8], splitter: &Splitter) {
    let mut written = Vec::new();
    for member in splitter.members() {
        let name = std::str::from_utf8(&element[member.name.clone()]);
        let value = serde_json::from_slice::<Box<RawValue>>(&element[member.value.clone()]);
        let (Ok(name), Ok(value)) = (name, value) else { return };
        let text = serde_json::from_str::<String>(value.get());
        let plain = text.is_ok_and(|text| value.get() == format!("\"{text}\""));
        assert_eq!(plain, member.kind == MemberKind::Text, "{}", value.get());
        written.push((name.to_owned(), value.get().to_owned()));
    }
    if !written.is_empty() {
        let members = members(element).map(Members::texts);
        assert_eq!(members, Some(written), "{}", String::from_utf8_lossy(element));
    }
}

/// A table that knows every object.
#[derive(Debug)]
struct Everything;

impl KnownBlocks for Everything {
    fn find(&self, _: &[u8], bytes: &[u8]) -> Option<(usize, usize)> {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Box<RawValue>>();
        values.next()?.ok()?;
        Some((values.byte_offset(), 0))
    }
}

/// The elements and the other members by a decoder of the whole document; `None` where it rejects it.
fn reference(document: &[u8], at: ArrayPath) -> Option<(Vec<Bytes>, Option<Members>)> {
    let texts = |array: Vec<Box<RawValue>>| array.iter().map(|raw| raw.get().to_owned().into()).collect();
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    match at {
        ArrayPath::Root => Some((texts(serde_json::from_slice(document).ok()?), None)),
        ArrayPath::Field(field) => {
            let (wanted, rest_members): (Vec<_>, Vec<_>) =
                members(document)?.0.into_iter().partition(|(name, _)| name == field);
            let [(_, array)] = wanted.as_slice() else { return None };
            Some((texts(serde_json::from_str(array.get()).ok()?), Some(Members(rest_members))))
        }
        ArrayPath::FirstOf(_) => None,
    }
}

fn members(object: &[u8]) -> Option<Members> {
    serde_json::from_slice(object).ok()
}

/// The members of an object in order, including duplicates, which a map would lose.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn texts(self) -> Vec<(String, String)> {
        self.0.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
