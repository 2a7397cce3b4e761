//! Webhook calls as Salt sends them.

use std::{fmt, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::Webhook;

/// A call of a "Custom Webhook": the configured template with its placeholders filled, and the configured
/// headers.
///
/// ```no_run
/// use salt_client::testing::WebhookCall;
///
/// # async fn example(url_of_the_server_under_test: &str) -> std::io::Result<()> {
/// let call = WebhookCall::new("billing.example.test", "PostureGap").with_header("x-webhook-token", "the secret");
/// assert_eq!(call.send(url_of_the_server_under_test).await?, 204);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookCall {
    host: String,
    event: String,
    template: String,
    headers: Vec<(String, String)>,
}

impl WebhookCall {
    /// Creates a call about a host, with [`Webhook::TEMPLATE`] and without a secret.
    pub fn new(host: impl Into<String>, event: impl Into<String>) -> Self {
        let template = Webhook::TEMPLATE.to_owned();
        Self { host: host.into(), event: event.into(), template, headers: Vec::new() }
    }

    /// Sets the template.
    pub fn with_template(mut self, template: impl Into<String>) -> Self {
        self.template = template.into();
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the body: the template with its placeholders filled. It is assumed that they are filled as
    /// text, so that a quotation mark in a value breaks the JSON.
    pub fn body(&self) -> String {
        self.template.replace("{{host}}", &self.host).replace("{{eventType}}", &self.event)
    }

    /// Posts the call to a plain `http` URL, once, and returns the status of the response.
    ///
    /// # Errors
    /// For a URL without a host and port, a failed connection, or a response that is not HTTP.
    pub async fn send(&self, url: &str) -> io::Result<u16> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let url = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(invalid("the URL has no host and port"));
        };
        let body = self.body();
        let mut head = vec![
            format!("POST {} HTTP/1.1", url.path()),
            format!("host: {host}:{port}"),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
            "connection: close".to_owned(),
        ];
        head.extend(self.headers().map(|(name, value)| format!("{name}: {value}")));
        let request = format!("{}\r\n\r\n{body}", head.join("\r\n"));
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await?;
        let response = String::from_utf8_lossy(&response);
        let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP"))
    }
}

/// Omits headers and template, since one of them holds a secret.
impl fmt::Debug for WebhookCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookCall")
            .field("host", &self.host)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
