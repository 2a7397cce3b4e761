//! A Salt on loopback, for test suites and examples.
//!
//! [`FakeSalt`] keeps the rules of the service as far as they are known: the bearer token, paging by offset, both filters, what
//! `details=true` adds, the bodies of refusals. It is filled with a [`Tenant`], goes wrong as scripted, and records what it was
//! asked. It knows nothing of the client's models: its records are plain JSON, so that it cannot share a misreading with the
//! client.
//!
//! Where the service is not documented the fake assumes, and can be told to do otherwise: [`EndOffset`], [`Access`], [`Quirk`],
//! [`WriteBody`] and [`WriteResponse`], the sizes of pages, the statuses that come when none is named.

mod builder;
mod calls;
mod demo;
mod faults;
mod fixture;
mod lists;
mod quirk;
mod response;
mod server;
mod tenant;
mod webhook_call;
mod writes;

pub use builder::{Access, EndOffset, FakeBuilder};
pub use calls::{Call, Route};
pub use demo::demo_tenant;
pub use faults::Reply;
pub use fixture::SaltFixture;
pub use quirk::Quirk;
pub use server::FakeSalt;
pub use tenant::{Tenant, asset, endpoint, gap, host, openapi};
pub use webhook_call::WebhookCall;
pub use writes::{WriteBody, WriteResponse};

pub use appsec_http::testing::fake::When;
