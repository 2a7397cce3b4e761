//! The client that every vendor's client is built on.

use std::sync::Arc;

use appsec_core::{ConnectionStep, Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use url::Url;

use crate::answer::Answer;
use crate::body::Body;
use crate::elements::{At, ElementStream};
use crate::options::HttpOptions;
use crate::request::Request;
use crate::service::{AuthHeader, Service};

/// Sends requests to one service. Cheap to clone; do not wrap it in an `Arc`.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
#[allow(dead_code, reason = "the signatures come first")]
struct Inner {
    service: Service,
    base_url: Url,
    auth: AuthHeader,
    options: HttpOptions,
}

impl HttpClient {
    /// A client for the service at `base_url`.
    ///
    /// # Errors
    /// `Config` for a base URL or an option that cannot work.
    pub fn new(service: Service, base_url: &str, auth: AuthHeader, options: HttpOptions) -> Result<Self> {
        options.check()?;
        let base_url =
            Url::parse(base_url).map_err(|_| Error::new(ErrorKind::Config, "the base URL is no URL"))?;
        Ok(Self { inner: Arc::new(Inner { service, base_url, auth, options }) })
    }

    /// The base URL; its path ends in a slash.
    pub fn base_url(&self) -> &Url {
        &self.inner.base_url
    }

    /// Sends a request and gives its answer, which is 2xx. Repeated by the rules of [`Repeat`](crate::Repeat).
    ///
    /// # Errors
    /// What the service makes of an answer that is not 2xx, `Transport` where none came, `Deadline` after the call
    /// timeout, `RateLimited` where the service asks to wait for longer than the options allow.
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        std::future::ready(Err(not_yet(request))).await
    }

    /// Sends a request and decodes its answer from JSON.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and `Decode`.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        std::future::ready(Err(not_yet(request))).await
    }

    /// Streams the elements of an array in the answer. Nothing is sent before the first element is asked for.
    pub fn elements(&self, request: &Request, at: At) -> ElementStream {
        ElementStream::new(self.clone(), request.clone(), at)
    }

    /// Sends a request and gives its answer's body, 2xx, as it arrives.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn open(&self, request: &Request) -> Result<Body> {
        std::future::ready(Err(not_yet(request))).await
    }

    /// Diagnoses the way to the service, layer by layer: configuration, DNS, TCP, proxy, TLS. Nothing is sent to the
    /// API itself.
    pub async fn probe(&self) -> Vec<ConnectionStep> {
        std::future::ready(Vec::new()).await
    }
}

fn not_yet(request: &Request) -> Error {
    Error::new(ErrorKind::Unexpected, "not built yet").with_operation(request.operation())
}
