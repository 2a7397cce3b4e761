//! What a fake was asked, for a test to look at.

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Route {
    /// Every operation; for scripts.
    Any,
    /// None that the fake knows.
    Unknown,
    /// `GET /v1/apigovern/posture/gaps`
    ListGaps,
    /// `GET /v1/inventory/hosts`
    ListHosts,
    /// `GET /v1/inventory/endpoints`
    ListEndpoints,
}

impl Route {
    pub(super) fn of(method: &str, path: &str) -> Self {
        match (method, path) {
            ("GET", "/v1/apigovern/posture/gaps") => Self::ListGaps,
            ("GET", "/v1/inventory/hosts") => Self::ListHosts,
            ("GET", "/v1/inventory/endpoints") => Self::ListEndpoints,
            _ => Self::Unknown,
        }
    }
}

/// One request that a fake received. The token is not kept, only whether it was right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The operation.
    pub route: Route,
    /// The method, as in `GET`.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, pair by pair, decoded.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// True when the token was right.
    pub authorized: bool,
    /// The status that was answered; `None` while it was not.
    pub status: Option<u16>,
}

impl Call {
    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
