//! The record of a request.

use axum::http::Request;
use bytes::Bytes;
use serde_json::Value;

/// Headers that hold credentials, for any service.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A request that a fake received. Credentials are not kept, only whether they were right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call<R> {
    /// The operation.
    pub route: R,
    /// The method, as in `GET`.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The values of the placeholders in the path, decoded.
    pub params: Vec<String>,
    /// The query, pair by pair, decoded.
    pub query: Vec<(String, String)>,
    /// The headers, with names in lower case, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Whether the credentials were right.
    pub authorized: bool,
    /// The status of the response; `None` before there is one.
    pub status: Option<u16>,
}

impl<R> Call<R> {
    /// Records a request to a route. The usual headers that hold credentials are left out, and those
    /// named here, in lower case.
    pub fn record(route: R, params: Vec<String>, request: &Request<Bytes>, credentials: &[&str]) -> Self {
        let uri = request.uri();
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let headers = request
            .headers()
            .iter()
            .filter(|(name, _)| !CREDENTIALS.iter().chain(credentials).any(|held| *held == name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Self {
            route,
            method: request.method().to_string(),
            path: uri.path().to_owned(),
            params,
            query: query.collect(),
            headers: headers.collect(),
            body: request.body().clone(),
            authorized: false,
            status: None,
        }
    }

    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The value of the n-th placeholder in the path; empty if there is none.
    pub fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The body as JSON; `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Matches a path against a pattern, and returns the decoded values of the placeholders; `None` if it
/// does not match. A segment of a pattern that begins with `{` is a placeholder, as in `/v1/things/{id}`.
pub fn path_params(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {
                let decoded = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
                params.push(decoded.into_owned());
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}
