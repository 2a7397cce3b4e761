//! Salt's "Custom Webhook": verifying that a call comes from the tenant, and reading which host it
//! concerns.

use std::fmt;

use appsec_core::{BindTargetId, Error, ErrorKind, Result};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::map::host_target;
use crate::model::{scalar, text};

const VERIFY: &str = "salt: verify webhook";

/// Fields that may hold the host; the first is that of [`Webhook::TEMPLATE`], the second that of a
/// published integration.
const HOST: [&str; 6] = ["host", "reference", "hostname", "name", "domain", "fqdn"];
const EVENT: [&str; 2] = ["event", "eventType"];

/// What replaces the secret where a template repeats it.
const MASK: &str = "***";

/// Verifies the calls of Salt's "Custom Webhook".
///
/// Salt does not sign its calls. The URL, the headers and the body of the webhook are configured in Salt,
/// so the secret is a constant text in one of them: in the header `x-webhook-token`, or, if no header can
/// be set, in the body's field `token`. **Confirmed** as the practice of integrators; the names of the
/// header and the field are free and can be changed here.
///
/// Configure the webhook in Salt's dialog (Settings, Integrations, Custom Webhook; one integration for each
/// event type):
///
/// | field | value |
/// | --- | --- |
/// | URL | where your server calls [`verify`](Self::verify) |
/// | Method | `POST` |
/// | Headers | `x-webhook-token`, with the secret |
/// | Body | [`Webhook::TEMPLATE`] |
/// | Trigger Automatically | on |
///
/// A call is a hint: it may arrive twice, late, or never. Read the host's gaps again, and keep importing on
/// a schedule.
///
/// ```
/// use salt_client::Webhook;
///
/// # fn main() -> salt_client::Result<()> {
/// let webhook = Webhook::new("a long random text");
/// // The headers of any server: a `&http::HeaderMap`, or pairs of name and value.
/// let headers = [("X-Webhook-Token", "a long random text")];
/// let event = webhook.verify(headers, br#"{"host": "billing.example.test", "event": "PostureGap"}"#)?;
/// assert_eq!(event.host().as_deref(), Some("billing.example.test"));
/// assert!(webhook.verify([("x-webhook-token", "guessed")], b"{}").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Webhook {
    secret: SecretString,
    header: String,
    field: String,
}

impl Webhook {
    /// The default header that holds the secret.
    pub const HEADER: &str = "x-webhook-token";

    /// The default field of the body that holds the secret.
    pub const FIELD: &str = "token";

    /// The maximum length of a body, in bytes. Let the server read no more than this.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    /// The body to paste into Salt's dialog. `{{host}}` and `{{eventType}}` are the only placeholders that
    /// are known. Other fields may be added; they are kept. If no header holds the secret, add
    /// `"token": "the secret"`.
    pub const TEMPLATE: &str = r#"{"host": "{{host}}", "event": "{{eventType}}"}"#;

    /// Creates a verifier for this secret. Use a long random text. It is compared in constant time, which
    /// does not hide its length.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into(), header: Self::HEADER.to_owned(), field: Self::FIELD.to_owned() }
    }

    /// Sets the header that holds the secret, without regard to case. Default: [`HEADER`](Self::HEADER).
    pub fn with_header(mut self, name: impl Into<String>) -> Self {
        self.header = name.into();
        self
    }

    /// Sets the field of the body that holds the secret. Default: [`FIELD`](Self::FIELD).
    pub fn with_field(mut self, name: impl Into<String>) -> Self {
        self.field = name.into();
        self
    }

    /// Verifies a call and returns its event. If the header is present, only the header is compared;
    /// otherwise the field of the body is.
    ///
    /// # Errors
    /// * `Auth` if the secret is missing or wrong: respond with 401. The body is not checked then.
    /// * `InvalidRequest` for a body of more than [`MAX_BODY_BYTES`](Self::MAX_BODY_BYTES): respond with
    ///   413.
    /// * `Decode` for a body that is not a JSON object: respond with 400, and check the template.
    /// * `Config` if the configured secret is empty.
    pub fn verify<N, V>(&self, headers: impl IntoIterator<Item = (N, V)>, body: &[u8]) -> Result<WebhookEvent>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let refuse = |kind: ErrorKind, message: &str| Err(Error::new(kind, message).with_operation(VERIFY));
        let secret = self.secret.expose_secret();
        if secret.is_empty() {
            return refuse(ErrorKind::Config, "the webhook's secret is empty");
        }
        if body.len() > Self::MAX_BODY_BYTES {
            return refuse(ErrorKind::InvalidRequest, "the body is too large for a webhook");
        }
        let parsed: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
        let mut headers = headers.into_iter();
        let given = match headers.find(|(name, _)| name.as_ref().eq_ignore_ascii_case(&self.header)) {
            Some((_, value)) => Some(value.as_ref().to_vec()),
            None => parsed.as_ref().and_then(|body| scalar(body.get(&self.field)?)).map(String::into_bytes),
        };
        match given {
            None => return refuse(ErrorKind::Auth, "the call has no secret"),
            Some(given) if bool::from(given.ct_eq(secret.as_bytes())) => {}
            Some(_) => return refuse(ErrorKind::Auth, "the call's secret is wrong"),
        }
        let Some(mut fields) = parsed else {
            return refuse(ErrorKind::Decode, "the body is not a JSON object");
        };
        fields.remove(&self.field);
        mask_fields(&mut fields, secret);
        Ok(WebhookEvent { fields })
    }
}

