//! A request, built without IO: method, path, query, body, and whether it may be repeated.

use std::fmt::{self, Display};
use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use crate::request_body::{BodySource, RequestBody};

/// Whether a request may be repeated after a missing response or a transient failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetrySafety {
    /// It changes nothing, or the same thing again. It is repeated after 408, 429, 5xx except 501 and 505,
    /// timeouts and broken connections.
    Always,
    /// It has an effect, such as a launch. It is repeated only if it was never sent or the response was
    /// 429.
    IfUnsent,
}

/// One request to a service, relative to the client's base URL.
///
/// ```
/// use appsec_http::{Path, RetrySafety, Request};
///
/// # fn main() -> appsec_http::Result<()> {
/// let path = Path::new("/was/v2/scans").join("3fa85f64-5717-4562-b3fc-2c963f66afa6")?;
/// let request = Request::get("tenable: get scan", path).with_query("details", true);
/// assert_eq!(request.path().as_str(), "/was/v2/scans/3fa85f64-5717-4562-b3fc-2c963f66afa6");
/// assert_eq!(request.query(), [("details", "true".to_owned())]);
/// assert_eq!(request.retry_safety(), RetrySafety::Always);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Request {
    operation: &'static str,
    method: Method,
    path: Path,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<RequestBody>,
    repeat: RetrySafety,
}

impl Request {
    fn new(operation: &'static str, method: Method, path: Path, repeat: RetrySafety) -> Self {
        Self { operation, method, path, query: Vec::new(), headers: Vec::new(), body: None, repeat }
    }

    /// A GET, repeated if necessary. The operation is `"<service>: <what>"`, for errors and logs.
    pub fn get(operation: &'static str, path: impl Into<Path>) -> Self {
        Self::new(operation, Method::GET, path.into(), RetrySafety::Always)
    }

    /// A POST, repeated only if it was never sent. For a search, set [`RetrySafety::Always`].
    pub fn post(operation: &'static str, path: impl Into<Path>) -> Self {
        Self::new(operation, Method::POST, path.into(), RetrySafety::IfUnsent)
    }

    /// A PUT, repeated only if it was never sent.
    pub fn put(operation: &'static str, path: impl Into<Path>) -> Self {
        Self::new(operation, Method::PUT, path.into(), RetrySafety::IfUnsent)
    }

    /// A PATCH, repeated only if it was never sent.
    pub fn patch(operation: &'static str, path: impl Into<Path>) -> Self {
        Self::new(operation, Method::PATCH, path.into(), RetrySafety::IfUnsent)
    }

    /// A DELETE, repeated only if it was never sent.
    pub fn delete(operation: &'static str, path: impl Into<Path>) -> Self {
        Self::new(operation, Method::DELETE, path.into(), RetrySafety::IfUnsent)
    }

    /// Adds a parameter to the query; name and value are percent-encoded when sent.
    pub fn with_query(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Adds a header, such as `accept`. It must not hold credentials. A value that no header can carry is
    /// an error of kind `InvalidRequest` when the request is sent.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body, as JSON.
    ///
    /// # Errors
    /// `InvalidRequest` if the value cannot be serialized as JSON.
    pub fn with_json<T: Serialize + ?Sized>(mut self, body: &T) -> Result<Self> {
        let json = serde_json::to_vec(body).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, "the body has no form in JSON")
                .with_operation(self.operation)
                .with_source(error)
        })?;
        self.body = Some(RequestBody::Held(json.into()));
        Ok(self)
    }

    /// Sets a body of any kind, such as a form with a file. The content type is sent as given, with its
    /// parameters. One that no header can carry is an error of kind `InvalidRequest` when the request is
    /// sent.
    ///
    /// The body is held in memory, and sent again if the request is repeated.
    pub fn with_body(mut self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.body = Some(RequestBody::Held(body.into()));
        self.with_header("content-type", content_type)
    }

    /// Sets the body as [`with_body`](Self::with_body) does, without holding it: the source is read when
    /// the request is sent, and again if it is repeated.
    pub fn with_body_source(
        mut self,
        content_type: impl Into<String>,
        source: impl BodySource + 'static,
    ) -> Self {
        self.body = Some(RequestBody::Source(Arc::new(source)));
        self.with_header("content-type", content_type)
    }

    /// Sets whether the request may be repeated.
    pub fn with_retry_safety(mut self, repeat: RetrySafety) -> Self {
        self.repeat = repeat;
        self
    }

    /// The operation, for errors and logs.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path below the base URL.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The query parameters, not yet encoded.
    pub fn query(&self) -> &[(&'static str, String)] {
        &self.query
    }

    /// The headers added to this request.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The body, if it is held in memory. It is JSON unless the [headers](Self::headers) have a content
    /// type.
    pub fn body(&self) -> Option<&Bytes> {
        match &self.body {
            Some(RequestBody::Held(bytes)) => Some(bytes),
            Some(RequestBody::Source(_)) | None => None,
        }
    }

    /// The body to send.
    pub(crate) fn outgoing_body(&self) -> Option<&RequestBody> {
        self.body.as_ref()
    }

    /// Whether the request may be repeated.
    pub fn retry_safety(&self) -> RetrySafety {
        self.repeat
    }

    /// The URL of the request. The path of the base URL ends in a slash.
    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        let path = format!("{}{}", base.path().trim_end_matches('/'), self.path.0);
        url.set_path(&path);
        if !self.query.is_empty() {
            let mut query = String::new();
            for (name, value) in &self.query {
                if !query.is_empty() {
                    query.push('&');
                }
                encode(&mut query, name);
                query.push('=');
                encode(&mut query, value);
            }
            url.set_query(Some(&query));
        }
        url
    }
}

