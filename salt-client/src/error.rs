//! The one place where an answer that is not 2xx becomes an error.

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;

use crate::region::Region;

/// How an error begins whose answer says that the token has expired.
const EXPIRED: &str = "the token has expired";

/// The most that is kept of what the service says, in characters.
const SAID: usize = 200;

/// The function for a region: an error about the token names the region used.
pub(crate) fn for_region(region: &Region) -> fn(&Response) -> Error {
    match region {
        Region::Us => |answer| to_error(answer, "US"),
        Region::Eu => |answer| to_error(answer, "EU"),
        Region::Custom(_) => |answer| to_error(answer, "custom"),
    }
}

/// True when the service itself said that the token has expired.
pub(crate) fn says_expired(error: &Error) -> bool {
    error.message().starts_with(EXPIRED)
}

/// Status first; the body adds words, and a code where it has one. The statuses are those that the vendor's own code tells
/// apart, the rest is HTTP's meaning.
fn to_error(answer: &Response, region: &str) -> Error {
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    let said = said(&body).map(|text| answer.redacted(text).chars().take(SAID).collect::<String>());
    let status = answer.status();
    let seen = match &said {
        Some(said) => format!("{status}: {said}"),
        None if answer.is_html() => format!("{status} with an HTML page"),
        None => status.to_string(),
    };
    let (kind, message) = match status {
        401 if said.as_deref().is_some_and(|said| said.to_lowercase().contains("expired")) => {
            (ErrorKind::Auth, format!("{EXPIRED} ({seen})"))
        }
        401 => (
            ErrorKind::Auth,
            format!(
                "the token is wrong, has expired, or is of another region than the {region} one used ({seen})"
            ),
        ),
        403 => (
            ErrorKind::PermissionDenied,
            format!(
                "the token lacks a permission; reading needs the scope perm-viewer, writing perm-executor ({seen})"
            ),
        ),
        404 | 410 => (ErrorKind::NotFound, format!("the service knows no such path or object ({seen})")),
        409 => (ErrorKind::Conflict, format!("the service answered {seen}")),
        429 => (ErrorKind::RateLimited, format!("the service asks for fewer requests ({seen})")),
        300..=399 => {
            (ErrorKind::Unexpected, format!("the service redirects, and no redirect is followed ({seen})"))
        }
        408 | 500..=599 => (ErrorKind::Server, format!("the service answered {seen}")),
        400 | 405..=409 | 411..=499 => (ErrorKind::InvalidRequest, format!("the service answered {seen}")),
        _ => (ErrorKind::Unexpected, format!("the service answered {seen}")),
    };
    let error = Error::new(kind, message);
    match body.get("code").or_else(|| body.get("errorCode")) {
        Some(Value::String(code)) => error.with_code(answer.redacted(code)),
        Some(Value::Number(code)) => error.with_code(code.to_string()),
        _ => error,
    }
}

