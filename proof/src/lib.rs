//! Shared parts of the fault tests: services that fail at a chosen request, checks of the outcome, and a
//! search for leaked secrets.
//!
//! * [`TestBed`]: a fake service with known findings, behind a [`Gateway`] that applies [`ResponseFault`]s.
//! * [`read_all`] and [`import`]: one read of all findings, within a time limit.
//! * [`invariants`]: the three invariants that no fault may break.
//! * [`secrets`]: marker secrets, and a record of all log output.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod gateway;
pub mod invariants;
mod reading;
mod response_fault;
mod rng;
pub mod secrets;
mod test_bed;
mod timeouts;
mod vendor;

pub use gateway::{Gateway, When};
pub use reading::{ImportResult, Reading, TIME_LIMIT, import, read_all, read_query};
pub use response_fault::{Response, ResponseFault};
pub use rng::SeededRng;
pub use test_bed::TestBed;
pub use timeouts::Timeouts;
pub use vendor::Vendor;
