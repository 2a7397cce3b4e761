//! The one place where a response that is not 2xx becomes an error.

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;

/// The most characters of a service's own message in one of ours.
const MAX_EXCERPT: usize = 500;

/// What the refusals of one service mean.
pub(super) struct ErrorTexts {
    /// The service's display name.
    pub(super) service: &'static str,
    /// The meaning of a 401.
    pub(super) unauthorized: &'static str,
    /// The meaning of a 403.
    pub(super) forbidden: &'static str,
    /// The meaning of a 404.
    pub(super) not_found: &'static str,
}

impl ErrorTexts {
    /// The status decides the kind; the body adds its message.
    pub(super) fn to_error(&self, response: &Response) -> Error {
        let (status, said) = (response.status(), describe(response));
        let service = self.service;
        let (kind, message) = match status {
            401 => (ErrorKind::Auth, format!("{} ({said})", self.unauthorized)),
            403 => (ErrorKind::PermissionDenied, format!("{} ({said})", self.forbidden)),
            404 => (ErrorKind::NotFound, format!("{} ({said})", self.not_found)),
            409 => (ErrorKind::Conflict, format!("{service} responded {said}")),
            413 => (
                ErrorKind::InvalidRequest,
                format!("the report is too large for {service} or for a proxy in front of it ({said})"),
            ),
            429 => (ErrorKind::RateLimited, format!("{service} asks for fewer requests ({said})")),
            300..=399 => {
                (ErrorKind::Unexpected, format!("{service} redirects, and no redirect is followed ({said})"))
            }
            400..=499 if status != 408 => {
                (ErrorKind::InvalidRequest, format!("{service} refuses the report ({said})"))
            }
            408 | 500..=599 => (ErrorKind::Server, format!("{service} responded {said}")),
            _ => (ErrorKind::Unexpected, format!("{service} responded {said}")),
        };
        Error::new(kind, message)
    }
}

/// Adds the operation to an error that has none.
pub(super) fn with_default_operation(error: Error, operation: &'static str) -> Error {
    if error.operation().is_some() { error } else { error.with_operation(operation) }
}

/// Status and message of a response, short and without secrets.
pub(super) fn describe(response: &Response) -> String {
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    let status = response.status();
    match messages(&body) {
        Some(text) => format!("{status}: {}", excerpt(response, &text)),
        None if response.is_html() => format!("{status} with an HTML page"),
        None => status.to_string(),
    }
}

/// A text of a response, short and without secrets.
pub(super) fn excerpt(response: &Response, text: &str) -> String {
    response.redacted(text).chars().take(MAX_EXCERPT).collect()
}

/// The messages in a body: those in the members that the services use, or else those of each field, as
/// Django sends them.
fn messages(body: &Value) -> Option<String> {
    let mut found = Vec::new();
    for name in ["message", "error", "detail", "errors"] {
        if let Some(value) = body.get(name) {
            collect(value, &mut found);
        }
    }
    if found.is_empty() {
        let fields = body.as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(_, value)| value.is_array()) {
            let mut messages = Vec::new();
            collect(value, &mut messages);
            found.extend(messages.into_iter().map(|message| format!("{name}: {message}")));
        }
    }
    found.dedup();
    (!found.is_empty()).then(|| found.join("; "))
}

/// Collects the texts of a value, as in `"x"`, `["x"]`, `[{"message": "x"}]` and `{"message": "x"}`.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.trim().is_empty() => found.push(text.trim().to_owned()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => {
            for name in ["message", "detail", "code"] {
                if let Some(value @ Value::String(_)) = map.get(name) {
                    return collect(value, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const TEXTS: ErrorTexts = ErrorTexts {
        service: "the target",
        unauthorized: "the token is wrong",
        forbidden: "a permission is missing",
        not_found: "there is none",
    };

    fn error(status: u16, body: &str) -> Error {
        TEXTS.to_error(&Response::new(status, HeaderMap::new(), body.to_owned()))
    }

    #[test]
    fn each_status_has_its_kind() {
        for (status, kind, retryable) in [
            (302, ErrorKind::Unexpected, false),
            (400, ErrorKind::InvalidRequest, false),
            (401, ErrorKind::Auth, false),
            (403, ErrorKind::PermissionDenied, false),
            (404, ErrorKind::NotFound, false),
            (408, ErrorKind::Server, true),
            (409, ErrorKind::Conflict, false),
            (413, ErrorKind::InvalidRequest, false),
            (422, ErrorKind::InvalidRequest, false),
            (429, ErrorKind::RateLimited, true),
            (500, ErrorKind::Server, true),
            (503, ErrorKind::Server, true),
        ] {
            for body in ["", r#"{"message":"no"}"#, "<html>gateway</html>", "[1]", "not json"] {
                let error = error(status, body);
                assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{status} {body}");
            }
        }
    }

    #[test]
    fn the_message_of_a_service_is_found_in_each_of_its_forms() {
        for (body, expected) in [
            (r#"{"detail":"Invalid token."}"#, "Invalid token."),
            (r#"{"error":"failed to authorize"}"#, "failed to authorize"),
            (
                r#"{"minimum_severity":["\"X\" is not a valid choice."]}"#,
                r#"minimum_severity: "X" is not a valid choice."#,
            ),
            (
                r#"{"message":"Invalid SARIF","errors":[{"message":"line 3"},"line 4"]}"#,
                "Invalid SARIF; line 3; line 4",
            ),
            (r#"{"message":"x","documentation_url":"https://docs.example"}"#, "x"),
        ] {
            assert_eq!(
                error(400, body).message(),
                format!("the target refuses the report (400: {expected})")
            );
        }
        assert_eq!(
            error(413, "<html>413</html>").message(),
            "the report is too large for the target or for a proxy in front of it (413 with an HTML page)"
        );
    }

    #[test]
    fn messages_are_short_and_without_secrets() {
        let body = format!(r#"{{"message":"token=canary-canary {}"}}"#, "é".repeat(9_000));
        let error = error(500, &body);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert!(error.message().chars().count() < MAX_EXCERPT + 100);
    }
}
