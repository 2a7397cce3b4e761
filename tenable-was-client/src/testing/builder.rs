//! The builder of a fake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use appsec_core::Timestamp;
use appsec_http::testing::fake::Server;

use crate::testing::server::FakeTenableWas;
use crate::testing::state::export_script::ExportScript;
use crate::testing::state::{Licence, Settings, State};
use crate::testing::tenant::Tenant;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::dates::DEFAULT_NOW;
use crate::testing::tenant::scan_script::ScanScript;

/// A builder for [`FakeTenableWas`]. Defaults: an administrator with a licence, an empty tenant, and
/// exports and scans that complete.
#[derive(Debug, Clone)]
pub struct FakeBuilder {
    settings: Settings,
    tenant: Tenant,
    now: Option<Timestamp>,
    address: SocketAddr,
}

impl FakeBuilder {
    pub(crate) fn new() -> Self {
        let settings = Settings {
            access_key: "fake-access-key".to_owned(),
            secret_key: "fake-secret-key".to_owned(),
            role: 64,
            licence: Licence::Active,
            by_targets: true,
            scan_script: ScanScript::new(),
            export_script: ExportScript::new(),
            assets_per_chunk: None,
            exports_name_parents: false,
            max_active_scans: 25,
            report_polls: 0,
            write_looks: 1,
            wrapped_user_templates: false,
            latency: Duration::ZERO,
        };
        Self { settings, tenant: Tenant::new(), now: None, address: Server::ANYWHERE }
    }

    /// Sets the accepted keys. Default: `fake-access-key` and `fake-secret-key`.
    pub fn with_keys(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        (self.settings.access_key, self.settings.secret_key) = (access_key.into(), secret_key.into());
        self
    }

    /// Sets the role number of the keys' user: Basic 16, Scan Operator 24, Standard 32, Scan Manager 40,
    /// Administrator 64.
    pub fn with_role(mut self, permissions: u32) -> Self {
        self.settings.role = permissions;
        self
    }

    /// Sets the licence. Without an active one, scans cannot be launched and nothing can be exported
    /// (assumed); all else works.
    pub fn with_licence(mut self, licence: Licence) -> Self {
        self.settings.licence = licence;
        self
    }

    /// Sets the tenant.
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Adds a configuration to the tenant.
    pub fn with_config(mut self, config: FakeConfig) -> Self {
        self.tenant.configs.push(config);
        self
    }

    /// Removes the scan templates.
    pub fn without_templates(mut self) -> Self {
        self.tenant.templates.clear();
        self
    }

    /// Sets whether the undocumented search by target exists. Otherwise it responds with 404.
    pub fn with_by_targets(mut self, yes: bool) -> Self {
        self.settings.by_targets = yes;
        self
    }

    /// Sets the script of scans whose configuration has none of its own.
    pub fn with_scan_script(mut self, script: ScanScript) -> Self {
        self.settings.scan_script = script;
        self
    }

    /// Sets the script of exports.
    pub fn with_export_script(mut self, script: ExportScript) -> Self {
        self.settings.export_script = script;
        self
    }

    /// Sets the number of assets per export chunk, at least one. It overrides the request and may be below
    /// the service's minimum.
    pub fn with_assets_per_chunk(mut self, assets: usize) -> Self {
        self.settings.assets_per_chunk = Some(assets.max(1));
        self
    }

    /// Makes the records of exports name the parent of a multi-target scan instead of its child. The vendor
    /// does not say which of the two they name.
    pub fn with_parent_scans_in_exports(mut self) -> Self {
        self.settings.exports_name_parents = true;
        self
    }

    /// Sets how many scans may run at a time. A further launch is refused with 429. Default: 25.
    pub fn with_max_active_scans(mut self, scans: usize) -> Self {
        self.settings.max_active_scans = scans;
        self
    }

    /// Sets how many requests for a report fail after its scan has ended, before the report is ready.
    pub fn with_report_polls(mut self, polls: u32) -> Self {
        self.settings.report_polls = polls;
        self
    }

    /// Sets whether user templates are sent inside a `data` member, as in the vendor's schema, or flat, as
    /// in its examples.
    pub fn with_wrapped_user_templates(mut self, yes: bool) -> Self {
        self.settings.wrapped_user_templates = yes;
        self
    }

    /// Sets after how many reads of its tracking status or of configurations a change to a configuration
    /// takes effect. Default: 1.
    pub fn with_write_looks(mut self, looks: u32) -> Self {
        self.settings.write_looks = looks;
        self
    }

    /// Delays every response.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Starts the fake's clock at another time than [`DEFAULT_NOW`]. The tenant's dates are shifted by the
    /// difference.
    pub fn with_now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Sets the address to listen at. Default: a free port of loopback.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Starts the fake.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(self) -> io::Result<FakeTenableWas> {
        let address = self.address;
        FakeTenableWas::serve(self.into_state(), address).await
    }

    pub(crate) fn into_state(mut self) -> State {
        let default = Timestamp::from_second(DEFAULT_NOW).unwrap_or(Timestamp::UNIX_EPOCH);
        let now = self.now.unwrap_or(default);
        self.tenant.shift(now.as_second().saturating_sub(DEFAULT_NOW));
        State::new(self.settings, self.tenant, now)
    }
}

impl FakeTenableWas {
    /// A builder for a fake.
    pub fn builder() -> FakeBuilder {
        FakeBuilder::new()
    }

    /// Replaces the fake's state by that of the builder. The address stays; scripted replies and recorded
    /// calls are dropped.
    pub fn reset(&self, builder: FakeBuilder) {
        self.replace_state(builder.into_state());
    }
}
