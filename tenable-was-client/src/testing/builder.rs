//! How a fake is set up.

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

/// Sets up a [`FakeTenableWas`]. Unless told otherwise: an administrator with a licence, an empty tenant, exports and scans
/// that go well.
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
            max_active_scans: 25,
            report_polls: 0,
            write_looks: 1,
            wrapped_user_templates: false,
            latency: Duration::ZERO,
        };
        Self { settings, tenant: Tenant::new(), now: None, address: Server::ANYWHERE }
    }

    /// Sets the keys that it takes; `fake-access-key` and `fake-secret-key` unless told otherwise.
    pub fn with_keys(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        (self.settings.access_key, self.settings.secret_key) = (access_key.into(), secret_key.into());
        self
    }

    /// Sets the role number of the keys' user: Basic 16, Scan Operator 24, Standard 32, Scan Manager 40, Administrator 64.
    pub fn with_role(mut self, permissions: u32) -> Self {
        self.settings.role = permissions;
        self
    }

    /// Sets the licence. Without an active one nothing can be launched, which is assumed, and all else works.
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

    /// Lets the tenant have no scan templates.
    pub fn without_templates(mut self) -> Self {
        self.tenant.templates.clear();
        self
    }

    /// Sets whether the undocumented search by target exists; it answers 404 otherwise.
    pub fn with_by_targets(mut self, yes: bool) -> Self {
        self.settings.by_targets = yes;
        self
    }

    /// Sets how scans go, of configurations without a script of their own.
    pub fn with_scan_script(mut self, script: ScanScript) -> Self {
        self.settings.scan_script = script;
        self
    }

    /// Sets how exports go.
    pub fn with_export_script(mut self, script: ExportScript) -> Self {
        self.settings.export_script = script;
        self
    }

    /// Cuts exports into chunks of so many assets, at least one, whatever is asked for and below the service's bounds.
    pub fn with_assets_per_chunk(mut self, assets: usize) -> Self {
        self.settings.assets_per_chunk = Some(assets.max(1));
        self
    }

    /// Sets how many scans may be under way; a launch beyond answers 429. 25 unless told otherwise.
    pub fn with_max_active_scans(mut self, scans: usize) -> Self {
        self.settings.max_active_scans = scans;
        self
    }

    /// Sets how often a report is asked for in vain after its scan has ended.
    pub fn with_report_polls(mut self, polls: u32) -> Self {
        self.settings.report_polls = polls;
        self
    }

    /// Sends users' templates in a `data` of their own, as the vendor's schema has it, and not flat, as its examples have it.
    pub fn with_wrapped_user_templates(mut self, yes: bool) -> Self {
        self.settings.wrapped_user_templates = yes;
        self
    }

    /// Sets how often a change to a configuration is looked for in vain, by its tracking status or by reading configurations. 1 unless told
    /// otherwise.
    pub fn with_write_looks(mut self, looks: u32) -> Self {
        self.settings.write_looks = looks;
        self
    }

    /// Delays every answer.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Starts the fake's clock at another moment than [`DEFAULT_NOW`]. The tenant's dates move along.
    pub fn with_now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Listens at this address. A free port of loopback unless told otherwise.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Starts it.
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
    /// A fake to be filled and started.
    pub fn builder() -> FakeBuilder {
        FakeBuilder::new()
    }

    /// Replaces everything that the fake holds by what the builder says, at the same address. Scripted replies and recorded calls are gone.
    pub fn reset(&self, builder: FakeBuilder) {
        self.replace_state(builder.into_state());
    }
}
