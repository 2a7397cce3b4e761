//! An answer held whole, and how its JSON is decoded.

use std::fmt;

use appsec_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;

use crate::redact::{Redactor, cut};

/// The most that is kept of a decoder's message, in bytes: it may quote a whole string of the answer.
const MESSAGE_BYTES: usize = 200;

/// An answer whose body was read to its end.
#[derive(Clone)]
pub struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    request_id: Option<String>,
    redactor: Redactor,
}

impl Response {
    /// An answer made by hand, for tests of what turns answers into errors.
    pub fn new(status: u16, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { status, headers, body: body.into(), request_id: None, redactor: Redactor::default() }
    }

    /// Names the header that holds the request's id.
    pub fn with_request_id_header(mut self, name: &'static str) -> Self {
        // A service that echoes credentials may do so here.
        self.request_id = self.header(name).map(|id| self.redactor.text(id));
        self
    }

    pub(crate) fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's first value, where it is text. The name is looked up in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The id of the request that the vendor's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The beginning of the body for a person to read: at most 1 KiB, secrets masked, control characters escaped.
    pub fn excerpt(&self) -> String {
        self.redactor.excerpt(&self.body)
    }

    /// Text of the answer, such as its own error message, with secrets masked and control characters escaped. Pass
    /// whatever goes from a body into an error through here: a service may echo the credentials it refuses.
    pub fn redacted(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    /// True for a web page, as from a login portal or a gateway.
    pub fn is_html(&self) -> bool {
        is_html_type(&self.headers) || is_html_text(&self.body)
    }

    /// The body decoded from JSON. An empty body is decoded as `null`, so that `()` and `Option` accept it.
    ///
    /// # Errors
    /// `Decode`, with the path of what could not be decoded, the operation and an excerpt.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        self.decode(operation).map_err(|undecodable| undecodable.error)
    }

    /// As [`json`](Self::json), telling an answer that is no JSON at all from one of another shape.
    pub(crate) fn decode<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T, Undecodable> {
        let undecodable = if self.is_html() {
            Undecodable::new("an HTML page came instead of JSON")
        } else if self.body.iter().all(u8::is_ascii_whitespace) {
            match serde_json::from_slice(b"null") {
                Ok(value) => return Ok(value),
                // No content is a definite answer, an empty 200 may be a broken one.
                Err(_) => Undecodable {
                    malformed: self.status != 204,
                    ..Undecodable::new("an empty answer came instead of JSON")
                },
            }
        } else {
            match from_json(&self.body, None, &self.redactor) {
                Ok(value) => return Ok(value),
                Err(undecodable) => undecodable,
            }
        };
        let Undecodable { mut error, malformed } = undecodable;
        error = error.with_operation(operation).with_status(self.status).with_body_excerpt(self.excerpt());
        error = error.with_html(self.is_html());
        if let Some(id) = self.request_id() {
            error = error.with_request_id(id);
        }
        Err(Undecodable { error, malformed })
    }
}

/// Shows the status and which headers came, not what they and the body say.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// Why JSON could not be decoded.
pub(crate) struct Undecodable {
    pub(crate) error: Error,
    /// True when the bytes are no JSON at all, as after a cut; false when they are JSON of another shape.
    pub(crate) malformed: bool,
}

impl Undecodable {
    fn new(message: impl Into<String>) -> Self {
        Self { error: Error::new(ErrorKind::Decode, message), malformed: true }
    }
}

/// Decodes JSON; `index` is the place of an element in its array.
pub(crate) fn from_json<T: DeserializeOwned>(
    bytes: &[u8],
    index: Option<u64>,
    redactor: &Redactor,
) -> Result<T, Undecodable> {
    // Keeping track of the path costs an allocation per key: only for what fails.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut decoder = serde_json::Deserializer::from_slice(bytes);
    let (error, path) = match serde_path_to_error::deserialize(&mut decoder) {
        Ok(value) => match decoder.end() {
            Ok(()) => return Ok(value),
            Err(error) => (error, String::from(".")),
        },
        Err(error) => {
            let path = error.path().to_string();
            (error.into_inner(), path)
        }
    };
    let message = redactor.text(&error.to_string());
    // The decoder's error is not kept as the source: it quotes values of the answer.
    let undecodable = Undecodable::new(cut(&message, MESSAGE_BYTES));
    Err(Undecodable { error: undecodable.error.with_path(place(index, &path)), malformed: !error.is_data() })
}

/// `[7].uri` from an element's index and the path in it.
fn place(index: Option<u64>, path: &str) -> String {
    match (index, path) {
        (None, path) => path.to_owned(),
        (Some(index), ".") => format!("[{index}]"),
        (Some(index), path) if path.starts_with('[') => format!("[{index}]{path}"),
        (Some(index), path) => format!("[{index}].{path}"),
    }
}

/// True when the head says that a web page follows.
pub(crate) fn is_html_type(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
}

/// True when a body begins as a web page does.
fn is_html_text(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|start| body.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Page {
        #[allow(dead_code, reason = "only its decoding is tested")]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[allow(dead_code, reason = "only its decoding is tested")]
        id: u32,
    }

    fn answer(body: &'static str) -> Response {
        Response::new(200, HeaderMap::new(), body)
    }

    #[test]
    fn the_path_of_what_is_wrong_is_in_the_error() {
        let error = answer(r#"{"items":[{"id":1},{"id":"two"}]}"#).json::<Page>("test: list").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.path(), Some("items[1].id"));
        assert_eq!(error.operation(), Some("test: list"));
        assert_eq!(error.body_excerpt(), Some(r#"{"items":[{"id":1},{"id":"two"}]}"#));
        assert!(!error.is_retryable());
    }

    #[test]
    fn what_is_no_json_is_told_from_what_has_another_shape() {
        for (body, malformed) in [
            (r#"{"items":[{"id":1}"#, true),
            (r#"{"items":[]} trailing"#, true),
            ("", true),
            ("<html>gateway</html>", true),
            (r#"{"items":3}"#, false),
            ("null", false),
        ] {
            let undecodable = answer(body).decode::<Page>("test: list").err().unwrap();
            assert_eq!(undecodable.malformed, malformed, "{body}");
        }
    }

    #[test]
    fn nothing_is_accepted_where_nothing_is_a_value() {
        assert_eq!(answer("").json::<Option<u32>>("test: get").unwrap(), None);
        answer(" \n").json::<()>("test: delete").unwrap();
        let error = answer("").json::<u32>("test: get").unwrap_err();
        assert!(error.to_string().contains("an empty answer"), "{error}");
    }

    #[test]
    fn pages_are_known_by_type_and_by_text() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("Text/HTML; charset=utf-8"));
        assert!(Response::new(200, headers, "login").is_html());
        assert!(answer("\u{feff} \n<!DOCTYPE html><p>").is_html());
        assert!(!answer("{\"html\":\"<html>\"}").is_html());
    }

    #[test]
    fn a_decoder_that_quotes_the_answer_is_cut_and_masked() {
        let long = format!(r#"{{"items":[{{"id":"Bearer canary {}"}}]}}"#, "x".repeat(5000));
        let error = Response::new(200, HeaderMap::new(), long).json::<Page>("test: list").unwrap_err();
        assert!(error.message().len() <= MESSAGE_BYTES, "{}", error.message().len());
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn an_elements_index_comes_before_the_path() {
        for (path, expected) in [(".", "[7]"), ("id", "[7].id"), ("[0].id", "[7][0].id")] {
            assert_eq!(place(Some(7), path), expected);
        }
    }
}
