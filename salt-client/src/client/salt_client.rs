//! The client itself: a cheap handle of the HTTP stack and the settings.

use std::sync::Arc;

use appsec_http::HttpClient;

use super::region::Region;
use crate::model::WriteBack;

/// A client of Salt's public API, and a [`DastApiScanner`](appsec_core::DastApiScanner). Cheap to clone; do
/// not wrap it in an `Arc`.
///
/// Salt publishes no reference of its API, so the documentation of each endpoint states how well it is
/// known.
///
/// * **Confirmed**: shown by clients that work with the service, or by the documents of companies that
///   integrate it.
/// * **Likely**: a strong inference from confirmed facts.
/// * **Speculative**: a guess.
///
/// Responses are read leniently: fields that differ from what is described here are kept, not lost.
#[derive(Debug, Clone)]
pub struct SaltClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: HttpClient,
    region: Region,
    settings: Settings,
}

/// The settings of the scanner. Single calls to an endpoint do not use them.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) page_size: u32,
    pub(crate) host_parameter: bool,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) write_back: Option<Arc<dyn WriteBack>>,
}

impl SaltClient {
    pub(crate) fn new(http: HttpClient, region: Region, settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { http, region, settings }) }
    }

    /// Returns the base URL. Its path ends in a slash and does not include the API version.
    pub fn base_url(&self) -> &str {
        self.inner.http.base_url().as_str()
    }

    /// Returns the region.
    pub fn region(&self) -> &Region {
        &self.inner.region
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.inner.http
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}
