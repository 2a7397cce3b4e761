//! The client handle.

use std::fmt;
use std::sync::Arc;

use appsec_http::HttpClient;

use crate::export::{ExportOptions, PluginCache};
use crate::workflows::{Wait, WaitOptions};

/// A client of Tenable Web App Scanning.
///
/// It is cheap to clone; do not wrap it in an `Arc`. Clones share limits, retry budget and connections.
///
/// Each method of an operation makes one call. Listings are returned page by page;
/// [`TenableWasClient::configs`] and similar methods stream them.
#[derive(Clone)]
pub struct TenableWasClient {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: HttpClient,
    pub(crate) export: ExportOptions,
    pub(crate) waits: WaitOptions,
    pub(crate) plugin_cache: Arc<PluginCache>,
}

impl TenableWasClient {
    pub(crate) fn http(&self) -> &HttpClient {
        &self.inner.http
    }

    /// Starts a wait.
    pub(crate) fn wait(&self) -> Wait {
        Wait::new(self.inner.waits)
    }

    /// Returns the base URL, without credentials.
    pub fn base_url(&self) -> &str {
        self.http().base_url().as_str()
    }
}

impl fmt::Debug for TenableWasClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenableWasClient")
            .field("http", &self.inner.http)
            .field("export", &self.inner.export)
            .field("waits", &self.inner.waits)
            .finish_non_exhaustive()
    }
}
