//! Fakes of the services that reports are pushed to, for test suites.
//!
//! Each stores and closes findings as the real service does. It listens on loopback, on a port that the
//! system picks, and ends when it is dropped.

mod code_scanning;
mod common;
mod defectdojo;
mod invicti;
mod invicti_platform;
mod multipart;

pub use appsec_http::testing::fake::{Call, When};
pub use code_scanning::{CodeScanningAlert, FakeCodeScanning};
pub use common::{Reply, Route};
pub use defectdojo::{DefectDojoFinding, FakeDefectDojo};
pub use invicti::{FakeInvicti, InvictiVulnerability};
pub use invicti_platform::FakeInvictiPlatform;
