//! A Tenable Web App Scanning on loopback, for test suites and examples.
//!
//! [`FakeTenableWas`] keeps the rules of the service: paging, roles, licence, the lives of scans and exports, the windows and
//! defaults of an export, the bodies of refusals, and the places where the service and its documentation part. It is filled
//! with a [`Tenant`], goes wrong as scripted, and records what it was asked. It knows nothing of the client's types: what it
//! sends is made of plain JSON, so that it cannot share a misreading with the client.
//!
//! What the fake does where the service is not documented is assumed; the places say so.

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
pub use reply::{Reply, When};
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
