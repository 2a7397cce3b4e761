//! A receiver of webhooks, and the signature of what it receives.

use std::fmt;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::AuthHeader;
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use crate::outbox::{EventKind, Message, Subscription};

/// The prefix of a secret.
const PREFIX: &str = "whsec_";

/// The number of bytes that a secret may have, as the specification says.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Headers that a user cannot set: those of the signature, the content and the connection.
const RESERVED: [&str; 9] = [
    HEADER_WEBHOOK_ID,
    HEADER_WEBHOOK_TIMESTAMP,
    HEADER_WEBHOOK_SIGNATURE,
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "user-agent",
];

/// A receiver of webhooks: its name in the outbox, its URL, its secret, and the events that it wants.
///
/// ```
/// use appsec_import::outbox::EventKind;
/// use appsec_import::webhook::Endpoint;
///
/// # fn main() -> appsec_core::Result<()> {
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// let endpoint = Endpoint::new("chat", "https://hooks.example/T0/hush", secret)?
///     .with_events([EventKind::FindingNew, EventKind::ImportPartial])
///     .with_header("x-tenant", "blue")?;
/// assert!(endpoint.subscription().wants(EventKind::FindingNew));
/// assert!(!format!("{endpoint:?}").contains("hush"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Endpoint {
    subscription: Subscription,
    pub(crate) url: SecretString,
    /// The current secret first, then the previous ones.
    secrets: Vec<SecretString>,
    pub(crate) headers: Vec<AuthHeader>,
}

impl Endpoint {
    /// An endpoint that wants every event.
    ///
    /// The URL is https, or plain http to loopback. Its path and query are treated as secret. The secret is
    /// `whsec_` followed by 24 to 64 bytes in base64, for instance the output of `openssl rand -base64
    /// 32`.
    ///
    /// # Errors
    /// `Config` for an empty name or a secret of another form. The
    /// [`Dispatcher`](crate::webhook::Dispatcher) checks the URL.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<SecretString>,
        secret: impl Into<SecretString>,
    ) -> Result<Self> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::new(ErrorKind::Config, "a webhook's endpoint has no name"));
        }
        let secret = check_secret(&name, secret.into())?;
        Ok(Self {
            subscription: Subscription::all_events(name),
            url: url.into(),
            secrets: vec![secret],
            headers: Vec::new(),
        })
    }

    /// Limits the endpoint to these events.
    pub fn with_events(mut self, events: impl IntoIterator<Item = EventKind>) -> Self {
        self.subscription = self.subscription.with_events(events);
        self
    }

    /// Signs with the previous secret too, while the receiver changes to the new one: a receiver that knows
    /// either of them accepts the message.
    ///
    /// # Errors
    /// `Config` for a secret of another form.
    pub fn with_previous_secret(mut self, secret: impl Into<SecretString>) -> Result<Self> {
        self.secrets.push(check_secret(self.name(), secret.into())?);
        Ok(self)
    }

    /// Adds a header to each message. Its value is treated as secret.
    ///
    /// # Errors
    /// `Config` for an invalid header, or one that the message or the connection sets.
    pub fn with_header(mut self, name: &str, value: impl Into<SecretString>) -> Result<Self> {
        let refused = |why: &str| {
            let message = format!("the webhook {:?} cannot send the header {name:?}: {why}", self.name());
            Error::new(ErrorKind::Config, message)
        };
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(refused("it is reserved"));
        }
        // The error of `AuthHeader` speaks of credentials, which this header may not be.
        let header = AuthHeader::new(name, value.into()).map_err(|_| {
            refused("the name must be a token, and the value visible ASCII with inner spaces")
        })?;
        self.headers.push(header);
        Ok(self)
    }

    /// Its name in the outbox.
    pub fn name(&self) -> &str {
        &self.subscription.endpoint
    }

    /// The events that it wants, which are needed to write messages to the outbox.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The headers with the id, the time and the signatures of a message.
    pub(crate) fn sign(&self, message: &Message, at: Timestamp) -> Result<Vec<(&'static str, String)>> {
        let id = message.id.as_str();
        let seconds = at.as_second();
        let signatures = self.secrets.iter().map(|secret| {
            let signature = webhook(secret)?.sign(id, seconds, message.payload.as_bytes());
            signature.map_err(|_| cannot_sign(self.name()))
        });
        let signatures = signatures.collect::<Result<Vec<_>>>()?.join(" ");
        Ok(vec![
            (HEADER_WEBHOOK_ID, id.to_owned()),
            (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signatures),
        ])
    }
}

/// Shows the name and the events. The URL may be a secret too.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name())
            .field("events", &self.subscription.events)
            .field("secrets", &self.secrets.len())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

fn webhook(secret: &SecretString) -> Result<Webhook> {
    // The error of `standardwebhooks` is dropped, since it quotes a byte of the secret.
    Webhook::new(secret.expose_secret()).map_err(|_| Error::new(ErrorKind::Config, "a secret is not base64"))
}

fn cannot_sign(endpoint: &str) -> Error {
    Error::new(ErrorKind::Config, format!("no message can be signed for the webhook {endpoint:?}"))
}

/// Checks the form of a secret.
fn check_secret(endpoint: &str, secret: SecretString) -> Result<SecretString> {
    let bytes = secret.expose_secret().strip_prefix(PREFIX).and_then(|text| {
        webhook(&secret).ok()?;
        Some(text.len() / 4 * 3 - text.bytes().filter(|byte| *byte == b'=').count())
    });
    if bytes.is_some_and(|bytes| SECRET_BYTES.contains(&bytes)) {
        return Ok(secret);
    }
    let message = format!(
        "the secret of the webhook {endpoint:?} is not `whsec_` followed by 24 to 64 bytes in base64"
    );
    Err(Error::new(ErrorKind::Config, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_secret_of_another_form_is_refused_without_echo() {
        assert!(Endpoint::new("e", "https://a.example", SECRET).is_ok());
        for secret in [
            "",
            "whsec_",
            "canary",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_canary==",
            "whsec_canary-canary-canary-canary-canar",
            "whsec_Y2FuYXJ5Y2FuYXJ5",
            "whsec_====",
        ] {
            let error = Endpoint::new("e", "https://a.example", secret).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{secret}");
            assert!(!format!("{error:?}").contains("anary"), "{error:?}");
        }
    }

    #[test]
    fn reserved_and_invalid_headers_are_refused() {
        let endpoint = Endpoint::new("e", "https://a.example", SECRET).unwrap();
        for name in ["Webhook-Id", "webhook-signature", "Content-Type", "HOST", "", "a b", "x\r\ny"] {
            assert_eq!(
                endpoint.clone().with_header(name, "v").unwrap_err().kind(),
                ErrorKind::Config,
                "{name}"
            );
        }
        let error = endpoint.with_header("x-key", "canary\r\n").unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
