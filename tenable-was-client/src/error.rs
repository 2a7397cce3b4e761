//! The one place where an answer that is no success becomes an [`Error`].

use appsec_core::{Error, ErrorKind};
use appsec_http::Response;
use serde_json::Value;
use uuid::Uuid;

use crate::export::Throttling;

/// The longest message that is taken from an answer, in characters.
const MAX_MESSAGE: usize = 300;

/// What the body of an answer says.
#[derive(Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    /// The id of the running export, which has a field of its own.
    active_job: Option<String>,
}

/// Turns an answer that is not 2xx into an error: the status chooses the kind, and the body's own code overrides it.
///
/// The service has three forms of JSON for it, and HTML (vendor document and recordings).
pub(crate) fn to_error(answer: &Response) -> Error {
    let status = answer.status();
    if status == 429 {
        Throttling::note();
    }
    let said = said(answer);
    let kind = kind_of(status, said.code.as_deref(), said.message.as_deref());
    let conflicting_id = said.active_job.as_deref().or(said.message.as_deref()).and_then(id_in);
    let message = match said.message {
        Some(message) => format!("{status}: {}", shortened(&answer.redacted(&message))),
        None if (300..400).contains(&status) => {
            format!("{status}: the service redirects, which is not followed")
        }
        None if answer.is_html() => match title(answer) {
            Some(title) => {
                let title = shortened(&answer.redacted(&title));
                format!("{status}: an HTML page came instead of JSON, titled {title:?}")
            }
            None => format!("{status}: an HTML page came instead of JSON"),
        },
        None => format!("{status} without an explanation"),
    };
    let mut error = Error::new(kind, message).with_status(status);
    if kind == ErrorKind::Conflict
        && let Some(id) = conflicting_id
    {
        error = error.with_conflicting_id(id.to_string());
    }
    if let Some(code) = said.code {
        error = error.with_code(shortened(&answer.redacted(&code)));
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
        // A report asked for too early: the request is right, the scan is not there yet.
        (400, None) if message.is_some_and(|text| text.contains("not finalized")) => ErrorKind::Conflict,
        (400 | 413 | 414 | 415 | 422, None) => ErrorKind::InvalidRequest,
        (403, None) => ErrorKind::PermissionDenied,
        (404 | 410, None) => ErrorKind::NotFound,
        (409, None) => ErrorKind::Conflict,
        _ => ErrorKind::Unexpected,
    }
}

fn said(answer: &Response) -> Said {
    if answer.is_html() {
        return Said::default();
    }
    let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else {
        let text = String::from_utf8_lossy(answer.body());
        let message = Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        return Said { message, ..Said::default() };
    };
    by_reasons(&body)
        .or_else(|| by_fields(&body))
        .or_else(|| by_failure(&body))
        .or_else(|| by_message(&body))
        .unwrap_or_default()
}

/// `{"reasons": [{"code": …, "reason": …}]}`; a launch answers a code without a reason.
fn by_reasons(body: &Value) -> Option<Said> {
    let reasons = body.get("reasons")?.as_array().filter(|reasons| !reasons.is_empty())?;
    let code = reasons.iter().find_map(|reason| text(reason, "code"));
    let words: Vec<String> =
        reasons.iter().filter_map(|reason| text(reason, "reason").or_else(|| text(reason, "code"))).collect();
    Some(Said { code, message: (!words.is_empty()).then(|| words.join("; ")), active_job: None })
}

/// `{"code": …, "fields": [{"field": ".name", "value": {"message": …}}]}`
fn by_fields(body: &Value) -> Option<Said> {
    let fields = body.get("fields")?.as_array()?;
    let words: Vec<String> = fields
        .iter()
        .map(|field| {
            let name = text(field, "field").unwrap_or_default();
            let message = field.get("value").and_then(|value| text(value, "message"));
            let message = message.or_else(|| text(field, "message_type")).unwrap_or_default();
            format!("{name}: {message}")
        })
        .collect();
    let code = text(body, "code");
    let message = if words.is_empty() { code.clone() } else { Some(words.join("; ")) };
    Some(Said { code, message, active_job: None })
}

