//! The calls that a fake received.

use appsec_http::testing::fake::{self, FakeRoute};

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Route {
    /// Every operation; used in scripts.
    Any,
    /// No operation that the fake knows by name; see [`Tenant::documents`](super::Tenant::documents).
    Unknown,
    /// `GET /v1/apigovern/posture/gaps`
    ListGaps,
    /// `POST /v1/apigovern/posture/gaps`
    WriteStatus,
    /// `GET /v1/inventory/hosts`
    ListHosts,
    /// `GET /v1/inventory/endpoints`
    ListEndpoints,
    /// `GET /v1/cloud-connect/cloud-assets`
    ListAssets,
    /// `GET /v1/cloud-connect/cloud-assets/asset/{id}`
    GetAsset,
    /// `GET /v1/unified-inventory/oas-swagger`
    GetOpenApi,
}

pub(super) const ROUTES: [(Route, &str, &str); 7] = [
    (Route::ListGaps, "GET", "/v1/apigovern/posture/gaps"),
    (Route::WriteStatus, "POST", "/v1/apigovern/posture/gaps"),
    (Route::ListHosts, "GET", "/v1/inventory/hosts"),
    (Route::ListEndpoints, "GET", "/v1/inventory/endpoints"),
    (Route::ListAssets, "GET", "/v1/cloud-connect/cloud-assets"),
    (Route::GetAsset, "GET", "/v1/cloud-connect/cloud-assets/asset/{id}"),
    (Route::GetOpenApi, "GET", "/v1/unified-inventory/oas-swagger"),
];

impl FakeRoute for Route {
    const ANY: Self = Self::Any;
    const UNKNOWN: Self = Self::Unknown;
}

/// One request that a fake received. The token is not kept, only whether it was correct.
pub type Call = fake::Call<Route>;
