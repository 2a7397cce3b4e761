//! Turns a response that is not a success into an [`Error`]. No other code does so.

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;
use uuid::Uuid;

/// The maximum length of a message that is taken from a response, in characters.
const MAX_MESSAGE: usize = 300;

/// What the body of a response says about the error.
#[derive(Default)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    /// The export job that a new one conflicts with, from a member of its own.
    active_job_id: Option<String>,
}

/// Turns a response that is not 2xx into an error: the status decides the kind, and the body's own code
/// overrides it.
///
/// The service has several forms of JSON for errors, and HTML (vendor document and recordings).
pub(crate) fn to_error(response: &Response) -> Error {
    let status = response.status();
    let is_html = response.is_html();
    let body = if is_html { ErrorBody::default() } else { read_body(response) };
    let kind = kind_of(status, body.code.as_deref(), body.message.as_deref());
    // The service names the scan or job in the way in a member for exports, and only in its text for scans.
    let conflicting_id = (kind == ErrorKind::Conflict)
        .then(|| body.active_job_id.clone().or_else(|| body.message.as_deref().and_then(uuid_in)))
        .flatten();
    let message = match body.message {
        Some(message) => format!("{status}: {}", truncate(&response.redacted(&message))),
        None if (300..400).contains(&status) => {
            format!("{status}: the service redirects, which is not followed")
        }
        None if is_html => match html_title(response) {
            Some(title) => {
                let title = truncate(&response.redacted(&title));
                format!("{status}: an HTML page came instead of JSON, titled {title:?}")
            }
            None => format!("{status}: an HTML page came instead of JSON"),
        },
        None => format!("{status} without an explanation"),
    };
    let mut error = Error::new(kind, message).with_status(status).with_html(is_html);
    if let Some(code) = body.code {
        error = error.with_code(truncate(&response.redacted(&code)));
    }
    if let Some(id) = conflicting_id {
        error = error.with_conflicting_id(id);
    }
    error
}

fn kind_of(status: u16, code: Option<&str>, message: Option<&str>) -> ErrorKind {
    let by_code = match code {
        Some("NOT_FOUND") => Some(ErrorKind::NotFound),
        Some("NOT_ALLOWED" | "DUPLICATE_ENTITY") => Some(ErrorKind::Conflict),
        Some("OPERATION_FORBIDDEN") => Some(ErrorKind::PermissionDenied),
        Some("INVALID_ID_FORMAT" | "INVALID_PARAMETER" | "INVALID_JSON_BODY" | "INPUT_FORM_VIOLATION") => {
            Some(ErrorKind::InvalidRequest)
        }
        _ => None,
    };
    match (status, by_code) {
        (401, _) => ErrorKind::Auth,
        (429, _) => ErrorKind::RateLimited,
        (500.., _) | (408, None) => ErrorKind::Server,
        (400..500, Some(kind)) => kind,
        // A report was requested too early: the request is valid, but the scan has not ended.
        (400, None) if message.is_some_and(|text| text.contains("not finalized")) => ErrorKind::Conflict,
        (400 | 413 | 414 | 415 | 422, None) => ErrorKind::InvalidRequest,
        (403, None) => ErrorKind::PermissionDenied,
        (404 | 410, None) => ErrorKind::NotFound,
        (409, None) => ErrorKind::Conflict,
        _ => ErrorKind::Unexpected,
    }
}

fn read_body(response: &Response) -> ErrorBody {
    let Ok(body) = serde_json::from_slice::<Value>(response.body()) else {
        let text = String::from_utf8_lossy(response.body());
        let message = Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        return ErrorBody { message, ..ErrorBody::default() };
    };
    from_reasons(&body)
        .or_else(|| from_fields(&body))
        .or_else(|| from_failure(&body))
        .or_else(|| from_message(&body))
        .unwrap_or_default()
}

/// Reads `{"reasons": [{"code": …, "reason": …}]}`. A refused launch may have a code and no reason.
fn from_reasons(body: &Value) -> Option<ErrorBody> {
    let reasons = body.get("reasons")?.as_array().filter(|reasons| !reasons.is_empty())?;
    let code = reasons.iter().find_map(|reason| string_member(reason, "code"));
    let messages: Vec<String> = reasons
        .iter()
        .filter_map(|reason| string_member(reason, "reason").or_else(|| string_member(reason, "code")))
        .collect();
    let message = (!messages.is_empty()).then(|| messages.join("; "));
    Some(ErrorBody { code, message, ..ErrorBody::default() })
}

