//! An element that exceeds a limit is skipped to its end, and the elements around it are found.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use appsec_http::json::{ArrayPath, KnownBlocks, Limits, SplitError, SplitErrorKind, Splitter};
use bytes::Bytes;
use proptest::prelude::*;

/// A table in which nothing is known, so that members are recorded.
#[derive(Debug)]
struct Nothing;

impl KnownBlocks for Nothing {
    fn find(&self, _: &[u8], _: &[u8]) -> Option<(usize, usize)> {
        None
    }
}

const TOO_LARGE: SplitErrorKind = SplitErrorKind::ElementTooLarge(40);
const TOO_DEEP: SplitErrorKind = SplitErrorKind::TooDeep(4);

/// Splits a document that arrives in pieces of this length. An element is its text, or its limit.
fn split(
    document: &str,
    piece: usize,
    records_members: bool,
) -> Result<Vec<Result<String, SplitErrorKind>>, SplitError> {
    let limits = Limits::new().with_depth(4).with_element_bytes(40);
    let mut splitter = Splitter::new(ArrayPath::Field("a"), limits);
    if records_members {
        splitter = splitter.with_known_blocks(Arc::new(Nothing));
    }
    let mut elements = Vec::new();
    for piece in document.as_bytes().chunks(piece) {
        splitter.feed(Bytes::copy_from_slice(piece));
        while let Some(element) = splitter.next_element_or_skipped()? {
            elements.push(element.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()));
        }
    }
    splitter.finish().map(|_| elements)
}

fn nested(depth: usize) -> String {
    format!("{}1{}", r#"[{"x":"#.repeat(depth / 2), "}]".repeat(depth / 2))
}

#[test]
fn the_elements_around_one_that_is_skipped_are_found_whatever_the_chunks_are() {
    let (large, deep) = (format!(r#"{{"t":"{}"}}"#, r#"]}\"["#.repeat(50)), nested(300));
    let number = "7".repeat(60);
    let document = format!(r#"{{"total":4,"a":[{{"n":1}}, {large} ,2,{deep},{number},"end"],"more":[]}}"#);
    let expected = vec![
        Ok(r#"{"n":1}"#.to_owned()),
        Err(TOO_LARGE),
        Ok("2".to_owned()),
        Err(TOO_DEEP),
        Err(TOO_LARGE),
        Ok(r#""end""#.to_owned()),
    ];
    for piece in [1, 2, 3, 7, 40, 41, 127, 128, 129, document.len()] {
        for records_members in [false, true] {
            assert_eq!(split(&document, piece, records_members), Ok(expected.clone()), "{piece}");
        }
    }
}

#[test]
fn brackets_are_matched_in_what_is_skipped_too() {
    let (open, close) = ("[".repeat(300), "]".repeat(300));
    for (inside, error) in [
        (format!("{open}}}{close}"), "closes a bracket of the other kind"),
        (format!("{open}{}", "]".repeat(298)), "cut short"),
        (format!("{{{open}{}", "]".repeat(301)), "closes a bracket of the other kind"),
        (format!("\"{}", "x".repeat(100)), "cut short"),
    ] {
        for piece in [1, 128, 1000] {
            let refused = split(&format!(r#"{{"a":[1,{inside}"#), piece, true).unwrap_err();
            assert!(refused.kind().to_string().contains(error), "{refused}");
        }
    }
}

#[test]
fn a_depth_bomb_that_never_ends_is_refused_at_the_limit_for_what_is_skipped() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new());
    let piece = Bytes::from("[".repeat(1 << 16));
    let refused = loop {
        splitter.feed(piece.clone());
        match splitter.next_element_or_skipped() {
            Ok(element) => assert!(element.is_none()),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), SplitErrorKind::TooDeep(Limits::MAX_SKIPPED_DEPTH));
}

#[test]
fn a_caller_that_does_not_skip_gets_the_error() {
    let mut splitter = Splitter::new(ArrayPath::Root, Limits::new().with_element_bytes(3));
    splitter.feed(Bytes::from_static(b"[1,\"long\",2]"));
    assert_eq!(splitter.next_element().unwrap().unwrap(), "1");
    assert_eq!(splitter.next_element().unwrap_err().kind(), SplitErrorKind::ElementTooLarge(3));
}

/// A JSON value, of any depth and size around the limits.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        "[\\[\\]{}\"\\\\a-c ]{0,30}".prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(7, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[a-c]{1,3}", inner, 0..3)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// How many brackets are open at once within a value.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    /// Exactly the elements that exceed a limit are skipped, and all others are returned whole.
    #[test]
    fn exactly_the_elements_beyond_a_limit_are_skipped(values in proptest::collection::vec(value(), 0..8), piece in 1_usize..80) {
        let document = serde_json::json!({ "a": values }).to_string();
        for records_members in [false, true] {
            let elements = split(&document, piece, records_members).unwrap();
            prop_assert_eq!(elements.len(), values.len());
            for (element, value) in elements.iter().zip(&values) {
                let text = value.to_string();
                match element {
                    Ok(found) => prop_assert!(*found == text && text.len() <= 40 && depth(value) <= 4),
                    Err(SplitErrorKind::ElementTooLarge(_)) => prop_assert!(text.len() > 40),
                    Err(_) => prop_assert!(depth(value) > 4),
                }
            }
        }
    }
}
