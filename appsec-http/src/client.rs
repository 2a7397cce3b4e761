//! The client that every vendor's client is built on.

use std::sync::Arc;

use appsec_core::{ConnectionStep, Result};
use serde::de::DeserializeOwned;
use url::Url;

use crate::base_url;
use crate::json::{ArrayPath, ElementStream};
use crate::options::HttpOptions;
use crate::request::Request;
use crate::response::Response;
use crate::service::{AuthHeader, Service};
use crate::stack::Stack;
use crate::stack::body::Body;
use crate::stack::retry::{Attempts, Failure, FailureClass};
use crate::stack::transport::{ReqwestTransport, Transport};

/// Sends requests to one service. Cheap to clone; do not wrap it in an `Arc`. Clones share limits, retry
/// budget and connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    stack: Arc<Stack>,
}

impl HttpClient {
    /// Returns a client for the service at `base_url`: https, or plain http to loopback, or elsewhere if
    /// the options allow it; without user, query and fragment.
    ///
    /// Nothing is sent. The base URL must come from the configuration, never from a response.
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
                "certificates are not verified: an attacker on the network path can read the credentials"
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

    /// Sends a request and returns its response, which is 2xx, whatever its body. The request is repeated
    /// by the rules of [`RetrySafety`](crate::RetrySafety).
    ///
    /// # Errors
    /// * The error that the service's function returns for a response other than 2xx; `Decode` for a
    ///   redirect, which is never followed.
    /// * `Transport` if no complete response came.
    /// * `Decode` for a body larger than the options allow.
    /// * `Deadline` after the call timeout.
    /// * `RateLimited`, with [`retry_after`](appsec_core::Error::retry_after), if the service asks for a
    ///   longer wait than the options or the call timeout allow.
    ///
    /// If a request with an effect may have had it without a clear response, the error is marked with
    /// [`outcome_unknown`](appsec_core::Error::outcome_unknown).
    pub async fn send(&self, request: &Request) -> Result<Response> {
        self.stack.call(request, Ok).await
    }

    /// Sends a request and decodes its response from JSON. A response without content is decoded as `null`.
    ///
    /// A read whose response is not JSON at all, as after a cut or from a gateway, is repeated like after a
    /// 502.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and `Decode` with the path of what could not be decoded.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let decode = |response: Response| {
            response.decode(request.operation()).map_err(|failure| Failure {
                error: failure.error,
                class: if failure.malformed { FailureClass::Transient } else { FailureClass::Permanent },
                outcome_unknown: true,
            })
        };
        self.stack.call(request, decode).await
    }

    /// Streams the elements of an array in the response, without holding the response in memory. Nothing is
    /// sent before the first element is requested.
    pub fn elements(&self, request: &Request, at: ArrayPath) -> ElementStream {
        ElementStream::new(Arc::clone(&self.stack), request.clone(), at)
    }

    /// Sends a request and returns the body of its response, which is 2xx, as it arrives. The request is
    /// not repeated once the body has begun.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn open(&self, request: &Request) -> Result<Body> {
        let mut attempts = Attempts::new(&self.stack.options.retry);
        let body = self.stack.open(request, &mut attempts).await?;
        self.stack.succeeded();
        Ok(body)
    }

    /// Diagnoses the connection to the service, layer by layer: configuration, DNS, TCP, proxy, TLS.
    /// Nothing is sent to the API itself.
    pub async fn probe(&self) -> Vec<ConnectionStep> {
        crate::probe::probe(&self.stack.base_url, &self.stack.options).await
    }
}
