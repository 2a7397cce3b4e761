//! Webhooks as Salt sends them.

use std::{fmt, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::Webhook;

/// A call of a "Custom Webhook": the customer's template with its place-holders filled, and the customer's headers.
///
/// ```no_run
/// use salt_client::testing::WebhookCall;
///
/// # async fn example(url_of_the_server_under_test: &str) -> std::io::Result<()> {
/// let hook = WebhookCall::new("billing.example.test", "PostureGap").with_header("x-webhook-token", "the secret");
/// assert_eq!(hook.send(url_of_the_server_under_test).await?, 204);
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
    /// A call about a host, by [`Webhook::TEMPLATE`] and without a secret.
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

    /// The headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body: the template, its place-holders filled. Filled as text, as far as anybody knows: a quotation mark in a value breaks
    /// the JSON.
    pub fn body(&self) -> String {
        self.template.replace("{{host}}", &self.host).replace("{{eventType}}", &self.event)
    }

    /// Posts it to a plain `http` URL, once, and gives the status of the answer.
    ///
    /// # Errors
    /// For a URL without a host and port, a connection that fails, and what is no answer in HTTP.
    pub async fn send(&self, url: &str) -> io::Result<u16> {
        let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let url = Url::parse(url).map_err(|error| odd(&error.to_string()))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(odd("the URL has no host and port"));
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
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no answer in HTTP"))
    }
}

/// Shows neither headers nor template: one of them holds a secret.
impl fmt::Debug for WebhookCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookCall")
            .field("host", &self.host)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
