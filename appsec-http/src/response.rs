//! A response held in memory, and how its JSON is decoded.

use std::fmt;

use appsec_core::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;

use crate::json::decode::{DecodeFailure, from_json};
use crate::redact::Redactor;

/// A response whose body was read to its end.
#[derive(Clone)]
pub struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    request_id: Option<String>,
    redactor: Redactor,
}

impl Response {
    /// Returns a response with this content, to test the function that turns responses into errors.
    pub fn new(status: u16, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { status, headers, body: body.into(), request_id: None, redactor: Redactor::default() }
    }

    /// Names the header that holds the request id.
    pub fn with_request_id_header(mut self, name: &'static str) -> Self {
        // A service that echoes credentials may do so here.
        self.request_id = self.header(name).map(|id| self.redactor.redact(id));
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

    /// The first value of a header, if it is text. Names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The request id that the vendor's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The beginning of the body, to be shown to a user: at most 1 KiB, with secrets masked and control
    /// characters escaped.
    pub fn excerpt(&self) -> String {
        self.redactor.excerpt(&self.body)
    }

    /// Returns text of the response, such as its error message, with secrets masked and control characters
    /// escaped.
    ///
    /// Pass through it everything that goes from a body into an error: a service may echo the credentials
    /// it refuses.
    pub fn redacted(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// Whether the response is a web page, as from a login portal or a gateway.
    pub fn is_html(&self) -> bool {
        is_html_type(&self.headers) || is_html_text(&self.body)
    }

    /// Decodes the body from JSON. An empty body is decoded as `null`, so that `()` and `Option` accept it.
    ///
    /// # Errors
    /// `Decode`, with the path of what could not be decoded, the operation and an excerpt.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        self.decode(operation).map_err(|failure| failure.error)
    }

    /// As [`json`](Self::json), and the failure states whether the body is JSON at all.
    pub(crate) fn decode<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T, DecodeFailure> {
        let failure = if self.is_html() {
            DecodeFailure::new("an HTML page came instead of JSON")
        } else if self.body.iter().all(u8::is_ascii_whitespace) {
            match serde_json::from_slice(b"null") {
                Ok(value) => return Ok(value),
                // A 204 is definite; an empty 200 may be a broken response.
                Err(_) => DecodeFailure {
                    malformed: self.status != 204,
                    ..DecodeFailure::new("an empty response came instead of JSON")
                },
            }
        } else {
            match from_json(&self.body, None, &self.redactor) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            }
        };
        let DecodeFailure { mut error, malformed } = failure;
        error = error.with_operation(operation).with_status(self.status).with_body_excerpt(self.excerpt());
        error = error.with_html(self.is_html());
        if let Some(id) = self.request_id() {
            error = error.with_request_id(id);
        }
        Err(DecodeFailure { error, malformed })
    }
}

/// Shows the status and the names of the headers, not their values and not the body.
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

/// Whether the headers announce a web page.
fn is_html_type(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
}

/// Whether a body begins as a web page does.
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
    use crate::json::decode::MESSAGE_BYTES;
    use appsec_core::ErrorKind;

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

    fn response(body: &'static str) -> Response {
        Response::new(200, HeaderMap::new(), body)
    }

    #[test]
    fn the_error_names_the_json_path() {
        let error = response(r#"{"items":[{"id":1},{"id":"two"}]}"#).json::<Page>("test: list").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.path(), Some("items[1].id"));
        assert_eq!(error.operation(), Some("test: list"));
        assert_eq!(error.body_excerpt(), Some(r#"{"items":[{"id":1},{"id":"two"}]}"#));
        assert!(!error.is_retryable());
    }

    #[test]
    fn malformed_json_differs_from_json_of_another_shape() {
        for (body, malformed) in [
            (r#"{"items":[{"id":1}"#, true),
            (r#"{"items":[]} trailing"#, true),
            ("", true),
            ("<html>gateway</html>", true),
            (r#"{"items":3}"#, false),
            ("null", false),
        ] {
            let failure = response(body).decode::<Page>("test: list").err().unwrap();
            assert_eq!(failure.malformed, malformed, "{body}");
            assert_eq!(failure.error.is_html(), body.starts_with("<html"), "{body}");
        }
    }

    #[test]
    fn an_empty_body_decodes_as_null() {
        assert_eq!(response("").json::<Option<u32>>("test: get").unwrap(), None);
        response(" \n").json::<()>("test: delete").unwrap();
        let error = response("").json::<u32>("test: get").unwrap_err();
        assert!(error.to_string().contains("an empty response"), "{error}");
    }

    #[test]
    fn web_pages_are_recognised_by_type_and_by_text() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("Text/HTML; charset=utf-8"));
        assert!(Response::new(200, headers, "login").is_html());
        assert!(response("\u{feff} \n<!DOCTYPE html><p>").is_html());
        assert!(!response("{\"html\":\"<html>\"}").is_html());
    }

    #[test]
    fn a_decoders_message_is_cut_and_masked() {
        let long = format!(r#"{{"items":[{{"id":"Bearer canary {}"}}]}}"#, "x".repeat(5000));
        let error = Response::new(200, HeaderMap::new(), long).json::<Page>("test: list").unwrap_err();
        assert!(error.message().len() <= MESSAGE_BYTES, "{}", error.message().len());
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
