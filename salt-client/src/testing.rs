//! A fake of Salt on loopback, for test suites and examples.
//!
//! [`FakeSalt`] follows the rules of the service as far as they are known: the bearer token, paging by
//! offset, both filters, the fields that `details=true` adds, the bodies of error responses. It serves the
//! data of a [`Tenant`], fails as scripted, and records its calls. It does not use the client's models: its
//! records are plain JSON, so that an error in the models cannot go unnoticed.
//!
//! Behavior that the service does not document is assumed, and can be changed: [`EndOffset`], [`Access`],
//! [`Quirk`], [`WriteBody`] and [`WriteResponse`], the sizes of pages, the statuses that are listed if none
//! is named.

mod builder;
mod calls;
mod demo;
mod fixture;
mod lists;
mod quirk;
mod raw_record;
mod reply;
mod response;
mod server;
mod settings;
mod tenant;
mod webhook_call;
mod writes;

pub use builder::FakeBuilder;
pub use calls::{Call, Route};
pub use demo::demo_tenant;
pub use fixture::SaltFixture;
pub use quirk::Quirk;
pub use raw_record::{failing_record, raw_record};
pub use reply::Reply;
pub use server::FakeSalt;
pub use settings::{Access, EndOffset, WriteBody, WriteResponse};
pub use tenant::{Tenant, asset, endpoint, gap, host, openapi};
pub use webhook_call::WebhookCall;

pub use appsec_http::testing::fake::When;