/// Masks the secret in every text, name and number, in case a template repeats it.
fn mask_value(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if text.contains(secret) => *text = text.replace(secret, MASK),
        // A secret may consist of digits, and the field of the body may be a number.
        Value::Number(number) if number.to_string().contains(secret) => *value = MASK.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, secret)),
        Value::Object(map) => mask_fields(map, secret),
        _ => {}
    }
}

fn mask_fields(fields: &mut Map<String, Value>, secret: &str) {
    if fields.keys().any(|name| name.contains(secret)) {
        let named = std::mem::take(fields).into_iter();
        *fields = named.map(|(name, value)| (name.replace(secret, MASK), value)).collect();
    }
    fields.values_mut().for_each(|value| mask_value(value, secret));
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("header", &self.header)
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

/// The event of a webhook call, without the secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct WebhookEvent {
    fields: Map<String, Value>,
}

impl WebhookEvent {
    /// Returns every field of the body.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Returns the host that the event concerns, verbatim; `None` if it names none, as a test of the
    /// integration may.
    pub fn host(&self) -> Option<String> {
        self.text(&HOST)
    }

    /// Returns the type of the event, verbatim. The possible values are not published.
    pub fn event(&self) -> Option<String> {
        self.text(&EVENT)
    }

    /// Returns the bind target to read again: the host.
    ///
    /// ```no_run
    /// # use appsec_core::{DastApiScannerExt, FindingQuery};
    /// # async fn example(salt: salt_client::SaltClient, event: salt_client::WebhookEvent) -> salt_client::Result<()> {
    /// if let Some(host) = event.target() {
    ///     let (findings, coverage) = salt.collect_findings(FindingQuery::target(host)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn target(&self) -> Option<BindTargetId> {
        self.host().map(|host| host_target(&host))
    }

    /// Returns the first text under one of the keys, except a placeholder that was not filled.
    fn text(&self, keys: &[&str]) -> Option<String> {
        keys.iter()
            .filter_map(|key| text(&self.fields, &[key]))
            .find(|text| !(text.contains("{{") && text.contains("}}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::arbitrary::any_object;

    const SECRET: &str = "canary-7f3a-canary";
    const NONE: [(&str, &str); 0] = [];

    fn kind(result: Result<WebhookEvent>) -> ErrorKind {
        let error = result.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("7f3a"), "{error:?}");
        error.kind()
    }

    #[test]
    fn the_secret_is_in_the_header_or_in_the_body() {
        let webhook = Webhook::new(SECRET);
        let body = br#"{"host": "a.example", "event": "PostureGap"}"#;
        assert!(webhook.verify([("X-WEBHOOK-TOKEN", SECRET)], body).is_ok());
        assert!(webhook.verify([("accept", "*/*"), ("x-webhook-token", SECRET)], body).is_ok());
        let with_token = json!({"token": SECRET, "reference": "a.example"}).to_string();
        let event = webhook.verify(NONE, with_token.as_bytes()).unwrap();
        assert_eq!((event.host().as_deref(), event.event()), (Some("a.example"), None));
        assert_eq!(event.fields().len(), 1, "the secret is not kept");

        let other = Webhook::new(SECRET).with_header("x-rs-token").with_field("webhook_token");
        assert!(other.verify([("x-rs-token", SECRET)], body).is_ok());
        assert!(other.verify(NONE, json!({"webhook_token": SECRET}).to_string().as_bytes()).is_ok());
        for refused in [
            other.verify([("x-webhook-token", SECRET)], body),
            other.verify(NONE, with_token.as_bytes()),
            webhook.verify(NONE, body),
            webhook.verify(NONE, b"not json"),
            webhook.verify([("x-webhook-token", "wrong")], body),
            webhook.verify([("x-webhook-token", "")], body),
            webhook.verify([("x-webhook-token", "canary-7f3a-canar")], body),
            webhook.verify([("x-webhook-token", "wrong")], with_token.as_bytes()),
        ] {
            assert_eq!(kind(refused), ErrorKind::Auth);
        }
    }

    #[test]
    fn headers_of_the_http_crate_are_accepted() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-webhook-token", http::HeaderValue::from_static(SECRET));
        assert!(Webhook::new(SECRET).verify(&headers, b"{}").is_ok());
    }

    #[test]
    fn bodies_are_bounded_and_must_be_objects() {
        let webhook = Webhook::new(SECRET);
        let right = [("x-webhook-token", SECRET)];
        let huge = format!(r#"{{"host": "{}"}}"#, "a".repeat(Webhook::MAX_BODY_BYTES));
        assert_eq!(kind(webhook.verify(right, huge.as_bytes())), ErrorKind::InvalidRequest);
        let deep = "[".repeat(60_000);
        for body in ["", "null", "[]", "\"text\"", "{", "<html>", &deep] {
            assert_eq!(kind(webhook.verify(right, body.as_bytes())), ErrorKind::Decode, "{body:.20}");
        }
        assert_eq!(kind(Webhook::new("").verify([("x-webhook-token", "")], b"{}")), ErrorKind::Config);
    }

    #[test]
    fn only_a_filled_template_is_read() {
        let webhook = Webhook::new(SECRET);
        let right = [("x-webhook-token", SECRET)];
        let unfilled = webhook.verify(right, Webhook::TEMPLATE.as_bytes()).unwrap();
        assert_eq!((unfilled.host(), unfilled.event(), unfilled.target()), (None, None, None));
        let filled =
            Webhook::TEMPLATE.replace("{{host}}", "Billing.example").replace("{{eventType}}", "PostureGap");
        let event = webhook.verify(right, filled.as_bytes()).unwrap();
        assert_eq!(event.event().as_deref(), Some("PostureGap"));
        assert_eq!(event.target().unwrap().as_str(), "host:billing.example");
    }

    #[test]
    fn a_secret_that_a_template_repeats_is_masked() {
        let body = json!({"note": format!("with {SECRET}"), "more": [{"deep": SECRET}], "company_id": 7});
        let event =
            Webhook::new(SECRET).verify([("x-webhook-token", SECRET)], body.to_string().as_bytes()).unwrap();
        let shown = format!("{event:?} {}", serde_json::to_string(&event).unwrap());
        assert!(!shown.contains("7f3a"), "{shown}");
        assert!(shown.contains("company_id"), "{shown}");
        assert!(!format!("{:?}", Webhook::new(SECRET)).contains("7f3a"));
    }

    #[test]
    fn a_secret_in_names_and_numbers_is_masked() {
        let body = json!({SECRET: 1, "deep": [{format!("x-{SECRET}"): {"host": "a.example"}}]});
        let event =
            Webhook::new(SECRET).verify([("x-webhook-token", SECRET)], body.to_string().as_bytes()).unwrap();
        assert_eq!(event.fields()["***"], 1);
        assert_eq!(event.fields()["deep"], json!([{"x-***": {"host": "a.example"}}]));

        let body = br#"{"token": 4711123456789, "again": 4711123456789, "company_id": 7}"#;
        let event = Webhook::new("4711123456789").verify(NONE, body).unwrap();
        assert_eq!(Value::Object(event.fields().clone()), json!({"again": "***", "company_id": 7}));
    }

    proptest! {
        #[test]
        fn any_call_of_a_webhook_is_an_event_or_an_error_and_never_shows_the_secret(
            record in any_object(), body in "\\PC{0,60}", right in any::<bool>(),
        ) {
            let webhook = Webhook::new("canary-7f3a");
            let headers = [(Webhook::HEADER, if right { "canary-7f3a" } else { "wrong" })];
            let object = Value::Object(record).to_string();
            for body in [body, object.replace("N/A", "canary-7f3a"), object] {
                let result = webhook.verify(headers, body.as_bytes());
                prop_assert!(right || result.is_err());
                if let Ok(event) = &result {
                    let _ = (event.host(), event.event(), event.target());
                }
                prop_assert!(!format!("{result:?}").contains("7f3a"), "{:?}", result);
            }
        }
    }
}
