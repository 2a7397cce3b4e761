//! Turns a response whose status is not 2xx into an error.

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;

use crate::client::Region;

/// The longest part of the service's message that is kept, in characters.
pub(crate) const MAX_MESSAGE: usize = 200;

/// Returns the conversion for a region. An error about the token names the region that was used.
pub(crate) fn for_region(region: &Region) -> fn(&Response) -> Error {
    match region {
        Region::Us => |response| to_error(response, "US"),
        Region::Eu => |response| to_error(response, "EU"),
        Region::Custom(_) => |response| to_error(response, "custom"),
    }
}

/// The status decides the kind; the body adds the service's message and code. The statuses are those that
/// the vendor's own code handles, the others have their meaning in HTTP.
fn to_error(response: &Response, region: &str) -> Error {
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    let message = service_message(&body)
        .map(|text| response.redacted(text).chars().take(MAX_MESSAGE).collect::<String>());
    let status = response.status();
    // The service has no code for it: only its message can say that the token has expired.
    let expired =
        status == 401 && message.as_deref().is_some_and(|message| message.to_lowercase().contains("expired"));
    let html = response.is_html();
    let reply = match &message {
        Some(message) => format!("{status}: {message}"),
        None if html => format!("{status} with an HTML page"),
        None => status.to_string(),
    };
    let (kind, message) = match status {
        401 if expired => (ErrorKind::Auth, format!("the token has expired ({reply})")),
        401 => (
            ErrorKind::Auth,
            format!(
                "the token is wrong, has expired, or belongs to another region than the {region} one used ({reply})"
            ),
        ),
        403 => (
            ErrorKind::PermissionDenied,
            format!(
                "the token lacks a permission; reading needs the scope perm-viewer, writing perm-executor ({reply})"
            ),
        ),
        404 | 410 => (ErrorKind::NotFound, format!("the service has no such path or object ({reply})")),
        409 => (ErrorKind::Conflict, format!("the service responded {reply}")),
        429 => (ErrorKind::RateLimited, format!("the service asks for fewer requests ({reply})")),
        300..=399 => (
            ErrorKind::Unexpected,
            format!("the service redirects, and redirects are not followed ({reply})"),
        ),
        408 | 500..=599 => (ErrorKind::Server, format!("the service responded {reply}")),
        400 | 405..=409 | 411..=499 => (ErrorKind::InvalidRequest, format!("the service responded {reply}")),
        _ => (ErrorKind::Unexpected, format!("the service responded {reply}")),
    };
    let error = Error::new(kind, message).with_expired(expired).with_html(html);
    match body.get("code").or_else(|| body.get("errorCode")) {
        Some(Value::String(code)) => error.with_code(response.redacted(code)),
        Some(Value::Number(code)) => error.with_code(code.to_string()),
        _ => error,
    }
}

/// Returns the service's own message. `message` has been observed; the other fields are common in JSON
/// APIs.
pub(crate) fn service_message(body: &Value) -> Option<&str> {
    let first = body.get("errors").and_then(|errors| errors.get(0));
    ["message", "error", "detail", "title"]
        .iter()
        .filter_map(|key| body.get(*key))
        .chain(first)
        .flat_map(|value| [Some(value), value.get("message")])
        .flatten()
        .filter_map(Value::as_str)
        .map(str::trim)
        .find(|text| !text.is_empty())
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
    fn the_message_of_the_service_is_found_under_every_name() {
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
    fn error_messages_say_what_to_do() {
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
        credentials refused: the token is wrong, has expired, or belongs to another region than the EU one used (401: Unauthorized)
        credentials refused: the token has expired (401: Token expired)
        permission denied: the token lacks a permission; reading needs the scope perm-viewer, writing perm-executor (403: Forbidden)
        not found: the service has no such path or object (404: Not Found)
        invalid request: the service responded 400: limit must be at most 100
        server fault: the service responded 502 with an HTML page
        server fault: the service responded 503
        unexpected: the service redirects, and redirects are not followed (302)
        ");
    }

    #[test]
    fn a_token_has_expired_only_if_the_service_says_so() {
        assert!(error(401, r#"{"message":"Token EXPIRED at noon"}"#).is_expired());
        assert!(!error(401, r#"{"message":"Unauthorized"}"#).is_expired());
        assert!(!error(403, r#"{"message":"expired"}"#).is_expired());
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
    fn an_html_page_is_reported() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/html"));
        let error = to_error(&Response::new(502, headers, "oops"), "US");
        assert!(error.is_html());
        assert!(error.message().contains("502 with an HTML page"), "{error}");
    }
}