/// The service's own words. `message` has been seen; the others are where JSON APIs put theirs.
fn said(body: &Value) -> Option<&str> {
    let text = |value: &'_ Value| -> bool { value.as_str().is_some_and(|text| !text.trim().is_empty()) };
    let first = body.get("errors").and_then(|errors| errors.get(0));
    ["message", "error", "detail", "title"]
        .iter()
        .filter_map(|key| body.get(*key))
        .chain(first)
        .flat_map(|value| [Some(value), value.get("message")])
        .flatten()
        .find(|value| text(value))
        .and_then(Value::as_str)
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        to_error(&Response::new(status, HeaderMap::new(), body.to_owned()), "EU")
    }

    #[test]
    fn each_status_has_its_kind() {
        for (status, kind, retryable) in [
            (301, ErrorKind::Unexpected, false),
            (302, ErrorKind::Unexpected, false),
            (400, ErrorKind::InvalidRequest, false),
            (401, ErrorKind::Auth, false),
            (402, ErrorKind::Unexpected, false),
            (403, ErrorKind::PermissionDenied, false),
            (404, ErrorKind::NotFound, false),
            (405, ErrorKind::InvalidRequest, false),
            (408, ErrorKind::Server, true),
            (409, ErrorKind::Conflict, false),
            (410, ErrorKind::NotFound, false),
            (422, ErrorKind::InvalidRequest, false),
            (429, ErrorKind::RateLimited, true),
            (500, ErrorKind::Server, true),
            (502, ErrorKind::Server, true),
            (503, ErrorKind::Server, true),
            (504, ErrorKind::Server, true),
        ] {
            for body in ["", r#"{"message":"no"}"#, "<html>gateway</html>", "[1]", "not json"] {
                let error = error(status, body);
                assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{status} {body}");
            }
        }
    }

    #[test]
    fn the_services_words_are_found_under_every_name() {
        for body in [
            r#"{"message":"Too Many Requests"}"#,
            r#"{"error":"Too Many Requests"}"#,
            r#"{"error":{"message":"Too Many Requests"}}"#,
            r#"{"detail":"Too Many Requests","title":"x"}"#,
            r#"{"title":"Too Many Requests"}"#,
            r#"{"errors":["Too Many Requests"]}"#,
            r#"{"errors":[{"message":"Too Many Requests"}]}"#,
            r#"{"message":"","error":"Too Many Requests"}"#,
        ] {
            let line = error(429, body).to_string();
            assert_eq!(
                line, "rate limited: the service asks for fewer requests (429: Too Many Requests)",
                "{body}"
            );
        }
    }

    #[test]
    fn error_lines_say_what_to_do() {
        let lines: Vec<_> = [
            (401, r#"{"message":"Unauthorized"}"#),
            (401, r#"{"message":"Token expired"}"#),
            (403, r#"{"message":"Forbidden"}"#),
            (404, r#"{"message":"Not Found"}"#),
            (400, r#"{"message":"limit must be at most 100"}"#),
            (502, "<html><h1>Bad Gateway</h1></html>"),
            (503, ""),
            (302, ""),
        ]
        .map(|(status, body)| error(status, body).to_string())
        .into();
        insta::assert_snapshot!(lines.join("\n"), @r"
        credentials refused: the token is wrong, has expired, or is of another region than the EU one used (401: Unauthorized)
        credentials refused: the token has expired (401: Token expired)
        permission denied: the token lacks a permission; reading needs the scope perm-viewer, writing perm-executor (403: Forbidden)
        not found: the service knows no such path or object (404: Not Found)
        invalid request: the service answered 400: limit must be at most 100
        server fault: the service answered 502 with an HTML page
        server fault: the service answered 503
        unexpected: the service redirects, and no redirect is followed (302)
        ");
    }

    #[test]
    fn only_the_services_own_word_makes_a_token_expired() {
        assert!(says_expired(&error(401, r#"{"message":"Token EXPIRED at noon"}"#)));
        assert!(!says_expired(&error(401, r#"{"message":"Unauthorized"}"#)));
        assert!(!says_expired(&error(403, r#"{"message":"expired"}"#)));
    }

    #[test]
    fn a_code_is_kept_and_a_long_message_is_cut() {
        assert_eq!(error(400, r#"{"code":"BAD_LIMIT"}"#).code(), Some("BAD_LIMIT"));
        assert_eq!(error(400, r#"{"errorCode":17}"#).code(), Some("17"));
        let long = error(500, &format!(r#"{{"message":"{}"}}"#, "é".repeat(9_000)));
        assert!(long.message().chars().count() < 250);
    }

    #[test]
    fn an_echoed_token_is_masked() {
        let error = error(401, r#"{"message":"unknown: Bearer canary-canary","code":"token=canary-canary"}"#);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn html_is_named() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/html"));
        let error = to_error(&Response::new(502, headers, "oops"), "US");
        assert!(error.message().contains("502 with an HTML page"), "{error}");
    }
}
