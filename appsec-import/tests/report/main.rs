//! Each report format against the schema and the rules of its reader, with realistic and malformed findings.
#![cfg(feature = "report")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped, and figures, are said in print")]

mod defectdojo;
mod github;
mod gitlab;
mod memory;
mod occurrences;
mod parse;
mod samples;
mod schemas;
mod snapshots;
#[cfg(feature = "sqlite")]
mod stored;
