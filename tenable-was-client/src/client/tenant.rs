//! The tenant: its server, licence and scanners, and the user of the API keys.

use appsec_http::{Request, Result};

use super::TenableWasClient;
use crate::model::{ScannerList, ServerProperties, ServerStatus, Session};

pub(super) fn server_status() -> Request {
    Request::get("tenable: get server status", "/server/status")
}

pub(super) fn server_properties() -> Request {
    Request::get("tenable: get server properties", "/server/properties")
}

pub(super) fn session() -> Request {
    Request::get("tenable: get session", "/session")
}

pub(super) fn scanners() -> Request {
    Request::get("tenable: list scanners", "/scanners")
}

impl TenableWasClient {
    /// Reads the status of the server. If the server is down, a gateway responds instead of it.
    ///
    /// # Errors
    /// `Server` in that case; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_server_status(&self) -> Result<ServerStatus> {
        self.http().json(&server_status()).await
    }

    /// Reads the properties of the server, and the licence.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_server_properties(&self) -> Result<ServerProperties> {
        self.http().json(&server_properties()).await
    }

    /// Reads the user of the API keys. The operation is not in the vendor's current document; its Python
    /// library marks it as deprecated.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_session(&self) -> Result<Session> {
        self.http().json(&session()).await
    }

    /// Lists the scanners and scanner groups of the whole platform; [`ScannerList::for_web_applications`]
    /// selects those that a configuration can use. Their linking keys are not kept.
    ///
    /// # Errors
    /// `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_scanners(&self) -> Result<ScannerList> {
        self.http().json(&scanners()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_match_the_platform() {
        assert_eq!(server_properties().path().as_str(), "/server/properties");
        assert_eq!(server_status().path().as_str(), "/server/status");
        assert_eq!(session().path().as_str(), "/session");
        assert_eq!(scanners().path().as_str(), "/scanners");
    }
}
