//! The splitter accepts what a decoder of the whole document accepts, finds the same elements, and never
//! treats a broken document as complete.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;

use appsec_http::json::{
    ArrayPath, Found, KnownBlocks, Limits, Member, MemberKind, SplitErrorKind, Splitter,
};
use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

const FIELD: ArrayPath = ArrayPath::Field("findings");

/// The elements and the members beside the array, or the error and its offset.
type Split = Result<(Vec<Bytes>, Option<String>), (SplitErrorKind, u64)>;

/// Splits a document that arrives in pieces of the given lengths, which are repeated in a cycle. The result
/// must be the same if members are recorded.
fn split_in(document: &[u8], at: ArrayPath, limits: Limits, lengths: &[usize]) -> Split {
    let plain = split_by(Splitter::new(at, limits), document, lengths, false);
    for asks_between in [false, true] {
        let known = Arc::new(One(b"nothing".to_vec()));
        let recording =
            split_by(Splitter::new(at, limits).with_known_blocks(known), document, lengths, asks_between);
        assert_eq!(recording, plain, "{}", String::from_utf8_lossy(document));
        let again = split_by(Splitter::new(at, limits), document, lengths, asks_between);
        assert_eq!(again, plain, "{}", String::from_utf8_lossy(document));
    }
    plain
}

fn split_by(mut splitter: Splitter, document: &[u8], lengths: &[usize], asks_between: bool) -> Split {
    let mut elements = Vec::new();
    let mut left = document;
    let mut lengths = lengths.iter().cycle();
    while !left.is_empty() {
        let (piece, rest) = left.split_at((*lengths.next().unwrap()).clamp(1, left.len()));
        // A caller may ask again although no chunk arrived.
        if asks_between {
            splitter.feed(Bytes::new());
            assert_eq!(splitter.next_element().map_err(|error| (error.kind(), error.offset()))?, None);
        }
        splitter.feed(Bytes::copy_from_slice(piece));
        while let Some(element) = splitter.next_element().map_err(|error| (error.kind(), error.offset()))? {
            let valid = |bytes: &[u8]| serde_json::from_slice::<Box<RawValue>>(bytes).is_ok();
            let members = splitter.members();
            if !members.is_empty() && members.iter().all(|member| valid(&element[member.value.clone()])) {
                let names =
                    members.iter().all(|member| std::str::from_utf8(&element[member.name.clone()]).is_ok());
                assert_eq!(valid(&element), names, "{}", String::from_utf8_lossy(&element));
            }
            elements.push(element);
        }
        left = rest;
    }
    let rest = splitter.finish().map_err(|error| (error.kind(), error.offset()))?;
    Ok((elements, rest.map(|rest| rest.get().to_owned())))
}

fn split(document: impl AsRef<[u8]>, at: ArrayPath) -> Split {
    split_in(document.as_ref(), at, Limits::new(), &[usize::MAX])
}

fn refusal(document: impl AsRef<[u8]>, at: ArrayPath) -> (SplitErrorKind, u64) {
    let whole = split(document.as_ref(), at).unwrap_err();
    assert_eq!(split_in(document.as_ref(), at, Limits::new(), &[1]).unwrap_err().0, whole.0);
    whole
}

fn unexpected(expected: &'static str, found: u8) -> SplitErrorKind {
    SplitErrorKind::Unexpected { expected, found: Found(found) }
}

