//! A fake Tenable Web App Scanning on loopback, for test suites and examples.
//!
//! [`FakeTenableWas`] follows the rules of the service: paging, roles, licence, the life cycles of scans
//! and exports, the time windows and defaults of an export, the bodies of errors, and the places where the
//! service differs from its documentation. It is filled with a [`Tenant`], fails as scripted, and records
//! the requests. It does not use the client's types: it sends plain JSON, so that it cannot share an error
//! with the client.
//!
//! Where the service is not documented, the fake's behaviour is assumed; the comments there say so.

mod builder;
mod demo;
mod endpoint;
mod endpoints;
mod fixture;
mod json;
mod reply;
mod response;
mod route;
mod scan_lifecycle;
mod server;
mod state;
mod tenant;

pub use builder::FakeBuilder;
pub use demo::demo_tenant;
pub use fixture::TenableWasFixture;
pub use reply::Reply;
pub use route::{Call, Route};
pub use server::FakeTenableWas;
pub use state::Licence;
pub use state::export_script::{ExportEnd, ExportScript};
pub use tenant::Tenant;
pub use tenant::application::FakeApplication;
pub use tenant::config::FakeConfig;
pub use tenant::dates::{DEFAULT_NOW, days_ago, hours_ago};
pub use tenant::finding::FakeFinding;
pub use tenant::folder::FakeFolder;
pub use tenant::plugin::FakePlugin;
pub use tenant::scan::{FakeNote, FakeScan};
pub use tenant::scan_script::{Advance, ScanScript};
pub use tenant::target::FakeTarget;
pub use tenant::template::FakeTemplate;
pub use tenant::user_template::FakeUserTemplate;

pub use appsec_http::testing::fake::When;