/// Reads `{"code": …, "fields": [{"field": ".name", "value": {"message": …}}]}`.
fn from_fields(body: &Value) -> Option<ErrorBody> {
    let fields = body.get("fields")?.as_array()?;
    let messages: Vec<String> = fields
        .iter()
        .map(|field| {
            let name = string_member(field, "field").unwrap_or_default();
            let message = field.get("value").and_then(|value| string_member(value, "message"));
            let message = message.or_else(|| string_member(field, "message_type")).unwrap_or_default();
            format!("{name}: {message}")
        })
        .collect();
    let code = string_member(body, "code");
    let message = if messages.is_empty() { code.clone() } else { Some(messages.join("; ")) };
    Some(ErrorBody { code, message, ..ErrorBody::default() })
}

/// Reads `{"active_job_id": …, "failure_reason": …}`.
fn from_failure(body: &Value) -> Option<ErrorBody> {
    let reason = string_member(body, "failure_reason")?;
    let active_job_id = string_member(body, "active_job_id");
    let message = match &active_job_id {
        Some(job) => format!("{reason} (active job {job})"),
        None => reason,
    };
    Some(ErrorBody { code: None, message: Some(message), active_job_id })
}

/// Reads `{"statusCode": …, "error": …, "message": …}`, and shorter forms of it.
fn from_message(body: &Value) -> Option<ErrorBody> {
    let message = ["message", "error", "status"].into_iter().find_map(|name| string_member(body, name));
    let code = string_member(body, "code");
    (message.is_some() || code.is_some()).then(|| ErrorBody {
        message: message.or_else(|| code.clone()),
        code,
        ..ErrorBody::default()
    })
}