#[test]
fn an_empty_array_has_no_elements() {
    assert_eq!(split("[]", ArrayPath::Root), Ok((vec![], None)));
    assert_eq!(split(" \r\n\t[ ] \n", ArrayPath::Root), Ok((vec![], None)));
    assert_eq!(split(r#"{"findings":[]}"#, FIELD), Ok((vec![], Some("{}".into()))));
}

#[test]
fn every_kind_of_value_may_be_an_element() {
    let (elements, _) =
        split(r#"[1, -2.5e+3 ,true,false,null,"a]\"b\\",[[],{}],{"x":[1]} ]"#, ArrayPath::Root).unwrap();
    let expected = ["1", "-2.5e+3", "true", "false", "null", r#""a]\"b\\""#, "[[],{}]", r#"{"x":[1]}"#];
    assert_eq!(elements, expected);
}

#[test]
fn the_members_beside_the_array_keep_their_order() {
    let document = r#" { "scan" : {"id": 1} , "findings" : [ {"a":1} ] , "notes":["x", 2], "n":null } "#;
    let (elements, rest) = split(document, FIELD).unwrap();
    assert_eq!(elements, [r#"{"a":1}"#]);
    assert_eq!(rest.unwrap(), r#"{"scan":{"id": 1},"notes":["x", 2],"n":null}"#);
}

#[test]
fn an_escaped_member_name_is_recognised() {
    let (elements, rest) = split(r#"{"find\u0069ngs":[1],"Findings":[2]}"#, FIELD).unwrap();
    assert_eq!(elements, ["1"]);
    assert_eq!(rest.unwrap(), r#"{"Findings":[2]}"#);
}

#[test]
fn a_deeper_array_of_the_same_name_is_ignored() {
    let (elements, _) = split(r#"{"scan":{"findings":[1,2]},"findings":[3]}"#, FIELD).unwrap();
    assert_eq!(elements, ["3"]);
}

#[test]
fn a_missing_a_null_a_duplicate_and_another_member_are_distinguished() {
    use SplitErrorKind::{DuplicateField, MissingField, NotAnArray, NullField};
    assert_eq!(refusal(r#"{"notes":[]}"#, FIELD), (MissingField("findings"), 11));
    assert_eq!(refusal("{}", FIELD), (MissingField("findings"), 1));
    assert_eq!(refusal(r#"{"findings":null}"#, FIELD), (NullField("findings"), 12));
    assert_eq!(refusal(r#"{"findings":{}}"#, FIELD), (NotAnArray(Found(b'{')), 12));
    let doubled = r#"{"findings":[],"findings":[]}"#;
    assert_eq!(refusal(doubled, FIELD), (DuplicateField("findings"), 25));
    assert_eq!(refusal(r#"{"findings":[],"f\u0069ndings":1}"#, FIELD).0, DuplicateField("findings"));
}

#[test]
fn a_document_of_another_shape_is_refused() {
    use SplitErrorKind::{NotAnArray, NotAnObject};
    assert_eq!(refusal("<html>", ArrayPath::Root), (NotAnArray(Found(b'<')), 0));
    assert_eq!(refusal(r#"  {"error":1}"#, ArrayPath::Root), (NotAnArray(Found(b'{')), 2));
    assert_eq!(refusal("[]", FIELD), (NotAnObject(Found(b'[')), 0));
    assert_eq!(refusal(" \u{feff}[]", ArrayPath::Root), (NotAnArray(Found(0xef)), 1));
}

#[test]
fn commas_and_brackets_are_checked_strictly() {
    for (document, kind, offset) in [
        ("[,]", unexpected("a value or `]`", b','), 1),
        ("[1,]", unexpected("a value", b']'), 3),
        ("[1,,2]", unexpected("a value", b','), 3),
        ("[1 2]", unexpected("`,` or `]`", b'2'), 3),
        ("[{}{}]", unexpected("`,` or `]`", b'{'), 3),
        (r#"["a""b"]"#, unexpected("`,` or `]`", b'"'), 4),
        ("[1}", unexpected("`,` or `]`", b'}'), 2),
        ("[+1]", unexpected("a value or `]`", b'+'), 1),
        ("[{]]", SplitErrorKind::Mismatched(Found(b']')), 2),
        ("[[}]", SplitErrorKind::Mismatched(Found(b'}')), 2),
        ("[]]", SplitErrorKind::Trailing(Found(b']')), 2),
        ("[] []", SplitErrorKind::Trailing(Found(b'[')), 3),
        ("[1]\0", SplitErrorKind::Trailing(Found(0)), 3),
    ] {
        assert_eq!(refusal(document, ArrayPath::Root), (kind, offset), "{document}");
    }
    for (document, kind, offset) in [
        (r#"{,"findings":[]}"#, unexpected("a member's name or `}`", b','), 1),
        (r#"{"findings":[],}"#, unexpected("a member's name", b'}'), 15),
        (r#"{"findings" []}"#, unexpected("`:`", b'['), 12),
        (r#"{"a":,"findings":[]}"#, unexpected("a value", b','), 5),
        (r#"{"a":1 "findings":[]}"#, unexpected("`,` or `}`", b'"'), 7),
        (r#"{"findings":[]]"#, unexpected("`,` or `}`", b']'), 14),
        (r#"{"findings":[]},"#, SplitErrorKind::Trailing(Found(b',')), 15),
        (r#"{"findings":[],"a":tru}"#, SplitErrorKind::InvalidRest, 22),
        (r#"{"\x":1,"findings":[]}"#, SplitErrorKind::InvalidRest, 5),
    ] {
        assert_eq!(refusal(document, FIELD), (kind, offset), "{document}");
    }
}

#[test]
fn an_error_stays_the_same_and_has_an_offset() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    splitter.feed(Bytes::from_static(b"[1,"));
    assert_eq!(splitter.next_element().unwrap().unwrap(), "1");
    assert_eq!(splitter.next_element(), Ok(None));
    splitter.feed(Bytes::from_static(b"?"));
    let error = splitter.next_element().unwrap_err();
    assert_eq!(error.to_string(), "expected a value, found `?` (at byte 3)");
    splitter.feed(Bytes::from_static(b"2]"));
    assert_eq!(splitter.next_element(), Err(error));
    assert_eq!(splitter.finish().unwrap_err(), error);
}

#[test]
fn an_element_within_one_chunk_is_a_view_and_others_are_copies() {
    let chunk = Bytes::from_static(br#"[{"whole":1},{"cut""#);
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    splitter.feed(chunk.clone());
    let whole = splitter.next_element().unwrap().unwrap();
    assert_eq!(whole.as_ptr(), chunk[1..].as_ptr(), "no copy");
    assert_eq!(splitter.next_element(), Ok(None));
    splitter.feed(Bytes::from_static(b":2}]"));
    assert_eq!(splitter.next_element().unwrap().unwrap(), r#"{"cut":2}"#);
}

#[test]
fn a_chunk_fed_before_the_last_was_used_up_is_not_lost() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    for chunk in ["[1,", "2,", "3]"] {
        splitter.feed(chunk.into());
    }
    let mut elements = Vec::new();
    while let Some(element) = splitter.next_element().unwrap() {
        elements.push(element);
    }
    assert_eq!(elements, ["1", "2", "3"]);
    assert_eq!(splitter.finish().unwrap().map(|rest| rest.get().to_owned()), None);
}

#[test]
fn an_escape_is_kept_while_no_chunk_arrives() {
    assert_eq!(split_in(br#"["a\"b"]"#, ArrayPath::Root, Limits::new(), &[4]).unwrap().0, [r#""a\"b""#]);
}

#[test]
fn finishing_before_all_elements_are_read_is_an_error() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    splitter.feed(Bytes::from_static(b"[1]"));
    assert_eq!(splitter.finish().unwrap_err().kind(), SplitErrorKind::Truncated);
}

#[test]
fn a_depth_bomb_ends_at_the_limit() {
    let bomb = "[".repeat(1_000_000);
    // The outermost bracket is the array's own.
    assert_eq!(refusal(&bomb, ArrayPath::Root), (SplitErrorKind::TooDeep(128), 129));
    let bomb = format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(100_000));
    assert_eq!(refusal(&bomb, FIELD).0, SplitErrorKind::TooDeep(128));

    let deep = |depth: usize| format!("[{}{}]", "[".repeat(depth), "]".repeat(depth));
    assert!(split(deep(128), ArrayPath::Root).is_ok());
    assert_eq!(split(deep(129), ArrayPath::Root), Err((SplitErrorKind::TooDeep(128), 129)));
    let limits = Limits::new().with_depth(2);
    assert!(split_in(deep(2).as_bytes(), ArrayPath::Root, limits, &[1]).is_ok());
    assert!(split_in(deep(3).as_bytes(), ArrayPath::Root, limits, &[1]).is_err());
    let more_than_most = Limits::new().with_depth(1_000);
    assert!(split_in(deep(129).as_bytes(), ArrayPath::Root, more_than_most, &[64]).is_err());
}

#[test]
fn size_limits_are_exact() {
    let text = format!(r#"["{}"]"#, "x".repeat(98));
    for lengths in [&[1][..], &[7], &[usize::MAX]] {
        let element = |bytes| {
            split_in(text.as_bytes(), ArrayPath::Root, Limits::new().with_element_bytes(bytes), lengths)
        };
        assert!(element(100).is_ok());
        assert_eq!(element(99).unwrap_err().0, SplitErrorKind::ElementTooLarge(99));

        let total = |bytes| {
            split_in(text.as_bytes(), ArrayPath::Root, Limits::new().with_total_bytes(bytes), lengths)
        };
        assert!(total(102).is_ok());
        assert_eq!(total(101).unwrap_err().0, SplitErrorKind::TotalTooLarge(101));

        let beside = format!(r#"{{"findings":[{}1],"notes":"{}"}}"#, "1,".repeat(500), "x".repeat(80));
        let rest = |bytes| split_in(beside.as_bytes(), FIELD, Limits::new().with_rest_bytes(bytes), lengths);
        let kept = rest(1_000).unwrap().1.unwrap();
        assert!(rest(kept.len()).is_ok());
        assert_eq!(rest(kept.len() - 3).unwrap_err().0, SplitErrorKind::RestTooLarge(kept.len() - 3));
    }
}

#[test]
fn an_endless_element_is_refused_before_it_is_stored() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new().with_element_bytes(1 << 20));
    splitter.feed(Bytes::from_static(b"[\""));
    let chunk = Bytes::from(vec![b'x'; 1 << 16]);
    let mut fed = 0;
    let error = loop {
        match splitter.next_element() {
            Ok(element) => assert_eq!(element, None),
            Err(error) => break error,
        }
        splitter.feed(chunk.clone());
        fed += chunk.len();
    };
    assert_eq!(error.kind(), SplitErrorKind::ElementTooLarge(1 << 20));
    assert!(fed <= (1 << 20) + chunk.len());
}

#[test]
fn a_huge_element_in_small_chunks_is_returned_whole() {
    let huge = format!(r#"{{"output":"{}"}}"#, r#"line\n\"quoted\" \\ "#.repeat(100_000));
    let document = format!("[1,{huge},2]");
    let (elements, _) =
        split_in(document.as_bytes(), ArrayPath::Root, Limits::new(), &[1, 4_096, 3]).unwrap();
    assert_eq!(elements, ["1", huge.as_str(), "2"]);
}

#[test]
fn debug_shows_nothing_of_the_document() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    splitter.feed(Bytes::from_static(b"[\"hush"));
    assert_eq!(splitter.next_element(), Ok(None));
    assert!(!format!("{splitter:?}").contains("hush"));
}

/// The members of an object in order, including duplicates, which a map would drop.
struct Members(Vec<(String, Box<RawValue>)>);

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

/// The elements found by a decoder of the whole document; `None` if it refuses the document.
fn reference(document: &[u8], at: ArrayPath) -> Option<Vec<Bytes>> {
    let texts = |array: Vec<Box<RawValue>>| array.iter().map(|raw| raw.get().to_owned().into()).collect();
    match at {
        ArrayPath::Root => serde_json::from_slice(document).ok().map(texts),
        ArrayPath::Field(field) => {
            let Members(members) = serde_json::from_slice(document).ok()?;
            let mut wanted = members.iter().filter(|(name, _)| name == field);
            let (Some((_, array)), None) = (wanted.next(), wanted.next()) else { return None };
            serde_json::from_str(array.get()).ok().map(texts)
        }
        ArrayPath::FirstOf(names) => {
            names.iter().find_map(|name| reference(document, ArrayPath::Field(name)))
        }
    }
}

/// The elements found by the splitter, each checked by a decoder; `None` if either refuses the document.
fn split_and_decoded(document: &[u8], at: ArrayPath, lengths: &[usize]) -> Option<Vec<Bytes>> {
    let (elements, _) = split_in(document, at, Limits::new(), lengths).ok()?;
    elements
        .iter()
        .all(|element| serde_json::from_slice::<Box<RawValue>>(element).is_ok())
        .then_some(elements)
}

fn json() -> impl Strategy<Value = Value> + Clone {
    let text = prop_oneof![any::<String>(), r#"[a-z"\\\[\]{},:\n\u{e9}]{0,40}"#];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn to_text(value: &Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
}

/// A document with its array at the root or in a member, and the path of the array.
fn document() -> impl Strategy<Value = (Vec<u8>, ArrayPath)> {
    let members = prop::collection::vec(("[a-z]{1,5}", json()), 0..3);
    let elements = prop::collection::vec(json(), 0..6);
    (elements, members.clone(), members, any::<bool>(), any::<bool>()).prop_map(
        |(elements, before, after, in_member, pretty)| {
            let array = to_text(&Value::from(elements), pretty);
            if !in_member {
                return (array.into_bytes(), ArrayPath::Root);
            }
            let mut text = String::from("{");
            for (name, value) in before {
                write!(text, "\"{name}\" : {},", to_text(&value, pretty)).unwrap();
            }
            write!(text, "\"findings\":{array}").unwrap();
            for (name, value) in after {
                write!(text, ", \"{name}\":{}", to_text(&value, pretty)).unwrap();
            }
            text.push('}');
            (text.into_bytes(), FIELD)
        },
    )
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), prop::collection::vec(1_usize..40, 1..8)]
}

/// Positions in a document, and a change at each: replace, insert, or remove a byte.
fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    let byte = prop_oneof![
        4 => prop::sample::select(br#"[]{},:"\ 1-.tfn"#.to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, byte), 1..4)
}

/// The names and values of an object as they are written; empty if a name has escapes or the element is not
/// an object.
fn members_as_written(element: &[u8]) -> Vec<(String, String)> {
    let Ok(Members(members)) = serde_json::from_slice::<Members>(element) else { return Vec::new() };
    let escaped = |(name, _): &(String, Box<RawValue>)| name.contains('\u{c9}');
    if members.iter().any(escaped) {
        return Vec::new();
    }
    members.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
}

/// A table of known blocks with one object.
#[derive(Debug)]
struct One(Vec<u8>);

impl KnownBlocks for One {
    fn find(&self, _: &[u8], bytes: &[u8]) -> Option<(usize, usize)> {
        bytes.starts_with(&self.0).then_some((self.0.len(), 7))
    }
}

#[test]
fn a_known_object_within_one_chunk_is_skipped() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new())
        .with_known_blocks(Arc::new(One(b"{\"id\":1}".to_vec())));
    splitter.feed(Bytes::from_static(b"[{\"a\":2,\"p\":{\"id\":1},\"q\":{\"id\":1}},{\"p\":{\"id\":2}}]"));
    assert_eq!(splitter.next_element().unwrap().unwrap().len(), 33);
    let known = |member: &Member| (member.value.clone(), member.kind == MemberKind::Known(7));
    let members: Vec<_> = splitter.members().iter().map(known).collect();
    assert_eq!(members, [(5..6, false), (11..19, true), (24..32, true)]);
    assert_eq!(splitter.next_element().unwrap().unwrap().len(), 14);
    let members: Vec<_> = splitter.members().iter().map(known).collect();
    assert_eq!(members, [(5..13, false)]);
}

/// Elements of many lengths in chunks of many lengths. Some elements are longer than the overlap of two
/// chunks.
#[test]
fn long_chunks_are_joined_without_loss_and_errors_keep_their_offsets() {
    let long = |length: usize| format!(r#"{{"text":"{}","more":[1,{{}}]}}"#, "x\\n".repeat(length / 3));
    let lengths = [10, 5_000, 20_000, 300, 40_000, 16_384, 5_600, 5_600, 5_600, 1, 70_000];
    let elements: Vec<String> = lengths.iter().cycle().take(60).map(|length| long(*length)).collect();
    let document = format!("[{}]", elements.join(" , "));
    for parts in [&[17_000, 40_000, 16_384, 3, 120_000][..], &[16_385], &[65_536], &[400_000, 1], &[9_999]] {
        let (found, _) = split_in(document.as_bytes(), ArrayPath::Root, Limits::new(), parts).unwrap();
        assert_eq!(found, elements, "{parts:?}");
        for fault in [100_000, 250_000, document.len() - 2] {
            let mut broken = document.clone().into_bytes();
            broken.truncate(fault);
            broken.extend_from_slice(b"\"}}");
            let whole = split(&broken, ArrayPath::Root).unwrap_err();
            assert_eq!(
                split_in(&broken, ArrayPath::Root, Limits::new(), parts),
                Err(whole),
                "{parts:?}, {fault}"
            );
        }
        let small = Limits::new().with_element_bytes(30_000);
        let refused = split_in(document.as_bytes(), ArrayPath::Root, small, parts).unwrap_err();
        assert_eq!(refused.0, SplitErrorKind::ElementTooLarge(30_000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_elements_are_those_of_a_decoder_for_any_chunks(
        (document, at) in document(),
        lengths in lengths(),
    ) {
        let expected = reference(&document, at).expect("a valid document");
        let (elements, rest) = split_in(&document, at, Limits::new(), &lengths).unwrap();
        prop_assert_eq!(elements, expected);
        prop_assert_eq!(rest.is_some(), at != ArrayPath::Root);
        if let Some(rest) = rest {
            let mut whole: serde_json::Map<String, Value> = serde_json::from_slice(&document).unwrap();
            whole.remove("findings");
            prop_assert_eq!(serde_json::from_str::<Value>(&rest).unwrap(), Value::Object(whole));
        }
    }

    #[test]
    fn known_blocks_change_no_element_and_have_the_recorded_positions(
        (document, at) in document(),
        known in json(),
        lengths in lengths(),
    ) {
        // An object that occurs in every element, among other members.
        let block = serde_json::to_string(&serde_json::json!({ "known": known })).unwrap();
        let elements = [
            format!(r#"{{"a":"{{","b":{block},"c":{block},"d": "\u00e9 and more than 32 bytes of it"}}"#),
            format!("[{block}]"),
            block.clone(),
            r#"{ "text" : "a\tb", "short":"","long":"sixteen times two and a few more", "n" :-1.5e3 , "é":[] }"#.to_owned(),
            r#"{"name with \u00c9":1}"#.to_owned(),
        ];
        let inside = format!("{},{}", elements.join(","), r#"{"b":{"known":0}}"#);
        let document = match at {
            ArrayPath::Root | ArrayPath::FirstOf([]) => format!("[{inside}]"),
            ArrayPath::Field(name) | ArrayPath::FirstOf(&[name, ..]) => format!(r#"{{"x":{block},"{name}":[{inside}],"y":{}}}"#, String::from_utf8_lossy(&document)),
        };
        prop_assume!(serde_json::from_str::<Value>(&document).is_ok());
        let plain = split_in(document.as_bytes(), at, Limits::new(), &lengths);
        let mut splitter = Splitter::new(at, Limits::new()).with_known_blocks(Arc::new(One(block.clone().into_bytes())));
        let (mut found, mut blocks) = (Vec::new(), 0);
        let mut left = document.as_bytes();
        let mut lengths = lengths.iter().cycle();
        while !left.is_empty() {
            let (piece, rest) = left.split_at((*lengths.next().unwrap()).clamp(1, left.len()));
            splitter.feed(Bytes::copy_from_slice(piece));
            while let Some(element) = splitter.next_element().unwrap() {
                let members = splitter.members();
                let here = |span: &std::ops::Range<usize>| String::from_utf8(element[span.clone()].to_vec()).unwrap();
                let recorded: Vec<_> = members.iter().map(|member| (here(&member.name), here(&member.value))).collect();
                prop_assert_eq!(recorded, members_as_written(&element));
                for member in members {
                    let value = here(&member.value);
                    prop_assert_eq!(value == block, member.kind == MemberKind::Known(7));
                    let plain = serde_json::from_str::<String>(&value).is_ok_and(|text| value == format!("\"{text}\""));
                    prop_assert_eq!(plain, member.kind == MemberKind::Text);
                    blocks += usize::from(member.kind == MemberKind::Known(7));
                }
                found.push(element);
            }
            left = rest;
        }
        let rest = splitter.finish().unwrap().map(|rest| rest.get().to_owned());
        prop_assert_eq!(plain, Ok((found, rest)));
        prop_assert_eq!(blocks, 2, "an element that is the known object does not have it as a member");
    }

    #[test]
    fn a_truncated_document_is_never_complete(
        (document, at) in document(),
        cut in any::<prop::sample::Index>(),
        lengths in lengths(),
    ) {
        let cut = cut.index(document.len());
        let kind = split_in(&document[..cut], at, Limits::new(), &lengths).unwrap_err().0;
        prop_assert_eq!(kind, SplitErrorKind::Truncated);
    }

    #[test]
    fn a_mutated_document_is_accepted_exactly_if_a_decoder_accepts_it(
        (document, at) in document(),
        mutations in mutations(),
        lengths in lengths(),
    ) {
        let mut document = document;
        for (position, action, byte) in mutations {
            let position = position.index(document.len());
            match action {
                0 => document[position] = byte,
                1 => document.insert(position, byte),
                _ if document.len() > 1 => drop(document.remove(position)),
                _ => {}
            }
        }
        prop_assert_eq!(split_and_decoded(&document, at, &lengths), reference(&document, at));
    }

    #[test]
    fn no_bytes_cause_a_panic_and_the_chunks_do_not_change_the_result(
        bytes in prop::collection::vec(prop::sample::select(br#"[]{},:"\ 1ntf"#.to_vec()), 0..60),
        in_member in any::<bool>(),
        lengths in lengths(),
    ) {
        let at = if in_member { FIELD } else { ArrayPath::Root };
        prop_assert_eq!(split_in(&bytes, at, Limits::new(), &lengths), split(&bytes, at));
        prop_assert_eq!(split_and_decoded(&bytes, at, &lengths), reference(&bytes, at));
    }
}
