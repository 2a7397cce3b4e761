//! The responses of the service.

use appsec_http::testing::fake::FakeResponse;
use serde_json::{Value, json};

/// An error response with a `message`, the field that the vendor's own code reads.
pub(super) fn error(status: u16, message: &str) -> FakeResponse {
    FakeResponse::json(status, &json!({ "message": message }))
}

/// A web page.
pub(super) fn html(status: u16, title: &str) -> FakeResponse {
    let body = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
    FakeResponse::new(status, "text/html", body)
}

pub(super) fn text(status: u16, text: &'static str) -> FakeResponse {
    FakeResponse::new(status, "text/plain", text)
}

/// Renames the message of an error response.
pub(super) fn rename_message(response: &mut FakeResponse, name: &str) {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let Some(message) = body.get("message").filter(|_| response.status >= 400) else { return };
    let message = if name == "errors" { json!([message]) } else { message.clone() };
    response.body = json!({ name: message }).to_string().into();
}
