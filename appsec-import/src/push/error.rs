//! The one place where a target's answer that is not 2xx becomes an error.

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;

/// The most that is kept of what a target says, in characters.
const SAID: usize = 500;

/// What a target's refusals mean, in its own notions.
pub(super) struct Refusals {
    /// Its name for a person.
    pub(super) who: &'static str,
    /// What a 401 is about.
    pub(super) token: &'static str,
    /// What a 403 is about.
    pub(super) permission: &'static str,
    /// What a 404 is about.
    pub(super) missing: &'static str,
}

impl Refusals {
    /// Status first; the body adds words.
    pub(super) fn to_error(&self, answer: &Response) -> Error {
        let (status, seen) = (answer.status(), seen(answer));
        let who = self.who;
        let (kind, message) = match status {
            401 => (ErrorKind::Auth, format!("{} ({seen})", self.token)),
            403 => (ErrorKind::PermissionDenied, format!("{} ({seen})", self.permission)),
            404 => (ErrorKind::NotFound, format!("{} ({seen})", self.missing)),
            409 => (ErrorKind::Conflict, format!("{who} answered {seen}")),
            413 => (
                ErrorKind::InvalidRequest,
                format!("the report is too large for {who} or a proxy before it ({seen})"),
            ),
            429 => (ErrorKind::RateLimited, format!("{who} asks for fewer requests ({seen})")),
            300..=399 => {
                (ErrorKind::Unexpected, format!("{who} redirects, and no redirect is followed ({seen})"))
            }
            400..=499 if status != 408 => {
                (ErrorKind::InvalidRequest, format!("{who} refuses the report ({seen})"))
            }
            408 | 500..=599 => (ErrorKind::Server, format!("{who} answered {seen}")),
            _ => (ErrorKind::Unexpected, format!("{who} answered {seen}")),
        };
        Error::new(kind, message)
    }
}

/// Status and words of an answer's, as they may be shown.
pub(super) fn seen(answer: &Response) -> String {
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    let status = answer.status();
    match words(&body) {
        Some(said) => format!("{status}: {}", shown(answer, &said)),
        None if answer.is_html() => format!("{status} with an HTML page"),
        None => status.to_string(),
    }
}

/// Words of an answer's, as they may be shown.
pub(super) fn shown(answer: &Response, said: &str) -> String {
    answer.redacted(said).chars().take(SAID).collect()
}

/// What the body says: the sentences under the names that the targets use, else what it says field by field, as Django does.
fn words(body: &Value) -> Option<String> {
    let mut found = Vec::new();
    for name in ["message", "error", "detail", "errors"] {
        if let Some(value) = body.get(name) {
            collect(value, &mut found);
        }
    }
    if found.is_empty() {
        let fields = body.as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(_, value)| value.is_array()) {
            let mut said = Vec::new();
            collect(value, &mut said);
            found.extend(said.into_iter().map(|said| format!("{name}: {said}")));
        }
    }
    found.dedup();
    (!found.is_empty()).then(|| found.join("; "))
}

/// The texts in a value, as in `"x"`, `["x"]`, `[{"message": "x"}]` and `{"message": "x"}`.
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

    const REFUSALS: Refusals = Refusals {
        who: "the target",
        token: "the token is wrong",
        permission: "a permission lacks",
        missing: "there is none",
    };

    fn error(status: u16, body: &str) -> Error {
        REFUSALS.to_error(&Response::new(status, HeaderMap::new(), body.to_owned()))
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
    fn the_targets_words_are_found_in_every_form_they_have() {
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
            "the report is too large for the target or a proxy before it (413 with an HTML page)"
        );
    }

    #[test]
    fn what_is_shown_is_short_and_without_secrets() {
        let body = format!(r#"{{"message":"token=canary-canary {}"}}"#, "é".repeat(9_000));
        let error = error(500, &body);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert!(error.message().chars().count() < SAID + 100);
    }
}
