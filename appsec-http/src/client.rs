//! The client that every vendor's client is built on.

use std::sync::Arc;

use appsec_core::{ConnectionStep, Result};
use serde::de::DeserializeOwned;
use url::Url;

use crate::base_url;
use crate::body::Body;
use crate::elements::{At, ElementStream};
use crate::options::HttpOptions;
use crate::request::Request;
use crate::response::Response;
use crate::retry::{Failure, Fate, Tries};
use crate::service::{AuthHeader, Service};
use crate::stack::Stack;
use crate::transport::{ReqwestTransport, Transport};

/// Sends requests to one service. Cheap to clone; do not wrap it in an `Arc`. Clones share limits, retry budget and
/// connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    stack: Arc<Stack>,
}

impl HttpClient {
    /// A client for the service at `base_url`: https, or plain http to loopback, or elsewhere where the options allow
    /// it; without user, query and fragment.
    ///
    /// Nothing is sent. The base URL must come from configuration, never from an answer.
    ///
    /// # Errors
    /// `Config` for a base URL or an option that cannot work.
    pub fn new(service: Service, base_url: &str, auth: AuthHeader, options: HttpOptions) -> Result<Self> {
        options.check()?;
        let base_url = base_url::parse(base_url, options.allow_plain_http)?;
        let user_agent = options.user_agent.as_deref().unwrap_or(&service.user_agent);
        let transport = ReqwestTransport::new(&options, &base_url, user_agent)?;
        if options.accept_invalid_certs {
            tracing::warn!(
                service = service.name,
                host = base_url.host_str(),
                "certificates are not verified: whoever is on the path can read the credentials"
            );
        }
        Ok(Self::with_transport(service, base_url, auth, options, Box::new(transport)))
    }

    pub(crate) fn with_transport(
        service: Service,
        base_url: Url,
        auth: AuthHeader,
        options: HttpOptions,
        transport: Box<dyn Transport>,
    ) -> Self {
        Self { stack: Arc::new(Stack::new(service, base_url, auth, options, transport)) }
    }

    #[cfg(test)]
    pub(crate) fn stack(&self) -> &Arc<Stack> {
        &self.stack
    }

    /// The base URL; its path ends in a slash.
    pub fn base_url(&self) -> &Url {
        &self.stack.base_url
    }

    /// The options the client was built with.
    pub fn options(&self) -> &HttpOptions {
        &self.stack.options
    }

    /// Sends a request and gives its answer, which is 2xx, whatever its body. Repeated by the rules of
    /// [`RetrySafety`](crate::RetrySafety).
    ///
    /// # Errors
    /// * What the service makes of an answer that is not 2xx; `Decode` for a redirect, which is never followed.
    /// * `Transport` where no answer came, or not all of it.
    /// * `Decode` for a body bigger than the options allow.
    /// * `Deadline` after the call timeout.
    /// * `RateLimited`, with [`retry_after`](appsec_core::Error::retry_after), where the service asks to wait longer
    ///   than the options or the call timeout allow.
    ///
    /// Where a request with an effect may have had it without a clear answer, the error says
    /// [`outcome_unknown`](appsec_core::Error::outcome_unknown).
    pub async fn send(&self, request: &Request) -> Result<Response> {
        self.stack.call(request, Ok).await
    }

    /// Sends a request and decodes its answer from JSON. An answer without content is decoded as `null`.
    ///
    /// A read whose answer is no JSON at all, as after a cut or from a gateway, is repeated like a 502.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and `Decode` with the path of what could not be decoded.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let decode = |answer: Response| {
            answer.decode(request.operation()).map_err(|undecodable| Failure {
                error: undecodable.error,
                fate: if undecodable.malformed { Fate::Passing } else { Fate::Final },
                unclear: true,
            })
        };
        self.stack.call(request, decode).await
    }

    /// Streams the elements of an array in the answer, without holding the answer. Nothing is sent before the first
    /// element is asked for.
    pub fn elements(&self, request: &Request, at: At) -> ElementStream {
        ElementStream::new(Arc::clone(&self.stack), request.clone(), at)
    }

    /// Sends a request and gives its answer's body, which is 2xx, as it arrives. What breaks after the head is not
    /// repeated.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn open(&self, request: &Request) -> Result<Body> {
        let mut tries = Tries::new(&self.stack.options.retry);
        let body = self.stack.open(request, &mut tries).await?;
        self.stack.succeeded();
        Ok(body)
    }

    /// Diagnoses the way to the service, layer by layer: configuration, DNS, TCP, proxy, TLS. Nothing is sent to the
    /// API itself.
    pub async fn probe(&self) -> Vec<ConnectionStep> {
        crate::probe::probe(&self.stack.base_url, &self.stack.options).await
    }
}
