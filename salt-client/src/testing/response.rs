//! A response of a fake before it is sent.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(super) struct FakeResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    content_type: &'static str,
    headers: Vec<(HeaderName, String)>,
}

impl FakeResponse {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, body, content_type: "application/json", headers: Vec::new() }
    }

    /// An error response with a `message`, the field that the vendor's own code reads.
    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "message": message }))
    }

    /// A web page.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let body =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
        Self { status, body: body.into_bytes(), content_type: "text/html", headers: Vec::new() }
    }

    /// A response without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, body: text.as_bytes().to_vec(), content_type: "text/plain", headers: Vec::new() }
    }

    /// Renames the message of an error response.
    pub(super) fn with_message_field(self, name: &str) -> Self {
        let message =
            serde_json::from_slice(&self.body).ok().and_then(|body: Value| body.get("message").cloned());
        let Some(message) = message.filter(|_| self.status >= 400) else { return self };
        let message = if name == "errors" { serde_json::json!([message]) } else { message };
        Self { body: serde_json::json!({ name: message }).to_string().into_bytes(), ..self }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::IM_A_TEAPOT);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
