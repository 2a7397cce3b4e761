//! The builder of a fake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use appsec_http::testing::fake::Server;

use super::quirk::Quirk;
use super::server::FakeSalt;
use super::settings::{Access, EndOffset, Settings, WriteBody, WriteResponse};
use super::tenant::Tenant;

/// Builds a [`FakeSalt`]. By default, the token may read and change everything, the tenant is empty, and
/// pages have no maximum size.
#[derive(Debug, Clone)]
pub struct FakeBuilder {
    settings: Settings,
    tenant: Tenant,
    address: SocketAddr,
}

impl FakeBuilder {
    fn new() -> Self {
        Self { settings: Settings::default(), tenant: Tenant::new(), address: Server::ANYWHERE }
    }

    /// Sets the token that the fake accepts. Default: `fake-salt-token`.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into();
        self
    }

    /// Sets the tenant.
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Sets the value of `endOffset`. Default: [`EndOffset::Exclusive`].
    pub fn with_end_offset(mut self, end_offset: EndOffset) -> Self {
        self.settings.end_offset = end_offset;
        self
    }

    /// Sets what the token may read. Default: [`Access::Viewer`].
    pub fn with_access(mut self, access: Access) -> Self {
        self.settings.access = access;
        self
    }

    /// Sets the maximum number of records of a page, whatever limit is requested, so that a short page is
    /// not the last one.
    pub fn with_short_pages(mut self, records: u64) -> Self {
        self.settings.page_cap = Some(records);
        self
    }

    /// Sets the largest limit; a larger one is refused with 400.
    pub fn with_max_limit(mut self, limit: u64) -> Self {
        self.settings.max_limit = Some(limit);
        self
    }

    /// Sets the statuses whose gaps are listed if the request names none. Default: all.
    pub fn with_default_statuses<S: Into<String>>(mut self, statuses: impl IntoIterator<Item = S>) -> Self {
        self.settings.default_statuses = Some(statuses.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether the list of gaps is filtered by the parameter `host`. Default: false.
    pub fn with_host_parameter(mut self, yes: bool) -> Self {
        self.settings.host_parameter = yes;
        self
    }

    /// Adds a difference from the assumed behavior.
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        self.settings.quirks.push(quirk);
        self
    }

    /// Sets whether the token has the scope `perm-executor`. Without it, a status change is refused with
    /// 403. Default: true.
    pub fn with_executor(mut self, yes: bool) -> Self {
        self.settings.executor = yes;
        self
    }

    /// Sets the body that a status change must have. Default: [`WriteBody::Object`].
    pub fn with_write_body(mut self, body: WriteBody) -> Self {
        self.settings.write_body = body;
        self
    }

    /// Sets the response to an accepted status change. Default: [`WriteResponse::EmptyObject`].
    pub fn with_write_response(mut self, response: WriteResponse) -> Self {
        self.settings.write_response = response;
        self
    }

    /// Sets whether a status change receives the usual response but has no effect. Default: false.
    pub fn with_writes_ignored(mut self, yes: bool) -> Self {
        self.settings.writes_ignored = yes;
        self
    }

    /// Delays every response.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
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
    /// If the port cannot be bound.
    pub async fn start(self) -> io::Result<FakeSalt> {
        FakeSalt::serve(self.address, self.settings, self.tenant).await
    }
}

impl FakeSalt {
    /// Returns a builder.
    pub fn builder() -> FakeBuilder {
        FakeBuilder::new()
    }

    /// Resets the fake to the state of the builder, at the same address, without scripts and recorded
    /// calls.
    pub fn reset(&self, builder: FakeBuilder) {
        self.replace(builder.settings, builder.tenant);
    }
}
