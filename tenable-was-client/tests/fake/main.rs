//! The fake keeps the service's rules, and what it sends has the documented and observed shapes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod calls;
mod catalogue;
mod configs;
mod demo;
mod exports;
mod faults;
mod findings;
mod fixture;
mod http;
mod scans;
mod shapes;
mod writes;