/// `{"active_job_id": …, "failure_reason": …}`
fn by_failure(body: &Value) -> Option<Said> {
    let reason = text(body, "failure_reason")?;
    let active_job = text(body, "active_job_id");
    let message = match &active_job {
        Some(job) => format!("{reason} (active job {job})"),
        None => reason,
    };
    Some(Said { code: None, message: Some(message), active_job })
}

/// `{"statusCode": …, "error": …, "message": …}`, and the shorter forms of it.
fn by_message(body: &Value) -> Option<Said> {
    let message = text(body, "message").or_else(|| text(body, "error")).or_else(|| text(body, "status"));
    let code = text(body, "code");
    let message = message.or_else(|| code.clone());
    (message.is_some() || code.is_some()).then_some(Said { code, message, active_job: None })
}

/// The title of an HTML page, in one line.
fn title(answer: &Response) -> Option<String> {
    let page = String::from_utf8_lossy(answer.body());
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    let words: Vec<&str> = title.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Finds an id in the text of a response. A refused launch names the running scan there only.
fn id_in(message: &str) -> Option<Uuid> {
    message
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.len() == 36)
        .find_map(|word| Uuid::try_parse(word).ok())
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind::{
        Auth, Conflict, InvalidRequest, NotFound, PermissionDenied, RateLimited, Server, Unexpected,
    };

    use super::*;

    const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

    #[expect(clippy::default_trait_access, reason = "the type of the headers is not this crate's to name")]
    fn error(status: u16, body: &str) -> Error {
        to_error(&Response::new(status, Default::default(), body.to_owned()))
    }

    /// Status, body, kind, code, and a part of the message.
    type Row = (u16, &'static str, ErrorKind, Option<&'static str>, &'static str);

    /// The catalogue of the service's refusals.
    const CATALOGUE: &[Row] = &[
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
    fn every_answer_of_the_catalogue_has_its_kind_code_and_words() {
        for (status, body, kind, code, words) in CATALOGUE {
            let error = error(*status, body);
            assert_eq!(error.kind(), *kind, "{status} {body}");
            assert_eq!(error.code(), *code, "{status} {body}");
            assert_eq!(error.status(), Some(*status));
            assert!(error.message().contains(words), "{} lacks {words:?}", error.message());
        }
    }

    #[test]
    fn a_long_explanation_is_cut_between_characters() {
        let error = error(400, &"é".repeat(5000));
        assert!(error.message().chars().count() < MAX_MESSAGE + 20, "{}", error.message().len());
    }

    #[test]
    fn a_conflict_names_the_running_scan_or_export() {
        let launch =
            format!(r#"{{"reasons":[{{"code":"NOT_ALLOWED","reason":"already running: '{SCAN}'"}}]}}"#);
        let export =
            format!(r#"{{"active_job_id":"{SCAN}","failure_reason":"conflict with a running export"}}"#);
        for body in [launch, export] {
            assert_eq!(error(409, &body).conflicting_id(), Some(SCAN), "{body}");
        }
        let unnamed = r#"{"reasons":[{"code":"NOT_ALLOWED","reason":"a scan is running"}]}"#;
        assert_eq!(error(409, unnamed).conflicting_id(), None);
        let not_found = format!(r#"{{"reasons":[{{"code":"NOT_FOUND","reason":"'{SCAN}' not found"}}]}}"#);
        assert_eq!(error(404, &not_found).conflicting_id(), None);
    }

    #[test]
    fn the_id_in_a_conflict_is_found() {
        let message = format!("409: This configuration already has a running scan: '{SCAN}'");
        assert_eq!(id_in(&message).unwrap().to_string(), SCAN);
        for message in ["409: no id", "x9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a", "409: 9d0c7b6a-5e4f", ""] {
            assert_eq!(id_in(message), None, "{message}");
        }
    }
}
