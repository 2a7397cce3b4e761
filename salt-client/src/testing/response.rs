//! An answer before it is sent.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(super) struct FakeResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    kind: &'static str,
    headers: Vec<(HeaderName, String)>,
}

impl FakeResponse {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, body, kind: "application/json", headers: Vec::new() }
    }

    /// The body of a refusal: a `message`, as the vendor's own code looks for it.
    pub(super) fn refusal(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "message": message }))
    }

    pub(super) fn page(status: u16, title: &str) -> Self {
        let body =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
        Self { status, body: body.into_bytes(), kind: "text/html", headers: Vec::new() }
    }

    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, body: text.as_bytes().to_vec(), kind: "text/plain", headers: Vec::new() }
    }

    /// A refusal with its words under another name.
    pub(super) fn renamed(self, name: &str) -> Self {
        let said =
            serde_json::from_slice(&self.body).ok().and_then(|body: Value| body.get("message").cloned());
        let Some(said) = said.filter(|_| self.status >= 400) else { return self };
        let said = if name == "errors" { serde_json::json!([said]) } else { said };
        Self { body: serde_json::json!({ name: said }).to_string().into_bytes(), ..self }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::IM_A_TEAPOT);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