/// Omits the values of query and headers and the body: a filter or a configuration may hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |pairs: &[(&'static str, String)]| pairs.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path.0)
            .field("query", &names(&self.query))
            .field("headers", &names(&self.headers))
            .field("body_bytes", &self.body.as_ref().map(RequestBody::length))
            .field("repeat", &self.repeat)
            .finish()
    }
}

/// A path below the base URL. An id cannot change it beyond its own segment.
///
/// ```
/// use appsec_http::Path;
///
/// let scans = Path::new("/was/v2/scans");
/// assert_eq!(scans.join("a/b?c").unwrap().as_str(), "/was/v2/scans/a%2Fb%3Fc");
/// assert!(scans.join("..").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(String);

impl Path {
    /// Returns a path that is fixed in the code, such as `/was/v2/scans`. Segments that come from data are
    /// [joined](Self::join).
    pub fn new(path: &'static str) -> Self {
        let mut text = String::with_capacity(path.len() + 1);
        for segment in path.trim_start_matches('/').split('/') {
            text.push('/');
            encode(&mut text, segment);
        }
        Self(text)
    }

    /// Returns the path with one more segment, percent-encoded.
    ///
    /// # Errors
    /// `InvalidRequest` if the segment is empty, `.`, `..`, or has a control character: a server may read
    /// these as another path, however they are encoded.
    pub fn join(&self, segment: &str) -> Result<Self> {
        if matches!(segment, "" | "." | "..") || segment.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("{segment:?} is not an id")));
        }
        let mut text = self.0.trim_end_matches('/').to_owned();
        text.push('/');
        encode(&mut text, segment);
        Ok(Self(text))
    }

    /// The path, percent-encoded, with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Path {
    fn from(path: &'static str) -> Self {
        Self::new(path)
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, RESERVED));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(base: &str, request: &Request) -> String {
        request.url(&Url::parse(base).unwrap()).to_string()
    }

    #[test]
    fn the_base_path_is_kept() {
        let request = Request::get("x", "/v1/hosts").with_query("limit", 50).with_query("q", "a&b=c d+e");
        assert_eq!(
            url("https://api.example/tenant/", &request),
            "https://api.example/tenant/v1/hosts?limit=50&q=a%26b%3Dc%20d%2Be"
        );
        assert_eq!(
            url("https://api.example/", &Request::get("x", "v1/hosts")),
            "https://api.example/v1/hosts"
        );
        assert_eq!(url("https://api.example/", &Request::get("x", "/v1/")), "https://api.example/v1/");
    }

    #[test]
    fn effects_are_repeated_only_if_unsent() {
        assert_eq!(Request::get("x", "/").retry_safety(), RetrySafety::Always);
        for request in [
            Request::post("x", "/"),
            Request::put("x", "/"),
            Request::patch("x", "/"),
            Request::delete("x", "/"),
        ] {
            assert_eq!(request.retry_safety(), RetrySafety::IfUnsent, "{:?}", request.method());
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let request = Request::post("x", "/v1")
            .with_query("token", "canary")
            .with_header("x-token", "canary")
            .with_json(&"canary")
            .unwrap();
        let shown = format!("{request:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("body_bytes: Some(8)"), "{shown}");
    }

    #[test]
    fn invalid_segments_are_refused() {
        for segment in ["", ".", "..", "a\nb", "\0", "\u{85}"] {
            let error = Path::new("/a").join(segment).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{segment:?}");
        }
    }

    proptest! {
        #[test]
        fn no_id_leaves_its_segment(id in "\\PC{0,12}|[./%\\\\?#;:@a-f0-9]{0,8}", query in "\\PC{0,12}") {
            let Ok(path) = Path::new("/v2/scans").join(&id) else { return Ok(()) };
            let path = path.join("report").unwrap();
            let base = Url::parse("https://api.example/base/").unwrap();
            let url = Request::get("x", path).with_query("q", &query).url(&base);
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 5, "{}", url);
            prop_assert_eq!(&segments[..3], ["base", "v2", "scans"]);
            prop_assert_eq!(segments[4], "report");
            prop_assert_eq!(url.host_str(), Some("api.example"));
            prop_assert_eq!(url.fragment(), None);
            let pairs: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(pairs.len(), 1);
            prop_assert_eq!(&pairs[0].1, &query);
            // Decoding the segment once yields the id.
            let decoded = url::form_urlencoded::parse(format!("x={}", segments[3]).as_bytes()).next().unwrap().1.into_owned();
            prop_assert_eq!(decoded, id);
        }
    }
}
