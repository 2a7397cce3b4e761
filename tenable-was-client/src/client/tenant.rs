//! The tenant: its server and licence, and the user whose keys are used.

use appsec_http::{Request, Result};

use super::TenableWasClient;
use crate::model::{ServerProperties, Session};

fn server_properties() -> Request {
    Request::get("tenable: get server properties", "/server/properties")
}

fn session() -> Request {
    Request::get("tenable: get session", "/session")
}

impl TenableWasClient {
    /// What the server says of itself, and the licence.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_server_properties(&self) -> Result<ServerProperties> {
        self.http().json(&server_properties()).await
    }

    /// The user whose keys are used. Not in the vendor's current document; its Python library has it, marked as deprecated.
    ///
    /// # Errors
    /// Those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn get_session(&self) -> Result<Session> {
        self.http().json(&session()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_are_those_of_the_platform() {
        assert_eq!(server_properties().path().as_str(), "/server/properties");
        assert_eq!(session().path().as_str(), "/session");
    }
}
