//! Documents whose array has one of several names, and documents with a byte order mark.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use appsec_http::json::{ArrayPath, Limits, SplitErrorKind, Splitter};
use bytes::Bytes;

const NAMES: ArrayPath = ArrayPath::FirstOf(&["response", "records"]);

/// The name of the array, its elements and the members beside it; the document arrives byte by byte.
fn split(
    document: &[u8],
    at: ArrayPath,
) -> Result<(Option<&'static str>, Vec<Bytes>, String), SplitErrorKind> {
    let mut splitter = Splitter::new(at, Limits::new());
    let mut elements = Vec::new();
    for byte in document {
        splitter.feed(Bytes::copy_from_slice(&[*byte]));
        while let Some(element) = splitter.next_element().map_err(|error| error.kind())? {
            elements.push(element);
        }
    }
    let name = splitter.array_name();
    let rest = splitter.finish().map_err(|error| error.kind())?;
    Ok((name, elements, rest.map(|rest| rest.get().to_owned()).unwrap_or_default()))
}

#[test]
fn the_array_has_one_of_several_names() {
    for (document, name, rest) in [
        (r#"{"response":[1],"x":2}"#, "response", r#"{"x":2}"#),
        (r#"{"x":2,"records":[1]}"#, "records", r#"{"x":2}"#),
        (r#"{"records":{"a":[]},"response":[1]}"#, "response", r#"{"records":{"a":[]}}"#),
        (r#"{"response":null,"records":[1]}"#, "records", r#"{"response":null}"#),
        (r#"{"response":[1],"records":[3]}"#, "response", r#"{"records":[3]}"#),
    ] {
        let (found, elements, beside) = split(document.as_bytes(), NAMES).unwrap();
        assert_eq!((found, elements.len(), beside.as_str()), (Some(name), 1, rest), "{document}");
    }
}

#[test]
fn an_object_without_one_array_is_refused() {
    for (document, expected) in [
        (r#"{"message":"no"}"#, "the object has no member \"response\""),
        (r#"{"records":null}"#, "the member \"records\" is null instead of an array"),
        (r#"{"records":{}}"#, "expected an array, found `{`"),
        (r#"{"response":[],"response":[1]}"#, "the object has the member \"response\" twice"),
        (r#"{"response":null,"response":[1]}"#, "the object has the member \"response\" twice"),
        (r#"{"records":[1],"response":[2]}"#, "the object has the member \"response\" twice"),
    ] {
        assert_eq!(split(document.as_bytes(), NAMES).unwrap_err().to_string(), expected, "{document}");
    }
}

#[test]
fn a_byte_order_mark_before_a_document_is_skipped() {
    for (document, at) in [("[1]", ArrayPath::Root), (r#"{"a":[1]}"#, ArrayPath::Field("a"))] {
        let marked = format!("\u{feff}{document}");
        assert_eq!(split(marked.as_bytes(), at).unwrap(), split(document.as_bytes(), at).unwrap());
        for broken in [format!("\u{feff}\u{feff}{document}"), format!(" \u{feff}{document}")] {
            split(broken.as_bytes(), at).unwrap_err();
        }
    }
    assert_eq!(split(b"\xef\xbb", ArrayPath::Root).unwrap_err(), SplitErrorKind::Truncated);
    split(b"\xef\xbb[1]", ArrayPath::Root).unwrap_err();
}
