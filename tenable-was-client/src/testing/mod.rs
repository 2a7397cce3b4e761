//! A Tenable Web App Scanning on loopback, for test suites and examples.
//!
//! [`FakeTenableWas`] keeps the rules of the service: paging, roles, licence, the lives of scans and exports, the windows and
//! defaults of an export, the bodies of refusals, and the places where the service and its documentation part. It is filled
//! with a [`Tenant`], goes wrong as scripted, and records what it was asked. It knows nothing of the client's types: what it
//! sends is made of plain JSON, so that it cannot share a misreading with the client.
//!
//! What the fake does where the service is not documented is assumed; the places say so.

mod applications;
mod builder;
mod calls;
mod config_exports;
mod config_form;
mod config_writes;
mod configs;
mod demo;
mod export_chunks;
mod export_filter;
mod exports;
mod faults;
mod filter;
mod finding;
mod fixture;
mod folders;
mod ids;
mod imports;
mod lifecycle;
mod paging;
mod plugins;
mod reply;
mod report_forms;
mod reports;
mod scans;
mod server;
mod state;
mod templates;
mod tenant;
mod user_templates;
mod vulnerabilities;
mod world;

pub use applications::FakeApplication;
pub use builder::FakeBuilder;
pub use calls::{Call, Route};
pub use demo::demo_tenant;
pub use exports::{ExportEnd, ExportScript};
pub use faults::{Answer, When};
pub use finding::FakeFinding;
pub use fixture::TenableWasFixture;
pub use folders::FakeFolder;
pub use lifecycle::{Pace, ScanScript};
pub use plugins::FakePlugin;
pub use server::FakeTenableWas;
pub use state::Licence;
pub use templates::FakeTemplate;
pub use user_templates::FakeUserTemplate;
pub use world::{DEFAULT_NOW, FakeConfig, FakeNote, FakeScan, FakeTarget, Tenant, days_ago, hours_ago};
