//! Responses, and the bodies of errors.

use appsec_http::testing::fake::FakeResponse;
use bytes::Bytes;
use serde_json::{Value, json};

/// A response before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Response(pub(crate) FakeResponse);

const HTML: &str = "text/html; charset=utf-8";

impl Response {
    pub(crate) fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self(FakeResponse::new(status, content_type, body))
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self(FakeResponse::json(status, body))
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn accepted() -> Self {
        Self::json(202, &json!({}))
    }

    pub(crate) fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        Self(self.0.with_header(name, value))
    }

    /// The form of most error responses.
    pub(crate) fn reason(status: u16, code: &str, reason: &str) -> Self {
        Self::json(status, &json!({"reasons": [{"code": code, "reason": reason}]}))
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self::reason(404, "NOT_FOUND", &format!("Resource with ID '{id}' not found"))
    }

    pub(crate) fn invalid_id(id: &str) -> Self {
        Self::reason(400, "INVALID_ID_FORMAT", &format!("The provided ID of '{id}' must be UUID type"))
    }

    pub(crate) fn invalid_body(reason: &str) -> Self {
        Self::reason(400, "INVALID_JSON_BODY", reason)
    }

    /// The error for a required member of the body that is missing, by its path.
    pub(crate) fn unspecified(field: &str) -> Self {
        let value = json!({"message": "the value must be specified"});
        let field = json!({"field": field, "message_type": "VALUE_MUST_BE_SPECIFIED", "value": value});
        Self::json(400, &json!({"code": "INPUT_FORM_VIOLATION", "fields": [field]}))
    }

    pub(crate) fn not_allowed(reason: &str) -> Self {
        Self::reason(409, "NOT_ALLOWED", reason)
    }

    pub(crate) fn operation_forbidden(reason: &str) -> Self {
        Self::reason(403, "OPERATION_FORBIDDEN", reason)
    }

    /// The form of the gateway's responses.
    pub(crate) fn gateway(status: u16, error: &str, message: &str) -> Self {
        Self::json(status, &json!({"statusCode": status, "error": error, "message": message}))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::gateway(401, "Unauthorized", "Invalid credentials.")
    }

    pub(crate) fn server_error() -> Self {
        Self::gateway(500, "Internal Server Error", "An error occurred. Wait, and try your request again.")
    }

    pub(crate) fn unavailable() -> Self {
        Self::gateway(503, "Service Unavailable", "The service is unavailable.")
    }

    pub(crate) fn page(status: u16, title: &str) -> Self {
        let page =
            format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n");
        Self::raw(status, HTML, page)
    }

    /// A 429: always an HTML page, from the gateway in front of the service.
    pub(crate) fn too_many_requests(retry_after: impl Into<String>) -> Self {
        Self::page(429, "429 Too Many Requests").with_header("retry-after", retry_after)
    }

    /// The response for an export job or a chunk that has expired.
    pub(crate) fn expired() -> Self {
        Self::json(404, &json!({"status": 404, "message": "Export expired or not found"}))
    }
}
