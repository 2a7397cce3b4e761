//! How a fake is set up.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use appsec_http::testing::fake::Server;

use super::quirk::Quirk;
use super::server::FakeSalt;
use super::tenant::Tenant;
use super::writes::{WriteBody, WriteResponse};

/// What stands in `endOffset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndOffset {
    /// The offset after the last record sent: what is taken to be the truth.
    Exclusive,
    /// The same, as text.
    Text,
    /// Nothing: the field is not there.
    Missing,
    /// The offset that was asked for.
    Stuck,
    /// Less than the offset that was asked for.
    Smaller,
    /// So much beyond the last record sent.
    Ahead(u64),
}

/// What the token may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Everything.
    Viewer,
    /// Nothing: 403.
    Refused,
    /// Nothing: 200 with empty lists.
    Hidden,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) token: String,
    pub(super) end_offset: EndOffset,
    pub(super) access: Access,
    pub(super) page_cap: Option<u64>,
    pub(super) max_limit: Option<u64>,
    pub(super) default_statuses: Option<Vec<String>>,
    pub(super) host_parameter: bool,
    pub(super) quirks: Vec<Quirk>,
    pub(super) executor: bool,
    pub(super) write_body: WriteBody,
    pub(super) write_response: WriteResponse,
    pub(super) writes_ignored: bool,
    pub(super) latency: Duration,
}

/// Sets up a [`FakeSalt`]. Unless told otherwise: a token that may see and change everything, an empty tenant, no limit on pages.
#[derive(Debug, Clone)]
pub struct FakeBuilder {
    pub(super) settings: Settings,
    pub(super) tenant: Tenant,
    pub(super) address: SocketAddr,
}

impl FakeBuilder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            token: "fake-salt-token".to_owned(),
            end_offset: EndOffset::Exclusive,
            access: Access::Viewer,
            page_cap: None,
            max_limit: None,
            default_statuses: None,
            host_parameter: false,
            quirks: Vec::new(),
            executor: true,
            write_body: WriteBody::Object,
            write_response: WriteResponse::EmptyObject,
            writes_ignored: false,
            latency: Duration::ZERO,
        };
        Self { settings, tenant: Tenant::new(), address: Server::ANYWHERE }
    }

    /// Sets the token that it takes; `fake-salt-token` unless told otherwise.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into();
        self
    }

    /// Sets the tenant.
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Sets what stands in `endOffset`.
    pub fn with_end_offset(mut self, end_offset: EndOffset) -> Self {
        self.settings.end_offset = end_offset;
        self
    }

    /// Sets what the token may see.
    pub fn with_access(mut self, access: Access) -> Self {
        self.settings.access = access;
        self
    }

    /// Sends pages of at most so many records, whatever limit is asked for: a short page is then not the last.
    pub fn with_short_pages(mut self, records: u64) -> Self {
        self.settings.page_cap = Some(records);
        self
    }

    /// Refuses a higher limit with 400.
    pub fn with_max_limit(mut self, limit: u64) -> Self {
        self.settings.max_limit = Some(limit);
        self
    }

    /// Sends only gaps of these statuses when none is asked for.
    pub fn with_default_statuses<S: Into<String>>(mut self, statuses: impl IntoIterator<Item = S>) -> Self {
        self.settings.default_statuses = Some(statuses.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether the parameter `host` of the list of gaps is heeded. It is ignored unless told otherwise.
    pub fn with_host_parameter(mut self, yes: bool) -> Self {
        self.settings.host_parameter = yes;
        self
    }

    /// Sends what it has in another way than is assumed; told several times, in several ways at once.
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        self.settings.quirks.push(quirk);
        self
    }

    /// Sets whether the token has the scope `perm-executor`. Without it a status change is refused with 403.
    pub fn with_executor(mut self, yes: bool) -> Self {
        self.settings.executor = yes;
        self
    }

    /// Sets the body that a status change must have.
    pub fn with_write_body(mut self, body: WriteBody) -> Self {
        self.settings.write_body = body;
        self
    }

    /// Sets what is answered to a status change.
    pub fn with_write_response(mut self, answer: WriteResponse) -> Self {
        self.settings.write_response = answer;
        self
    }

    /// Sets whether a status change is answered as usual and changes nothing.
    pub fn with_writes_ignored(mut self, yes: bool) -> Self {
        self.settings.writes_ignored = yes;
        self
    }

    /// Delays every answer.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
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
    pub async fn start(self) -> io::Result<FakeSalt> {
        FakeSalt::serve(self).await
    }
}
