//! A fake of Invicti's platform, which has Invicti `AppSec` under a path of its own.

use std::io;

use appsec_http::testing::fake::{Call, Fake, FakeResponse, FakeService};
use serde_json::json;

use super::common::{Reply, Route, common};
use super::invicti::{Import, InvictiVulnerability};

/// A fake of Invicti's platform: a [`FakeInvicti`](super::FakeInvicti) under `/api/aspm/v1`, which takes the
/// token in `X-Auth` and says its version, as the vendor's KDT client expects it.
#[derive(Debug)]
pub struct FakeInvictiPlatform(Fake<Platform>);

common!(FakeInvictiPlatform);

struct Platform(Import);

impl FakeInvictiPlatform {
    /// Starts a fake that accepts this token.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(token: &str) -> io::Result<Self> {
        Fake::start(Platform(Import::new(token))).await.map(Self)
    }

    /// The vulnerabilities of a scan.
    pub fn vulnerabilities(
        &self,
        project: &str,
        tool: &str,
        branch: &str,
        meta: &str,
    ) -> Vec<InvictiVulnerability> {
        self.0.with_service(|Platform(service)| service.vulnerabilities([project, tool, branch, meta]))
    }
}

impl FakeService for Platform {
    type Route = Route;
    type Reply = Reply;
    const CREDENTIALS: &'static str = "x-auth";

    fn routes() -> impl Iterator<Item = (Route, &'static str, &'static str)> {
        [
            (Route::Push, "POST", "/api/aspm/v1/api/v2/vulnerabilities/import/dast"),
            (Route::Status, "GET", "/api/aspm/v1/api/v2/events/{id}/status"),
            (Route::Version, "GET", "/api/aspm/v1/core/version"),
        ]
        .into_iter()
    }

    fn is_authorized(&self, credentials: &str) -> bool {
        self.0.is_authorized(credentials)
    }

    fn respond(&mut self, call: &Call<Route>) -> FakeResponse {
        if call.route == Route::Version {
            // It needs no token.
            return FakeResponse::json(200, &json!({"version": "26.6"}));
        }
        self.0.respond(call)
    }
}