/// The title of an HTML page, in one line.
fn html_title(response: &Response) -> Option<String> {
    let page = String::from_utf8_lossy(response.body());
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    let words: Vec<&str> = title.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The non-empty string under a name.
fn string_member(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn truncate(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The first UUID in a text of the service.
fn uuid_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.len() == 36)
        .find_map(|word| Uuid::try_parse(word).ok())
        .map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind::{
        Auth, Conflict, InvalidRequest, NotFound, PermissionDenied, RateLimited, Server, Unexpected,
    };

    use super::*;

    const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

    #[expect(
        clippy::default_trait_access,
        reason = "the crate does not depend on the one that defines the headers' type"
    )]
    fn error(status: u16, body: &str) -> Error {
        to_error(&Response::new(status, Default::default(), body.to_owned()))
    }

    /// Status, body, kind, code, and a part of the message.
    type Row = (u16, &'static str, ErrorKind, Option<&'static str>, &'static str);

    /// The error responses of the service.
    const ERROR_RESPONSES: &[Row] = &[
        (
            400,
            r#"{"reasons":[{"code":"INVALID_ID_FORMAT","reason":"The provided ID of '10-ABC' must be UUID type"}]}"#,
            InvalidRequest,
            Some("INVALID_ID_FORMAT"),
            "must be UUID type",
        ),
        (
            400,
            r#"{"reasons":[{"code":"INVALID_JSON_BODY","reason":"Query decoding Instant failed: Text '…' could not be parsed at index 19"}]}"#,
            InvalidRequest,
            Some("INVALID_JSON_BODY"),
            "could not be parsed",
        ),
        (
            400,
            r#"{"code":"INPUT_FORM_VIOLATION","fields":[{"field":".name","message_type":"VALUE_MUST_BE_SPECIFIED","value":{"message":"the value must be specified"}}]}"#,
            InvalidRequest,
            Some("INPUT_FORM_VIOLATION"),
            ".name: the value must be specified",
        ),
        (
            400,
            r#"{"code":"INPUT_FORM_VIOLATION","fields":[{"field":".x","message_type":"INVALID_TYPE"}]}"#,
            InvalidRequest,
            Some("INPUT_FORM_VIOLATION"),
            ".x: INVALID_TYPE",
        ),
        (400, r#"{"reasons":[{"reason":"scan not finalized"}]}"#, Conflict, None, "scan not finalized"),
        (400, "", InvalidRequest, None, "without an explanation"),
        (
            401,
            r#"{"statusCode":401,"error":"Unauthorized","message":"Invalid credentials."}"#,
            Auth,
            None,
            "Invalid credentials.",
        ),
        (403, "{}", PermissionDenied, None, "without an explanation"),
        (
            403,
            r#"{"reasons":[{"code":"OPERATION_FORBIDDEN","reason":"no"}]}"#,
            PermissionDenied,
            Some("OPERATION_FORBIDDEN"),
            "no",
        ),
        (
            404,
            r#"{"reasons":[{"code":"NOT_FOUND","reason":"Resource with ID 'x' not found"}]}"#,
            NotFound,
            Some("NOT_FOUND"),
            "Resource with ID",
        ),
        (404, r#"{"reasons":[{"code":"NOT_FOUND"}]}"#, NotFound, Some("NOT_FOUND"), "NOT_FOUND"),
        (404, "{}", NotFound, None, "without an explanation"),
        (404, r#"{"status":404,"message":"Export expired or not found"}"#, NotFound, None, "Export expired"),
        (404, r#"{"error":"Chunk does not exist"}"#, NotFound, None, "Chunk does not exist"),
        (404, "gone fishing", NotFound, None, "gone fishing"),
        (
            409,
            r#"{"reasons":[{"code":"NOT_ALLOWED","reason":"This configuration already has a running scan: '9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a'"}]}"#,
            Conflict,
            Some("NOT_ALLOWED"),
            SCAN,
        ),
        (
            409,
            r#"{"active_job_id":"9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a","failure_reason":"conflict with a running export"}"#,
            Conflict,
            None,
            SCAN,
        ),
        (
            400,
            r#"{"reasons":[{"code":"DUPLICATE_ENTITY","reason":"name"}]}"#,
            Conflict,
            Some("DUPLICATE_ENTITY"),
            "name",
        ),
        (415, "{}", InvalidRequest, None, "without an explanation"),
        (
            422,
            r#"{"statusCode":422,"error":"Unprocessable Entity","message":"plugin not remediable"}"#,
            InvalidRequest,
            None,
            "plugin not remediable",
        ),
        (
            429,
            "<html><head><title>429 Too Many Requests</title></head></html>",
            RateLimited,
            None,
            "HTML page came instead of JSON, titled \"429 Too Many Requests\"",
        ),
        (
            500,
            r#"{"statusCode":500,"error":"Internal Server Error","message":"Please try your request again."}"#,
            Server,
            None,
            "try your request again",
        ),
        (503, r#"{"statusCode":503,"error":"Service Unavailable"}"#, Server, None, "Service Unavailable"),
        (502, "<!doctype html><p>bad gateway</p>", Server, None, "HTML page"),
        (302, "", Unexpected, None, "redirects"),
        (408, "", Server, None, "without"),
        (418, "[]", Unexpected, None, "without"),
        (400, r#"{"reasons":[]}"#, InvalidRequest, None, "without"),
        (400, r#"{"reasons":[3,null,{}],"fields":7}"#, InvalidRequest, None, "without"),
    ];

    #[test]
    fn every_error_response_has_its_kind_code_and_message() {
        for (status, body, kind, code, text) in ERROR_RESPONSES {
            let error = error(*status, body);
            assert_eq!(error.kind(), *kind, "{status} {body}");
            assert_eq!(error.code(), *code, "{status} {body}");
            assert_eq!(error.status(), Some(*status));
            assert!(error.message().contains(text), "{} lacks {text:?}", error.message());
        }
    }

    #[test]
    fn a_long_message_is_truncated_between_characters() {
        let error = error(400, &"é".repeat(5000));
        assert!(error.message().chars().count() < MAX_MESSAGE + 20, "{}", error.message().len());
    }

    #[test]
    fn a_conflict_has_the_id_of_what_is_in_the_way() {
        for body in [
            format!(
                r#"{{"reasons":[{{"code":"NOT_ALLOWED","reason":"This configuration already has a running scan: '{SCAN}'"}}]}}"#
            ),
            format!(r#"{{"active_job_id":"{SCAN}","failure_reason":"conflict with a running export"}}"#),
        ] {
            assert_eq!(error(409, &body).conflicting_id(), Some(SCAN), "{body}");
            assert_eq!(error(404, &body).conflicting_id().is_some(), body.contains("NOT_ALLOWED"), "{body}");
        }
        for text in ["no id", "x9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a", "9d0c7b6a-5e4f", ""] {
            assert_eq!(error(409, text).conflicting_id(), None, "{text}");
        }
    }

    #[test]
    fn an_html_page_is_marked() {
        assert!(error(403, "<html><p>log in").is_html());
        assert!(!error(403, "{}").is_html());
    }
}
