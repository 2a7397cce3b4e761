//! The vendor-specific facts that the stack needs, and the header with the credentials.

use std::fmt;

use appsec_core::{Error, ErrorKind, Result};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::response::Response;

/// The facts about a vendor's service that the stack needs.
///
/// ```
/// use appsec_http::{Response, Error, ErrorKind, Service};
///
/// fn to_error(response: &Response) -> Error {
///     let kind = if response.status() == 401 { ErrorKind::Auth } else { ErrorKind::Unexpected };
///     Error::new(kind, format!("the service returned {}", response.status()))
/// }
///
/// let service = Service::new("acme", "acme-client/1.0", to_error).with_request_id_header("x-request-id");
/// assert_eq!(service.name, "acme");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    /// A short name for logs, such as `salt`.
    pub name: &'static str,
    /// The `User-Agent` to send, unless the options set another.
    pub user_agent: String,
    /// Turns a response other than 2xx into an error. The stack adds status, operation, request id,
    /// attempts, the wait that the service asks for and, if the function sets none, an excerpt of the body.
    pub to_error: fn(&Response) -> Error,
    /// The response header with the id that the vendor's support asks for, in lower case.
    pub request_id_header: Option<&'static str>,
}

impl Service {
    /// Returns a service without a request id header.
    pub fn new(name: &'static str, user_agent: impl Into<String>, to_error: fn(&Response) -> Error) -> Self {
        Self { name, user_agent: user_agent.into(), to_error, request_id_header: None }
    }

    /// Names the header with the request id, in lower case.
    pub fn with_request_id_header(mut self, name: &'static str) -> Self {
        self.request_id_header = Some(name);
        self
    }
}

/// The header that carries the credentials. It is marked sensitive when sent and never printed.
#[derive(Clone)]
pub struct AuthHeader {
    name: HeaderName,
    value: SecretString,
}

impl AuthHeader {
    /// Returns a header of this name (in any case) and value.
    ///
    /// # Errors
    /// `Config` if the value is empty or has anything but visible ASCII and inner spaces, as when a line
    /// break was copied along with a key. The error does not show it.
    pub fn new(name: &str, value: SecretString) -> Result<Self> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::new(ErrorKind::Config, format!("{name:?} is not a header name")))?;
        let bytes = value.expose_secret().as_bytes();
        let problem = if bytes.is_empty() {
            Some("are empty")
        } else if bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
            Some("begin or end with a space")
        } else if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            Some("hold a line break or another character that no header can carry")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(Error::new(ErrorKind::Config, format!("the credentials {problem}"))),
            None => Ok(Self { name, value }),
        }
    }

    /// The header as it is sent.
    pub(crate) fn to_header(&self) -> Result<(HeaderName, HeaderValue)> {
        let mut value = HeaderValue::from_str(self.value.expose_secret())
            .map_err(|_| Error::new(ErrorKind::Config, "the credentials cannot be sent as a header"))?;
        value.set_sensitive(true);
        Ok((self.name.clone(), value))
    }

    /// The value, to recognise it in what the service echoes.
    pub(crate) fn value(&self) -> &SecretString {
        &self.value
    }
}

impl fmt::Debug for AuthHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_header_allows_is_refused_without_echoing_it() {
        for value in
            ["", " canary", "canary ", "canary\r\nx: y", "canary\n", "can\0ary", "canäry", "canary\u{7f}"]
        {
            let error = AuthHeader::new("authorization", value.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{value:?}");
            assert!(!format!("{error:?} {error}").contains("ary"), "{error:?}");
        }
    }

    #[test]
    fn the_value_is_sensitive_and_not_in_debug() {
        let header = AuthHeader::new("X-ApiKeys", "accessKey=canary;secretKey=canary".into()).unwrap();
        let (name, value) = header.to_header().unwrap();
        assert_eq!(name, "x-apikeys");
        assert!(value.is_sensitive());
        assert!(!format!("{header:?}{value:?}").contains("canary"));
    }
}
